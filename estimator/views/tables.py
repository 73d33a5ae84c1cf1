"""The look that all tables share."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.table import Table

from computebill.base.assumptions import Assumption


def table(title: str) -> Table:
    """Return an empty table, its title on the left, light enough to copy into a text."""
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="dim",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )


def inputs(given: Iterable[Assumption], title: str = "What went in") -> Table:
    """Return the table of all that went into a result, each with its source."""
    found = table(title)
    found.add_column("input", overflow="fold")
    found.add_column("value", justify="right")
    found.add_column("source", overflow="fold")
    for each in given:
        found.add_row(each.name, each.value, each.source)
    return found
