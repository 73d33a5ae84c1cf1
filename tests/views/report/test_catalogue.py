"""The page of a scored catalogue."""

from __future__ import annotations

import copy
from typing import Any

from looks import charts, one, table_of, tables

Results = dict[str, dict[str, Any]]
COST = "Cost against date of publication"


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


def test_a_run_stands_in_the_catalogue(results: Results) -> None:
    run = {**results["laid-out"], "date": "2024-03-01"}
    table = tables(one(results["score"], run))[0]
    assert table.rows[0][0] == "Mine"
    assert table.rows[0][2] == "2024-03-01"
    alone = tables(one(results["score"]))[0]
    assert len(table.rows) == len(alone.rows) + 1
    undated = tables(one(results["score"], results["run"]))[0]
    assert undated.rows[0][::2][:2] == ("your run", results["run"]["about"]["date"])


def test_ones_own_run_is_none_of_the_catalogue_s(results: Results) -> None:
    dear = copy.deepcopy({**results["laid-out"], "date": "2024-03-01"})
    dear["cost_ways_usd"]["amortised"] |= {"p5": 1e12, "p50": 1e12, "p95": 1e12}
    assert one(results["score"], dear).answer == one(results["score"]).answer
