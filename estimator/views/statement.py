"""Tables of a statement of training compute."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from computebill.statements.estimate import Statement
from computebill.statements.form import Filled
from computebill.statements.planned import Watch

from . import statement_tables, tables
from .statement_tables import Told

SHORT = 16
"""Letters of a cell that is kept on one line."""


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


def form(fields: Sequence[Filled], how_read: str) -> Iterator[RenderableType]:
    """The fields of the documentation form, as far as a statement fills them."""
    table = tables.table("Model Documentation Form, what a statement of compute fills")
    table.add_column("section", overflow="fold")
    table.add_column("asks for", overflow="fold")
    table.add_column("value", overflow="fold")
    for each in fields:
        table.add_row(each.section, each.title, each.value)
    yield table
    yield how_read


def _rich(told: Told) -> Table:
    table = tables.table(told.title)
    for place, heading in enumerate(told.headings):
        is_left = place == 0 or heading in told.left
        is_short = all(len(row[place]) <= SHORT for row in told.rows)
        table.add_column(
            heading,
            justify="left" if is_left else "right",
            overflow="fold",
            no_wrap=is_short or not is_left,
        )
    for row in told.rows:
        table.add_row(*row)
    return table


def _assumptions(rows: Sequence[dict[str, str]]) -> Table:
    told = [[each["name"], each["value"], each["source"]] for each in rows]
    return _rich(Told("What went in", ("input", "value", "source"), told, ("source",)))
