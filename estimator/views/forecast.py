"""The table of a later budget."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from . import tables
from .text import amount_interval, beyond_spend, bounded, percent_interval

if TYPE_CHECKING:
    from computebill.programmes.forecast import Forecast
    from computebill.uncertainty.distribution import Distribution


def full(found: Forecast) -> Iterator[RenderableType]:
    """A later budget over final runs and all else."""
    basis, years = found.basis.name, f"{found.years} year{'s' * (found.years > 1)} later"
    growth = "" if found.growth is None else f", at a growth of {found.growth.text} a year"
    table = tables.table(f"{found.name}, {years}{growth}")
    table.add_column("")
    table.add_column("median (5th–95th percentile)", justify="right")

    def told(value: Distribution, name: str) -> str:
        return bounded(amount_interval(value, basis), found.bounds[name])

    for label, text in (
        ("R&D compute", told(found.budget, "rnd_compute")),
        ("Final runs", told(found.final_runs, "final_runs")),
        ("Experiments and all else", told(found.exploration, "exploration")),
        (
            "Final share of R&D compute",
            bounded(percent_interval(found.final_share), found.bound),
        ),
    ):
        table.add_row(label, Text(text, style="bold"))
    yield table
    left_out = beyond_spend(1 - found.kept, is_left_out=True)
    if left_out is not None:
        yield Text(left_out, style="yellow")
    yield Text(
        "The share starts from the programme's own; its logit moves by 0 ± 0.5 a year, a judgement "
        "about the few windows that can be compared.",
        style="dim",
    )
