"""Tables of a statement of training compute."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from computebill.statements.estimate import Statement
from computebill.statements.form import Filled
from computebill.statements.planned import Watch

from . import statement_tables, tables
from .statement_tables import Told

SHORT = tables.LEAST_WORDS
"""Letters of words that are kept on one line."""


def full(found: Statement | Watch) -> Iterator[RenderableType]:
    """The answer, line by line, then every assumption with its source."""
    result = found.to_dict()
    for note in result["notes"]:
        yield Text(note, style="yellow" if note in result["warnings"] else "")
    for told in statement_tables.all_tables(result):
        yield _rich(told)
        if told.note:
            yield Text(told.note)
    yield _assumptions(result["assumptions"])
    versions = ", ".join(f"{name} {each}" for name, each in result["versions"].items())
    yield Text(f"{versions}; seed {result['seed']}; inputs SHA-256 {result['inputs_sha256']}")


def form(fields: Sequence[Filled], notes: Sequence[str]) -> Iterator[RenderableType]:
    """The fields of the documentation form, as far as a statement fills them, and notes."""
    table = tables.table("Model Documentation Form, what a statement of compute fills")
    table.add_column("section", overflow="fold")
    table.add_column("asks for", overflow="fold")
    table.add_column("value", overflow="fold")
    for each in fields:
        table.add_row(each.section, each.title, each.value)
    yield table
    yield from (Text(note) for note in notes)


def _rich(told: Told) -> Table:
    table = tables.table(told.title, told.less)
    for place, heading in enumerate(told.headings):
        cells = [row[place] for row in told.rows]
        is_left = place == 0 or heading in told.left
        most = max((_longest(cell) for cell in cells), default=0)
        table.add_column(
            _stacked_heading(heading, most),
            justify="left" if is_left else "right",
            overflow="fold",
            no_wrap=most <= SHORT or not is_left,
            min_width=SHORT if is_left and most > SHORT else None,
        )
    for row in told.rows:
        table.add_row(*row)
    return table


def _longest(cell: str) -> int:
    return max(map(len, cell.splitlines()), default=0)


def _stacked_heading(heading: str, most: int) -> str:
    """Return a heading on as many lines as keep it no wider than its column's cells.

    A heading that is cut names another column.
    """
    words = max(map(len, re.split(r"(?<=-)|\s", heading)), default=0)
    return textwrap.fill(heading, max(most, words, 1))


def _assumptions(rows: Sequence[dict[str, str]]) -> Table:
    told = [[each["name"], each["value"], each["source"]] for each in rows]
    return _rich(Told("What went in", ("input", "value", "source"), told, ("source",)))
