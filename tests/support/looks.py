"""What tests of views look up: in a report, in a chart, on a terminal."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

from rich.console import Console, RenderableType

from computebill.views.report import reports_of
from computebill.views.report.document import Chart, Report, Table


def one(result: dict[str, Any], *others: dict[str, Any]) -> Report:
    """Return the first report of results."""
    return reports_of([("x.json", result), *(("y.json", each) for each in others)])[0]


def tables(report: Report) -> list[Table]:
    """Return all tables, those behind charts too."""
    found = [part for section in report.sections for part in section.parts]
    return [part.table if isinstance(part, Chart) else part for part in found]


def table_of(report: Report, title: str) -> Table:
    """Return the table of that title."""
    return next(table for table in tables(report) if table.title == title)


def charts(report: Report) -> dict[str, Chart]:
    """Return the charts by their titles."""
    return {chart.title: chart for chart in report.charts()}


def spec_of(chart: Chart) -> dict[str, Any]:
    """Return a chart as Vega-Lite, which Altair validated."""
    return chart.picture.spec()


def rows_of(chart: Chart) -> list[dict[str, Any]]:
    """Return the rows that a chart draws, the most of its data sets."""
    return max(spec_of(chart)["datasets"].values(), key=len)


def contrast(one: str, other: str) -> float:
    """Contrast of two colours as WCAG 2.2 has it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def printed(parts: Iterable[RenderableType], width: int = 160) -> str:
    """Return what a terminal of a width shows."""
    console = Console(file=io.StringIO(), width=width, markup=False, emoji=False)
    for part in parts:
        console.print(part)
    return console.file.getvalue()  # type: ignore[attr-defined]


def line_with(text: str, table: str) -> str:
    """Return the first line of a table that has a text."""
    return next(line for line in table.splitlines() if text in line)
