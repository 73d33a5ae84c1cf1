"""What a total is made of, and what moves it."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from looks import one

from computebill.uncertainty.distribution import Distribution
from computebill.views.charts.steps import MOST_BARS, SHARE, Part, swings, waterfall

Results = dict[str, dict[str, Any]]


def test_the_parts_of_a_waterfall_add_up(results: Results) -> None:
    charts = {chart.title: chart for chart in one(results["spend"]).charts()}
    rows = charts["From one run to the whole programme"].picture.rows
    assert all(row["start"] == before["end"] for before, row in pairwise(rows[:-1]))
    assert rows[-1]["start"] == 0
    assert rows[-1]["end"] == pytest.approx(rows[-2]["end"])


def test_parts_below_nothing_go_back() -> None:
    found = [
        Part("a", "final run", Distribution(1.0, 2.0, 4.0, 3.0)),
        Part("b", "all else", -1.0),
        Part("c", "whole", 2.0),
    ]
    picture = waterfall("Title", "", found)
    assert [(row["start"], row["end"]) for row in picture.rows] == [(0, 3), (3, 2), (0, 2)]
    assert [row["told"] for row in picture.rows] == ["$2.00 (1.00–4.00)", "−$1.00", "$2.00"]
    # Its figure stands inside: from the left of an early bar, to the right of a late one.
    assert [(row["late"], row["at"]) for row in picture.rows] == [(False, 0), (True, 3), (False, 0)]
    assert '"rule"' not in json.dumps(picture.shape)
    assert picture.says.endswith("whose interval is not known.")


def test_the_widest_swings_are_drawn_and_the_rest_counted() -> None:
    given = [
        {"assumption": f"a{number}", "p5": 0.1, "p50": 0.2, "p95": 0.3} for number in range(15)
    ]
    picture = swings("Title", given, "share", SHARE)
    assert picture is not None
    assert [row["name"] for row in picture.rows[::2]] == [f"a{n}" for n in range(MOST_BARS)]
    assert picture.says.endswith("where the share is 20.0 %. The 12 widest of 15.")
    assert picture.more["middle"] == [{"middle": 0.2}]
    assert swings("Title", [], "share", SHARE) is None


def test_a_shape_is_made_once_whatever_the_rows() -> None:
    def shape(low: float, *names: str) -> Any:
        given = [{"assumption": name, "p5": low, "p50": 0.2, "p95": 0.3} for name in names]
        picture = swings("Title", given, "share", SHARE)
        assert picture is not None
        return picture.shape

    assert shape(0.1, "a", "b") is shape(0.15, "b", "a")
    assert shape(0.1, "a") != shape(0.1, "a", "b")
