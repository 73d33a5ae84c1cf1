"""Charts of a research programme."""

from __future__ import annotations

from typing import Any

import pytest

from computebill.views.charts import sweep

Results = dict[str, dict[str, Any]]


def test_groups_stand_largest_first_and_the_final_run_last(results: Results) -> None:
    rows = sweep.groups(results["sweep"]).rows
    assert [row["kind"] for row in rows] == ["experiments", "experiments", "final run"]
    assert rows[0]["p50"] > rows[1]["p50"]
    assert sweep.groups({**results["sweep"], "final": None}).rows[-1]["kind"] == "experiments"


def test_the_whole_is_its_parts(results: Results) -> None:
    picture = sweep.whole(results["sweep"])
    assert picture is not None
    *parts, whole = picture.rows
    assert parts[0]["name"] == "final run"
    assert whole["end"] == pytest.approx(sum(row["end"] - row["start"] for row in parts))
    assert sweep.whole({**results["sweep"], "final": None}) is None


def test_without_prices_hours_are_drawn(results: Results) -> None:
    result = {**results["sweep"], "cost_usd": None}
    assert sweep.unit_of(result)[:2] == ("gpu_hours", "GPU-hours")
    row = sweep.groups(result).rows[-1]
    assert row["p50"] == results["sweep"]["final"]["gpu_hours"]["p50"]


def test_the_areas_add_up_to_no_more_than_the_cluster(results: Results) -> None:
    picture = sweep.usage(results["sweep"])
    assert picture is not None
    at_work: dict[float, int] = {}
    for row in picture.rows:
        at_work[row["day"]] = at_work.get(row["day"], 0) + row["gpus"]
    assert 0 < max(at_work.values()) <= 64
    assert picture.more["cluster"] == [{"gpus": 64}]
    assert sweep.usage({**results["sweep"], "schedule": None}) is None


@pytest.mark.parametrize(
    ("low", "high", "name"),
    [(None, None, "not known"), (1e8, 2e8, "100 M–200 M"), (5e10, None, "50 B and more")],
)
def test_sizes_are_named(low: float | None, high: float | None, name: str) -> None:
    assert sweep.size_name(low, high) == name
