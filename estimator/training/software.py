"""Generations of training software: what each can do, and which one a framework and a date mean."""

from __future__ import annotations

from typing import Literal, get_args

from computebill.base.errors import RequestError, shown

Software = Literal[
    "early", "megatron", "eager", "fused", "modern", "graphed", "compiled", "scripts"
]
"""Training software, by what it does with element-wise kernels and communication.

early: DeepSpeed pipelines and plain attention, to 2022; megatron: Megatron-LM to 2022, some
kernels fused; eager: PyTorch FSDP and its like, with flash attention; fused: Transformer Engine,
communication behind products; modern: the same from 2025 on; graphed: the same
from June 2026 on, experts' kernels in CUDA graphs; compiled: XLA; scripts: fine-tuning
scripts, bound by the host.
"""


SOFTWARE: tuple[Software, ...] = get_args(Software)


LACKS: dict[str, dict[str, tuple[int, ...]]] = {
    "early": {"vpp": (1,), "cp": (1,)},
    "megatron": {"cp": (1,)},
    "scripts": {"tp": (1,), "pp": (1,), "cp": (1,)},
}
"""Choices of a layout that a generation of software has, where it lacks others: DeepSpeed's
pipelines do not interleave; context parallelism came to Megatron in 2023."""


GRAPHED = 2026.4
"""Year from which NVIDIA's releases (26.06) do not wait for the host between experts' kernels."""


FUSED_FRAMEWORKS = ("nemo", "megatron-bridge", "megatron-core", "primus", "megatron")


EAGER_FRAMEWORKS = ("composer", "torchtitan", "nanotron", "fsdp", "olmo", "colossalai", "levanter")


COMPILED_FRAMEWORKS = ("maxtext", "paxml", "jax", "t5x")


def software_generation(framework: str, year: float | None) -> Software:
    """Return the generation of a training framework in a year; unknown ones count as eager."""
    name = framework.lower()
    if name.startswith("transformers"):
        return "scripts"
    if "deepspeed" in name:
        return "early"
    if name.startswith(COMPILED_FRAMEWORKS):
        return "compiled"
    if name.startswith(EAGER_FRAMEWORKS):
        return "eager"
    if name.startswith(FUSED_FRAMEWORKS):
        return _fused(year, before="megatron")
    return _fused(year, before="eager") if year is None or year >= 2024 else "eager"


def _fused(year: float | None, before: Software) -> Software:
    if year is not None and year >= GRAPHED:
        return "graphed"
    if year is None or year >= 2025:
        return "modern"
    return "fused" if year >= 2023 else before


def read_software(value: str) -> Software:
    """Return a generation of software by its name.

    Raises:
        RequestError: where there is none of it.
    """
    for each in SOFTWARE:
        if value == each:
            return each
    raise RequestError("software", f"got {shown(value)}; allowed: {', '.join(SOFTWARE)}")


def number_format(precision: str) -> str:
    """Return the class of a precision: ``16`` or ``32`` for all of so many bits, else its name."""
    return {"bf16": "16", "fp16": "16", "fp32": "32", "tf32": "32"}.get(precision, precision)
