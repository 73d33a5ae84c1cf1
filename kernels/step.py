"""Time of a training step, from an architecture, a layout and a cluster.

References:
    Narayanan et al. 2021, arXiv 2104.04473 (tensor and pipeline parallelism).
    Korthikanti et al. 2022, arXiv 2205.05198 (sequence parallelism, recomputation).
    Zhao et al. 2023, arXiv 2304.11277 (full sharding, prefetch).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from . import pipeline, traffic
from .collectives import Links
from .compute import Passes, layer_passes, optimizer_seconds, repeated_seconds
from .conditions import Device, Efficiency, Work
from .memory import Layout, held_parameters, rank_layers
from .operators import Groups, Operators


class StepTime(NamedTuple):
    """Seconds of a step by what they are spent on; every field ``(*batch)``.

    Attributes:
        products: matrix products with weights.
        attention: scores and values.
        elementwise: everything that is bound by memory.
        recompute: what is computed again.
        tensor: tensor parallel communication that is not hidden.
        expert: exchange of tokens between experts' ranks.
        context: exchange of keys and values.
        bubble: waiting for other pipeline stages, and sending to them.
        data: gradients and weights between replicas, not hidden.
        optimizer: the optimizer's step.
        host: launches, and what else takes a step's time.
        stragglers: waiting for the slowest of all accelerators.
    """

    products: Tensor
    attention: Tensor
    elementwise: Tensor
    recompute: Tensor
    tensor: Tensor
    expert: Tensor
    context: Tensor
    bubble: Tensor
    data: Tensor
    optimizer: Tensor
    host: Tensor
    stragglers: Tensor

    @property
    def total(self) -> Tensor:
        """All of the step."""
        return torch.stack(list(self)).sum(0)


BUSY = ("products", "attention", "elementwise", "recompute", "tensor", "expert", "context", "host")
"""What a pipeline stage does with a micro-batch."""


def step_seconds(
    operators: Operators,
    groups: Groups,
    hidden: Tensor,
    layers: Tensor,
    layout: Layout,
    work: Work,
    device: Device,
    links: Links,
    efficiency: Efficiency,
    turns: int | None = None,
) -> StepTime:
    """Time of a training step.

    The slowest pipeline stage sets the pace; it is looked for among the first, a middle one and
    the last.

    Args:
        operators: ``(groups, slots, *batch)``.
        groups: ``(groups, *batch)``.
        hidden: width of the residual stream; ``(*batch)``, as all that follow.
        layers: number of layers.
        layout: how the model is laid out.
        work: how a step is run.
        device: the accelerator.
        links: between accelerators.
        efficiency: what hardware and software reach.
        turns: most chunks of a stage, as in ``memory.stage_layers``.
    """
    real = links._replace(
        inside=links.inside * efficiency.inside, across=links.across * efficiency.across
    )
    tokens = layout.micro_batch * work.sequence / layout.context
    passes = layer_passes(operators, groups, layout, work, device, efficiency, tokens)
    each_layer = _each_layer(
        operators, groups, hidden, layout, work, real, efficiency, tokens, passes
    )

    def on_stage(stage: Tensor) -> Tensor:
        held = rank_layers(groups, layers, layout, stage, turns)
        # Of two stages, each passes every second micro-batch.
        return torch.where(layout.schedule == pipeline.DUAL, held / 2.0, held)

    last = layout.pipeline - 1
    first = torch.zeros_like(last)
    stages = (first, torch.floor(last / 2), last)
    found = torch.stack([(each_layer * on_stage(stage)).sum(1) for stage in stages])
    busy = found[:, : len(BUSY)].sum(1)
    slowest = busy.argmax(0, keepdim=True).unsqueeze(0).expand(1, *found.shape[1:])
    *pace, forward, weights = found.gather(0, slowest)[0]
    micro, round_trip = layout.micro_batches, torch.stack(pace).sum(0)
    spent = {name: seconds * micro for name, seconds in zip(BUSY, pace, strict=True)}
    waiting = pipeline.bubble_seconds(
        layout.schedule,
        layout.pipeline,
        layout.virtual,
        forward,
        round_trip - forward,
        weights,
    )
    # Of the first stage, which has the embedding besides its layers.
    held = held_parameters(operators, groups, layout, first)
    on_first = rank_layers(groups, layers, layout, first, turns)
    parameters = on_first.unsqueeze(1) * (held.matrices + held.vectors)
    time = StepTime(
        **{**spent, "host": spent["host"] + efficiency.step_floor},
        bubble=waiting + traffic.sending_seconds(hidden, layout, real, tokens),
        data=traffic.data_seconds(
            operators,
            parameters,
            on_first.sum(0),
            layout,
            real,
            efficiency,
            work,
            round_trip,
        ),
        optimizer=optimizer_seconds(parameters, layout, device, efficiency, work),
        stragglers=first,
    )
    ranks = layout.tensor * layout.pipeline * layout.context * layout.data
    return time._replace(stragglers=time.total * efficiency.straggling * torch.log2(ranks))


def _each_layer(
    operators: Operators,
    groups: Groups,
    hidden: Tensor,
    layout: Layout,
    work: Work,
    links: Links,
    efficiency: Efficiency,
    tokens: Tensor,
    passes: Passes,
) -> Tensor:
    """Seconds of a micro-batch on one layer of each group; ``(10, groups, *batch)``.

    As ``BUSY``; then those of the forward pass, and of the gradients of weights.
    """
    forward, backward, weights = passes
    again = repeated_seconds(groups, forward, work)
    computed = forward.total + backward.total + again
    routed = operators.expert.amax(1) > 0
    floor = efficiency.layer_floor + torch.where(routed, efficiency.expert_floor, 0.0)
    least = torch.where(groups.place == 0, floor, 0.0) * (2.0 + (work.recompute == 3).to(floor))
    # A layer whose kernels are short waits for the host instead; a soft corner.
    host = (computed**4 + least**4 + 1e-30) ** 0.25 - computed
    busy = {
        "products": forward.products + backward.products,
        "attention": forward.attention + backward.attention,
        "elementwise": forward.elementwise + backward.elementwise,
        "recompute": again,
        "tensor": traffic.tensor_seconds(
            operators, groups, hidden, layout, links, efficiency, tokens, work
        ),
        "expert": traffic.expert_seconds(
            operators, hidden, layout, links, efficiency, tokens, work, computed
        ),
        "context": traffic.context_seconds(operators, layout, links, tokens, work, passes),
        "host": host,
    }
    moved = busy["tensor"] + busy["expert"] + busy["context"] + host
    return torch.stack([*(busy[name] for name in BUSY), forward.total + moved / 2.0, weights])
