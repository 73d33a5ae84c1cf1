from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import norm

from computebill.kernels.exceedance import (
    crossing_time,
    lognormal_odds,
    running_total,
    share_above,
)


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_share_above_counts_draws_that_are_greater() -> None:
    draws = torch.tensor([[1.0, 2.0, 3.0, 4.0], [2.0, 2.0, 2.0, math.nan]], dtype=torch.float64)
    found = share_above(draws, column(2.0, 3.5))
    assert found[0].tolist() == [0.5, 0.25]
    assert bool(found[1].isnan().all())


@pytest.mark.parametrize("threshold", [3e22, 1e23, 4e23, 1e25])
def test_lognormal_odds_are_those_of_the_side_that_the_threshold_is_on(threshold: float) -> None:
    median, below, above = 2e23, 0.4, 0.9
    sigma = above if threshold > median else below
    expected = norm.sf((math.log(threshold) - math.log(median)) / sigma)
    found = lognormal_odds(*map(column, (threshold, median, below, above)))
    assert float(found) == pytest.approx(expected, rel=1e-12)


def test_odds_of_one_number_are_no_or_yes() -> None:
    median = column(1e23, 2e23, math.nan)
    found = lognormal_odds(column(1e23), median, column(0.0), column(0.0)).tolist()
    assert found[:2] == [0.0, 1.0]  # greater than, not at least
    assert math.isnan(found[2])


def test_a_running_total_grows_evenly_and_ends_at_the_sum() -> None:
    amounts = torch.tensor([[4.0, 8.0], [2.0, 2.0], [1.0, 1.0]], dtype=torch.float64)
    starts, ends = column(0.0, 10.0, 5.0), column(10.0, 20.0, 5.0)
    found = running_total(amounts, starts, ends, column(0.0, 5.0, 15.0, 30.0))
    assert found.at[:, 0].tolist() == [0.0, 3.0, 6.0, 7.0]
    assert found.before[:, 0].tolist() == [0.0, 2.0, 6.0, 7.0]
    assert found.at[-1].tolist() == amounts.sum(0).tolist()


def test_the_crossing_is_where_the_total_is_the_threshold() -> None:
    torch.manual_seed(0)
    amounts = torch.rand(5, 200, dtype=torch.float64)
    starts = torch.rand(5, dtype=torch.float64) * 100
    ends = starts + 1 + torch.rand(5, dtype=torch.float64) * 50
    times = torch.cat([starts, ends]).sort().values
    days = crossing_time(running_total(amounts, starts, ends, times), times, 2.5)
    crosses = days.isfinite()
    assert torch.equal(crosses, amounts.sum(0) > 2.5)
    assert 0 < int(crosses.sum()) < 200
    for draw in crosses.nonzero()[:, 0].tolist():
        at = running_total(amounts[:, draw : draw + 1], starts, ends, days[draw : draw + 1])
        assert float(at.at) == pytest.approx(2.5, rel=1e-9)


def test_lines_that_last_longer_in_some_draws_cross_later_there() -> None:
    torch.manual_seed(1)
    amounts = torch.rand(4, 50, dtype=torch.float64)
    starts = (torch.rand(4, 50, dtype=torch.float64) * 100).round()
    ends = starts + (torch.rand(4, 50, dtype=torch.float64) * 20).round()  # a few come at once
    times = torch.cat([starts, ends]).sort(0).values
    found = crossing_time(running_total(amounts, starts, ends, times), times, 1.5)
    for draw in range(50):
        own = [each[:, draw] for each in (starts, ends, times)]
        alone = crossing_time(running_total(amounts[:, [draw]], *own), own[2], 1.5)
        assert float(found[draw]) == pytest.approx(float(alone), rel=1e-12)


def test_a_jump_crosses_at_its_time() -> None:
    amounts = torch.tensor([[9.0], [3.0]], dtype=torch.float64)
    starts, ends, times = column(0.0, 10.0), column(10.0, 10.0), column(0.0, 10.0)
    totals = running_total(amounts, starts, ends, times)
    assert [float(crossing_time(totals, times, each)) for each in (4.5, 9.5, 12.0)] == [
        5.0,
        10.0,
        math.inf,
    ]


def test_what_is_above_from_the_start_crosses_then() -> None:
    amounts = torch.tensor([[5.0], [1.0]], dtype=torch.float64)
    times = column(3.0, 9.0)
    totals = running_total(amounts, column(3.0, 3.0), column(3.0, 9.0), times)
    assert crossing_time(totals, times, 1.0).tolist() == [3.0]
