"""A model's card: what its ``config.json`` says it holds, computes and needs in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from computebill.kernels import memory as kernel
from computebill.kernels.operators import Groups, Operators

from .accelerators import Accelerator, find_accelerator
from .architectures import Architecture, read_architecture
from .architectures.columns import Columns, columns
from .assumptions import GIVEN, Assumption, memory_assumption, sequence_assumption
from .counting import FlopPerToken, Parameters, count_flop, count_parameters
from .errors import RequestError
from .layout import (
    COMMUNICATOR_GB,
    CONTEXT_GB,
    CONTEXT_SOURCE,
    DEGREES,
    MOMENTS,
    RECIPES,
    Layout,
    activation_columns,
    check_layout,
    check_sequence_length,
    layout_columns,
    recipe_columns,
)
from .notebook import Shown
from .specfile import validate
from .step_inputs import micro_batch_assumption

if TYPE_CHECKING:
    import pandas as pd

GB = 1e9
RESERVED = 1.05
"""Of a process's memory over its tensors': what the allocator holds in blocks not quite filled.
The one constant that was set by measurements: the median over their sources
(bench/memory_accuracy.py)."""

LARGEST_MICRO_BATCH = 4096
DEFAULT_SEQUENCE = 4096
"""Where neither the configuration nor the user says: what most models were trained at."""

PARTS = ("weights", "gradients", "optimizer", "activations", "other", "total")
"""Of a GPU's memory, as they are told."""

SETTINGS = ("recompute", "optimizer", "attention", "kernels", "micro_batch")
"""Of a layout, that its memory rests on beside its degrees."""

COMMON = (
    ("1 GPU", Layout()),
    ("8 GPUs, fully sharded", Layout(dp=8, zero=3)),
    ("64 GPUs, fully sharded", Layout(dp=64, zero=3)),
    ("64: tp 8, dp 8", Layout(tp=8, dp=8)),
    ("512: tp 8, pp 8, dp 8", Layout(tp=8, pp=8, dp=8)),
    ("1,024: tp 8, pp 16, dp 8", Layout(tp=8, pp=16, dp=8)),
    ("256: pp 4, dp 64, ep 64", Layout(pp=4, dp=64, ep=64)),
    ("1,024: pp 16, dp 64, ep 64", Layout(pp=16, dp=64, ep=64)),
)
"""Layouts that are often met; a card shows those that divide the model."""


@dataclass(frozen=True)
class MemoryUse:
    """Memory of one accelerator under a layout, in GB (1e9 bytes); of its fullest stage.

    Attributes:
        name: of the layout, in a few words.
        layout: how the model is laid out.
        stage: the pipeline stage, from 0.
        weights: at rest.
        gradients: of the weights.
        optimizer: states and master copies.
        activations: kept for the backward pass, logits included.
        other: gathered shards, the optimizer's step, context and communicators, and what the
            allocator reserves beyond tensors.
        largest_micro_batch: that fits the accelerator asked about; 0 where none does.
    """

    name: str
    layout: Layout
    stage: int
    weights: float
    gradients: float
    optimizer: float
    activations: float
    other: float
    largest_micro_batch: int | None = None

    @property
    def total(self) -> float:
        """All of it."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.other

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.name,
            "layout": self.layout.to_dict(),
            "stage": self.stage,
            **{part: getattr(self, part) for part in PARTS},
            "largest_micro_batch": self.largest_micro_batch,
        }


@dataclass(frozen=True, repr=False)
class ModelCard(Shown):
    """What ``describe_model`` finds.

    Attributes:
        architecture: as the configuration describes it.
        sequence: tokens of a sequence that FLOP and memory are for.
        parameters: counts, each of one element.
        flop: per token, each of one element.
        memory: under each layout; where one was asked for, of each of its pipeline stages.
        accelerator: that micro-batches are to fit.
        layout: the one asked for, if any.
        assumptions: what the counts and the memory rest on.
    """

    architecture: Architecture
    sequence: int
    parameters: Parameters
    flop: FlopPerToken
    memory: tuple[MemoryUse, ...]
    accelerator: Accelerator
    layout: Layout | None
    assumptions: tuple[Assumption, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; its keys are a contract."""
        counts, flop = self.parameters, self.flop
        return {
            "model_type": self.architecture.model_type,
            "params": int(counts.total),
            "params_active": int(counts.active),
            "params_embedding": int(counts.embedding),
            "params_adapters": int(counts.adapters),
            "layers": int(self.architecture.layer_count),
            "hidden": int(self.architecture.hidden),
            "vocabulary": int(self.architecture.vocabulary),
            "sequence_length": self.sequence,
            "flop_per_token": {
                "forward": float(flop.forward),
                "backward": float(flop.backward),
                "recomputed": float(flop.recomputed),
                "hardware": float(flop.hardware),
                "by_operator": {
                    name: {"forward": float(forward), "backward": float(backward)}
                    for name, (forward, backward) in flop.by_operator.items()
                },
                "conventions": {name: float(value) for name, value in flop.conventions.items()},
            },
            "accelerator": self.accelerator.name,
            "accelerator_memory_gb": self.accelerator.memory_gb.value,
            "memory_gb": [use.to_dict() for use in self.memory],
            "notes": list(self.architecture.notes),
            "assumptions": [each.to_dict() for each in self.assumptions],
        }

    def to_frame(self) -> pd.DataFrame:
        """Return one row a layout (or stage): its degrees, and memory in GB."""
        import pandas as pd

        rows = []
        for use in self.memory:
            gigabytes = {f"{part}_gb": getattr(use, part) for part in PARTS}
            rows.append(
                {
                    "name": use.name,
                    **use.layout.to_dict(),
                    "stage": use.stage,
                    **gigabytes,
                    "largest_micro_batch": use.largest_micro_batch,
                }
            )
        return pd.DataFrame(rows)


def describe_model(
    config: str | Path | Mapping[str, Any] | Architecture,
    *,
    sequence_length: float | None = None,
    layout: Layout | Mapping[str, Any] | None = None,
    accelerator: str | Accelerator = "h100-sxm",
    profiles: Sequence[Path] = (),
) -> ModelCard:
    """Count a model's parameters, FLOP and memory.

    Args:
        config: a ``config.json``, a directory that holds one, ``-`` for standard input, its
            content, or an architecture.
        sequence_length: tokens of a sequence; else the model's own limit, at most 4,096.
        layout: show the memory of each of its pipeline stages; where it gives no degree (tp, pp,
            …), of common layouts with its other settings.
        accelerator: that the largest micro-batch is to fit: a name, a file, or a profile.
        profiles: folders of accelerator profiles of one's own.

    Raises:
        RequestError: naming the field that is wrong.
    """
    architecture = config if isinstance(config, Architecture) else read_architecture(config)
    sequence = check_sequence_length(
        architecture, default_sequence(architecture) if sequence_length is None else sequence_length
    )
    part = find_accelerator(accelerator, profiles) if isinstance(accelerator, str) else accelerator
    used = read_layout(layout)
    batch = columns(architecture, used.adapted)
    by_stage = bool(used.model_fields_set & DEGREES)
    if by_stage:
        check_layout(architecture, used, sequence)
        layouts = [(f"stage {stage + 1} of {used.pp}", used) for stage in range(used.pp)]
    else:
        layouts = _common(architecture, sequence, used)
    return ModelCard(
        architecture=architecture,
        sequence=sequence,
        parameters=count_parameters(batch, used.lora_rank),
        flop=count_flop(batch, sequence, recompute=used.recompute, adapter_rank=used.lora_rank),
        memory=tuple(_memory_uses(batch, sequence, layouts, part, by_stage=by_stage)),
        accelerator=part,
        layout=used if by_stage else None,
        assumptions=(
            sequence_assumption(sequence, is_given=sequence_length is not None),
            memory_assumption(part),
            *_memory_assumptions([layout for _, layout in layouts], used),
            *(micro_batch_assumption(used) if by_stage else ()),
        ),
    )


def _memory_assumptions(layouts: Sequence[Layout], given: Layout) -> Iterator[Assumption]:
    """Yield what the memory of layouts rests on, beside their degrees."""
    for name in SETTINGS:
        source = GIVEN if name in given.model_fields_set else "the default"
        yield Assumption(name.replace("_", "-"), str(getattr(given, name)), source)
    for name in dict.fromkeys(layout.used_recipe for layout in layouts):
        held = RECIPES[name]
        text = f"{held.weight:g} of weights, {held.gradient:g} of gradients, {held.master:g} of a "
        text += "master copy"
        yield Assumption(f"bytes a parameter, {name}", text, held.source)
    moments = MOMENTS[given.optimizer]
    yield Assumption(
        f"bytes a parameter, {given.optimizer}",
        f"{moments.matrix:g} of moments in layers, {moments.other:g} elsewhere",
        moments.source,
    )
    if given.overhead_gb is not None:
        yield Assumption("a process on a device", f"{given.overhead_gb:g} GB", GIVEN)
    else:
        yield Assumption("a process on a device", f"{CONTEXT_GB:g} GB", CONTEXT_SOURCE)
        buffers = "buffers of NCCL, for each parallel group of a rank"
        yield Assumption(buffers, f"{COMMUNICATOR_GB:g} GB", "assumed (not checked)")
    reserved = "measured runs with a printed memory, the median over sources"
    yield Assumption("memory reserved over that of tensors", f"{RESERVED:g} times", reserved)


def read_layout(layout: Layout | Mapping[str, Any] | None) -> Layout:
    """Return a layout from its fields.

    Raises:
        RequestError: naming the field that is wrong.
    """
    if isinstance(layout, Layout):
        return layout
    return validate(Layout, layout or {}, "layout")


def default_sequence(architecture: Architecture) -> int:
    """Return the sequence length that figures are for where nobody says."""
    return min(architecture.sequence_length or DEFAULT_SEQUENCE, DEFAULT_SEQUENCE)


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
    stages = torch.arange(int(described.pipeline.max()), dtype=torch.float64).unsqueeze(1)
    # A dimension for stages, between operators and layouts.
    operators = Operators(*(each.unsqueeze(2) for each in batch.operators))
    groups = Groups(*(each.unsqueeze(1) for each in batch.groups))
    found = kernel.training_memory(
        operators,
        groups,
        batch.hidden,
        batch.layers,
        batch.vocabulary,
        described,
        recipe_columns(layouts),
        activation_columns(layouts, sequence),
        stages,
    )
    shape = (len(stages), len(layouts))
    exists = stages < described.pipeline
    return kernel.Memory(*(torch.where(exists, each.expand(shape), torch.nan) for each in found))


def occupied_bytes(tensors: torch.Tensor, layouts: Sequence[Layout]) -> torch.Tensor:
    """Bytes of a process on its device, from those of its tensors; ``(stages, layouts)``."""
    overhead = torch.tensor([each.overhead * GB for each in layouts], dtype=torch.float64)
    return tensors * RESERVED + overhead


def stage_bytes(
    architecture: Architecture, layouts: Sequence[Layout], sequence: float
) -> torch.Tensor:
    """Bytes of a process on every stage of layouts that adapt the same; ``(stages, layouts)``.

    Stages that a layout does not have are NaN.
    """
    batch = columns(architecture, layouts[0].adapted)
    return occupied_bytes(peak_memory(batch, sequence, layouts).total, layouts)


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


def _common(
    architecture: Architecture, sequence: int, settings: Layout
) -> list[tuple[str, Layout]]:
    found = []
    for name, layout in COMMON:
        used = layout.with_settings(settings)
        try:
            check_layout(architecture, used, sequence)
        except RequestError:
            continue
        found.append((name, used))
    return found


def _memory_uses(
    batch: Columns,
    sequence: int,
    named: Sequence[tuple[str, Layout]],
    accelerator: Accelerator,
    *,
    by_stage: bool,
) -> list[MemoryUse]:
    layouts = [layout for _, layout in named]
    peak = peak_memory(batch, sequence, layouts)
    total = occupied_bytes(peak.total, layouts)
    limit = accelerator.memory_gb.value * GB
    most = largest_micro_batches(batch, sequence, layouts[:1] if by_stage else layouts, limit)
    found = []
    for index, (name, layout) in enumerate(named):
        stage = index if by_stage else int(total[:, index].nan_to_num(0.0).argmax())
        here = kernel.Memory(*(each[stage, index] for each in peak))
        resting = here.weights + here.gradients + here.optimizer
        passing = here.activations + here.logits
        rest = total[stage, index] - resting - passing
        found.append(
            MemoryUse(
                name=name,
                layout=layout,
                stage=stage,
                weights=float(here.weights) / GB,
                gradients=float(here.gradients) / GB,
                optimizer=float(here.optimizer) / GB,
                activations=float(passing) / GB,
                other=float(rest) / GB,
                largest_micro_batch=most[0 if by_stage else index],
            )
        )
    return found
