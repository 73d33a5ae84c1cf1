"""A layout of a model over accelerators, and how its layers are dealt out to pipeline stages.

References:
    Narayanan et al. 2021, arXiv 2104.04473, section 2.2 (interleaved pipeline schedule).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .operators import Groups, layers_before
from .schedules import DUAL, ZERO_BUBBLE

CHUNKS_AT_ONCE = 2**18
"""Numbers that a step over a stage's chunks works on at a time."""


class Layout(NamedTuple):
    """How a model is laid out over accelerators; every field ``(*batch)``.

    Attributes:
        tensor: tensor parallel ranks.
        pipeline: pipeline stages.
        virtual: chunks of layers that a stage holds (interleaved schedule); 1 for none.
        data: data parallel ranks.
        context: ranks that share a sequence.
        expert: expert parallel ranks, a divisor of tensor x context x data.
        expert_tensor: tensor parallel ranks of one expert.
        sequence_parallel: 1 where what is not tensor parallel is divided along the sequence.
        micro_batch: sequences of a micro-batch on each data parallel rank.
        micro_batches: micro-batches of a step.
        zero: ZeRO stage, 0 to 3; 3 is full sharding (FSDP).
        shards: ranks over which it shards; at most data x context.
        holds: 1 where a pipeline stage of a fully sharded model holds its weights gathered, and
            whole gradients, from one micro-batch to the next (torch FSDP), 0 where each
            micro-batch gathers and reduces them.
        keeps_outputs: 1 where a pipeline stage keeps what it sent on until the backward pass
            (DeepSpeed), 0 where it is freed (Megatron-LM).
        schedule: schedule of the pipeline, as ``pipeline`` numbers them.
        ends: layers of the first and the last stage, where they have a number of their own, else
            0: ``(2, *batch)``; no rows where no layout has such ends.
        dealt: layers of each chunk in the order in which a micro-batch meets them, where they are
            listed: ``(chunks, *batch)``, all zero of a layout that lists none; no rows where none
            does.
        repeated: layers of each stage that are computed again, where not all are: ``(stages,
            *batch)``, infinite where all are; no rows where that holds of every layout.
    """

    tensor: Tensor
    pipeline: Tensor
    virtual: Tensor
    data: Tensor
    context: Tensor
    expert: Tensor
    expert_tensor: Tensor
    sequence_parallel: Tensor
    micro_batch: Tensor
    micro_batches: Tensor
    zero: Tensor
    shards: Tensor
    holds: Tensor
    keeps_outputs: Tensor
    schedule: Tensor
    ends: Tensor
    dealt: Tensor
    repeated: Tensor

    @property
    def has_ends(self) -> Tensor:
        """Whether the first or the last stage has a number of layers of its own; boolean."""
        return self.ends.sum(0) > 0

    @property
    def is_listed(self) -> Tensor:
        """Whether each chunk's layers are listed; boolean."""
        return self.dealt.sum(0) > 0

    @property
    def repeats_some(self) -> Tensor:
        """Whether some stage computes some of its layers again and not all; boolean."""
        return torch.isfinite(self.repeated).any(0)

    @property
    def expert_shards(self) -> Tensor:
        """Ranks over which ZeRO shards experts: at most as many as hold the same ones."""
        replicas = self.tensor * self.context * self.data / (self.expert * self.expert_tensor)
        return torch.minimum(self.shards, replicas)


class _Chunk(NamedTuple):
    """Layers before a chunk, and before what follows it; of any batch."""

    start: Tensor
    stop: Tensor


def _chunk(layers: Tensor, layout: Layout, stage: Tensor, turn: Tensor) -> _Chunk:
    """The layers of a stage's chunk.

    Layers are dealt out in chunks of one size. Where they do not divide, the last chunk is
    short, and the first too if more than one is missing: the embedding and the head take their
    places. Of ends with a number of their own, stages have one chunk, and those between as many
    layers as each other.
    """
    pipeline, virtual = layout.pipeline, layout.virtual
    place = stage + turn * pipeline
    chunks = pipeline * virtual
    size = torch.ceil(layers / chunks)
    front = torch.floor((size * chunks - layers) / 2)
    start = place * size - front
    stop = torch.minimum(start + size, layers).clamp_min(0.0)
    start = start.clamp_min(0.0)
    if len(layout.ends):
        first, last = layout.ends
        own = (first > 0).to(layers) + (last > 0).to(layers)
        inner = (layers - first - last) / (pipeline - own).clamp_min(1.0)
        lead = torch.where(first > 0, first, inner)
        before = torch.where(stage == 0, 0.0, lead + (stage - 1.0) * inner)
        behind = torch.where(stage == pipeline - 1, layers, lead + stage * inner)
        start = torch.where(layout.has_ends, before, start)
        stop = torch.where(layout.has_ends, behind, stop)
    if not len(layout.dealt):
        return _Chunk(start, stop)
    is_listed = layout.is_listed
    return _Chunk(
        torch.where(is_listed, _sum_before(layout.dealt, place), start),
        torch.where(is_listed, _sum_before(layout.dealt, place + 1.0), stop),
    )


def _sum_before(rows: Tensor, place: Tensor) -> Tensor:
    """Sum of the rows ``(rows, *batch)`` before a place; ``(*batch)``."""
    numbers, each = _numbered(rows, place)
    return torch.where(numbers < place, each, 0.0).sum(0)


def _numbered(rows: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    """Numbers of rows ``(rows, *batch)``, and those, both to be broadcast with a place."""
    lead = (1,) * max(0, place.dim() + 1 - rows.dim())
    each = rows.reshape(len(rows), *lead, *rows.shape[1:])
    numbers = torch.arange(len(rows), dtype=place.dtype, device=place.device)
    return numbers.reshape(-1, *[1] * (each.dim() - 1)), each


class StageLayers(NamedTuple):
    """Layers of each kind on a pipeline stage; ``(groups, *batch)``.

    Attributes:
        held: all of them; 1 of the embedding's and the head's group on its stage.
        spared: of them, those that are not computed again where the others are; no elements where
            no layout has any.
    """

    held: Tensor
    spared: Tensor


def stage_layers(
    groups: Groups,
    layers: Tensor,
    layout: Layout,
    stage: Tensor,
    turns: int | None = None,
) -> StageLayers:
    """Layers of each kind on a pipeline stage, and those that it does not compute again.

    What is computed again are the first layers that a micro-batch meets there.

    Args:
        groups: kinds of layers.
        layers: number of layers of the model; ``(*batch)``, as all that follow.
        layout: how they are dealt out.
        stage: which, from 0.
        turns: most chunks of any stage in the batch; looked up where not given, which a compiled
            kernel cannot do.
    """
    held = torch.zeros_like(layers + stage + groups.place)
    spared = held if len(layout.repeated) else held.new_empty(0)
    met = torch.zeros_like(layers + stage)
    turns = int(layout.virtual.max()) if turns is None else turns
    # Many chunks at a time, as long as what they take stays small.
    width = max(1, CHUNKS_AT_ONCE // max(1, held.numel()))
    for first_turn in range(0, turns, width):
        several = torch.arange(first_turn, min(first_turn + width, turns), device=held.device)
        turn = several.to(held.dtype).reshape(-1, *[1] * held.dim())
        each = chunk_layers(groups, layers, layout, stage, turn, met)
        held = held + each.held.sum(0)
        if len(layout.repeated):
            spared, met = spared + each.spared.sum(0), each.met[-1]
    return StageLayers(_with_ends(groups, held, layout.pipeline, stage), spared)


class ChunkLayers(NamedTuple):
    """Layers of each kind in chunks of a stage; ``(chunks, groups, *batch)``.

    Attributes:
        held: all of them; none of the embedding's and the head's group.
        spared: of them, those that are not computed again; no elements where no layout has any.
        met: layers of the stage up to the end of the chunk; ``(chunks, 1, *batch)``.
    """

    held: Tensor
    spared: Tensor
    met: Tensor


def chunk_layers(
    groups: Groups, layers: Tensor, layout: Layout, stage: Tensor, turn: Tensor, met: Tensor
) -> ChunkLayers:
    """Layers of each kind in chunks of a pipeline stage that follow each other.

    Args:
        groups: kinds of layers.
        layers: number of layers of the model; ``(*batch)``.
        layout: how they are dealt out.
        stage: which, from 0; ``(*batch)``.
        turn: which chunks of the stage, from 0; ``(chunks, 1, ...)``, with as many dimensions as
            the result.
        met: layers of the stage's chunks before these; ``(*batch)``.
    """
    start, stop = _chunk(layers, layout, stage, turn)
    is_there = (layout.virtual > turn) & (groups.place == 0)
    begun, done = (layers_before(groups, bound) for bound in (start, stop))
    held = torch.where(is_there, (done - begun).clamp_min(0.0), 0.0)
    if not len(layout.repeated):
        return ChunkLayers(held, held.new_empty(0), met)
    size = torch.where(layout.virtual > turn, (stop - start).clamp_min(0.0), 0.0)
    until = met + size.cumsum(0)
    again = _at_stage(layout.repeated, stage) - (until - size)
    kept = done - layers_before(groups, start + torch.minimum(again.clamp_min(0.0), size))
    return ChunkLayers(held, torch.where(is_there, kept.clamp_min(0.0), 0.0), until)


def _at_stage(rows: Tensor, stage: Tensor) -> Tensor:
    """The row ``(stages, *batch)`` of a stage, infinity beyond them; ``(*batch)``."""
    numbers, each = _numbered(rows, stage)
    return torch.where(numbers == stage, each, torch.inf).amin(0)


def _with_ends(groups: Groups, held: Tensor, pipeline: Tensor, stage: Tensor) -> Tensor:
    """Layers of each kind with the embedding on the first stage and the head on the last."""
    first = torch.where(stage == 0, 1.0, 0.0)
    last = torch.where(stage == pipeline - 1, 1.0, 0.0)
    ends = torch.where(groups.place == 1, first, last)
    return torch.where(groups.place == 0, held, ends)


def rank_layers(
    groups: Groups, layers: Tensor, layout: Layout, stage: Tensor, turns: int | None = None
) -> StageLayers:
    """Layers of each kind on the ranks of a stage.

    From both ends at once (DualPipe), ranks hold two stages: one as far from the end as the
    other from the beginning.
    """
    own = stage_layers(groups, layers, layout, stage, turns)
    far = layout.pipeline - 1 - stage
    other = stage_layers(groups, layers, layout, far, turns)
    is_dual = layout.schedule == DUAL
    held = torch.where(is_dual, own.held + other.held, own.held)
    if not len(layout.repeated):
        return own._replace(held=held)
    return StageLayers(held, torch.where(is_dual, own.spared + other.spared, own.spared))


def in_flight(
    pipeline: Tensor,
    virtual: Tensor,
    micro_batches: Tensor,
    stage: Tensor,
    schedule: Tensor | float = 0.0,
) -> Tensor:
    """Micro-batches whose activations a stage keeps at once, of all its layers.

    One forward, one backward: :math:`p - i`. Interleaved: chunks of :math:`1 / v` of the layers,
    :math:`2 (p - i - 1) + (v - 1) p + 1` of them. ZB-H1: :math:`p`. From both ends:
    :math:`p + 1` of half of the layers. Never more than a step has.

    References:
        Narayanan et al. 2021, section 2.2; Korthikanti et al. 2022, section 4.2.3; Qi et al.
        2023, arXiv 2401.10241, table 2; DeepSeek-AI 2024, arXiv 2412.19437, table 2.
    """
    warm_up = torch.where(
        virtual > 1,
        (2 * (pipeline - stage - 1) + (virtual - 1) * pipeline + 1) / virtual,
        pipeline - stage,
    )
    code = torch.as_tensor(schedule, device=stage.device)
    held = torch.where(code == ZERO_BUBBLE, pipeline, warm_up)
    held = torch.where(code == DUAL, (pipeline + 1) / 2, held)
    return torch.minimum(held, micro_batches)
