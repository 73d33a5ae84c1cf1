"""Charts of a scored catalogue."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from looks import charts, one, rows_of, spec_of

from computebill.views.charts import score

COST = "Cost against date of publication"
Results = dict[str, dict[str, Any]]


def marks(chart: Any, kind: str) -> list[dict[str, Any]]:
    return [layer for layer in spec_of(chart)["layer"] if layer["mark"]["type"] == kind]


def test_hovering_tells_the_date_as_text(results: Results) -> None:
    chart = charts(one(results["score"]))[COST]
    assert all(row["day"] == row["date"] for row in rows_of(chart))
    (points,) = marks(chart, "circle")
    assert {"field": "day", "title": "date", "type": "nominal"} in points["encoding"]["tooltip"]
    assert "date" not in {tip["field"] for tip in points["encoding"]["tooltip"]}


def test_names_of_runs_move_only_where_they_would_touch(results: Results) -> None:
    def moved(*runs: dict[str, Any]) -> list[float]:
        texts = marks(charts(one(results["score"], *runs))[COST], "text")
        return [layer["mark"]["dy"] for layer in texts[1::2]]

    run = results["run"]
    ways = run["cost_ways_usd"]["amortised"]
    dearer = {
        **run,
        "cost_ways_usd": {
            "amortised": {key: 1e4 * ways[key] for key in ways if key != "monte_carlo_error"}
        },
    }
    assert moved(run, dearer) == [0, 0]
    assert moved(run, {**run, "date": "2013-01-01"}) == [0, 0]
    places = moved(run, dict(run), dict(run))
    assert all(after == before - 14 for before, after in pairwise(places))


def test_rows_that_are_left_out_are_counted(results: Results) -> None:
    result = results["score"]
    points = [{**row, "own": False, "undated": False} for row in result["points"]]
    whole = score.over_time(result, points, score.FLOP_KEY)
    few = score.over_time({**result, "rows_scored": 10_000}, points, score.FLOP_KEY)
    assert whole is not None
    assert few is not None
    assert "of the most FLOP" not in whole.says
    assert f", of 10,000 rows the {len(points):,} of the most FLOP; " in few.says
    assert score.over_time(result, [], score.COST_KEY) is None


def test_without_a_trend_there_is_no_band(results: Results) -> None:
    result = {key: each for key, each in results["score"].items() if key != "trends"}
    points = [{**row, "own": False, "undated": False} for row in result["points"]]
    picture = score.over_time(result, points, score.COST_KEY)
    assert picture is not None
    assert "trend" not in picture.says
    kinds = [layer["mark"]["type"] for layer in picture.shape["layer"]]
    assert "area" not in kinds


def test_organisations_are_the_costliest(results: Results) -> None:
    picture = score.organisations(results["score"])
    assert picture is not None
    values = [row["value"] for row in picture.rows]
    assert values == sorted(values, reverse=True)
    assert len(values) <= score.MOST_ORGANISATIONS
    assert score.organisations({**results["score"], "by_organization": []}) is None
