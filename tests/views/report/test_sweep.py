"""The page of a research programme."""

from __future__ import annotations

from typing import Any

from looks import one, table_of

Results = dict[str, dict[str, Any]]


def test_a_tile_is_of_what_is_known(results: Results) -> None:
    labels = [each.label for each in one(results["sweep"]).figures]
    assert "training FLOP" in labels
    unknown = one({**results["sweep"], "flop": None})
    assert "training FLOP" not in [each.label for each in unknown.figures]
    assert "–" not in [each.value for each in unknown.figures]


def test_a_budget_for_more_than_all(results: Results) -> None:
    result = results["sweep"]
    title = "What $1.00 M pays for, at the medians"
    for part, cell in (
        (0.5, ("Part of the programme", "50.0 %")),
        (2.117, ("How many times the whole programme", "2.12")),
    ):
        budget = {**result["budget"], "part_that_fits": part}
        assert cell in table_of(one({**result, "budget": budget}), title).rows
