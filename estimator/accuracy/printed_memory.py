"""Printed memory of measured rows: which bytes a source's figure counts, and of which process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from computebill.base.errors import shown
from computebill.base.specfile import table_rows
from computebill.training.memory import Counted

from .cells import Cells, UnusableError, measure

SHIPPED_MEMORY = Path(__file__).with_name("printed_memory.csv")
"""What the figures of the shipped table's sources count."""

COUNTED: tuple[Counted, ...] = ("allocated", "reserved", "shown")
"""What a figure may count."""

UNITS = {"GiB": 2.0**30, "GB": 1e9, "1000 MiB": 1000 * 2.0**20}
"""Bytes of a printed GB."""

STAGES = ("fullest", "first")
"""Pipeline stages that a figure may be of."""

USUAL = {"mem_of": "shown", "mem_unit": "GiB", "mem_stage": "fullest"}
"""What a figure is where nobody says."""


class PrintedMemory(NamedTuple):
    """Printed memory of one accelerator.

    Attributes:
        bytes: printed [B].
        counted: what of a process it counts.
        is_first: whether it is of the first pipeline stage; else of the fullest.
    """

    bytes: float
    counted: Counted
    is_first: bool


def printed_memory(cells: Cells) -> PrintedMemory | None:
    """Return the printed memory of a row; None where it has none.

    What a row does not say is as its source has it, and else as ``USUAL``.

    Raises:
        UnusableError: naming the cell that cannot be what it says.
    """
    if "mem_gb" not in cells:
        return None
    told = {**USUAL, **_sources().get(cells.get("source_id", ""), {})}
    told |= {name: cells[name] for name in USUAL if name in cells}
    counted = next((each for each in COUNTED if each == told["mem_of"]), None)
    if counted is None:
        raise _unknown("mem_of", told, COUNTED)
    if told["mem_unit"] not in UNITS:
        raise _unknown("mem_unit", told, UNITS)
    if told["mem_stage"] not in STAGES:
        raise _unknown("mem_stage", told, STAGES)
    size = measure(cells, "mem_gb") * UNITS[told["mem_unit"]]
    return PrintedMemory(size, counted, told["mem_stage"] == "first")


def _unknown(name: str, told: Mapping[str, str], allowed: Iterable[str]) -> UnusableError:
    names = ", ".join(allowed)
    return UnusableError(f"{name}: got {shown(told[name])}; allowed: {names}")


@cache
def _sources() -> dict[str, dict[str, str]]:
    """What is told of sources, by their key; empty cells left out."""
    text = SHIPPED_MEMORY.read_text(encoding="utf-8")
    rows = table_rows(text, SHIPPED_MEMORY.name, ("source_id", *USUAL))
    return {row["source_id"]: {name: row[name] for name in USUAL if row[name]} for row in rows}
