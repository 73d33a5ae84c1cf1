"""The look that all tables share."""

from __future__ import annotations

from rich import box
from rich.table import Table


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
