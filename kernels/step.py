"""Time of a training step, from an architecture, a layout and a cluster.

References:
    Narayanan et al. 2021, arXiv 2104.04473 (tensor and pipeline parallelism).
    Korthikanti et al. 2022, arXiv 2205.05198 (sequence parallelism, recomputation).
    Zhao et al. 2023, arXiv 2304.11277 (full sharding, prefetch).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from . import communication, offload, pipeline, schedules
from .layer_time import layer_passes, repeated_seconds
from .layout import Layout, rank_layers
from .memory import held_parameters
from .operators import Model, layers_of
from .optimizers import RankParameters, optimizer_seconds
from .setting import Setting


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
        elementwise: everything that is bound by memory, that of the host too.
        recompute: what is computed again.
        tensor: sums between tensor parallel ranks that are not hidden.
        expert: exchange of tokens between experts' ranks.
        context: exchange of keys and values.
        host: waiting for launches.
        forward: part of all these in the forward pass.
        weights: part of all these for gradients of weights.
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
        timed: layers of the first stage, a middle one and the last, as a micro-batch meets them.
        first: layers that ranks of the first stage hold.
    """

    timed: tuple[Tensor, Tensor, Tensor]
    first: Tensor


def step_seconds(model: Model, setting: Setting, turns: int | None = None) -> StepTime:
    """Time of a training step.

    The slowest pipeline stage sets the pace; it is looked for among the first, a middle one and
    the last.

    Args:
        model: what is trained.
        setting: what it is trained on, and how.
        turns: most chunks of a stage, as in ``layout.stage_layers``: for ``torch.compile``.
    """
    times = layer_times(model, setting)
    stages = pipeline_stages(model, setting.layout, turns)
    busy = _on(times.total, stages)
    slowest = _slowest(busy)
    parts = {
        name: _at(part, stages, slowest) * setting.layout.micro_batches
        for name, part in times._asdict().items()
        if name not in ("forward", "weights")
    }
    rest = _rest(model, setting, times, stages, busy)
    host = parts.pop("host") + setting.efficiency.step_floor
    time = StepTime(**parts, **rest._asdict(), host=host, stragglers=torch.zeros_like(rest.bubble))
    whole = time._replace(stragglers=time.total * _straggling(setting))
    return StepTime(*(part * setting.efficiency.pace for part in whole))


def total_seconds(model: Model, setting: Setting, times: LayerTimes, stages: Stages) -> Tensor:
    """Time of a training step, undivided; its layers' times may serve many pipelines.

    Args:
        model: what is trained.
        setting: what it is trained on, and how.
        times: times of one layer of each group.
        stages: stages of the pipeline.
    """
    busy = _on(times.total, stages)
    rest = _rest(model, setting, times, stages, busy)
    total = (
        _round_trip(busy) * setting.layout.micro_batches
        + rest.bubble
        + rest.data
        + rest.optimizer
        + setting.efficiency.step_floor
    )
    return total * (1.0 + _straggling(setting)) * setting.efficiency.pace


def layer_times(model: Model, setting: Setting) -> LayerTimes:
    """Seconds of a micro-batch on one layer of each group.

    Args:
        model: what is trained.
        setting: what it is trained on, and how. Pipeline stages and the micro-batches of a step
            change nothing.
    """
    recompute, efficiency = setting.work.recompute, setting.efficiency
    passes = layer_passes(model, setting)
    forward, backward, weights, _ = passes
    again = repeated_seconds(model.groups, passes, setting)
    computed = forward.total + backward.total + again
    routed = model.operators.expert.amax(1) > 0
    floor = efficiency.layer_floor + torch.where(routed, efficiency.expert_floor, 0.0)
    each_pass = torch.where(model.groups.place == 0, floor, 0.0)
    least = each_pass * (2.0 + (recompute == 3).to(floor))
    # A layer whose kernels are short waits for the host instead; a soft corner.
    host = (computed**4 + least**4 + 1e-30) ** 0.25 - computed
    tensor = communication.tensor_seconds(model, setting)
    expert = communication.expert_seconds(model, setting, computed)
    context = communication.context_seconds(model.operators, setting, passes)
    waited = offload.activation_seconds(model, setting, forward.total, computed - forward.total)
    return LayerTimes(
        products=forward.products + backward.products,
        attention=forward.attention + backward.attention,
        elementwise=forward.elementwise + backward.elementwise + waited,
        recompute=again,
        tensor=tensor,
        expert=expert,
        context=context,
        host=host,
        forward=forward.total + (tensor + expert + context + host + waited) / 2.0,
        weights=weights,
    )


def pipeline_stages(model: Model, layout: Layout, turns: int | None = None) -> Stages:
    """Layers of the first, a middle and the last stage.

    Args:
        model: what is trained.
        layout: how it is laid out.
        turns: most chunks of a stage, as in ``layout.stage_layers``.
    """
    last = layout.pipeline - 1
    first, *others = (
        rank_layers(model.groups, model.layers, layout, stage, turns)
        for stage in (torch.zeros_like(last), torch.floor(last / 2), last)
    )
    # Of two stages that ranks hold, a micro-batch meets one.
    met = torch.where(layout.schedule == schedules.DUAL, 0.5, 1.0)
    return Stages((first * met, others[0] * met, others[1] * met), first)


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


class _Rest(NamedTuple):
    """Seconds that a step takes beside its micro-batches; every field ``(*batch)``."""

    bubble: Tensor
    data: Tensor
    optimizer: Tensor


def _rest(
    model: Model, setting: Setting, times: LayerTimes, stages: Stages, busy: _OnStages
) -> _Rest:
    layout = setting.layout
    round_trip, slowest = _round_trip(busy), _slowest(busy)
    others = _of_others(model, layout, stages, slowest)
    forward = others(times.forward)
    waiting = pipeline.bubble_seconds(
        layout.schedule,
        layout.pipeline,
        layout.virtual,
        forward,
        others(times.total) - forward,
        others(times.weights),
    )
    # Of the first stage, which has the embedding besides its layers.
    each = held_parameters(model.operators, model.groups, layout, torch.zeros_like(layout.tensor))
    count = stages.first.unsqueeze(1)
    held = RankParameters(count * each.matrices, count * each.vectors)
    parameters = held.matrices + held.vectors
    return _Rest(
        bubble=waiting + communication.sending_seconds(model.hidden, setting),
        data=communication.data_seconds(
            model.operators, setting, parameters, stages.first.sum(0), round_trip
        ),
        optimizer=optimizer_seconds(model, held, setting),
    )


def _of_others(
    model: Model, layout: Layout, stages: Stages, slowest: Tensor
) -> Callable[[Tensor], Tensor]:
    """From a layer's seconds, the mean of all stages but the slowest, for which they wait.

    References:
        Narayanan et al. 2021, section 2.2: a pipeline fills and drains through every stage once.
    """
    everything = layers_of(model.groups)
    count = (layout.pipeline - 1).clamp_min(1.0)

    def mean(each_layer: Tensor) -> Tensor:
        rest = (each_layer * everything).sum(0) - _at(each_layer, stages, slowest)
        return rest.clamp_min(0.0) / count

    return mean


def _straggling(setting: Setting) -> Tensor:
    """Share of a step that waits for the slowest of all accelerators."""
    layout = setting.layout
    ranks = layout.tensor * layout.pipeline * layout.context * layout.data
    return setting.efficiency.straggling * torch.log2(ranks)
