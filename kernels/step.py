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

from . import communication, pipeline
from .collectives import Links
from .layer_time import layer_passes, optimizer_seconds, repeated_seconds
from .memory import Layout, held_parameters, rank_layers
from .operators import Groups, Operators
from .setting import Device, Efficiency, Work


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
        first, *others = self
        return sum(others, start=first)


class LayerTimes(NamedTuple):
    """Seconds of a micro-batch on one layer of each group; ``(groups, *batch)``.

    Fields may have shapes of their own that broadcast, as all batches here: over a grid of layouts,
    each is computed as often as it differs.

    Attributes:
        products: matrix products with weights, forward and backward.
        attention: scores and values.
        elementwise: everything that is bound by memory.
        recompute: what is computed again.
        tensor: sums between tensor parallel ranks that are not hidden.
        expert: exchange of tokens between experts' ranks.
        context: exchange of keys and values.
        host: waiting for launches.
        forward: of all these, the forward pass.
        weights: of all these, gradients of weights.
    """

    products: Tensor
    attention: Tensor
    elementwise: Tensor
    recompute: Tensor
    tensor: Tensor
    expert: Tensor
    context: Tensor
    host: Tensor
    forward: Tensor
    weights: Tensor

    @property
    def total(self) -> Tensor:
        """All that a layer takes."""
        compute = self.products + self.attention + self.elementwise + self.recompute
        return compute + self.tensor + self.expert + self.context + self.host


_OnStages = tuple[Tensor, Tensor, Tensor]


class Stages(NamedTuple):
    """Layers of each group on some pipeline stages; ``(groups, *batch)``.

    Attributes:
        timed: of the first, a middle one and the last, as a micro-batch meets them.
        first: that ranks of the first stage hold.
    """

    timed: tuple[Tensor, Tensor, Tensor]
    first: Tensor


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
    times = layer_times(operators, groups, hidden, layout, work, device, links, efficiency)
    stages = pipeline_stages(groups, layers, layout, turns)
    busy = _on(times.total, stages)
    slowest = _slowest(busy)
    parts = {
        name: _at(part, stages, slowest) * layout.micro_batches
        for name, part in times._asdict().items()
        if name not in ("forward", "weights")
    }
    rest = _rest(
        operators, groups, hidden, times, stages, busy, layout, work, device, links, efficiency
    )
    shared = {**parts, "host": parts["host"] + efficiency.step_floor}
    time = StepTime(**shared, **rest, stragglers=torch.zeros_like(rest["bubble"]))
    total = time.total
    return time._replace(stragglers=total * _straggling(layout, efficiency))


def total_seconds(
    operators: Operators,
    groups: Groups,
    hidden: Tensor,
    times: LayerTimes,
    stages: Stages,
    layout: Layout,
    work: Work,
    device: Device,
    links: Links,
    efficiency: Efficiency,
) -> Tensor:
    """Time of a training step, undivided; its layers' times may serve many pipelines.

    Args:
        operators: ``(groups, slots, *batch)``.
        groups: ``(groups, *batch)``.
        hidden: width of the residual stream; ``(*batch)``.
        times: of one layer of each group.
        stages: of the pipeline.
        layout: how the model is laid out; ``(*batch)``, as all that follow.
        work: how a step is run.
        device: the accelerator.
        links: between accelerators.
        efficiency: what hardware and software reach.
    """
    busy = _on(times.total, stages)
    rest = _rest(
        operators, groups, hidden, times, stages, busy, layout, work, device, links, efficiency
    )
    total = (
        _round_trip(busy) * layout.micro_batches
        + rest["bubble"]
        + rest["data"]
        + rest["optimizer"]
        + efficiency.step_floor
    )
    return total * (1.0 + _straggling(layout, efficiency))


def layer_times(
    operators: Operators,
    groups: Groups,
    hidden: Tensor,
    layout: Layout,
    work: Work,
    device: Device,
    links: Links,
    efficiency: Efficiency,
) -> LayerTimes:
    """Seconds of a micro-batch on one layer of each group; arguments as of ``step_seconds``."""
    real = _reached(links, efficiency)
    tokens = layout.micro_batch * work.sequence / layout.context
    passes = layer_passes(operators, groups, layout, work, device, efficiency, tokens)
    forward, backward, weights = passes
    again = repeated_seconds(groups, forward, work)
    computed = forward.total + backward.total + again
    routed = operators.expert.amax(1) > 0
    floor = efficiency.layer_floor + torch.where(routed, efficiency.expert_floor, 0.0)
    least = torch.where(groups.place == 0, floor, 0.0) * (2.0 + (work.recompute == 3).to(floor))
    # A layer whose kernels are short waits for the host instead; a soft corner.
    host = (computed**4 + least**4 + 1e-30) ** 0.25 - computed
    tensor = communication.tensor_seconds(
        operators, groups, hidden, layout, real, efficiency, tokens, work
    )
    expert = communication.expert_seconds(
        operators, hidden, layout, real, efficiency, tokens, work, computed
    )
    context = communication.context_seconds(operators, layout, real, tokens, work, passes)
    return LayerTimes(
        products=forward.products + backward.products,
        attention=forward.attention + backward.attention,
        elementwise=forward.elementwise + backward.elementwise,
        recompute=again,
        tensor=tensor,
        expert=expert,
        context=context,
        host=host,
        forward=forward.total + (tensor + expert + context + host) / 2.0,
        weights=weights,
    )


def pipeline_stages(
    groups: Groups, layers: Tensor, layout: Layout, turns: int | None = None
) -> Stages:
    """Layers of the first, a middle and the last stage; arguments as of ``step_seconds``."""
    last = layout.pipeline - 1
    first, *others = (
        rank_layers(groups, layers, layout, stage, turns)
        for stage in (torch.zeros_like(last), torch.floor(last / 2), last)
    )
    # Of two stages that ranks hold, a micro-batch meets one.
    met = torch.where(layout.schedule == pipeline.DUAL, 0.5, 1.0)
    return Stages((first * met, others[0] * met, others[1] * met), first)


def _reached(links: Links, efficiency: Efficiency) -> Links:
    return links._replace(
        inside=links.inside * efficiency.inside, across=links.across * efficiency.across
    )


def _on(each_layer: Tensor, stages: Stages) -> _OnStages:
    """Seconds on the first, a middle and the last stage."""
    first, middle, last = ((each_layer * held).sum(0) for held in stages.timed)
    return first, middle, last


def _round_trip(busy: _OnStages) -> Tensor:
    first, middle, last = busy
    return torch.maximum(torch.maximum(first, middle), last)


def _slowest(busy: _OnStages) -> Tensor:
    """Which of the timed stages is: 0, 1 or 2; the first of equals."""
    first, middle, last = busy
    slower = torch.where(middle > first, 1.0, 0.0)
    return torch.where(last > torch.maximum(first, middle), 2.0, slower)


def _at(each_layer: Tensor, stages: Stages, chosen: Tensor) -> Tensor:
    first, middle, last = _on(each_layer, stages)
    return torch.where(chosen == 0, first, torch.where(chosen == 1, middle, last))


def _rest(
    operators: Operators,
    groups: Groups,
    hidden: Tensor,
    times: LayerTimes,
    stages: Stages,
    busy: _OnStages,
    layout: Layout,
    work: Work,
    device: Device,
    links: Links,
    efficiency: Efficiency,
) -> dict[str, Tensor]:
    """What a step takes beside its micro-batches: bubble, data, optimizer."""
    real = _reached(links, efficiency)
    tokens = layout.micro_batch * work.sequence / layout.context
    round_trip, slowest = _round_trip(busy), _slowest(busy)
    forward = _at(times.forward, stages, slowest)
    waiting = pipeline.bubble_seconds(
        layout.schedule,
        layout.pipeline,
        layout.virtual,
        forward,
        round_trip - forward,
        _at(times.weights, stages, slowest),
    )
    # Of the first stage, which has the embedding besides its layers.
    held = held_parameters(operators, groups, layout, torch.zeros_like(layout.tensor))
    parameters = stages.first.unsqueeze(1) * (held.matrices + held.vectors)
    units = stages.first.sum(0)
    return {
        "bubble": waiting + communication.sending_seconds(hidden, layout, real, tokens),
        "data": communication.data_seconds(
            operators, parameters, units, layout, real, efficiency, work, round_trip
        ),
        "optimizer": optimizer_seconds(parameters, layout, device, efficiency, work),
    }


def _straggling(layout: Layout, efficiency: Efficiency) -> Tensor:
    ranks = layout.tensor * layout.pipeline * layout.context * layout.data
    return efficiency.straggling * torch.log2(ranks)
