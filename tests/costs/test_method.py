from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from computebill.base.errors import RequestError
from computebill.base.specfile import read_toml, validate
from computebill.costs import method as cm

CASES = pd.read_csv(
    Path(__file__).parents[1] / "data" / "amortised_cost_cases.csv", comment="#"
).to_dict("records")
NAMES = [str(case["model"]) for case in CASES]


def vendor_of(case: dict[str, object]) -> str:
    return str(case["hardware"]).split()[0]


def day(text: object) -> date:
    return date.fromisoformat(str(text))


@pytest.mark.parametrize("case", CASES, ids=NAMES)
class TestCases:
    def test_server_overhead(self, case: dict[str, object]) -> None:
        overhead = cm.server_overhead(str(case["hardware"]), vendor_of(case))
        assert overhead == case["server_cost_overhead"]

    def test_chip_to_server_power(self, case: dict[str, object]) -> None:
        ratio = cm.chip_to_server_power(str(case["hardware"]), vendor_of(case))
        assert ratio == pytest.approx(case["chip_to_server_power"], rel=1e-15)

    def test_power_fraction(self, case: dict[str, object]) -> None:
        assert cm.power_fraction(vendor_of(case)) == case["power_fraction"]

    def test_pue(self, case: dict[str, object]) -> None:
        assert cm.pue(str(case["organization"])) == case["pue"]

    def test_usd_per_kwh(self, case: dict[str, object]) -> None:
        assert cm.usd_per_kwh(day(case["publication_date"])) == case["usd_per_kwh"]


@pytest.mark.parametrize(
    ("title", "vendor", "overhead", "power"),
    [
        ("NVIDIA Tesla V100S PCIe 32 GB", "NVIDIA", 1.69, 5 / 3),
        ("v100-sxm2-32gb", "nvidia", 1.69, 5 / 3),
        ("NVIDIA A100-SXM4-80GB", "NVIDIA", 1.66, 2.03125),
        ("NVIDIA RTX A1000", "NVIDIA", 1.64, 1.8),
        ("NVIDIA GH200", "NVIDIA", 1.64, 1.8),
        ("NVIDIA H200 SXM", "NVIDIA", 1.64, 1.8),
        ("AMD MI300X", "AMD", 1.64, 1.8),
        ("Google TPU v2", "Google", 1.64, 1.64),
        ("Google TPU v5e", "Google", 1.64, 1.56),
        ("TPU7x (Ironwood)", "Google", 1.64, 1.56),
        ("TPU v3-2048", " google ", 1.64, 1.47),
    ],
)
def test_hardware_rules(title: str, vendor: str, overhead: float, power: float) -> None:
    assert cm.server_overhead(title, vendor) == overhead
    assert cm.chip_to_server_power(title, vendor) == pytest.approx(power, rel=1e-15)


@pytest.mark.parametrize(
    ("organisation", "expected"),
    [
        ("Meta AI", 1.1),
        ("Facebook AI Research", 1.1),
        ("Microsoft,NVIDIA", 1.1),
        ("Carnegie Mellon University (CMU), Google Research", 1.1),
        ("GOOGLE DEEPMIND", 1.1),
        ("OpenAI", 1.25),
        ("Metaphysic", 1.25),
        ("", 1.25),
        (None, 1.25),
    ],
)
def test_pue_by_operator(organisation: str | None, expected: float) -> None:
    assert cm.pue(organisation) == expected


def test_years_outside_the_list_take_the_nearest_price() -> None:
    assert cm.usd_per_kwh(date(1999, 1, 1)) == 0.0677
    assert cm.usd_per_kwh(date(2040, 12, 31)) == 0.0826


def test_prices_leave_no_year_out() -> None:
    years = list(cm.cost_method().electricity.usd_per_kwh)
    assert years == list(range(2010, 2026))


# Of these runs the length was not known, so the median of 793.5 hours stands.
LENGTH_UNKNOWN = [
    "GNMT",
    "Jurassic-1-Jumbo",
    "HyperCLOVA 204B",
    "PaLM 2",
    "Claude 2",
    "Inflection-2",
    "Gemini 1.5 Pro",
    "Claude 3 Opus",
    "GPT-4o",
    "Claude 3.5 Sonnet",
    "Grok-2",
    "GLM-4-Plus",
    "Llama 4 Behemoth (preview)",
]
LENGTH_KNOWN = {"AlphaGo Zero": 480.0, "Xception": 720.0}


@pytest.mark.parametrize("name", [*LENGTH_UNKNOWN, *LENGTH_KNOWN])
def test_training_start_of_cases(name: str) -> None:
    case = CASES[NAMES.index(name)]
    published, expected = day(case["publication_date"]), day(case["training_start"])
    assert cm.training_start(published, LENGTH_KNOWN.get(name)) == expected


def test_training_cannot_start_before_the_hardware() -> None:
    case = CASES[NAMES.index("Megatron-BERT")]
    bought = day(case["acquired"])
    assert cm.training_start(day(case["publication_date"]), acquired=bought) == bought
    assert cm.training_start(date(2024, 6, 14), 24.0, date(2022, 12, 19)) == date(2024, 4, 14)


def test_only_whole_hours_of_a_run_count() -> None:
    assert cm.training_start(date(2024, 6, 14), 48.9) == date(2024, 4, 13)
    assert cm.training_start(date(2024, 6, 14), 49.0) == date(2024, 4, 12)
    assert cm.training_start(date(2024, 6, 14), 0.0) == date(2024, 4, 15)


@pytest.mark.parametrize(
    ("price", "release", "vendor", "expected"),
    [
        # H100: release and 90 days is the later; DGX-1: the price is; TPU v4: at release.
        (date(2022, 10, 1), date(2022, 9, 20), "NVIDIA", date(2022, 12, 19)),
        (date(2020, 5, 14), date(2020, 5, 14), "NVIDIA", date(2020, 8, 12)),
        (date(2019, 1, 1), date(2017, 6, 21), "NVIDIA", date(2019, 1, 1)),
        (date(2022, 1, 1), date(2021, 5, 20), "Google", date(2021, 5, 20)),
    ],
)
def test_acquisition_date(price: date, release: date, vendor: str, expected: date) -> None:
    assert cm.acquisition_date(price, release, vendor) == expected


def test_years_between() -> None:
    assert cm.years_between(date(2020, 1, 1), date(2024, 1, 1)) == 4.0
    assert cm.years_between(date(2024, 1, 1), date(2020, 1, 1)) == -4.0
    assert cm.years_between(date(2024, 1, 1), date(2024, 1, 1)) == 0.0


def test_constants() -> None:
    method = cm.cost_method()
    assert method is cm.cost_method()
    assert method.depreciation.orders_per_year == 0.14
    assert method.interconnect.share == 0.19
    assert method.mfu.assumed == 0.375


def test_grid_intensity() -> None:
    # 770.884 lb per MWh is 349.67 g per kWh.
    assert cm.cost_method().carbon.kg_per_joule * 3.6e6 == pytest.approx(0.34967, rel=1e-4)


def test_ranges_hold_the_central_values() -> None:
    method = cm.cost_method()
    ranges = method.uncertainty.values
    centre = {
        "mfu": method.mfu.assumed,
        "server_overhead": method.server_overhead.other,
        "interconnect_overhead": 1 / (1 - method.interconnect.share),
        "orders_per_year": method.depreciation.orders_per_year,
        "power_fraction_gpu": method.power_fraction.gpu,
        "power_fraction_tpu": method.power_fraction.tpu,
        "pue_hyperscale": method.pue.hyperscale,
        "pue_other": method.pue.other,
    }
    assert set(centre) == set(type(ranges).model_fields)
    for name, value in centre.items():
        interval = getattr(ranges, name)
        assert interval.p5 < value < interval.p95, name
    for name in type(method.uncertainty.multiples).model_fields:
        interval = getattr(method.uncertainty.multiples, name)
        assert interval.p5 < 1 < interval.p95, name


@pytest.mark.parametrize(
    ("table", "change", "message"),
    [
        ("interconnect", {"share": 1.0}, "interconnect.share"),
        ("interconnect", {"portion": 0.19}, "interconnect.portion is not a known key"),
        ("depreciation", {"source": ""}, "depreciation.source"),
        ("electricity", {"usd_per_kwh": {"later": 0.1}}, "electricity.usd_per_kwh"),
        (
            "uncertainty",
            {"days": {"acquisition": {"p5": 1.0, "p95": 0.0}}},
            "p5 must be below p95",
        ),
    ],
)
def test_mistakes_are_named(table: str, change: dict[str, object], message: str) -> None:
    data = read_toml(cm.FILE)
    data[table] = data[table] | change
    with pytest.raises(RequestError, match=message):
        validate(cm.CostMethod, data, "cost_method.toml")
