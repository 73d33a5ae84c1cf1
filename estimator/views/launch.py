"""What launch files say, where they say it, and what is left of them."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from computebill.launch.record import Fact, kind_of
from computebill.training.launched import Launched

from . import tables

MOST_UNUSED = 20
MOST_IDLE = 12
"""Settings that are named each by itself; JSON has all."""


def full(found: Launched) -> Iterator[RenderableType]:
    """The facts, each with its place; what files say and is not used; what costs nothing."""
    launch = found.launch
    yield _facts(found)
    if launch.unused:
        yield _unused(found)
    if launch.idle:
        names = [each.said.key for each in launch.idle]
        more = f" and {len(names) - MOST_IDLE} more" if len(names) > MOST_IDLE else ""
        yield Text(
            f"Without a bearing on cost, as far as is known: {', '.join(names[:MOST_IDLE])}{more}."
        )
    yield from (Text(f"Of the launch files: {note}.") for note in (*launch.notes, *found.notes))


def _facts(found: Launched) -> Table:
    launch = found.launch
    table = tables.table(f"What {', '.join(launch.files)} says ({launch.title})")
    for heading in ("what", "value", "where"):
        table.add_column(heading, overflow="fold")
    for name, fact in launch.facts.items():
        table.add_row(kind_of(name).what, as_text(fact), _place(fact))
    return table


def as_text(fact: Fact) -> str:
    """Return a fact's value as a person reads it."""
    if isinstance(fact.value, bool):
        return "yes" if fact.value else "no"
    if isinstance(fact.value, tuple | list):
        return ", ".join(map(str, fact.value))
    return f"{fact.value:,}" if isinstance(fact.value, int) else str(fact.value)


def _place(fact: Fact) -> str:
    return f"as {fact.said.file} has it by itself" if fact.usual else fact.said.told


def _unused(found: Launched) -> Table:
    unused = found.launch.unused
    more = f"; {len(unused) - MOST_UNUSED} more in --json" if len(unused) > MOST_UNUSED else ""
    table = tables.table(f"What it says and is not used{more}")
    for heading in ("setting", "value", "why"):
        table.add_column(heading, overflow="fold")
    for each in unused[:MOST_UNUSED]:
        table.add_row(each.said.told, str(each.value)[:80], each.why or "not known")
    return table
