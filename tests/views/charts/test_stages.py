"""Charts of stages."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from computebill.views.charts import stages as drawn

Results = dict[str, dict[str, Any]]


def test_each_stage_has_its_cost_and_shares_that_add_up(results: Results) -> None:
    result = results["stages"]
    cost = drawn.stages(result)
    assert cost is not None
    assert [row["name"] for row in cost.rows] == ["pretrain", "preference", "rl"]
    ledger = drawn.ledger(result)
    assert ledger is not None
    for stage in result["stages"]:
        shares = {row["part"]: row["share"] for row in ledger.rows if row["name"] == stage["name"]}
        assert sum(shares.values()) == pytest.approx(1.0)
    # Of preference tuning the reference is a quarter, 2 N beside 6 N; of rollouts half are kept.
    shares = {(row["name"], row["part"]): row["share"] for row in ledger.rows}
    assert shares["preference", "reference"] == pytest.approx(0.25)
    assert shares["rl", "rollouts"] == pytest.approx(shares["rl", "discarded samples"])
    assert set(drawn.PURPOSES) >= {"updates", "rollouts", "recomputed", "restarted"}


def test_without_a_price_hours_are_drawn_and_without_those_flop(results: Results) -> None:
    bare = copy.deepcopy(results["stages"])
    for each in (bare, *bare["stages"]):
        each["cost_usd"] = None
    assert drawn.told_in(bare)[0] == "gpu_hours"
    for each in (bare, *bare["stages"]):
        each["gpu_hours"] = None
    assert drawn.told_in(bare)[0] == "flop"
    picture = drawn.stages(bare)
    assert picture is not None
    assert picture.rows[0]["p50"] == bare["stages"][0]["flop"]["model"]["p50"]
