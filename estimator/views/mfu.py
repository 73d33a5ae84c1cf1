"""Tables of utilisation."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from computebill.base.assumptions import GIVEN
from computebill.models.mfu import Utilisation

from . import tables
from .model import convention_text
from .text import count, flop, percent


def _title(found: Utilisation) -> str:
    speed = count(found.tokens_per_second_per_gpu)
    where = f"{found.accelerator.title}, {flop(found.peak_flop_per_s)} FLOP/s {found.precision}"
    at = f" at {found.sequence:,} tokens" if found.sequence else ""
    return f"{speed} tokens per second and GPU{at}, {where}"


def _whose(found: Utilisation) -> str:
    """Return how a given speed was read: of one accelerator, or of all together."""
    told = [each for each in found.assumptions if each.source.startswith(GIVEN)]
    given = {each.name: each.value for each in told}
    if "tokens per second" in given:
        return f"Speed read as that of all {given['count']} accelerators together."
    one = "tokens per second per gpu" in given
    return "Speed read as that of one accelerator." if one else ""


def full(found: Utilisation) -> Iterator[RenderableType]:
    """One row a convention."""
    table = tables.table(_title(found))
    table.add_column("convention")
    table.add_column("FLOP per token", justify="right")
    table.add_column("utilisation", justify="right")
    table.add_column("counts")
    is_frozen = any(each.name == "rank of adapters" for each in found.assumptions)
    for name, value in found.flop_per_token.items():
        if value is None:
            table.add_row(name, "–", "–", "needs a config.json")
            continue
        table.add_row(
            name,
            flop(value),
            percent(found.share(value) or 0.0),
            convention_text(name, is_frozen=is_frozen),
        )
    hardware = found.hardware_flop_per_token
    if hardware is not None:
        table.add_row("hfu", flop(hardware), percent(found.hfu or 0.0), "all that was computed")
    yield table
    if whose := _whose(found):
        yield Text(whose)
    for note in found.notes:
        yield Text(f"Note: {note}")
