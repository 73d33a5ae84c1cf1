"""Charts of what a device reaches."""

from __future__ import annotations

from typing import Any

import pytest

from computebill.views.charts import bench

Results = dict[str, dict[str, Any]]


def test_shares_of_the_datasheet(results: Results) -> None:
    picture = bench.shares(results["bench"])
    assert picture is not None
    shares = {row["name"]: row["value"] for row in picture.rows}
    assert shares["bf16 product, TFLOP/s"] == pytest.approx(700 / 989.4, rel=1e-3)
    assert shares["memory copy, GB/s"] == pytest.approx(2900 / 3350, rel=1e-3)
    unknown = {**results["bench"], "datasheet": None}
    assert bench.shares(unknown) is None
    assert [row["peak"] for row in bench.reached(unknown)] == [""] * len(shares)


def test_the_chosen_products_are_ringed(results: Results) -> None:
    result = results["bench"]
    (chosen,) = bench.best(result)
    assert bench.products(result) is None  # one is no search
    tried = {**chosen, "best": False, "flop": 1e12, "tflops": 500.0, "m": 1024}
    picture = bench.products({**result, "matmul": [tried, {**chosen, "flop": 2e12}]})
    assert picture is not None
    assert [(row["kind"], row["value"]) for row in picture.rows] == [
        ("chosen", chosen["tflops"]),
        ("tried", 500.0),
    ]


def test_checked_steps_in_milliseconds(results: Results) -> None:
    picture = bench.checks(results["bench"])
    assert picture is not None
    (row,) = picture.rows
    (each,) = results["bench"]["check"]
    assert row["measured"] == pytest.approx(each["seconds"] * 1e3)
    assert row["low"] <= row["measured"] <= row["high"]
    assert row["predicted"] / row["measured"] - 1 == pytest.approx(each["error"], abs=1e-6)
    assert bench.checks({**results["bench"], "check": []}) is None


def test_what_was_not_timed_is_not_drawn(results: Results) -> None:
    nothing: dict[str, Any] = {"attention": [], "block": [], "collectives": [], "matmul": []}
    bare = {**results["bench"], **nothing}
    assert bench.passes(bare) is bench.collectives(bare) is bench.products(bare) is None
