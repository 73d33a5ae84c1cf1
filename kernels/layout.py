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
        first: layers of the first stage, where it has a number of its own; else 0.
        last: layers of the last stage, likewise.
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
    first: Tensor
    last: Tensor

    @property
    def expert_shards(self) -> Tensor:
        """Ranks over which ZeRO shards experts: at most as many as hold the same ones."""
        replicas = self.tensor * self.context * self.data / (self.expert * self.expert_tensor)
        return torch.minimum(self.shards, replicas)


def stage_layers(
    groups: Groups,
    layers: Tensor,
    pipeline: Tensor,
    virtual: Tensor,
    stage: Tensor,
    turns: int | None = None,
) -> Tensor:
    """Layers of each kind on a pipeline stage; 1 for the embedding's and the head's group.

    Layers are dealt out in chunks of one size. Where they do not divide, the last chunk is
    short, and the first too if more than one is missing: the embedding and the head take their
    places.

    Args:
        groups: kinds of layers.
        layers: number of layers of the model; ``(*batch)``, as all that follow.
        pipeline: stages.
        virtual: chunks of a stage.
        stage: which, from 0.
        turns: most chunks of any stage in the batch; looked up where not given, which a compiled
            kernel cannot do.

    Returns:
        ``(groups, *batch)``.
    """
    chunks = pipeline * virtual
    size = torch.ceil(layers / chunks)
    front = torch.floor((size * chunks - layers) / 2)
    held = torch.zeros_like(layers + stage + groups.place)
    turns = int(virtual.max()) if turns is None else turns
    # Many chunks at a time, as long as what they take stays small.
    width = max(1, CHUNKS_AT_ONCE // max(1, held.numel()))
    for first_turn in range(0, turns, width):
        several = torch.arange(first_turn, min(first_turn + width, turns), device=held.device)
        turn = several.to(held.dtype).reshape(-1, *[1] * held.dim())
        start = (stage + turn * pipeline) * size - front
        stop = torch.minimum(start + size, layers)
        begun = layers_before(groups, start.clamp_min(0.0))
        done = layers_before(groups, stop.clamp_min(0.0))
        held = held + torch.where(virtual > turn, (done - begun).clamp_min(0.0), 0.0).sum(0)
    return _with_ends(groups, held, pipeline, stage)


def _with_ends(groups: Groups, held: Tensor, pipeline: Tensor, stage: Tensor) -> Tensor:
    """Layers of each kind with the embedding on the first stage and the head on the last."""
    first = torch.where(stage == 0, 1.0, 0.0)
    last = torch.where(stage == pipeline - 1, 1.0, 0.0)
    ends = torch.where(groups.place == 1, first, last)
    return torch.where(groups.place == 0, held, ends)


def uneven_layers(groups: Groups, layers: Tensor, layout: Layout, stage: Tensor) -> Tensor:
    """Layers of each kind on a stage whose first or last has a number of its own.

    All other stages have as many as each other.

    Args:
        groups: kinds of layers.
        layers: number of layers of the model; ``(*batch)``, as all that follow.
        layout: with one chunk a stage.
        stage: which, from 0.

    Returns:
        ``(groups, *batch)``.
    """
    own = (layout.first > 0).to(layers) + (layout.last > 0).to(layers)
    others = (layout.pipeline - own).clamp_min(1.0)
    inner = (layers - layout.first - layout.last) / others
    lead = torch.where(layout.first > 0, layout.first, inner)
    start = torch.where(stage == 0, 0.0, lead + (stage - 1.0) * inner)
    stop = torch.where(stage == layout.pipeline - 1, layers, lead + stage * inner)
    held = layers_before(groups, stop) - layers_before(groups, start)
    return _with_ends(groups, held, layout.pipeline, stage)


def rank_layers(
    groups: Groups, layers: Tensor, layout: Layout, stage: Tensor, turns: int | None = None
) -> Tensor:
    """Layers of each kind on the ranks of a stage; ``(groups, *batch)``.

    From both ends at once (DualPipe), ranks hold two stages: one as far from the end as the
    other from the beginning.
    """
    own = stage_layers(groups, layers, layout.pipeline, layout.virtual, stage, turns)
    uneven = uneven_layers(groups, layers, layout, stage)
    own = torch.where(layout.first + layout.last > 0, uneven, own)
    far = layout.pipeline - 1 - stage
    other = stage_layers(groups, layers, layout.pipeline, layout.virtual, far, turns)
    return torch.where(layout.schedule == DUAL, own + other, own)


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
