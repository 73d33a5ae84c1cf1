"""A programme file of one's own: what is needed, and that it means what was said."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from computebill.base.errors import RequestError
from computebill.base.specfile import validate
from computebill.programmes.comparison import compare_totals
from computebill.programmes.template import Answers, programme_text

Data = dict[str, Any]
OWN: Data = {
    "organisation": 'A "lab"',
    "first": "2025-01",
    "last": "2025-12",
    "basis": "dollars",
    "spend": "20M",
    "run": "base",
    "released": "2025-09",
}
BY_HOURS = {"gpu_hours": "400k", "price": "2.5"}
BY_SIZE = {"params": "30B", "tokens": "12T", "accelerator": "h100-sxm", "mfu": "0.4", "price": "2"}


def written(given: Data) -> Data:
    return tomllib.loads(programme_text(validate(Answers, given, "init"), given, "my.toml"))


def test_hours_and_a_price() -> None:
    found = compare_totals(written({**OWN, **BY_HOURS}), samples=64)
    assert found.totals.final_share.p50 == pytest.approx(400e3 * 2.5 / 20e6)
    assert found.programme.organisation == 'A "lab"'
    assert found.variant == "own"


def test_parameters_and_tokens() -> None:
    found = compare_totals(written({**OWN, **BY_SIZE}), samples=64)
    usd = 6 * 30e9 * 12e12 / (989.4e12 * 0.4) / 3600 * 2
    assert found.totals.final_runs.p50 == pytest.approx(usd, rel=1e-6)


def test_hours_on_both_sides_are_ones_own_figures() -> None:
    data = written({**OWN, "basis": "hours", "spend": "5M", "gpu_hours": "1M"})
    found = compare_totals(data, samples=64)
    assert found.graded.grade == "A"
    assert found.totals.final_share.p50 == pytest.approx(0.2)
    assert "assumptions" not in data


def test_one_period_is_not_a_range() -> None:
    data = written({**OWN, "first": "2025", "last": "2025", **BY_HOURS})
    assert data["reported"][0]["periods"][0]["period"] == "2025"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"price": None}, "--price is missing; allowed: dollars an hour"),
        ({"gpu_hours": None}, "--params is missing; allowed: a value, or --gpu-hours"),
        ({"gpu_hours": None, **BY_SIZE, "mfu": None}, "--mfu is missing"),
        ({"params": "7B", "tokens": "1T"}, "--params: got a size beside --gpu-hours"),
        ({"basis": "energy"}, "basis: got 'energy'; allowed: 'dollars' or 'hours'"),
        ({"first": "soon"}, "first: got 'soon'"),
        ({"spend": "-1"}, "spend: got -1"),
    ],
)
def test_what_is_not_enough(change: Data, problem: str) -> None:
    given = {key: v for key, v in {**OWN, **BY_HOURS, **change}.items() if v is not None}
    with pytest.raises(RequestError) as caught:
        validate(Answers, given, "init")
    assert problem in str(caught.value)
