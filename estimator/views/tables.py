"""The look that all tables share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import replace

from rich import box
from rich.cells import cell_len
from rich.table import Column, Table

from computebill.base.assumptions import Assumption

LONGEST_WORDS = 22
"""Letters that a column of words is given before it folds, where there is little room."""
LEAST_WORDS = 12
"""Letters that a column of words keeps, however little room there is."""
MOST_REASONS = 8
"""Reasons that are told by themselves."""
BETWEEN = 3
"""Letters between two columns."""


class Narrowing(Table):
    """A table that knows which of its columns may go where there is no room.

    Attributes:
        less: headings of columns, the first to go first.
    """

    less: tuple[str, ...] = ()


def table(title: str, less: Sequence[str] = ()) -> Table:
    """Return an empty table, its title on the left, light enough to copy into a text.

    Args:
        title: above it.
        less: headings of columns that may go on a narrow terminal, the first to go first.
    """
    found = Narrowing(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="dim",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    found.less = tuple(less)
    return found


def add_figures(found: Table, heading: str, cells: Iterable[str]) -> None:
    """Add a column of figures, whose intervals may stand on a line of their own but are not cut.

    Args:
        found: the table.
        heading: of the column.
        cells: what will stand in it.
    """
    least = max((cell_len(word) for cell in cells for word in _unsplit(cell)), default=1)
    found.add_column(heading, justify="right", min_width=least)


def _unsplit(cell: str) -> list[str]:
    """Return a figure and its interval, each with its unit."""
    figure, bracket, interval = cell.partition(" (")
    return [figure, bracket[1:] + interval]


def narrowed(given: Table, width: int) -> Table:
    """Return a table without columns that there is no room for; it says which these are.

    A figure that is cut reads as another figure, so columns go whole.

    Args:
        given: the table.
        width: letters of a line.
    """
    columns, gone = list(given.columns), []
    for heading in getattr(given, "less", ()):
        if sum(map(_letters, columns)) + BETWEEN * len(columns) <= width:
            break
        kept = [column for column in columns if _unbroken(str(column.header)) != _unbroken(heading)]
        gone += [heading] * (len(kept) < len(columns))
        columns = kept
    if not gone:
        return given
    found = copy(given)
    # Each column knows its place.
    found.columns = [replace(column, _index=place) for place, column in enumerate(columns)]
    found.caption = f"No room for: {', '.join(gone)}; a wider terminal, --json and -o have them."
    found.caption_justify = "left"
    return found


def _unbroken(heading: str) -> str:
    """Return a heading whichever lines it is broken into."""
    return "".join(heading.split())


def _letters(column: Column) -> int:
    """Return the letters that a column needs: its least, else all of figures, of words a few."""
    texts = (getattr(cell, "plain", str(cell)) for cell in (column.header, *column.cells))
    most = max((cell_len(line) for text in texts for line in text.splitlines()), default=0)
    enough = LONGEST_WORDS if column.justify == "left" else most
    return min(most, column.min_width or enough)


def reasons(title: str, heading: str, counts: Counter[str], others: str) -> Table:
    """Return how many rows each reason counts, the commonest by themselves."""
    found = table(title)
    found.add_column(heading, overflow="fold")
    found.add_column("rows", justify="right")
    told = counts.most_common()
    for reason, rows in told[:MOST_REASONS]:
        found.add_row(reason, f"{rows:,}")
    if left := sum(rows for _, rows in told[MOST_REASONS:]):
        found.add_row(others, f"{left:,}")
    return found


def inputs(given: Iterable[Assumption], title: str = "What went in") -> Table:
    """Return the table of all that went into a result, each with its source."""
    found = table(title)
    found.add_column("input", overflow="fold")
    found.add_column("value", justify="right")
    found.add_column("source", overflow="fold")
    for each in given:
        found.add_row(each.name, each.value, each.source)
    return found
