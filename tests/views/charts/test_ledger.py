"""Charts of records: what is drawn adds up, and rectangles fill what they are of."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from results import told_ledger

from computebill.programmes.loading import shipped_programmes
from computebill.programmes.opened import opened_bars
from computebill.programmes.stated import KINDS
from computebill.views.charts import ledger as charts
from computebill.views.charts.squarified import Box, squarified


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    return told_ledger()


def test_each_month_has_its_hours_and_its_width(result: dict[str, Any]) -> None:
    picture = charts.over_time(result)
    assert picture is not None
    months = {name: each["gpu_hours"] for name, each in result["by_month"].items()}
    for month, hours in months.items():
        drawn = [row["hours"] for row in picture.rows if row["day"] == f"{month}-01"]
        assert sum(drawn) == pytest.approx(hours)
    # A month without work is drawn as none; the last one ends where the next begins.
    days = sorted({row["day"] for row in picture.rows})
    assert days[0] == f"{min(months)}-01"
    assert days[-1] > f"{max(months)}-01"


def test_the_opened_bar_is_the_hours_by_kind(result: dict[str, Any]) -> None:
    picture = charts.opened({**result, "beside": None, "final_share_of": "hours"})
    assert picture is not None
    ends = {row["part"]: row["end"] - row["start"] for row in picture.rows}
    kinds = {name: each["gpu_hours"] for name, each in result["by_kind"].items()}
    whole = sum(hours for kind, hours in kinds.items() if kind != "inference")
    assert ends["final runs"] == pytest.approx(kinds["final run"] / whole)
    assert sum(ends.values()) == pytest.approx(1.0)


def test_shipped_programmes_are_whole_bars() -> None:
    bars = opened_bars("A")
    assert {each["programme"] for each in bars} <= set(shipped_programmes("A"))
    assert len(bars) > 3
    for each in bars:
        assert sum(each["parts"].values()) == pytest.approx(1.0, abs=1e-3)
        assert set(each["parts"]) <= {"final runs", *KINDS, "unexplained"} == set(charts.PARTS)


def test_the_map_has_all_hours(result: dict[str, Any]) -> None:
    picture = charts.projects(result)
    assert picture is not None
    areas = [(row["x2"] - row["x"]) * (row["y"] - row["y2"]) for row in picture.rows]
    assert sum(areas) == pytest.approx(1.0)
    told = {(each["project"], each["kind"]): each["gpu_hours"] for each in crossed(result)}
    for row, area in zip(picture.rows, areas, strict=True):
        share = told[row["project"], row["kind"]] / result["gpu_hours"]
        assert area == pytest.approx(share, abs=1e-9)


def test_labels_of_the_map_stay_in_their_project_s_frame(result: dict[str, Any]) -> None:
    """A label is a whole name or so much of it that it tells something."""
    crossed = [
        {"project": name, "kind": "evaluation", "gpu_hours": hours, "cost_usd": None}
        for name, hours in (("alpha", 900.0), ("a-very-long-name", 60.0), ("research", 40.0))
    ]
    picture = charts.projects({**result, "by_project_and_kind": crossed})
    assert picture is not None
    labels = {row["project"]: row["label"] for row in picture.rows}
    assert labels["alpha"] == "alpha"
    for name, label in labels.items():
        assert label in ("", name) or (len(label) >= 6 and name.startswith(label[:-1]))
    ends = {frame["project"]: frame["x2"] for frame in picture.more["frames"]}
    for row in picture.rows:
        assert row["x"] + charts.LETTER * len(row["label"]) <= ends[row["project"]] + 1e-9


def crossed(result: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = result["by_project_and_kind"]
    return found


def test_sizes_are_shares_of_jobs_and_of_hours(result: dict[str, Any]) -> None:
    picture = charts.sizes(result)
    assert picture is not None
    for of in charts.MEASURED:
        assert sum(row["value"] for row in picture.rows if row["of"] == of) == pytest.approx(1.0)


def test_a_published_example_of_squarified_rectangles() -> None:
    """Areas 6, 6, 4, 3, 2, 2, 1 in 6 by 4 (Bruls, Huizing, van Wijk 2000, figure 4)."""
    boxes = squarified([6, 6, 4, 3, 2, 2, 1], Box(0, 0, 6, 4))
    sides = [(round(each.width, 4), round(each.height, 4)) for each in boxes]
    # Two of 3 by 2 on the left; then 4 and 3 side by side, 7/3 high; then the last three.
    assert sides[:2] == [(3, 2), (3, 2)]
    assert sides[2:4] == [(1.7143, 2.3333), (1.2857, 2.3333)]
    assert sides[4] == (1.2, 1.6667)


@given(
    st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=40),
    st.floats(0.2, 5.0),
)
def test_rectangles_fill_the_whole_without_overlap(values: list[float], width: float) -> None:
    ordered = sorted(values, reverse=True)
    boxes = squarified(ordered, Box(0.0, 0.0, width, 1.0))
    for value, box in zip(ordered, boxes, strict=True):
        share = value / sum(ordered)
        assert box.width * box.height == pytest.approx(share * width, rel=1e-6)
        assert -1e-9 <= box.x <= box.x + box.width <= width + 1e-6
        assert -1e-9 <= box.y <= box.y + box.height <= 1.0 + 1e-6
    for one, other in itertools.combinations(boxes, 2):
        across = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
        along = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
        assert min(across, along) <= 1e-6
