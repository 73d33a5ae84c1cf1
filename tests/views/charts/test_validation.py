"""Charts of predictions against measured steps."""

from __future__ import annotations

from typing import Any

import pytest

from computebill.views.charts import validation
from computebill.views.charts.look import PALETTE

Results = dict[str, dict[str, Any]]


def test_points_and_the_band(results: Results) -> None:
    result = results["validate"]
    picture = validation.points(result)
    assert picture is not None
    assert len(picture.rows) == result["rows"] == 2
    first = result["points"][0]
    line = picture.more["band"][0]
    # Where the prediction is p, nine in ten measured steps lie at p5 to p95 of it.
    assert line["low"] * first["p95_seconds"] == pytest.approx(
        line["x"] * first["predicted_seconds"], rel=1e-4
    )
    bare = [{**each, "p5_seconds": None} for each in result["points"]]
    without = validation.points({**result, "points": bare})
    assert without is not None
    assert not without.more["band"]
    assert "band" not in without.says
    assert validation.points({**result, "points": []}) is None


def test_each_colour_is_of_one_accelerator(results: Results) -> None:
    point = results["validate"]["points"][0]
    many = [{**point, "gpu": f"gpu {number}"} for number in range(20)]
    picture = validation.points({**results["validate"], "points": many})
    assert picture is not None
    parts = {row["part"] for row in picture.rows}
    assert len(parts) == len(PALETTE)
    assert validation.OTHERS in parts


def test_a_group_has_both_errors(results: Results) -> None:
    picture = validation.groups(results["validate"], "by_source", "Error by source")
    found = {(row["name"], row["what"]): row["value"] for row in picture.rows}
    for name, each in results["validate"]["by_source"].items():
        assert found[name, "step model"] == each["median_ape"]
    group = results["validate"]["by_source"]["a"]
    many = {f"s{number}": group for number in range(25)}
    cut = validation.groups({"by_source": many}, "by_source", "")
    assert len({row["name"] for row in cut.rows}) == validation.MOST_GROUPS
    assert cut.says.endswith("; the 20 largest of 25.")
