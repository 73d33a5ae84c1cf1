"""A result as a spreadsheet: the answer, its figures, the rows, what went in with its source."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from computebill.base.errors import RequestError

from .document import Report

if TYPE_CHECKING:
    import pandas as pd

NEEDS = "needs XlsxWriter; install computebill[xlsx]"

MOST_ROWS = 1_048_575
"""Rows of a sheet below its headings; the format holds no more."""
WIDEST = 60
LEAST_WIDTH = 10
"""Letters of a column."""


class Sheet(NamedTuple):
    """One sheet: its name, its headings, its rows."""

    name: str
    headings: Sequence[str]
    rows: Iterable[Sequence[Any]]


def check_workbook() -> None:
    """Refuse a workbook where the library that writes it is not installed.

    Raises:
        RequestError: naming what to install.
    """
    try:
        import xlsxwriter  # noqa: F401
    except ImportError:
        raise RequestError("-o", f".xlsx {NEEDS}") from None


def write_workbook(reports: Sequence[Report], frame: pd.DataFrame, target: Path) -> None:
    """Write a result to a workbook.

    Texts are written as they are: nothing in a cell is ever a formula or a link.

    Args:
        reports: what is told of it.
        frame: its rows.
        target: file to write.

    Raises:
        RequestError: where there are more rows than a sheet holds.
    """
    import xlsxwriter

    if len(frame) > MOST_ROWS:
        allowed = f"up to {MOST_ROWS:,} in a sheet; .csv and .parquet take any number"
        raise RequestError("-o", f"got {len(frame):,} rows; allowed: {allowed}")
    plain = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(str(target), plain) as book:
        heading = book.add_format({"bold": True, "bottom": 1})
        for sheet in sheets(reports, frame):
            page = book.add_worksheet(sheet.name)
            page.write_row(0, 0, sheet.headings, heading)
            page.freeze_panes(1, 0)
            widths = [len(each) for each in sheet.headings]
            for place, row in enumerate(sheet.rows, start=1):
                for column, value in enumerate(map(cell, row)):
                    if value is not None:
                        page.write(place, column, value)
                        widths[column] = max(widths[column], len(str(value)))
            for column, width in enumerate(widths):
                page.set_column(column, column, min(max(width, LEAST_WIDTH), WIDEST))


def sheets(reports: Sequence[Report], frame: pd.DataFrame) -> Iterator[Sheet]:
    """Yield the sheets of a result: those that have nothing to say are left out."""
    yield Sheet("Answer", ("result", "figure", "value", "interval"), list(_answers(reports)))
    if len(frame.columns):
        named = frame if frame.index.name is None else frame.reset_index()
        yield Sheet("Rows", [str(each) for each in named.columns], named.itertuples(index=False))
    inputs = [row for report in reports for row in report.assumptions]
    if inputs:
        yield Sheet("Inputs", ("name", "value", "source"), list(dict.fromkeys(inputs)))
    keys = ("title", "address", "licence", "note")
    cited = [tuple(each.get(key) for key in keys) for report in reports for each in report.sources]
    if cited:
        yield Sheet("Sources", keys, list(dict.fromkeys(cited)))
    about = [(key, str(value)) for each in reports for key, value in each.about.items() if value]
    if about:
        yield Sheet("About", ("what", "value"), list(dict.fromkeys(about)))


def _answers(reports: Sequence[Report]) -> Iterator[tuple[str, ...]]:
    for report in reports:
        yield (report.title, "answer", report.answer, "")
        for note in report.notes:
            yield (report.title, "note", note, "")
        for each in report.figures:
            yield (report.title, each.label, each.value, each.interval)


def cell(value: Any) -> str | float | int | bool | dt.date | None:
    """Return a value as a cell holds it; nothing for what no cell can hold."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if hasattr(value, "item"):  # NumPy's numbers
        return cell(value.item())
    if isinstance(value, dict | list | tuple):
        return ", ".join(map(str, value)) if value else None
    return str(value)
