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

from . import communication, offload
from .layer_time import layer_passes, repeated_seconds
from .memory import held_parameters
from .operators import Model
from .optimizers import RankParameters, optimizer_seconds
from .setting import Setting
from .stage_times import (
    Each,
    Paced,
    Stages,
    chosen,
    fullest,
    listed_seconds,
    longest,
    pipeline_stages,
    slowest,
    waiting_seconds,
)


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


def step_seconds(model: Model, setting: Setting, turns: int | None = None) -> StepTime:
    """Time of a training step.

    The slowest pipeline stage sets the pace; it is looked for among the first, a middle one and
    the last, or among all where their layers are listed.

    Args:
        model: what is trained.
        setting: what it is trained on, and how.
        turns: most chunks of a stage, as in ``layout.stage_layers``: for ``torch.compile``.
    """
    times, layout = layer_times(model, setting), setting.layout
    once = _once(model, setting, times)
    stages = pipeline_stages(model, layout, turns)
    paced = _paced(times, once)
    busy = [paced.total.on(each) for each in stages.timed]
    place = slowest(busy)
    parts = {
        name: chosen((each.on(layers) for layers in stages.timed), place) * layout.micro_batches
        for name, each in _pairs(times, once).items()
        if name not in ("forward", "weights")
    }
    rest = _rest(model, setting, stages, paced, busy)
    waiting = listed_seconds(model, layout, paced, rest.bubble, turns)
    bubble = waiting + communication.sending_seconds(model.hidden, setting)
    host = parts.pop("host") + setting.efficiency.step_floor
    beside = rest._replace(bubble=bubble)._asdict()
    time = StepTime(**parts, **beside, host=host, stragglers=torch.zeros_like(bubble))
    whole = time._replace(stragglers=time.total * _straggling(setting))
    return StepTime(*(part * setting.efficiency.pace for part in whole))


def total_seconds(model: Model, setting: Setting, times: LayerTimes, stages: Stages) -> Tensor:
    """Time of a training step, undivided; its layers' times may serve many pipelines.

    That of ``step_seconds``, but where layers of stages are listed: they are taken to be waited
    for as in all other pipelines, which is as long or longer.

    Args:
        model: what is trained.
        setting: what it is trained on, and how.
        times: times of one layer of each group.
        stages: stages of the pipeline.
    """
    paced = _paced(times, times)
    busy = [paced.total.on(each) for each in stages.timed]
    rest = _rest(model, setting, stages, paced, busy)
    total = (
        longest(busy) * setting.layout.micro_batches
        + (rest.bubble + communication.sending_seconds(model.hidden, setting))
        + rest.data
        + rest.optimizer
        + setting.efficiency.step_floor
    )
    return total * (1.0 + _straggling(setting)) * setting.efficiency.pace


def _once(model: Model, setting: Setting, times: LayerTimes) -> LayerTimes:
    """Times of layers that are spared what others compute again."""
    if not len(setting.layout.repeated):
        return times
    nothing = torch.zeros_like(setting.work.recompute)
    return layer_times(model, setting._replace(work=setting.work._replace(recompute=nothing)))


def _pairs(times: LayerTimes, once: LayerTimes) -> dict[str, Each]:
    again, spared = times._asdict(), once._asdict()
    return {name: Each(again[name], spared[name]) for name in again}


def _paced(times: LayerTimes, once: LayerTimes) -> Paced:
    total = times.total
    return Paced(
        Each(total, total if once is times else once.total),
        Each(times.forward, once.forward),
        Each(times.weights, once.weights),
    )


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


class _Rest(NamedTuple):
    """Seconds that a step takes beside its micro-batches; every field ``(*batch)``.

    Attributes:
        bubble: waiting for other stages.
        data: gradients and weights between replicas, not hidden.
        optimizer: the optimizer's step.
    """

    bubble: Tensor
    data: Tensor
    optimizer: Tensor


def _rest(
    model: Model, setting: Setting, stages: Stages, paced: Paced, busy: list[Tensor]
) -> _Rest:
    layout = setting.layout
    each = held_parameters(model.operators, model.groups, layout, torch.zeros_like(layout.tensor))
    held = fullest(layout, stages, (each.matrices + each.vectors).sum(1))
    count = held.unsqueeze(1)
    of_rank = RankParameters(count * each.matrices, count * each.vectors)
    return _Rest(
        bubble=waiting_seconds(model, layout, stages, paced, busy),
        data=communication.data_seconds(
            model.operators,
            setting,
            of_rank.matrices + of_rank.vectors,
            held.sum(0),
            longest(busy),
        ),
        optimizer=optimizer_seconds(model, of_rank, setting),
    )


def _straggling(setting: Setting) -> Tensor:
    """Share of a step that waits for the slowest of all accelerators."""
    layout = setting.layout
    ranks = layout.tensor * layout.pipeline * layout.context * layout.data
    return setting.efficiency.straggling * torch.log2(ranks)
