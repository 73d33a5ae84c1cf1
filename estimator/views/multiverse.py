"""Tables of a share under every combination of methods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from . import tables
from .text import digits, percent

Told = Mapping[str, Any]


def multiverse(found: Told) -> Iterator[RenderableType]:
    """What the conclusion hangs on: each choice, and the medians with each of its options.

    Args:
        found: a multiverse as JSON has it.
    """
    table = tables.table("The median share under every combination of methods")
    table.add_column("choice", overflow="fold")
    table.add_column("median of medians (5th–95th)", justify="right")
    table.add_column("of their variance", justify="right")
    table.add_row("all combinations", share_text(found["median_share"]), "", style="bold")
    for axis in found["axes"]:
        table.add_row(axis["axis"], "", percent(axis["share_of_variance"]))
        for option in axis["options"]:
            table.add_row(f"  {option['option']}", share_text(option["median_share"]), "")
    yield table
    yield Text(told(found), style="dim")


def share_text(share: Told) -> str:
    """Write a median of medians with the range of these: ``8.92 % (3.23–29.6)``."""
    low, high = (digits(100 * share[key]) for key in ("p5", "p95"))
    return f"{percent(share['p50'])} ({low}–{high})"


def told(found: Told) -> str:
    """Tell how many combinations there are, and what is not among them."""
    text = (
        f"{found['specifications']:,} combinations; their medians run from "
        f"{percent(found['lowest'])} to {percent(found['highest'])}."
    )
    if found["beyond_spend"]:
        text += (
            f" In {found['beyond_spend']:,} of them the median final runs cost more than all R&D "
            "compute."
        )
    if found["impossible"]:
        text += f" {found['impossible']:,} do not go together and are left out."
    if found["left_out"]:
        text += f" What moves nothing here: {', '.join(found['left_out'])}."
    return text
