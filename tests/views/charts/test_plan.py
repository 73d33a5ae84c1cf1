"""The chart of a search."""

from __future__ import annotations

import copy
from typing import Any

from computebill.views.charts import plan

Results = dict[str, dict[str, Any]]


def test_each_layout_is_drawn_once_as_the_first_of_its_kinds(results: Results) -> None:
    result = results["plan"]
    rows = plan.front(result).rows
    keys = [(row["where"], row["layout"], row["memory"]) for row in rows]
    assert len(keys) == len(set(keys))
    (best,) = [row for row in rows if row["kind"] == "best"]
    assert best["days"] == result["best"]["days"]["p50"]
    assert [best["days_p5"], best["days_p95"]] == [result["best"]["days"][k] for k in ("p5", "p95")]


def test_steps_join_what_nothing_beats_in_days_and_cost(results: Results) -> None:
    picture = plan.front(results["plan"])
    steps, rows = picture.more["steps"], picture.rows
    assert steps
    for step in steps:
        assert not [
            row for row in rows if row["days"] < step["days"] and row["cost"] <= step["cost"]
        ]
    costs = [step["cost"] for step in steps]
    assert costs == sorted(costs, reverse=True)


def test_one_cluster_is_drawn_against_memory(results: Results) -> None:
    several = plan.front(results["plan"])
    assert several.title == "Days against cost"
    result = copy.deepcopy(results["plan"])
    on = result["best"]["layout"]["accelerators"]
    for key in ("pareto", "runners_up", "by_accelerator"):
        result[key] = [each for each in result[key] if each["layout"]["accelerators"] == on]
    one = plan.front(result)
    assert one.title == "Days against memory"
    assert "a line joins" not in one.says
    assert not one.more["steps"]
    for each in (*result["pareto"], *result["runners_up"], *result["by_accelerator"]):
        each["cost_usd"] = None
    result["best"]["cost_usd"] = None
    assert all(row["usd"] == "" for row in plan.front(result).rows)
