"""Charts of programmes: several of one name, and final runs that cost more than all R&D."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from looks import charts, one, rows_of, spec_of

from computebill.views.report import reports_of

Results = dict[str, dict[str, Any]]
OVER = {"p5": -4.2e9, "p50": -2.58e9, "p95": 1.1e9, "mean": -2.6e9}


@pytest.fixture
def over(results: Results) -> dict[str, Any]:
    """Two programmes, the first with final runs above its R&D compute."""
    both = copy.deepcopy(results["spends"])
    first = both["programmes"][0]
    first["exploration_usd"] = OVER
    first["final_share"] = {"p5": 0.9, "p50": 1.3, "p95": 1.42, "mean": 1.3}
    first["probability_final_exceeds_rnd"] = 0.68
    return both


def domain(chart: Any, channel: str = "x") -> list[float]:
    scale = spec_of(chart)["layer"][0]["encoding"][channel]["scale"]
    found: list[float] = scale["domain"]
    return found


def test_what_is_below_nothing_is_an_arrow_at_the_axis_end(over: dict[str, Any]) -> None:
    chart = charts(one(over))["The same in dollars"]
    rows = rows_of(chart)
    assert min(row["p5"] for row in rows) > 0
    cut = [row for row in rows if row["cut"]]
    assert [row["name"] for row in cut] == ["Example lab: all else"]
    assert cut[0]["short"] == "−$2.58 B"
    assert cut[0]["at"] == cut[0]["p5"] < cut[0]["p95"] == 1.1e9
    assert chart.says.endswith("An arrow goes on below the axis.")
    assert "An arrow" not in charts(one(over["programmes"][1]))["Runs, dearest first"].says


def test_a_stray_low_end_does_not_press_all_else_together(over: dict[str, Any]) -> None:
    over["programmes"][0]["exploration_usd"] = {**OVER, "p5": 0.01, "p50": 2e6, "mean": 1e6}
    rows = rows_of(charts(one(over))["The same in dollars"])
    assert min(row["p5"] for row in rows) > 500
    assert [row["cut"] for row in rows].count(True) == 1


def test_a_waterfall_shows_what_is_below_nothing(over: dict[str, Any]) -> None:
    chart = charts(reports_of([("x", over)])[1])["From one run to the whole programme"]
    assert any("(−" in row["told"] for row in rows_of(chart))
    assert '"domain"' not in json.dumps(spec_of(chart)["layer"][0]["encoding"]["x"])
    assert "scenario" not in chart.says


def test_a_share_above_all_is_drawn_and_said(over: dict[str, Any]) -> None:
    chart = charts(one(over))["Final runs and the rest of R&D compute"]
    assert domain(chart) == [0, 1.42]
    assert max(row["p95"] for row in rows_of(chart)) == 1.42
    assert "Beyond 100 % the final runs cost more than was reported." in chart.says
    over["programmes"][0]["final_share"]["p95"] = 9.0
    chart = charts(one(over))["Final runs and the rest of R&D compute"]
    assert domain(chart) == [0, 2.0]
    assert chart.says.endswith("An arrow goes on to what is written.")


def test_the_comparison_warns_as_its_programmes_do(over: dict[str, Any]) -> None:
    assert one(over).notes == [
        "Example lab: In 68.0 % of the draws the final runs cost more than all R&D compute: the "
        "assumptions cannot all hold there."
    ]


def test_programmes_of_one_name_are_told_apart(results: Results) -> None:
    spend, other = results["spend"], {**results["spend"], "variant": "dearer"}
    report = one(spend, other, {**other})
    share, dollars, follower = (
        charts(report)[title]
        for title in (
            "Final runs and the rest of R&D compute",
            "The same in dollars",
            "What is left to pay for one who follows",
        )
    )
    title = "Example lab, second half of 2025"
    expected = [f"{title}, as-published", f"{title}, dearer", f"{title}, dearer (2)"]
    assert [row[0] for row in share.table.rows] == expected
    lines = {row["programme"]: 0 for row in rows_of(follower)}
    assert list(lines) == expected
    assert spec_of(follower)["layer"][0]["encoding"]["color"]["scale"]["domain"] == expected
    assert len({row["name"] for row in rows_of(dollars)}) == 6
    for name in ("Example lab, as-published", "Example lab, dearer", "Example lab, dearer (2)"):
        assert f"at {name}" in report.answer


def test_one_organisation_in_two_years_is_told_by_the_title(results: Results) -> None:
    earlier = {**results["spend"], "title": "Example lab, 2024"}
    answer = one(results["spend"], earlier).answer
    assert "at Example lab, 2024" in answer
    assert "at Example lab, second half of 2025" in answer
