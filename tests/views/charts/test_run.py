"""Charts of a run."""

from __future__ import annotations

from typing import Any

import pytest
from results import told

from computebill.views.charts import run

Results = dict[str, dict[str, Any]]


def test_costs_are_the_result_s(results: Results) -> None:
    picture = run.costs(results["run"])
    assert picture is not None
    known = results["run"]["cost_ways_usd"]
    for way, row in zip(known, picture.rows, strict=True):
        assert row["name"] == run.WAYS[way]
        assert [row[key] for key in ("p5", "p50", "p95")] == [
            known[way][key] for key in ("p5", "p50", "p95")
        ]


def test_a_way_without_a_figure_is_left_out() -> None:
    given = ("run", "--flop", "1e24", "--accelerator", "h100", "--mfu", "0.4", "--samples", "64")
    result = told(*given, "--json")
    picture = run.costs(result)
    assert picture is not None
    assert "buying the hardware" not in [row["name"] for row in picture.rows]
    assert run.costs({**result, "cost_ways_usd": {}}) is None


def test_a_predicted_step_is_drawn_whole(results: Results) -> None:
    result = results["laid-out"]
    parts, scaling, memory = run.breakdown(result), run.scaling(result), run.memory(result)
    assert parts is not None
    assert scaling is not None
    assert memory is not None
    assert sum(row["value"] for row in parts.rows) == pytest.approx(
        sum(result["breakdown_seconds"].values())
    )
    own = [row["gpus"] for row in scaling.rows if row["what"] == "this run"]
    assert own == [64]
    assert memory.rows[-1]["value"] == result["memory_gb"]["total"]
    assert "fits in 80 GB" in memory.says
    unlikely = run.memory({**result, "fit_odds": 0.2})
    assert unlikely is not None
    assert "unlikely to fit in 80 GB (odds 20 %)" in unlikely.says
    # Results of earlier releases tell no odds.
    small = run.memory({**result, "accelerator_memory_gb": 1.0, "fit_odds": None})
    assert small is not None
    assert "does not fit in 1 GB" in small.says


def test_without_a_layout_there_is_no_step(results: Results) -> None:
    result = results["run"]
    assert run.breakdown(result) is run.scaling(result) is run.memory(result) is None


def test_without_a_price_hours_are_what_moves(results: Results) -> None:
    swings = [{"assumption": "mfu", "p5": 2e6, "p50": 1.5e6, "p95": 1e6}]
    picture = run.swings({**results["run"], "swings_of": "gpu_hours", "swings": swings})
    assert picture is not None
    assert "where the GPU-hours is 1.50 M" in picture.says
    assert run.swings({**results["run"], "swings": []}) is None
