"""Generations of hardware: what efficiencies are known for.

A measured efficiency belongs to a generation of chips, of number formats and of training
software, never to one source or one model. A part's generation is a figure of its profile.
"""

from __future__ import annotations

from collections.abc import Sequence

from computebill.base.constants import number, table

from .accelerators import Accelerator

OTHER = "other"
"""The family of generations of whose products no step was measured."""

FAMILIES = {
    "volta": "volta",
    "turing": "volta",
    "ampere": "ampere",
    "ada": "ada",
    "hopper": "hopper",
    "blackwell": "blackwell",
    "blackwell-ultra": "blackwell",
    "rubin": "blackwell",
    "cdna2": "cdna",
    "cdna3": "cdna",
    "cdna4": "cdna",
    "cdna5": "cdna",
    "tpu-v1": "tpu",
    "tpu-v2": "tpu",
    "tpu-v3": "tpu",
    "tpu-v4": "tpu",
    "tpu-v5": "tpu",
    "tpu-v6": "tpu",
    "tpu-v7": "tpu",
}
"""Whose efficiencies a generation has, by the generation's name."""

ONCE_SENT = frozenset({"ampere", "hopper", "blackwell", "cdna"})
"""Families of parts that DeepEP, or a port of it, is made for."""

# base/constants.toml has what these are, and where from.
OTHER_MULTIPROCESSORS = number("hardware.generations.OTHER_MULTIPROCESSORS")
BEST_PRODUCT = table("hardware.generations.BEST_PRODUCT")


def hardware_generation(accelerator: Accelerator) -> str:
    """Return the family of generations whose efficiencies an accelerator has; else ``other``."""
    generation = accelerator.generation
    return OTHER if generation is None else FAMILIES.get(generation.value, OTHER)


def has_deepep(accelerator: Accelerator) -> bool:
    """Whether kernels that send a token once to a rank (DeepEP) are made for a part.

    DeepEP's own are CUDA's, for Ampere and later with NVLink; AMD's Primus-Turbo has them for CDNA.
    """
    return hardware_generation(accelerator) in ONCE_SENT


def is_ultra(accelerator: Accelerator) -> bool:
    """Whether an accelerator is Blackwell Ultra, whose low-precision products are faster."""
    return accelerator.generation is not None and accelerator.generation.value == "blackwell-ultra"


def multiprocessors(accelerator: Accelerator) -> float:
    """Return how many multiprocessors work off the tiles of a product; 0 of a CPU.

    A CPU's libraries cut tiles to size: it has none to fill.
    """
    if accelerator.multiprocessors is not None:
        return accelerator.multiprocessors.value
    generation = accelerator.generation
    is_cpu = generation is not None and generation.value == "cpu"
    return 0.0 if is_cpu else OTHER_MULTIPROCESSORS


def reach(accelerator: Accelerator) -> float:
    """Return its best measured product's share of the peak, over that of its generation; else 1.

    Parts of one generation are held back by power and libraries to different degrees. 16 bits
    tell it, as efficiencies were fitted; 8 bits where no product of 16 was measured.
    """
    generation = accelerator.generation
    if generation is None or generation.value == "cpu":
        return 1.0  # whose peak may be but a measured product
    for bits, dtypes in (("16", ("bf16", "fp16")), ("8", ("fp8",))):
        typical = BEST_PRODUCT.get(f"{hardware_generation(accelerator)}.{bits}")
        best = _best_share(accelerator, dtypes)
        if typical is not None and best is not None:
            return best / typical
    return 1.0


def _best_share(accelerator: Accelerator, dtypes: Sequence[str]) -> float | None:
    """Share of the peak that the measured product of the first of dtypes reaches that has one."""
    for dtype in dtypes:
        best = accelerator.measured_flop_per_s(dtype)
        if best is not None:
            return best / accelerator.peak_flop_per_s(dtype)
    return None
