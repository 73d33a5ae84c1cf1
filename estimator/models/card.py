"""A model's card: what its ``config.json`` says it holds, computes and needs in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from computebill.architectures import Architecture, read_architecture
from computebill.architectures.columns import Columns, columns
from computebill.architectures.counting import count_flop, count_parameters
from computebill.architectures.counts import FlopPerToken, Parameters
from computebill.base.assumptions import GIVEN, Assumption
from computebill.base.errors import RequestError
from computebill.base.notebook import Shown
from computebill.base.specfile import validate
from computebill.hardware.accelerators import Accelerator, find_accelerator
from computebill.hardware.assumptions import memory_assumption
from computebill.kernels import memory as kernel
from computebill.training.documents import Documents, packed
from computebill.training.inputs import micro_batch_assumption
from computebill.training.layout import (
    COMMUNICATOR_GB,
    CONTEXT_GB,
    CONTEXT_SOURCE,
    DEGREES,
    MOMENTS,
    RECIPES,
    Layout,
    check_layout,
)
from computebill.training.memory import (
    GB,
    PARTS,
    RESERVED,
    largest_micro_batches,
    occupied_bytes,
    peak_memory,
)

from .count import counts_dict

if TYPE_CHECKING:
    import pandas as pd


SETTINGS = ("recompute", "optimizer", "attention", "kernels", "micro_batch")
"""Fields of a layout that its memory rests on beside its degrees."""

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
        name: name of the layout, in a few words.
        layout: how the model is laid out.
        stage: the pipeline stage, from 0.
        weights: memory of the weights at rest [GB].
        gradients: memory of their gradients [GB].
        optimizer: memory of optimizer states and master copies [GB].
        activations: memory of what is kept for the backward pass, logits included [GB].
        other: memory of all else [GB]: gathered shards, the optimizer's step, context and
            communicators, and what the allocator reserves beyond tensors.
        largest_micro_batch: most sequences of a micro-batch that fit the accelerator asked about; 0
            where none does.
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
        architecture: the model as its configuration describes it.
        sequence: tokens of a sequence that FLOP and memory are for.
        parameters: counts, each of one element.
        flop: per token, each of one element.
        memory: under each layout; where one was asked for, of each of its pipeline stages.
        accelerator: accelerator that micro-batches are to fit.
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
        return {
            **counts_dict(self.architecture, self.sequence, self.parameters, self.flop),
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
    documents: Documents | None = None,
    layout: Layout | Mapping[str, Any] | None = None,
    accelerator: str | Accelerator = "h100-sxm",
    profiles: Sequence[Path] = (),
) -> ModelCard:
    """Count a model's parameters, FLOP and memory.

    Args:
        config: a ``config.json``, a directory that holds one, ``-`` for standard input, its
            content, or an architecture.
        sequence_length: tokens of a sequence; else of the longest document, or the model's own
            limit, at most 4,096.
        documents: that are packed into sequences, see ``read_documents``.
        layout: show the memory of each of its pipeline stages; where it gives no degree (tp, pp,
            …), of common layouts with its other settings.
        accelerator: accelerator that the largest micro-batch is to fit: a name, a file, or a
            profile.
        profiles: folders of accelerator profiles of one's own.

    Raises:
        RequestError: naming the field that is wrong.
    """
    architecture = config if isinstance(config, Architecture) else read_architecture(config)
    architecture, sequence, told = packed(architecture, sequence_length, documents)
    part = find_accelerator(accelerator, profiles) if isinstance(accelerator, str) else accelerator
    used = with_adapter(read_layout(layout), architecture)
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
            *told,
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


def with_adapter(layout: Layout, architecture: Architecture) -> Layout:
    """Return a layout with the adapter that the model's file describes, unless it has its own."""
    adapter = architecture.adapter
    if adapter is None or "lora_rank" in layout.model_fields_set:
        return layout
    parts = {ADAPTED.get(name.rpartition(".")[2]) for name in adapter.targets} - {None}
    chosen = tuple(part for part in ("attention", "mlp") if part in parts)
    given = {name: getattr(layout, name) for name in layout.model_fields_set}
    targets = {"lora_targets": chosen} if chosen else {}
    return validate(Layout, {**given, "lora_rank": adapter.rank, **targets}, "layout")


ADAPTED = {
    **dict.fromkeys(("q_proj", "k_proj", "v_proj", "o_proj", "qkv_proj"), "attention"),
    **dict.fromkeys(("query_key_value", "c_attn", "query", "key", "value"), "attention"),
    **dict.fromkeys(("gate_proj", "up_proj", "down_proj", "gate_up_proj"), "mlp"),
}
"""What modules of these names belong to, as an adapter's file calls them."""


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
