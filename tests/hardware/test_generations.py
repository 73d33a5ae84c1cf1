from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import computebill as cb
from computebill.base.errors import RequestError
from computebill.hardware.accelerators import (
    Accelerator,
    find_accelerator,
    list_accelerators,
    load_accelerator,
)
from computebill.hardware.figures import Figure
from computebill.hardware.fitted import Fitted
from computebill.hardware.generations import hardware_generation, is_ultra, multiprocessors, reach
from computebill.training.cases import Case, case_columns, case_setting
from computebill.training.efficiency import read_profile
from computebill.training.inputs import part_notes, step_assumptions
from computebill.training.parameters import bounded, priors
from computebill.training.software import choose_software
from computebill.training.step_time import estimate_step

PROFILES = Path(__file__).parents[2] / "hardware_profiles"
LLAMA_8B = {
    "model_type": "llama",
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 128256,
}


MODERN = choose_software("modern", None, None, is_given=True)


def case(accelerator: Accelerator, **changes: Any) -> Case:
    given: dict[str, Any] = {
        "architecture": cb.read_architecture(LLAMA_8B),
        "layout": cb.Layout(dp=4, tp=2, micro_batches=4),
        "accelerator": accelerator,
        "precision": accelerator.default_precision,
        "sequence": 4096,
        "software": "modern",
    }
    return Case(**{**given, **changes})


def without(name: str, *fields: str) -> Accelerator:
    """A shipped profile less some of its figures."""
    return find_accelerator(name).model_copy(update=dict.fromkeys(fields))


@pytest.mark.parametrize(
    ("name", "units"),
    # NVIDIA's architecture whitepapers: V100, A100 and H100, table "comparison of data center
    # GPUs"; Turing, GA102, Ada and RTX Blackwell, tables of their cards: multiprocessors, or CUDA
    # cores over 128 (64 on Turing). AMD's datasheets and ROCm's table: compute units. Google's and
    # AWS's documentation: matrix units, NeuronCores.
    [
        ("v100-sxm-32gb", 80),
        ("t4", 2560 / 64),
        ("quadro-rtx-6000", 4608 / 64),
        ("a100-sxm-80gb", 108),
        ("a10", 9216 / 128),
        ("rtx-3090", 10496 / 128),
        ("rtx-a6000", 10752 / 128),
        ("l4", 7424 / 128),
        ("l40s", 18176 / 128),
        ("rtx-6000-ada", 18176 / 128),
        ("rtx-4090", 16384 / 128),
        ("h100-sxm", 132),
        ("h100-pcie", 114),
        ("h20", 78),
        ("b200", 148),
        ("rtx-5090", 21760 / 128),
        ("rtx-pro-6000", 24064 / 128),
        ("mi250x", 220),
        ("mi300x", 304),
        ("mi355x", 256),
        ("tpu-v4", 8),
        ("tpu-v5e", 4),
        ("tpu-v6e", 2),
        ("gaudi2", 2),
        ("trainium2", 8),
    ],
)
def test_multiprocessors_are_those_of_the_datasheet(name: str, units: float) -> None:
    assert multiprocessors(find_accelerator(name)) == units


@pytest.mark.parametrize(
    ("name", "generation", "family"),
    [
        ("v100-sxm-32gb", "volta", "volta"),
        ("t4", "turing", "volta"),
        ("a100-sxm-80gb", "ampere", "ampere"),
        ("h100-sxm", "hopper", "hopper"),
        ("b200", "blackwell", "blackwell"),
        ("gb300-nvl72", "blackwell-ultra", "blackwell"),
        ("mi250x", "cdna2", "cdna"),
        ("mi300x", "cdna3", "cdna"),
        ("tpu-v6e", "tpu-v6", "tpu"),
        ("ascend-910b", "ascend", "other"),
        ("gtx-580", "fermi", "other"),
    ],
)
def test_a_part_has_the_generation_of_its_chip(name: str, generation: str, family: str) -> None:
    part = find_accelerator(name)
    assert part.generation is not None
    assert part.generation.value == generation
    assert hardware_generation(part) == family


def test_only_blackwell_ultra_is_ultra() -> None:
    ultra = {part.name for part in list_accelerators() if is_ultra(part)}
    assert ultra == {"b300", "gb300-nvl72"}


def test_every_shipped_part_knows_its_chip_or_says_that_nobody_does() -> None:
    for part in list_accelerators():
        assert part.generation is not None, part.name
        for field in ("multiprocessors", "node_size"):
            known = getattr(part, field) is not None
            assert known != (field in part.unknown), (part.name, field)
        links = part.links
        for where, link in (("inside", links.inside), ("across", links.across)):
            path = f"links.{where}.bandwidth_gb_s"
            assert (link.bandwidth_gb_s is not None) != (path in part.unknown), (part.name, path)


def test_a_node_lies_in_a_domain_or_holds_domains() -> None:
    for part in list_accelerators():
        domain = part.links.inside.domain_size
        if part.node_size and domain:
            node = part.node_size.value
            assert max(domain.value, node) % min(domain.value, node) == 0, part.name


def test_a_renamed_profile_predicts_the_same(tmp_path: Path) -> None:
    text = (PROFILES / "h100-sxm.toml").read_text(encoding="utf-8")
    (tmp_path / "home-rig.toml").write_text(
        text.replace('name = "h100-sxm"', 'name = "home-rig"'), encoding="utf-8"
    )
    known, rig = find_accelerator("h100-sxm"), load_accelerator(tmp_path / "home-rig.toml")
    for precision in ("bf16", "fp8"):
        one, other = (estimate_step(case(part, precision=precision)) for part in (known, rig))
        assert other.seconds == one.seconds
        assert (other.low, other.high) == (one.low, one.high)
        assert other.breakdown == one.breakdown


def test_a_part_without_a_generation_is_none_by_its_name() -> None:
    known = find_accelerator("h100-sxm")
    nameless = without("h100-sxm", "generation")  # still called h100-sxm
    assert hardware_generation(nameless) == "other"
    assert reach(nameless) == 1.0
    one, other = estimate_step(case(known)), estimate_step(case(nameless))
    assert one.is_seen
    assert not other.is_seen
    assert other.low < one.low < one.high < other.high
    assert part_notes(one) == ()
    (note,) = part_notes(other)
    assert "no generation" in note
    told = {each.name: each.value for each in step_assumptions(other, MODERN)}
    assert told["generation of the accelerator"] == "unknown"
    assert not any("generation of the acc" in each.name for each in step_assumptions(one, MODERN))


def test_own_efficiencies_speak_of_a_part_without_a_generation() -> None:
    nameless = without("h100-sxm", "generation")
    fitted = {"fitted": "2026-11-01", "rows": 9, "sources": ["mine"]}
    own = Fitted.model_validate({**fitted, "values": {"products.other.16": 0.7}})
    found = estimate_step(case(nameless.model_copy(update={"efficiency": own})))
    assert found.is_seen
    assert part_notes(found) == ()


def test_multiprocessors_that_nobody_knows_are_assumed_and_told() -> None:
    some = without("h100-sxm", "multiprocessors")
    assert multiprocessors(some) == 100
    (note,) = part_notes(estimate_step(case(some)))
    assert "multiprocessors: 100 are assumed" in note


def test_little_arithmetic_is_reached_and_much_is_not() -> None:
    # PyTorch's products reach 142 of 148 TFLOP/s on an H20, 798 of 989 on an H100. The other way:
    # 1243 of 1677 on a Gaudi 3, 419 of 432 on a Gaudi 2.
    h20, h100 = (find_accelerator(name) for name in ("h20", "h100-sxm"))
    assert reach(h20) / reach(h100) == pytest.approx((142.25 / 148) / (798 / 989.4))
    assert reach(h100) == pytest.approx(1.0, abs=0.001)
    assert reach(find_accelerator("gaudi3")) < 0.9 < 1.1 < reach(find_accelerator("gaudi2"))
    # From a Hopper's fitted share of the peak, towards 0.9.
    fitted = read_profile().values["products.hopper.16"]
    assert fitted < fitted * reach(h20) < 0.95


def test_products_of_8_bits_tell_where_none_of_16_was_measured() -> None:
    # DeepGEMM on an H800; cuBLAS on an H200, the middle of Hopper's.
    h800, h200 = (find_accelerator(name) for name in ("h800-sxm", "h200-sxm"))
    assert h800.measured_flop_per_s("bf16") is None
    assert reach(h800) == pytest.approx(1482.1 / 1453.4, rel=1e-3)
    assert reach(h200) == pytest.approx((794.5 / 989.4) / 0.807)


def test_power_below_that_of_the_peaks_slows_the_clock() -> None:
    # 500 of 700 W; power grows with the cube of the clock.
    slow, whole = (find_accelerator(name) for name in ("h100-96gb-hbm2e", "h100-sxm"))
    found = case_setting(case_columns([case(slow), case(whole)]), bounded(priors()))
    ours, theirs = found.device.peak.tolist()
    assert ours * reach(whole) / theirs == pytest.approx((500 / 700) ** (1 / 3))
    assert found.device.bytes_per_s.tolist() == [2.4e12, 3.35e12]


def test_latencies_of_a_profile_go_before_fitted_ones() -> None:
    plain = find_accelerator("h100-sxm")
    links = plain.links
    inside = links.inside.model_copy(update={"latency_us": Figure(value=7, source="vendor")})
    quick = plain.model_copy(update={"links": links.model_copy(update={"inside": inside})})
    found = case_setting(case_columns([case(plain), case(quick)]), bounded(priors()))
    fitted, own = found.links.latency.tolist()
    assert own == pytest.approx(7e-6)
    assert fitted == pytest.approx(3e-6)
    across = found.links.latency_across.tolist()
    assert across[0] == across[1]
    told = {each.name: each.value for each in step_assumptions(estimate_step(case(quick)), MODERN)}
    assert told["latency inside a domain"] == "7 us"


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("multiprocessors", "has a figure"),
        ("links.inside.bandwith", "is no figure's path"),
        ("links.inside.kind.x", "is no figure's path"),
    ],
)
def test_what_is_unknown_is_a_figure_that_is_not_there(
    tmp_path: Path, path: str, problem: str
) -> None:
    text = (PROFILES / "h100-sxm.toml").read_text(encoding="utf-8")
    file = tmp_path / "h100-sxm.toml"
    file.write_text(text.replace("unknown = [", f'unknown = ["{path}", '), encoding="utf-8")
    with pytest.raises(RequestError, match=f"unknown: '{path}' {problem}"):
        load_accelerator(file)


def test_a_case_of_a_cpu_has_no_units_to_fill() -> None:
    assert multiprocessors(without("h100-sxm", "multiprocessors", "generation")) == 100
    cpu = without("h100-sxm", "multiprocessors")
    assert cpu.generation is not None
    generation = cpu.generation.model_copy(update={"value": "cpu"})
    cpu = cpu.model_copy(update={"generation": generation})
    assert multiprocessors(cpu) == 0
    assert part_notes(estimate_step(case(cpu))) == ()
