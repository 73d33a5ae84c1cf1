"""The memory that training takes on an accelerator, and what fits it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch

from computebill.architectures import Architecture
from computebill.architectures.columns import Columns, columns
from computebill.base.constants import number
from computebill.kernels import memory as kernel
from computebill.kernels import offload
from computebill.kernels.operators import Groups, Model, Operators

from .layout import Layout
from .layout_columns import (
    activation_columns,
    host_columns,
    layout_columns,
    recipe_columns,
)

GB = 1e9


# base/constants.toml has what it is; the one constant of memory that was set by measurements.
RESERVED = number("training.memory.RESERVED")
SHOWN = number("training.memory.SHOWN")


LARGEST_MICRO_BATCH = 4096


PARTS = ("weights", "gradients", "optimizer", "activations", "other", "total")
"""Parts of an accelerator's memory, in the order in which they are told."""

BESIDE = ("tensors", "host")
"""What is told beside them: of the total what tensors take, and the host's own memory."""


def peak_memory(batch: Columns, sequence: float, layouts: Sequence[Layout]) -> kernel.Memory:
    """Bytes on every pipeline stage of every layout.

    Args:
        batch: one architecture, or as many as layouts.
        sequence: tokens of a sequence.
        layouts: one or more.

    Returns:
        fields of ``(stages, layouts)``; stages that a layout does not have are NaN.
    """
    described = layout_columns(layouts)
    model, stages = _by_stage(batch, described.pipeline)
    activations = activation_columns(layouts, sequence)
    found = kernel.training_memory(model, described, recipe_columns(layouts), activations, stages)
    shape = (len(stages), len(layouts))
    exists = stages < described.pipeline
    return kernel.Memory(*(torch.where(exists, each.expand(shape), torch.nan) for each in found))


def host_bytes(batch: Columns, sequence: float, layouts: Sequence[Layout]) -> torch.Tensor:
    """Bytes of the host's memory for a process of every stage; ``(stages, layouts)``.

    Args:
        batch: one architecture, or as many as layouts.
        sequence: tokens of a sequence.
        layouts: one or more.
    """
    described = layout_columns(layouts)
    model, stages = _by_stage(batch, described.pipeline)
    found = offload.host_bytes(
        model,
        described,
        recipe_columns(layouts),
        activation_columns(layouts, sequence),
        host_columns(layouts),
        stages,
    )
    return found.expand(len(stages), len(layouts))


def _by_stage(batch: Columns, pipeline: torch.Tensor) -> tuple[Model, torch.Tensor]:
    """A model with a dimension for stages between operators and layouts, and the stages."""
    stages = torch.arange(int(pipeline.max()), dtype=torch.float64).unsqueeze(1)
    model = batch.model._replace(
        operators=Operators(*(each.unsqueeze(2) for each in batch.operators)),
        groups=Groups(*(each.unsqueeze(1) for each in batch.groups)),
    )
    return model, stages


Counted = Literal["allocated", "reserved", "shown", "process"]
"""What of a process is counted: its tensors; what the allocator took for them; all that nvidia-smi
shows of it; all that it needs."""


def occupied_bytes(
    tensors: torch.Tensor, layouts: Sequence[Layout], counted: Counted = "process"
) -> torch.Tensor:
    """Bytes of a process on its device, from those of its tensors; ``(stages, layouts)``."""
    if counted == "allocated":
        return tensors
    if counted == "reserved":
        return tensors * RESERVED
    overhead = torch.tensor([each.overhead * GB for each in layouts], dtype=torch.float64)
    return tensors * (SHOWN if counted == "shown" else RESERVED) + overhead


def stage_bytes(
    architecture: Architecture,
    layouts: Sequence[Layout],
    sequence: float,
    counted: Counted = "process",
) -> torch.Tensor:
    """Bytes of a process on every stage of layouts that adapt the same; ``(stages, layouts)``.

    Stages that a layout does not have are NaN.
    """
    batch = columns(architecture, layouts[0].beside)
    return occupied_bytes(peak_memory(batch, sequence, layouts).total, layouts, counted)


def largest_micro_batches(
    batch: Columns, sequence: float, layouts: Sequence[Layout], limit_bytes: float
) -> list[int]:
    """Return for each layout the most sequences of a micro-batch that fit; 0 where none does.

    Memory is a straight line in the micro-batch, but where the optimizer's step is the peak:
    powers of two are tried at once, then the line between the last that fits and the next.
    """
    sizes = [2**n for n in range(LARGEST_MICRO_BATCH.bit_length())]
    grid = [each.model_copy(update={"micro_batch": size}) for each in layouts for size in sizes]
    peak = peak_memory(batch, sequence, grid).total.nan_to_num(0.0).amax(0)
    totals = occupied_bytes(peak, grid).reshape(len(layouts), len(sizes)).tolist()
    found = []
    for row in totals:
        fits = [size for size, total in zip(sizes, row, strict=True) if total <= limit_bytes]
        if not fits:
            found.append(0)
            continue
        last = len(fits) - 1
        if last + 1 == len(sizes):
            found.append(sizes[last])
            continue
        slope = (row[last + 1] - row[last]) / sizes[last]
        found.append(sizes[last] + int((limit_bytes - row[last]) / slope))
    return found
