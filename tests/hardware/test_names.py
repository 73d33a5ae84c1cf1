from __future__ import annotations

import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from computebill.base.errors import RequestError
from computebill.hardware.accelerators import Accelerator, find_accelerator, list_accelerators
from computebill.hardware.names import KnownName, compact, read_name, resolve_name

RESOLVED = {
    "h100": "h100-sxm",
    "H100 SXM": "h100-sxm",
    "H100-SXM5-80GB": "h100-sxm",
    "h100-sxm5-80gb": "h100-sxm",
    "NVIDIA H100 SXM5 80GB": "h100-sxm",
    "Nvidia H100 80G": "h100-sxm",
    "NVIDIA H100 80GB HBM3": "h100-sxm",
    "DGX H100": "h100-sxm",
    "H100 PCIe (80GB)": "h100-pcie",
    "NVIDIA H100 PCIe": "h100-pcie",
    "H100 PCI-Express Gen5": "h100-pcie",
    "H100 PCIe 5 80GB": "h100-pcie",
    "NVIDIA H100 80GB HBM2e": "h100-pcie",
    "H100 NVL": "h100-nvl",
    "h100 94gb": "h100-nvl",
    "H100-96GB-HBM2e-500W": "h100-96gb-hbm2e",
    "h200": "h200-sxm",
    "H200 NVL": "h200-nvl",
    "NVIDIA H200": "h200-sxm",
    "h800": "h800-sxm",
    "a800": "a800-sxm",
    "NVIDIA HGX H20": "h20",
    "NVIDIA GH200": "gh200",
    "NVIDIA GH200 480GB": "gh200",
    "b200": "b200",
    "NVIDIA B200 GPUs": "b200",
    "B200 192GB": "b200",
    "GB200": "gb200-nvl72",
    "GB200 NVL72": "gb200-nvl72",
    "NVIDIA GB200 (per GPU)": "gb200-nvl72",
    "NVIDIA B300 (Blackwell Ultra)": "b300",
    "NVIDIA A100 SXM4 80 GB": "a100-sxm-80gb",
    "NVIDIA A100-SXM4-80GB": "a100-sxm-80gb",
    "NVIDIA A100-SXM4-40GB": "a100-sxm-40gb",
    "A100-80GB": "a100-sxm-80gb",
    "a100 80": "a100-sxm-80gb",
    "a100 80gb pcie": "a100-pcie-80gb",
    "NVIDIA A100-PCIE-40GB": "a100-pcie-40gb",
    "v100": "v100-sxm-32gb",
    "Tesla V100-SXM2-32GB": "v100-sxm-32gb",
    "Tesla V100-PCIE-32GB": "v100-pcie-32gb",
    "V100 PCIe": "v100-pcie-32gb",
    "V100 16GB": "v100-sxm-16gb",
    "Tesla V100-SXM2-16GB": "v100-sxm-16gb",
    "NVIDIA Tesla V100 DGXS 16 GB": "v100-sxm-16gb",
    "Tesla V100-PCIE-16GB": "v100-pcie-16gb",
    "Tesla V100S-PCIE-32GB": "v100s-pcie-32gb",
    "NVIDIA A800": "a800-sxm",
    "NVIDIA A800 PCIe 80 GB": "a800-pcie-80gb",
    "NVIDIA P100": "p100-sxm",
    "Tesla P100-SXM2-16GB": "p100-sxm",
    "NVIDIA P100 PCIe 16GB": "p100-pcie-16gb",
    "NVIDIA Tesla K80": "k80",
    "NVIDIA Tesla K40c": "k40",
    "NVIDIA GeForce GTX 580": "gtx-580",
    "GTX 1080 Ti": "gtx-1080-ti",
    "NVIDIA GeForce GTX TITAN X": "gtx-titan-x",
    "NVIDIA GeForce GTX TITAN": "gtx-titan",
    "NVIDIA GeForce RTX 2080 Ti 11GB": "rtx-2080-ti",
    "NVIDIA Quadro RTX 6000": "quadro-rtx-6000",
    "Google TPU v1": "tpu-v1",
    "Huawei Ascend 910": "ascend-910",
    "A10": "a10",
    "A10G": "a10g",
    "DGX Spark": "gb10",
    "L4": "l4",
    "L40S": "l40s",
    "Tesla T4": "t4",
    "RTX 4090": "rtx-4090",
    "GeForce RTX 4090": "rtx-4090",
    "RTX4090": "rtx-4090",
    "RTX A6000": "rtx-a6000",
    "RTX 6000 Ada": "rtx-6000-ada",
    "NVIDIA RTX 6000 Ada Generation": "rtx-6000-ada",
    "RTX PRO 6000": "rtx-pro-6000",
    "AMD Instinct MI300X": "mi300x",
    "MI300X-192GB": "mi300x",
    "AMD Instinct MI300X OAM": "mi300x",
    "Google TPU v4": "tpu-v4",
    "Cloud TPU v4": "tpu-v4",
    "TPUv5p": "tpu-v5p",
    "TPU v5 lite": "tpu-v5e",
    "Trillium": "tpu-v6e",
    "Google TPU v6e Trillium": "tpu-v6e",
    "Ironwood": "tpu-v7x",
    "Trainium2": "trainium2",
    "AWS Trainium": "trainium1",
    "trn2": "trainium2",
    "Intel Habana Gaudi2": "gaudi2",
    "Gaudi 3": "gaudi3",
    "Huawei Ascend 910B": "ascend-910b",
    "Ascend910C": "ascend-910c",
    "  h100_sxm  ": "h100-sxm",
    "Ｈ１００ SXM": "h100-sxm",
}


@pytest.mark.parametrize(("name", "profile"), RESOLVED.items())
def test_names_in_use_resolve(name: str, profile: str) -> None:
    assert find_accelerator(name).name == profile


@pytest.mark.parametrize(
    ("name", "candidates"),
    [
        ("a100", ["a100-sxm-40gb", "a100-sxm-80gb"]),
        ("NVIDIA A100", ["a100-sxm-40gb", "a100-sxm-80gb"]),
        ("A100 SXM", ["a100-sxm-40gb", "a100-sxm-80gb"]),
        ("A100 PCIe", ["a100-pcie-40gb", "a100-pcie-80gb"]),
    ],
)
def test_an_ambiguous_name_lists_its_candidates(name: str, candidates: list[str]) -> None:
    with pytest.raises(RequestError, match="more than one accelerator") as caught:
        find_accelerator(name)
    assert all(candidate in caught.value.problem for candidate in candidates)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("H100 96GB", "h100-sxm"),
        ("V100 64GB", "v100-sxm-32gb"),
        ("P100 12GB", "p100-pcie-16gb"),
        ("GTX 1080", "gtx-1080-ti"),
        ("Titan X", "gtx-titan-x"),
        ("K80 12GB", "k80"),
        ("L40", "l40s"),
        ("RTX 6000", "rtx-6000-ada"),
        ("MI300", "mi300x"),
        ("MI300A", "mi300x"),
        ("TPU v5", "tpu-v5p"),
        ("H200 NVL2", "h200-sxm"),
        ("H800 PCIe", "h800-sxm"),
        ("GB200 NVL4", "gb200-nvl72"),
        ("H20 141GB", "h20"),
        ("A100 40GB 80GB", "a100-sxm-40gb"),
    ],
)
def test_a_part_that_is_not_known_is_not_taken_for_another(name: str, near: str) -> None:
    with pytest.raises(RequestError, match="is not a known accelerator; nearest: ") as caught:
        find_accelerator(name)
    assert near in caught.value.problem
    assert "computebill hardware list" in caught.value.problem


def test_a_number_before_a_part_is_asked_for_apart() -> None:
    with pytest.raises(RequestError, match="give name and number apart") as caught:
        find_accelerator("8x H100")
    assert "--accelerator 'H100' --count 8" in caught.value.problem


@pytest.mark.parametrize("name", ["", " ", "NVIDIA", "GPU", "80GB", "SXM", "no-such-chip"])
def test_a_name_without_a_part_is_unknown(name: str) -> None:
    with pytest.raises(RequestError, match="is not a known accelerator"):
        find_accelerator(name)


@pytest.mark.parametrize("name", ["a/b", "x.toml", "\0/", "/" + "x" * 5000, "\ud800/x", "."])
def test_a_path_that_is_no_profile_is_a_request_error(name: str) -> None:
    with pytest.raises(RequestError):
        find_accelerator(name)


def test_no_two_profiles_share_a_spelling() -> None:
    spellings = [
        compact(text)
        for item in list_accelerators()
        for text in {compact(text) for text in (item.name, item.title, *item.aliases)}
    ]
    assert len(spellings) == len(set(spellings))


def test_every_alias_resolves_to_its_own_profile() -> None:
    for item in list_accelerators():
        for text in (item.name, item.title, *item.aliases):
            assert find_accelerator(text).name == item.name


def test_names_are_read_into_parts() -> None:
    parts = read_name("NVIDIA H100 PCIe Gen5 80 GB (HBM2e)")
    assert (parts.family, set(parts.forms), set(parts.sizes)) == ("h100", {"pcie"}, {80})
    assert read_name("A10G").sizes == frozenset()
    assert read_name("NVLink").forms == frozenset()


def test_two_profiles_of_one_title_are_ambiguous() -> None:
    known = [KnownName("one", "My chip"), KnownName("two", "My chip")]
    with pytest.raises(RequestError, match="more than one accelerator: one, two"):
        resolve_name("my chip", known)


@st.composite
def respelled(draw: st.DrawFn) -> tuple[str, Accelerator]:
    """A title with its case changed and its separators replaced."""
    item = draw(st.sampled_from(list_accelerators()))
    words = item.title.split()
    gaps = st.text(alphabet=" -_,.()", max_size=3)
    pieces = [draw(gaps)]
    for word in words:
        flips = draw(st.lists(st.booleans(), min_size=len(word), max_size=len(word)))
        letters = zip(word, flips, strict=True)
        pieces += ["".join(c.upper() if flip else c.lower() for c, flip in letters), draw(gaps)]
    return "".join(itertools.chain(pieces)), item


@given(respelled())
def test_case_and_separators_do_not_matter(case: tuple[str, Accelerator]) -> None:
    text, item = case
    assert find_accelerator(text).name == item.name


@given(st.text(alphabet=st.characters(), max_size=40))
def test_any_text_resolves_or_is_a_request_error(text: str) -> None:
    with contextlib.suppress(RequestError):
        assert find_accelerator(text).name


@given(st.sampled_from(list(RESOLVED)), st.integers(1, 999))
def test_a_wrong_memory_size_never_resolves(name: str, size: int) -> None:
    try:
        found = find_accelerator(f"{name.strip()} {size}GB")
    except RequestError:
        return
    sizes = {round(found.memory_gb.value)}.union(*(read_name(a).sizes for a in found.aliases))
    assert size in sizes
