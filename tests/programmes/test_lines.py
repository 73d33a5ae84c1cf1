"""Lines of reported spend: a share of an amount, its unit, and what is carried over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import pytest

from computebill.base.errors import RequestError
from computebill.base.specfile import validate
from computebill.programmes.bases import BASES, MARKS, BasisName, Mark
from computebill.programmes.comparison import compare_totals
from computebill.programmes.lines import ReportedItem
from computebill.programmes.spec import Programme

Data = dict[str, Any]
QUARTER = [
    {"period": "2024-9M", "amount": 700e6},
    {"period": "2024", "amount": 1200e6, "factor": 0.8, "factor_from": "2024-9M"},
    {"period": "2024-9M", "amount": 900e6, "sign": -1, "factor": 0.8, "factor_from": "2024-9M"},
]
"""Nine months as they are, and four fifths of what is left of the year."""


@pytest.fixture
def data(programme: Callable[[], Data]) -> Data:
    found = programme()
    del found["variants"]
    return found


@pytest.fixture
def in_hours(data: Data) -> Data:
    item = {**data["reported"][0], "unit": "GPU-hours"}
    del item["currency"]
    item["periods"] = [{"period": "2024", "amount": 5e6}]
    runs = [{"name": "A", "released": "2024-05", "accelerator_hours": 1e6, "source": "s"}]
    return {**data, "basis": "hours", "assumptions": {}, "reported": [item], "runs": runs}


def refusal(data: Data) -> str:
    with pytest.raises(RequestError) as caught:
        compare_totals(data, samples=64)
    return str(caught.value)


def test_every_basis_and_mark_has_its_text() -> None:
    assert set(BASES) == set(get_args(BasisName))
    assert set(MARKS) == set(get_args(Mark))


def test_a_share_of_an_amount_is_what_counts(data: Data) -> None:
    data["reported"][0]["periods"] = QUARTER
    assert compare_totals(data, samples=64).totals.rnd_compute.p50 == pytest.approx(940e6)


def test_what_rests_on_another_periods_share_is_the_rest_of_the_year(data: Data) -> None:
    data["reported"][0]["periods"] = QUARTER
    item = validate(Programme, data, "lab").reported[0]
    assert item.carried == pytest.approx(0.8 * 300e6)
    assert item.median == pytest.approx(940e6)
    own = {"period": "2024", "amount": 1e9, "factor": 0.8, "factor_from": "2024"}
    data["reported"][0]["periods"] = [own]
    assert validate(Programme, data, "lab").reported[0].carried == 0


def test_one_draw_of_a_share_that_terms_have_in_common(data: Data) -> None:
    factor = {"low": 0.7, "high": 0.9, "shared": "share"}
    data["reported"][0]["periods"] = [
        {"period": "2024", "amount": 1200e6, "factor": factor},
        {"period": "2023", "amount": 900e6, "factor": factor},
        {"period": "2023", "amount": 900e6, "sign": -1, "factor": factor},
    ]
    found = compare_totals(data, samples=4096).totals.rnd_compute
    assert (found.p5, found.p95) == pytest.approx((1200e6 * 0.71, 1200e6 * 0.89), rel=0.01)


def test_hours_need_no_price(in_hours: Data) -> None:
    totals = compare_totals(in_hours, samples=64).totals
    assert totals.final_share.p50 == 0.2
    assert totals.exploration.p50 == 4e6
    assert totals.in_usd == {}


def test_flop_are_hours_by_their_utilisation(in_hours: Data) -> None:
    in_hours["assumptions"] = {"peak_flop_per_s": 1e15, "mfu": {"value": 0.5, "source": "s"}}
    in_hours["runs"][0] = {"name": "A", "released": "2024-05", "flop": 1.8e24, "source": "s"}
    assert compare_totals(in_hours, samples=64).totals.final_runs.p50 == pytest.approx(1e6)


@pytest.mark.parametrize(
    ("basis", "unit", "size"),
    [("energy", "MWh", "energy_mwh"), ("emissions", "t CO2e", "emissions_t")],
)
def test_what_is_metered_is_divided_by_what_is_metered(
    in_hours: Data, basis: str, unit: str, size: str
) -> None:
    in_hours |= {"basis": basis}
    in_hours["reported"][0]["unit"] = unit
    in_hours["runs"] = [{"name": "A", "released": "2024-05", size: 1e6, "source": "s"}]
    assert compare_totals(in_hours, samples=64).totals.final_share.p50 == 0.2


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"unit": None}, "reported[0].unit is missing; allowed: GPU-hours"),
        ({"unit": "MWh"}, "reported[0].unit: got 'MWh'; allowed: GPU-hours"),
        ({"unit": None, "currency": "USD"}, "reported[0].currency: got 'USD'; allowed: none"),
        ({"currency": "USD"}, "reported[0]: unit: got 'GPU-hours' beside the currency 'USD'"),
        ({"at_least": True, "at_most": True}, "reported[0]: at_most: got true beside at_least"),
        ({"status": "hoped"}, "reported[0].status: got 'hoped'; allowed: 'spent'"),
        ({"mark": "P"}, "reported[0].mark: got 'P'; allowed: 'measured'"),
    ],
)
def test_lines_that_mix_units(in_hours: Data, change: Data, problem: str) -> None:
    item = in_hours["reported"][0] | change
    in_hours["reported"][0] = {key: value for key, value in item.items() if value is not None}
    assert problem in refusal(in_hours)


def test_no_line_is_in_dollars_unless_it_says_so(data: Data, in_hours: Data) -> None:
    allowed = "is missing; allowed: USD or one with an exchange rate in [currencies] (RMB)"
    del data["reported"][0]["currency"]
    assert f"reported[0].currency {allowed}" in refusal(data)
    revenue = {"item": "Revenue", "counts_as": "revenue", "source": "s"}
    revenue["periods"] = [{"period": "2024", "amount": 3e6}]
    in_hours["reported"].append(revenue)
    assert f"reported[1].currency {allowed}, or a unit in its place" in refusal(in_hours)


def test_a_unit_in_a_programme_in_dollars(data: Data) -> None:
    data["reported"][0]["unit"] = "GPU-hours"
    del data["reported"][0]["currency"]
    assert "reported[0].unit: got 'GPU-hours'; allowed: none, but a currency" in refusal(data)


@pytest.mark.parametrize(
    ("term", "problem"),
    [
        ({"factor": 1.2}, "periods[0].factor: got 1.2; allowed: above 0, up to 1"),
        ({"factor": 0}, "periods[0].factor: got 0"),
        ({"factor_from": "2023"}, "periods[0]: factor_from: got one without a factor"),
        ({"factor": 0.5, "factor_from": "soon"}, "periods[0].factor_from: got 'soon'"),
    ],
)
def test_factors_that_cannot_be(data: Data, term: Data, problem: str) -> None:
    data["reported"][0]["periods"][0] |= term
    assert problem in refusal(data)


@pytest.mark.parametrize(
    ("basis", "run", "problem"),
    [
        ("hours", {"energy_mwh": 5}, "runs[0].energy_mwh: is not in the programme's basis, hours"),
        ("dollars", {"emissions_t": 5}, "runs[0].emissions_t: is not in the programme's basis"),
    ],
)
def test_runs_that_mix_units(
    in_hours: Data, data: Data, basis: str, run: Data, problem: str
) -> None:
    found = in_hours if basis == "hours" else data
    found["runs"] = [{"name": "A", "released": "2024-05", "source": "s", **run}]
    assert problem in refusal(found)


def test_an_energy_programme_takes_no_hours(in_hours: Data) -> None:
    in_hours["basis"] = "energy"
    in_hours["reported"][0]["unit"] = "MWh"
    assert (
        "runs[0].accelerator_hours: is not in the programme's basis, energy; allowed: energy_mwh"
        in (refusal(in_hours))
    )


def test_a_line_of_ones_own_kind_may_be_money(in_hours: Data) -> None:
    revenue = {"item": "Revenue", "counts_as": "revenue", "source": "s", "currency": "USD"}
    revenue["periods"] = [{"period": "2024", "amount": 3e6}]
    in_hours["reported"].append(revenue)
    assert isinstance(validate(Programme, in_hours, "lab").reported[1], ReportedItem)
