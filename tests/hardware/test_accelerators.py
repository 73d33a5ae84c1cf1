from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from computebill.base.errors import RequestError
from computebill.hardware import accelerators
from computebill.hardware.accelerators import (
    Accelerator,
    find_accelerator,
    list_accelerators,
    load_accelerator,
)

SHIPPED = 99

SMALL = """
name = "mine"
title = "My chip"
vendor = "Me"
memory_gb = { value = 80, source = "sheet" }
memory_bandwidth_gb_s = { value = 2000, source = "sheet" }
[peak_tflops]
bf16 = { value = 500, source = "sheet" }
[sources]
sheet = { title = "A datasheet", licence = "facts only" }
"""


@pytest.fixture(autouse=True)
def no_profiles_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMPUTEBILL_PROFILES", raising=False)


def shipped() -> list[Accelerator]:
    return list_accelerators()


def test_every_profile_ships_and_is_named_after_its_file() -> None:
    assert len(shipped()) == SHIPPED
    assert len({item.title for item in shipped()}) == SHIPPED


# Vendor datasheets; dense, TFLOP/s.
DATASHEET_PEAKS = [
    ("gtx-580", "fp32", 1.58),
    ("k80", "fp32", 8.74),
    ("gtx-1080-ti", "fp32", 11.3),
    ("p100-sxm", "fp16", 21.2),
    ("p100-pcie-16gb", "fp16", 18.7),
    ("v100-sxm-16gb", "fp16", 125),
    ("v100-sxm-32gb", "fp16", 125),
    ("t4", "fp16", 65),
    ("a100-sxm-80gb", "bf16", 312),
    ("a100-pcie-40gb", "tf32", 156),
    ("h100-sxm", "bf16", 989.4),
    ("h100-sxm", "fp8", 1978.9),
    ("h100-pcie", "bf16", 756),
    ("h20", "bf16", 148),
    ("l4", "bf16", 121),
    ("l40s", "fp8", 733),
    ("rtx-4090", "bf16", 165.2),
    ("a40", "bf16", 149.7),
    ("l20", "bf16", 119.5),
    ("ascend-910b", "bf16", 376),
    ("b200", "bf16", 2250),
    ("gb200-nvl72", "fp8", 5000),
    ("mi250x", "bf16", 383),
    ("mi300x", "bf16", 1307.4),
    ("tpu-v3", "bf16", 123),
    ("tpu-v4", "bf16", 275),
    ("tpu-v5e", "bf16", 197),
    ("tpu-v5p", "bf16", 459),
    ("tpu-v6e", "bf16", 918),
    ("gaudi2", "bf16", 432),
    ("trainium2", "bf16", 667),
]


@pytest.mark.parametrize(("name", "precision", "tflops"), DATASHEET_PEAKS)
def test_peaks_are_the_vendors_dense_figures(name: str, precision: str, tflops: float) -> None:
    assert find_accelerator(name).peak_flop_per_s(precision) == pytest.approx(tflops * 1e12)


@pytest.mark.parametrize(
    ("name", "memory_gb", "gb_s", "watt"),
    [
        ("a100-sxm-80gb", 80, 2039, 400),
        ("h100-sxm", 80, 3350, 700),
        ("h200-sxm", 141, 4800, 700),
        ("mi300x", 192, 5300, 750),
        ("l4", 24, 300, 72),
        ("a40", 48, 696, 300),
        ("l20", 48, 864, 275),
        ("rtx-3060", 12, 360, 170),
        ("rtx-3080", 10, 760, 320),
        ("h200-nvl", 141, 4800, 600),
        ("gb10", 128, 273, 140),
    ],
)
def test_memory_and_power_are_the_vendors(
    name: str, memory_gb: float, gb_s: float, watt: float
) -> None:
    part = find_accelerator(name)
    assert part.memory_gb.value == memory_gb
    assert part.memory_bandwidth_gb_s.value == gb_s
    assert part.power.chip_watt is not None
    assert part.power.chip_watt.value == watt


def test_a_narrower_format_is_never_slower() -> None:
    for part in shipped():
        peaks = part.peak_tflops
        ladder = [peaks.tf32, peaks.fp16 or peaks.bf16, peaks.fp8, peaks.fp4]
        rates = [figure.value for figure in ladder if figure]
        assert rates == sorted(rates), part.name


def test_peaks_stand_in_a_physical_relation_to_memory() -> None:
    for part in shipped():
        if part.name == "tpu-v1":  # 8-bit integers beside DDR3
            continue
        # Multiply-accumulate units for matrices came in 2017, memory beyond 2 GB before.
        matrices = part.release_date is None or part.release_date.value > dt.date(2017, 4, 30)
        matrices = matrices and part.vendor != "Apple"
        rate = part.peak_flop_per_s(part.default_precision)
        flop_per_byte = rate / (part.memory_bandwidth_gb_s.value * 1e9)
        assert (30 if matrices else 4) < flop_per_byte < (600 if matrices else 40), part.name
        most = 160 if part.memory_gb.value <= 3 else 120
        # Memory that a processor shares is large for its bandwidth.
        least = 1 if part.form_factor == "SoC" else 10
        assert least < part.memory_bandwidth_gb_s.value / part.memory_gb.value < most, part.name


def test_links_are_slower_than_memory_and_faster_inside_than_across() -> None:
    for part in shipped():
        inside = part.links.inside.bandwidth_gb_s
        across = part.links.across.bandwidth_gb_s
        if inside:
            assert inside.value < part.memory_bandwidth_gb_s.value, part.name
        if inside and across:
            assert across.value < inside.value, part.name


def test_a_server_draws_more_than_its_chips() -> None:
    for part in shipped():
        chip, server = part.power.chip_watt, part.power.server_watt_per_chip
        if chip and server:
            assert chip.value < server.value < 3 * chip.value, part.name


def test_no_measured_product_beats_its_peak() -> None:
    for part in shipped():
        for precision in ("tf32", "fp16", "bf16", "fp8"):
            measured = part.measured_flop_per_s(precision)
            if measured is not None:
                # GeForce cards run above the clock of their datasheet where power allows.
                most = 1.15 if "GeForce" in part.title else 1
                assert 0.4 < measured / part.peak_flop_per_s(precision) < most, part.name


def test_only_announced_parts_lack_a_release_date() -> None:
    for part in shipped():
        assert part.announced == (part.release_date is None), part.name
        if part.release_date:
            assert dt.date(2009, 1, 1) < part.release_date.value < dt.date(2027, 1, 1)


def test_announced_and_single_source_figures_are_marked() -> None:
    for name in ("rubin-nvl72", "mi455x", "b100", "ascend-910b", "h800-sxm", "rtx-pro-6000"):
        part = find_accelerator(name)
        figures = [c for path, c in part.cited() if not path.startswith(("prices", "measured"))]
        assert not any(part.is_checked(figure) for figure in figures), name
    h100 = find_accelerator("h100-sxm")
    assert h100.peak_tflops.bf16 is not None
    assert h100.is_checked(h100.peak_tflops.bf16)


def test_every_source_states_its_licence() -> None:
    assert all(source.licence for part in shipped() for source in part.sources.values())


def test_prices_are_plausible_and_in_order() -> None:
    for part in shipped():
        dates = [price.date for price in part.prices.cloud]
        assert dates == sorted(dates), part.name
        for price in part.prices.cloud:
            if price.on_demand_usd is not None:
                assert 0.05 < price.on_demand_usd < 13, (part.name, price)
        for purchase in part.prices.purchase:
            assert 100 < purchase.low_usd <= purchase.high_usd < 60_000, (part.name, purchase)


def test_default_precision_prefers_bf16_then_fp16() -> None:
    assert find_accelerator("h100-sxm").default_precision == "bf16"
    assert find_accelerator("v100-sxm-32gb").default_precision == "fp16"
    assert find_accelerator("k80").default_precision == "fp32"
    assert find_accelerator("tpu-v1").default_precision == "int8"


def test_no_precision_stands_in_for_another() -> None:
    with pytest.raises(RequestError, match=r"v100-sxm-32gb has no 'bf16' peak; it has: .*fp16"):
        find_accelerator("v100-sxm-32gb").peak_flop_per_s("bf16")
    with pytest.raises(RequestError, match="tpu-v4 has no 'fp16' peak; it has: bf16, int8"):
        find_accelerator("tpu-v4").peak_flop_per_s("fp16")


def test_measured_products_leave_vendor_kits_out() -> None:
    a100 = find_accelerator("a100-sxm-40gb")
    assert a100.measured_flop_per_s("bf16") == pytest.approx(271.2e12)
    assert find_accelerator("a10").measured_flop_per_s("bf16") is None


def test_the_head_of_a_shipped_file_says_what_the_whole_is_called() -> None:
    for item in list_accelerators():
        names = accelerators._names_in(accelerators._shipped_files()[item.name])
        assert names == accelerators._known_name(item)
        assert isinstance(names.memory_gb, float)


def test_a_shipped_profile_is_read_once() -> None:
    assert find_accelerator("NVIDIA H100 80GB HBM3") is find_accelerator("h100-sxm")


def write(folder: Path, text: str, name: str = "mine") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_profile_file_is_found_by_its_path(tmp_path: Path) -> None:
    path = write(tmp_path, SMALL)
    assert find_accelerator(str(path)).peak_flop_per_s("bf16") == 5e14


def test_a_users_profile_joins_and_overrides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, SMALL)
    write(
        tmp_path, SMALL.replace('"mine"', '"h100-sxm"').replace("My chip", "Own H100"), "h100-sxm"
    )
    assert find_accelerator("My Chip!", [tmp_path]).name == "mine"
    assert find_accelerator("h100-sxm", [tmp_path]).title == "Own H100"
    assert len(list_accelerators([tmp_path])) == SHIPPED + 1
    monkeypatch.setenv("COMPUTEBILL_PROFILES", str(tmp_path))
    assert find_accelerator("mine").title == "My chip"
    monkeypatch.delenv("COMPUTEBILL_PROFILES")
    assert find_accelerator("h100-sxm").title == "NVIDIA H100 SXM5 80GB"


def test_the_argument_goes_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    near, far = tmp_path / "near", tmp_path / "far"
    for folder, title in ((near, "Near chip"), (far, "Far chip")):
        folder.mkdir()
        write(folder, SMALL.replace("My chip", title))
    monkeypatch.setenv("COMPUTEBILL_PROFILES", str(far))
    assert find_accelerator("mine").title == "Far chip"
    assert find_accelerator("mine", [near]).title == "Near chip"
    assert find_accelerator("mine", [near, far]).title == "Near chip"


def test_an_edited_profile_is_read_again(tmp_path: Path) -> None:
    write(tmp_path, SMALL)
    assert find_accelerator("mine", [tmp_path]).memory_gb.value == 80
    write(tmp_path, SMALL.replace("value = 80", "value = 96"))
    assert find_accelerator("mine", [tmp_path]).memory_gb.value == 96


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('vendor = "Me"', 'vendor = "Me"\ncolour = "red"', "colour is not a known key"),
        ("bf16 = { value = 500", "bf16 = { value = -500", "peak_tflops.bf16.value"),
        ("bf16 =", "bf17 =", "peak_tflops.bf17 is not a known key; allowed: .*bf16"),
        (
            'bf16 = { value = 500, source = "sheet"',
            'bf16 = { value = 500, source = "guess"',
            r"peak_tflops.bf16.source: 'guess' is not in \[sources\]: sheet",
        ),
        ('bf16 = { value = 500, source = "sheet" }', "", "peak_tflops has no figure"),
        ('licence = "facts only"', "checked = true", "sources.sheet.licence is missing"),
        ('memory_gb = { value = 80, source = "sheet" }', "", "memory_gb is missing"),
        ("value = 80,", 'value = "lots",', "memory_gb.value"),
        ("value = 80,", "value = 1e16,", r"memory_gb.value: got 1e\+16; allowed: 1e-09 to 1e\+15"),
        ("value = 80,", "value = 1e-10,", r"memory_gb.value: got 1e-10; allowed: 1e-09 to 1e\+15"),
        ('name = "mine"', 'name = "yours"', "name: got 'yours'; must be the file's, 'mine'"),
        (
            'vendor = "Me"',
            'vendor = "Me"\nrelease_date = { value = "soon", source = "sheet" }',
            "release_date.value",
        ),
        (
            'vendor = "Me"',
            'vendor = "Me"\nprice_usd = { low = 2, high = 1, source = "sheet" }',
            r"price_usd: low \(2\) is above high \(1\)",
        ),
        ("[peak_tflops]", "[peak_tflops", "is not valid TOML"),
    ],
)
def test_a_wrong_profile_is_told_with_its_field(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in SMALL
    path = write(tmp_path, SMALL.replace(old, new))
    with pytest.raises(RequestError, match=message) as caught:
        load_accelerator(path)
    assert caught.value.field == str(path)


def test_a_price_with_an_unknown_source_is_told_with_its_row(tmp_path: Path) -> None:
    row = 'date = 2024-01-01, provider = "Me", kind = "list", on_demand_usd = 2, source = "no"'
    path = write(tmp_path, f"{SMALL}[prices]\ncloud = [\n  {{ {row} }},\n]\n")
    with pytest.raises(RequestError, match=r"prices.cloud\[0\].source: 'no' is not in"):
        load_accelerator(path)


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"nowhere' is not a directory"):
        find_accelerator("h100-sxm", [tmp_path / "nowhere"])
    with pytest.raises(RequestError, match=r"is not a directory"):
        find_accelerator("h100-sxm", [tmp_path / ("a" * 5000)])


def test_names_stand_above_the_first_table_of_every_shipped_profile() -> None:
    for accelerator in list_accelerators():
        for alias in (accelerator.name, accelerator.title, *accelerator.aliases):
            assert find_accelerator(alias).name == accelerator.name
