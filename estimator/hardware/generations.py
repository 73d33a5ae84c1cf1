"""Generations of hardware and software: what efficiencies are known for.

A measured efficiency belongs to a generation of chips, of number formats and of training
software, never to one source or one model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from computebill.base.constants import number, table

from .accelerators import Accelerator

T = TypeVar("T")


HARDWARE = {
    "v100": "volta",
    "t4": "volta",
    "quadro-rtx": "volta",
    "rtx-2080": "volta",
    "titan-rtx": "volta",
    "a10": "ampere",
    "a100": "ampere",
    "a800": "ampere",
    "rtx-3090": "ampere",
    "rtx-a6000": "ampere",
    "l4": "ada",
    "l40s": "ada",
    "rtx-4090": "ada",
    "rtx-6000": "ada",
    "h": "hopper",
    "gh200": "hopper",
    "b": "blackwell",
    "gb": "blackwell",
    "rtx-5090": "blackwell",
    "rtx-pro": "blackwell",
    "rubin": "blackwell",
    "mi": "cdna",
    "tpu": "tpu",
}
"""Generation by the beginning of a profile's name; the longest that fits."""

# base/constants.toml has what these are, and where from.
MULTIPROCESSORS = table("hardware.generations.MULTIPROCESSORS")
OTHER_MULTIPROCESSORS = number("hardware.generations.OTHER_MULTIPROCESSORS")
BEST_PRODUCT = table("hardware.generations.BEST_PRODUCT")


def hardware_generation(accelerator: Accelerator) -> str:
    """Return the generation of an accelerator; ``other`` where it is none of the table's."""
    return _longest(HARDWARE, accelerator.known_as or accelerator.name) or "other"


def multiprocessors(accelerator: Accelerator) -> float:
    """Return how many multiprocessors work off the tiles of a product."""
    if accelerator.multiprocessors is not None:
        return accelerator.multiprocessors.value
    found = _longest(MULTIPROCESSORS, accelerator.known_as or accelerator.name)
    return OTHER_MULTIPROCESSORS if found is None else found


def reach(accelerator: Accelerator) -> float:
    """Return its best measured product's share of the peak, over that of its generation; else 1.

    Parts of one generation are held back by power and libraries to different degrees.
    """
    typical = BEST_PRODUCT.get(hardware_generation(accelerator))
    best = accelerator.measured_flop_per_s("bf16")
    if typical is None or best is None:
        return 1.0
    return best / accelerator.peak_flop_per_s("bf16") / typical


def _longest(table: Mapping[str, T], name: str) -> T | None:
    found = [key for key in table if name.startswith(key)]
    return table[max(found, key=len)] if found else None
