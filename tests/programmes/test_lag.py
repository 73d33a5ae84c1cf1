"""The lag between spend and release: what is left of reported periods where the window moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from computebill.base.errors import RequestError
from computebill.programmes.comparison import compare_totals
from computebill.programmes.lag import remaining
from computebill.programmes.loading import load_programme, shipped_programmes
from computebill.programmes.periods import Months, parse_period
from computebill.programmes.totals import Totals

Data = dict[str, Any]
YEAR = Months(2024 * 12 + 9, 2025 * 12 + 9)
"""October 2024 to September 2025."""


@pytest.fixture
def data(programme: Callable[[], Data]) -> Data:
    """Spend of 4 a month to September 2024, 10 a month to December, 20 a month after, in millions.

    Releases are a quarter behind.
    """
    found = programme()
    del found["variants"]
    found["window"] = {"first": "2024-10", "last": "2025-09"}
    found["releases"] = {"first": "2025-01", "last": "2025-12"}
    found["reported"][0]["periods"] = [
        {"period": "2024", "amount": 66e6},
        {"period": "2024-9M", "amount": 36e6, "sign": -1},
        {"period": "2025-9M", "amount": 180e6},
    ]
    found["runs"] = [{"name": "A", "released": "2025-05", "cost_usd": 21e6, "source": "s"}]
    return found


def lagging(data: Data, value: object, growth: object = 2) -> Totals:
    data["assumptions"]["lag"] = {"value": value, "growth": growth, "source": "s"}
    return compare_totals(data, samples=4096).totals


@pytest.mark.parametrize(
    ("months", "expected"),
    [
        (3, 210e6),  # the file's own
        (4, 210e6 - 20e6 + 4e6),
        (6, 210e6 - 60e6 + 12e6),
        (7.5, 210e6 - 90e6 + 18e6),
        (12, 36e6 + 30e6),  # all of 2024
        (24, (36e6 + 30e6) / 2),  # a year before what was reported
        (0, 210e6 * 2**0.25),  # later than what was reported
    ],
)
def test_spend_of_other_months_is_read_off_the_periods(
    data: Data, months: float, expected: float
) -> None:
    found = lagging(data, months)
    assert found.rnd_compute.p50 == pytest.approx(expected)
    assert found.final_share.p50 == pytest.approx(21e6 / expected)


def test_a_lag_that_is_drawn_gives_the_interval_of_its_ends(data: Data) -> None:
    found = lagging(data, {"low": 3, "high": 6}).rnd_compute
    # 16 millions less a month, evenly.
    assert (found.p5, found.p50, found.p95) == pytest.approx(
        (210e6 - 0.95 * 48e6, 210e6 - 24e6, 210e6 - 0.05 * 48e6), rel=2e-3
    )


def test_a_period_within_another_tells_when_in_it_was_spent() -> None:
    """A year's expense less that of nine months is the last quarter, beside the nine months."""
    terms = [(1, parse_period("2025-9M")), (1, parse_period("2025")), (-1, parse_period("2025-9M"))]
    first, table = remaining([terms], parse_period("2025"))
    assert first == 0
    assert table == [[1], [1], [1]]
    two = [(1, parse_period("2025-H1")), (1, parse_period("2025-H2"))]
    # Nothing reaches before or after, so that nothing can move.
    assert remaining([terms, two], parse_period("2025")) == (0, [[1]] * 5)


def test_lines_move_as_far_as_all_of_them_reach() -> None:
    wide = [(1, parse_period("2024")), (-1, parse_period("2024-9M")), (1, parse_period("2025-9M"))]
    narrow = [(1, parse_period("2024-07..2025-09")), (-1, parse_period("2024-Q3"))]
    first, table = remaining([wide, narrow], YEAR)
    assert first == 0
    assert torch.tensor(table).shape == (5, 4)  # as they are, and one to three months before


@pytest.mark.parametrize("name", shipped_programmes())
def test_the_files_own_lag_moves_nothing(name: str) -> None:
    programme = load_programme(name).programme
    lines = [
        [(term.sign, parse_period(term.period)) for term in item.periods]
        for item in programme.reported
        if item.is_base
    ]
    first, table = remaining(lines, programme.window.months)
    own = torch.tensor(table, dtype=torch.float64)[:, -first]
    assert torch.equal(own, torch.ones_like(own))


def test_a_lag_needs_a_growth_and_a_source(data: Data) -> None:
    data["assumptions"]["lag"] = {"value": 3, "source": "s"}
    with pytest.raises(RequestError, match=r"assumptions.lag.growth.* is missing"):
        load_programme(data)
    data["assumptions"]["lag"] = {"value": 3, "growth": 2, "source": "t"}
    with pytest.raises(RequestError, match=r"assumptions.lag.source: got 't'"):
        load_programme(data)
