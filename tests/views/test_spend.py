"""A programme, and several, on a terminal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from looks import line_with, printed

from computebill.programmes.measured_shares import shares_elsewhere
from computebill.programmes.spend import SpendEstimate, compare_spend
from computebill.views import spend as spend_view

Data = dict[str, Any]


@pytest.fixture
def lab(programme: Callable[[], Data], write_programme: Callable[[Data], Path]) -> SpendEstimate:
    return compare_spend(write_programme(programme()), samples=1024)


def test_one_programme_in_full(lab: SpendEstimate) -> None:
    found = printed(spend_view.full(lab, shares_elsewhere()))
    assert "Lab, 2024, as-published" in found
    assert "2024-01 – 2024-12" in line_with("Spend of", found)
    assert "2024-01 – 2024-12" in line_with("Releases of", found)
    assert "$1.00 B" in line_with("R&D compute, as reported", found)
    assert "1.00e25" in line_with("A  ", found)
    assert "points" in line_with("  price ", found)
    assert "k = 100%" in found
    order = [
        line.split()[0] for line in found.splitlines() if line.strip().startswith(("A ", "B "))
    ]
    assert order == ["A", "B"]


def test_a_run_that_does_not_count_is_marked(
    programme: Callable[[], Data], write_programme: Callable[[Data], Path]
) -> None:
    data = programme()
    data["runs"][1]["counted"] = False
    estimate = compare_spend(write_programme(data), samples=64)
    assert "B (not counted)" in printed(spend_view.full(estimate, []))


def test_programmes_side_by_side(lab: SpendEstimate) -> None:
    found = printed([*spend_view.comparison([lab, lab]), spend_view.followers([lab])])
    assert found.count("Lab, 2024") == 2
    assert found.count("$1.00 B") >= 3


def test_the_context_names_every_source() -> None:
    found = printed([spend_view.context(shares_elsewhere())], width=300)
    for row in shares_elsewhere():
        assert row.source in line_with(row.programme, found)


@pytest.mark.parametrize("width", [20, 40, 80])
def test_narrow_terminals_are_served(lab: SpendEstimate, width: int) -> None:
    found = printed(spend_view.full(lab, shares_elsewhere()), width)
    assert max(map(len, found.splitlines())) <= width


def test_what_cannot_hold_together_is_told_in_the_comparison_too(
    programme: Callable[[], Data], write_programme: Callable[[Data], Path], lab: SpendEstimate
) -> None:
    data = programme()
    data["title"] = "Typo, 2024"
    data["runs"][0]["flop"] = 1e29
    beyond = compare_spend(write_programme(data), samples=64)
    told = "In 100 % of the draws the final runs cost more than all R&D compute: the assumptions"
    found = printed(spend_view.comparison([lab, beyond]))
    assert f"Typo, 2024: {told} cannot all hold there." in found
    assert found.count("of the draws") == 1
    assert told in printed(spend_view.full(beyond, ()))


def test_a_row_of_dashes_has_its_reason(lab: SpendEstimate) -> None:
    untold = compare_spend("minimax-2022", samples=64)
    reason = "no final run has a published size: the share cannot be told. So of MiniMax, 2022."
    assert reason in " ".join(printed(spend_view.comparison([lab, untold])).split())
    assert "cannot be told" not in printed(spend_view.comparison([lab]))


def test_a_bill_without_a_large_run_is_at_least_that_where_the_run_is_paid() -> None:
    told = printed([spend_view.followers([compare_spend("stability-2023", samples=64)])], 300)
    row = line_with("Stability AI", told)
    # All that was reported is paid where nothing is skipped, with or without that run.
    assert row.split("$")[1].strip().startswith("99.0 M")
    assert row.split("$")[0].split("Stability AI")[1].strip() == ""
    assert row.count("at least $") == len(spend_view.SHOWN_SKIPS) - 1


def test_amounts_that_are_bounds_say_so_in_every_table() -> None:
    """Of Stability a large run has no published size."""
    low = compare_spend("stability-2023", samples=64)
    side_by_side = line_with("Stability AI, 2023", printed(spend_view.comparison([low]), 200))
    assert side_by_side.count("at least") == 2  # final runs and their share
    assert side_by_side.count("at most") == 1  # the rest
    alone = printed(spend_view.full(low, []), 200)
    assert "at least $" in line_with("Final runs", alone)
    assert "at most $" in line_with("Experiments and all else", alone)
    by_kind = alone[alone.index("Followers by kind") :]
    assert "at least $" in line_with("insider  ", by_kind)


def test_spend_that_a_drawn_lag_moves_is_told_beside_what_was_reported(
    programme: Callable[[], Data],
) -> None:
    data = programme()
    data["assumptions"]["lag"] = {"value": 6, "growth": 4, "source": "s"}
    told = printed(spend_view.full(compare_spend(data, samples=64), []))
    assert "$1.00 B" in line_with("R&D compute, as reported", told)
    # Half a year before 2024, by nothing but a growth of four a year.
    assert "$500 M" in line_with("R&D compute, of the months that the drawn lag leads to", told)
