from __future__ import annotations

from typing import Any

from computebill.views.report import page, reports_of
from computebill.views.report.document import Chart

Results = dict[str, dict[str, Any]]


def test_the_page_has_totals_lines_and_sources(results: Results) -> None:
    (report,) = reports_of([("x.json", results["statement"])])
    titles = [section.title for section in report.sections]
    assert titles == [
        "Totals",
        "Line by line",
        "When",
        "Methods",
        "Electricity",
        "What the rules leave open",
    ]
    text = page.render([report])
    for told in ("Training compute of SmolLM3-3B", "not legal advice", "Regulation (EU) 2024/1689"):
        assert told in text


def test_the_chart_has_what_counts_beside_the_thresholds(results: Results) -> None:
    (report,) = reports_of([("x.json", results["statement"])])
    (chart,) = (part for part in report.sections[0].parts if isinstance(part, Chart))
    drawn = {row["name"]: row["p50"] for row in chart.picture.rows}
    totals = results["statement"]["totals"]
    assert drawn["eu-cumulative"] == totals["eu-cumulative"]["flop"]["p50"]
    assert "fmf" not in drawn  # nothing that it counts was read
    thresholds = {name: value for name, value in drawn.items() if name.startswith("threshold")}
    assert sorted(thresholds.values()) == [1e23, 1e25, 1e26]
