"""Generations of hardware and software: what efficiencies are known for.

A measured efficiency belongs to a generation of chips, of number formats and of training
software, never to one source or one model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

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

MULTIPROCESSORS = {
    "gtx-285": 30.0,
    "gtx-480": 15.0,
    "gtx-580": 16.0,
    "gtx-590": 32.0,
    "c2075": 14.0,
    "gtx-780": 12.0,
    "gtx-titan": 14.0,
    "gtx-titan-black": 15.0,
    "k20": 13.0,
    "k20x": 14.0,
    "k40": 15.0,
    "k80": 26.0,
    "quadro-k6000": 15.0,
    "gtx-980": 16.0,
    "gtx-titan-x": 24.0,
    "m40": 24.0,
    "gtx-1080-ti": 28.0,
    "titan-xp": 30.0,
    "quadro-p600": 3.0,
    "quadro-gp100": 56.0,
    "p100": 56.0,
    "rtx-2080": 68.0,
    "titan-rtx": 72.0,
    "quadro-rtx": 72.0,
    "quadro-rtx-5000": 48.0,
    "quadro-rtx-4000": 36.0,
    "v100": 80.0,
    "a100": 108.0,
    "a800": 108.0,
    "h100-pcie": 114.0,
    "h": 132.0,
    "gh200": 132.0,
    "b": 148.0,
    "gb": 148.0,
    "gb300": 160.0,
    "b300": 160.0,
    "l40s": 142.0,
    "mi": 304.0,
    "mi35": 256.0,
    "tpu": 8.0,
    "cpu": 0.0,
}
"""By the beginning of a profile's name (vendors' datasheets; reviews for chips before Volta and for
Turing); 100 where nothing fits. A CPU's libraries cut tiles to size: it has none to fill."""

BEST_PRODUCT = {"ampere": 0.84, "hopper": 0.807, "blackwell": 0.776, "cdna": 0.6}
"""Share of the 16-bit peak that the best measured product reaches, the median of a generation's
profiles."""


def hardware_generation(accelerator: Accelerator) -> str:
    """Return the generation of an accelerator; ``other`` where it is none of the table's."""
    return _longest(HARDWARE, accelerator.known_as or accelerator.name) or "other"


def multiprocessors(accelerator: Accelerator) -> float:
    """Return how many multiprocessors work off the tiles of a product."""
    if accelerator.multiprocessors is not None:
        return accelerator.multiprocessors.value
    found = _longest(MULTIPROCESSORS, accelerator.known_as or accelerator.name)
    return 100.0 if found is None else found


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
