"""A later budget: growth by hand, and how a share drifts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from looks import printed

from computebill.base.errors import RequestError
from computebill.base.quantity import parse_quantity
from computebill.programmes.forecast import forecast_spend
from computebill.views.forecast import full as forecast_view

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


def test_final_runs_of_twenty_budgets_have_no_future(data: Data) -> None:
    data["reported"][0]["periods"][0]["amount"] = 5e6
    with pytest.raises(RequestError, match="stay within R&D compute in 0 of 256 draws; allowed"):
        forecast_spend(data, parse_quantity(1), samples=256)


def test_draws_that_cannot_hold_are_left_out_and_counted(data: Data) -> None:
    # Even between 0.8 and 1.25 of the spend: 0.2 of these 0.45 lie below all of it.
    data["runs"][0]["cost_usd"] = {"low": 0.8e9, "high": 1.25e9}
    found = forecast_spend(data, parse_quantity(1), samples=4096)
    assert found.kept == pytest.approx(0.2 / 0.45, abs=0.01)
    assert found.final_share.p95 < 1 - 1e-6
    told = found.to_dict()
    assert told["kept"] + told["left_out"] == 1
    told_of = printed(forecast_view(found))
    assert "of the draws the final runs cost more" in told_of
    assert "these draws are left out" in told_of


def test_where_all_hold_nothing_is_left_out(data: Data) -> None:
    found = forecast_spend(data, parse_quantity(1), samples=256)
    assert found.kept == 1
    assert "left out" not in printed(forecast_view(found))


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


def test_a_bound_stays_one(data: Data) -> None:
    """A large run of unknown size: the share is at least this, of a budget that is given too."""
    data["runs"].append({"name": "B", "released": "2024-06", "unsized": "large", "source": "s"})
    grown = forecast_spend(data, parse_quantity(2), samples=64)
    assert grown.bound == "at least"
    assert grown.bounds == {
        "final_runs": "at least",
        "rnd_compute": None,
        "exploration": "at most",
    }
    assert printed(forecast_view(grown)).count("at least") == 2
    data["reported"][0]["at_least"] = True
    data["runs"].pop()
    given = forecast_spend(data, budget=parse_quantity(3e9), samples=64)
    assert given.bounds == {"final_runs": "at most", "rnd_compute": None, "exploration": "at least"}
