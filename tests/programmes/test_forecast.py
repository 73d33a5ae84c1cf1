"""A later budget: growth by hand, and how a share drifts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from computebill.base.errors import RequestError
from computebill.base.quantity import parse_quantity
from computebill.programmes.forecast import forecast_spend

Data = dict[str, Any]


@pytest.fixture
def data(programme: Callable[[], Data]) -> Data:
    """A tenth of the spend in every draw."""
    found = programme()
    found["runs"] = [{"name": "A", "released": "2024-05", "cost_usd": 1e8, "source": "s"}]
    del found["variants"]
    return found


def test_growth_multiplies_year_by_year(data: Data) -> None:
    for years in (1, 3):
        found = forecast_spend(data, parse_quantity(2), years=years, samples=4096)
        assert found.budget.p50 == pytest.approx(1e9 * 2**years)
        assert found.final_runs.mean + found.exploration.mean == pytest.approx(found.budget.mean)


@pytest.mark.parametrize("years", [1, 4])
def test_the_share_drifts_about_its_own(data: Data, years: int) -> None:
    found = forecast_spend(data, parse_quantity(1), years=years, samples=2**15)
    middle, width = math.log(0.1 / 0.9), 1.6449 * 0.5 * math.sqrt(years)
    low, high = (1 / (1 + math.exp(-(middle + sign * width))) for sign in (-1, 1))
    share = found.final_share
    assert (share.p5, share.p50, share.p95) == pytest.approx((low, 0.1, high), rel=0.03)


def test_a_budget_goes_before_growth(data: Data) -> None:
    found = forecast_spend(data, budget=parse_quantity("30M..40M"), samples=4096)
    assert found.budget.p50 == pytest.approx(math.sqrt(30e6 * 40e6), rel=0.01)
    told = found.to_dict()
    assert told["growth"] is None
    assert told["budget_usd"]["p50"] == found.budget.p50
    assert "Judgement" in told["assumptions"][0]["source"]


def test_hours_stay_hours() -> None:
    told = forecast_spend("hf-smollm3", parse_quantity(2), samples=256).to_dict()
    assert told["budget_gpu_hours"]["p50"] == pytest.approx(2 * 437_760)


def test_a_share_above_all_stays_one(data: Data) -> None:
    data["reported"][0]["periods"][0]["amount"] = 5e7
    found = forecast_spend(data, parse_quantity(1), samples=256)
    assert found.final_share.p5 > 0.99
    assert found.exploration.p5 >= 0


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({}, "--growth: allowed: a growth a year"),
        ({"growth": parse_quantity(2), "budget": parse_quantity(1)}, "--growth: allowed"),
        ({"growth": parse_quantity(2), "years": 0}, "--years: got 0; allowed: 1 to 5"),
        ({"growth": parse_quantity(2), "years": 6}, "--years: got 6"),
    ],
)
def test_what_cannot_be_asked(data: Data, asked: Data, problem: str) -> None:
    with pytest.raises(RequestError) as caught:
        forecast_spend(data, **asked)
    assert problem in str(caught.value)


def test_a_share_that_is_not_known_has_no_future() -> None:
    with pytest.raises(RequestError, match="the share of minimax-2022 cannot be told"):
        forecast_spend("minimax-2022", parse_quantity(2))
