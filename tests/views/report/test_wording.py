"""What pages say in words."""

from __future__ import annotations

from typing import Any

from looks import charts, one, tables

Results = dict[str, dict[str, Any]]


def test_what_has_no_interval_says_so(results: Results) -> None:
    sweep = charts(one(results["sweep"]))
    rest = "A figure alone is one number, or a sum or a rest whose interval is not known."
    assert sweep["From the final run to the whole programme"].says.endswith(rest)
    assert rest not in charts(one(results["spend"]))["Runs, dearest first"].says
    assert "Medians only" in sweep["By active parameters"].says
    organisations = "Cost of all rows that have one, by organisation"
    assert "without an interval" in charts(one(results["score"]))[organisations].says
    plan = one(results["plan"])
    assert "; the best has its 5th to 95th percentile." in charts(plan)["Days against cost"].says
    best = next(row for row in tables(plan)[0].rows if row[2] == "best")
    assert "(" in best[3]
    assert "(" in best[4]
