"""The page of predictions against measured steps."""

from __future__ import annotations

from typing import Any

from looks import one

Results = dict[str, dict[str, Any]]


def test_the_worst_tenth_is_at_least_so_far_off(results: Results) -> None:
    assert " % in the worst tenth" in one(results["validate"]).answer
    assert "and at least " in one(results["validate"]).answer
