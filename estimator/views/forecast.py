"""The table of a later budget."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from . import tables
from .text import amount_interval, beyond_spend, percent_interval

if TYPE_CHECKING:
    from computebill.programmes.forecast import Forecast


def full(found: Forecast) -> Iterator[RenderableType]:
    """A later budget over final runs and all else."""
    basis, years = found.basis.name, f"{found.years} year{'s' * (found.years > 1)} later"
    growth = "" if found.growth is None else f", at a growth of {found.growth.text} a year"
    table = tables.table(f"{found.name}, {years}{growth}")
    table.add_column("")
    table.add_column("median (5th–95th percentile)", justify="right")
    for label, text in (
        ("R&D compute", amount_interval(found.budget, basis)),
        ("Final runs", amount_interval(found.final_runs, basis)),
        ("Experiments and all else", amount_interval(found.exploration, basis)),
        ("Final share of R&D compute", percent_interval(found.final_share)),
    ):
        table.add_row(label, Text(text, style="bold"))
    yield table
    told = beyond_spend(1 - found.kept, is_left_out=True)
    if told is not None:
        yield Text(told, style="yellow")
    yield Text(
        "The share starts from the programme's own; its logit moves by 0 ± 0.5 a year, a judgement "
        "about the few windows that can be compared.",
        style="dim",
    )
