"""Tables of utilisation."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from ..mfu import Utilisation
from . import tables
from .model import CONVENTION_TEXT
from .text import count, flop, percent


def full(found: Utilisation) -> Iterator[RenderableType]:
    """One row a convention."""
    speed = count(found.tokens_per_second_per_gpu)
    where = f"{found.accelerator.title}, {flop(found.peak_flop_per_s)} FLOP/s {found.precision}"
    at = f" at {found.sequence:,} tokens" if found.sequence else ""
    table = tables.table(f"{speed} tokens per second and GPU{at}, {where}")
    table.add_column("convention")
    table.add_column("FLOP per token", justify="right")
    table.add_column("utilisation", justify="right")
    table.add_column("counts")
    for name, value in found.flop_per_token.items():
        if value is None:
            table.add_row(name, "–", "–", "needs a config.json")
            continue
        table.add_row(name, flop(value), percent(found.share(value) or 0.0), CONVENTION_TEXT[name])
    hardware = found.hardware_flop_per_token
    if hardware is not None:
        table.add_row("hfu", flop(hardware), percent(found.hfu or 0.0), "all that was computed")
    yield table
    for note in found.notes:
        yield Text(f"Note: {note}")
