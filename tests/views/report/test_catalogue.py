"""The page of a scored catalogue."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from looks import charts, one, rows_of, spec_of, table_of

Results = dict[str, dict[str, Any]]
COST = "Cost against date of publication"


def marks(chart: Any, kind: str) -> list[dict[str, Any]]:
    return [layer for layer in spec_of(chart)["layer"] if layer["mark"]["type"] == kind]


def test_an_unknown_cost_is_not_nothing(results: Results) -> None:
    table = table_of(one(results["score"]), "By year of publication, sums of medians")
    years = {row[0]: row[1:] for row in table.rows}
    assert years["2015"][2:] == ("0", "–")
    assert years["2024"][2] != "0"
    assert years["2024"][3].startswith("$")


def test_a_catalogue_of_before_has_nought_for_unknown(results: Results) -> None:
    by_year = [{"year": 2015.0, "rows": 1.0, "flop": 5.4e18, "cost_amortised_usd": 0.0}]
    table = table_of(
        one({**results["score"], "by_year": by_year}), "By year of publication, sums of medians"
    )
    assert list(table.rows) == [("2015", "1", "5.40e18", "–", "–")]


def test_hovering_tells_the_date_as_text(results: Results) -> None:
    chart = charts(one(results["score"]))[COST]
    assert all(row["day"] == row["date"] for row in rows_of(chart))
    (points,) = marks(chart, "circle")
    assert {"field": "day", "title": "date", "type": "nominal"} in points["encoding"]["tooltip"]
    assert "date" not in {tip["field"] for tip in points["encoding"]["tooltip"]}


def test_runs_without_a_name_are_told_apart(results: Results) -> None:
    run = results["run"]
    larger = {**run, "model": {**run["model"], "params": 70e9}, "count": 2048.0}
    assert charts(one(results["score"], run))[COST].table.rows[0][0] == "your run"
    report = one(results["score"], run, larger, dict(run))
    names = [row[0] for row in charts(report)[COST].table.rows[:3]]
    assert sorted(names) == [
        "7.00 B on 512 x h100-sxm",
        "7.00 B on 512 x h100-sxm (2)",
        "70.0 B on 2,048 x h100-sxm",
    ]
    assert charts(report)[COST].says.endswith(
        "the large red diamonds are runs of your own. One without a date stands at the day of its "
        "estimate."
    )


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
