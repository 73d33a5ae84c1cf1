"""An organisation's windows: what overlaps, and whether shares moved by more than their width."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from computebill.programmes.comparison import SpendTotals, compare_totals
from computebill.programmes.windows import in_time, overlaps, trend

Data = dict[str, Any]
Make = Callable[..., SpendTotals]


@pytest.fixture
def window(programme: Callable[[], Data]) -> Make:
    """A programme of one window, with a share of its own."""

    def make(name: str, share: float, first: str, last: str, **changes: Any) -> SpendTotals:
        data = programme()
        del data["variants"]
        data["window"] = {"first": first, "last": last}
        low, high = share * 0.9e9, share * 1.1e9
        run = {"name": "A", "released": first, "cost_usd": {"p5": low, "p95": high}, "source": "s"}
        data["runs"] = [run]
        term = {"period": f"{first}..{last}", "amount": 1e9}
        data["reported"] = [{**data["reported"][0], "periods": [term], **changes}]
        found = compare_totals(data, samples=2048)
        return SpendTotals(**{**found.__dict__, "name": name})

    return make


def test_months_in_common(window: Make) -> None:
    first, second, third = (
        window("a", 0.1, "2023-01", "2023-12"),
        window("b", 0.1, "2023-10", "2024-09"),
        window("c", 0.1, "2024-01", "2024-12"),
    )
    found = [each.to_dict() for each in overlaps([third, first, second])]
    assert found == [
        {"first": "a", "second": "b", "months": 3},
        {"first": "b", "second": "c", "months": 9},
    ]
    assert [each.name for each in in_time([third, second, first])] == ["a", "b", "c"]


def test_shares_that_meet_are_no_trend(window: Make) -> None:
    found = trend(
        [window("a", 0.20, "2023-01", "2023-12"), window("b", 0.22, "2024-01", "2024-12")]
    )
    assert [each.name for each in found.windows] == ["a", "b"]
    assert not found.is_larger


def test_shares_that_do_not_meet_are_told(window: Make) -> None:
    low = window("b", 0.1, "2024-01", "2024-12", status="planned")
    found = trend([window("a", 0.20, "2023-01", "2023-12"), low])
    assert found.apart == (("a", "b"),)
    assert found.guessed == ("b",)


def test_whole_years_and_better_grades_go_first(window: Make) -> None:
    year, across = window("year", 0.2, "2024-01", "2024-12"), window("x", 0.4, "2024-07", "2025-06")
    found = trend([across, year])
    assert [each.name for each in found.windows] == ["year"]
    assert found.left_out == ("x",)
    planned = window("plan", 0.2, "2024-01", "2024-12", status="planned")
    assert [each.name for each in trend([across, planned]).windows] == ["x"]


def test_a_bound_is_no_figure_to_compare(window: Make) -> None:
    bound = window("bound", 0.1, "2023-01", "2023-12", at_most=True)
    found = trend([bound, window("b", 0.4, "2024-01", "2024-12")])
    assert found.left_out == ("bound",)
    assert not found.is_larger
