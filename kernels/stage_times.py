"""Seconds of a step on the stages of a pipeline, and how long they wait for each other.

References:
    Narayanan et al. 2021, arXiv 2104.04473, section 2.2 (1F1B and interleaved schedules).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from . import pipeline
from .layout import Layout, StageLayers, chunk_layers, rank_layers, stage_layers
from .operators import Model, layers_of
from .schedules import DUAL, ONE_FORWARD_ONE_BACKWARD


class Each(NamedTuple):
    """Seconds of a micro-batch on one layer of each group; ``(groups, *batch)``.

    Attributes:
        again: where the layer is computed again as the setting has it.
        once: where it is spared that.
    """

    again: Tensor
    once: Tensor

    def on(self, layers: StageLayers) -> Tensor:
        """Seconds of a micro-batch on a stage; ``(*batch)``."""
        if not layers.spared.numel():
            return (self.again * layers.held).sum(0)
        return (self.again * (layers.held - layers.spared) + self.once * layers.spared).sum(0)


class Stages(NamedTuple):
    """Layers of each group on some pipeline stages; ``(groups, *batch)``.

    Attributes:
        timed: layers of the first stage, a middle one, the last and others, as a micro-batch meets
            them.
        ranks: layers that ranks of each of those stages hold; of the first alone where layers are
            dealt out evenly.
        spared: of all stages together, layers that are not computed again where others are; no
            elements where no layout has any.
    """

    timed: tuple[StageLayers, ...]
    ranks: tuple[Tensor, ...]
    spared: Tensor


def pipeline_stages(
    model: Model,
    layout: Layout,
    turns: int | None = None,
    others: Iterable[Tensor] | None = None,
) -> Stages:
    """Layers of the stages among which the slowest is looked for.

    Args:
        model: what is trained.
        layout: how it is laid out.
        turns: most chunks of a stage, as in ``layout.stage_layers``.
        others: stages beside the first, a middle one and the last; all that there are, where
            layouts list their layers or what is computed again, if not given.
    """
    last = layout.pipeline - 1
    places = [torch.zeros_like(last), torch.floor(last / 2), last]
    places += _all_others(layout) if others is None else others
    found = [rank_layers(model.groups, model.layers, layout, each, turns) for each in places]
    # Of two stages that ranks hold, a micro-batch meets one.
    met = torch.where(layout.schedule == DUAL, 0.5, 1.0)
    spared = model.layers.new_empty(0)
    timed = [each._replace(held=each.held * met) for each in found]
    if len(layout.repeated):
        timed = [each._replace(spared=each.spared * met) for each in timed]
        spared = spared_layers(model, layout, turns)
    is_even = not (len(layout.ends) or len(layout.dealt))
    held = [each.held for each in found]
    return Stages(tuple(timed), tuple(held[:1] if is_even else held), spared)


def _all_others(layout: Layout) -> list[Tensor]:
    """All stages but the first; of layouts that list nothing the first again."""
    last = layout.pipeline - 1
    lists = _lists_any(layout)
    count = max(len(layout.dealt), len(layout.repeated))
    return [torch.where(lists, last.clamp_max(float(n)), 0.0) for n in range(1, count)]


def _lists_any(layout: Layout) -> Tensor:
    """Whether layers of every stage are listed, or what of them is computed again; boolean."""
    lists = torch.zeros_like(layout.pipeline) > 0
    lists = lists | layout.is_listed if len(layout.dealt) else lists
    return lists | layout.repeats_some if len(layout.repeated) else lists


def spared_layers(model: Model, layout: Layout, turns: int | None = None) -> Tensor:
    """Layers of each group that are not computed again, on all stages together.

    Args:
        model: what is trained.
        layout: how it is laid out; of some, what is computed again is listed.
        turns: most chunks of a stage, as in ``layout.stage_layers``.
    """
    whole = torch.zeros_like(model.layers + layout.pipeline + model.groups.place)
    for place in range(len(layout.repeated)):
        stage = torch.full_like(layout.pipeline, float(place))
        found = stage_layers(model.groups, model.layers, layout, stage, turns).spared
        whole = whole + torch.where(stage < layout.pipeline, found, 0.0)
    return whole


def slowest(busy: list[Tensor]) -> Tensor:
    """Which of some stages is; the first of equals."""
    most, place = busy[0], torch.zeros_like(busy[0])
    for number, each in enumerate(busy[1:], 1):
        place = torch.where(each > most, float(number), place)
        most = torch.maximum(most, each)
    return place


def longest(busy: list[Tensor]) -> Tensor:
    """Seconds of the slowest of some stages."""
    most = busy[0]
    for each in busy[1:]:
        most = torch.maximum(most, each)
    return most


def chosen(values: Iterable[Tensor], place: Tensor) -> Tensor:
    """The value of one stage, of those of some."""
    first, *others = values
    found = first
    for number, each in enumerate(others, 1):
        found = torch.where(place == number, each, found)
    return found


def fullest(layout: Layout, stages: Stages, parameters: Tensor) -> Tensor:
    """Layers that ranks of the stage with most parameters hold; ``(groups, *batch)``.

    Where layers are dealt out evenly that is the first, which has the embedding besides.

    Args:
        layout: how the model is laid out.
        stages: stages of the pipeline.
        parameters: of one layer on a rank; ``(groups, *batch)``.
    """
    if len(stages.ranks) == 1:
        return stages.ranks[0]
    sizes = [(held * parameters).sum(0) for held in stages.ranks]
    uneven = torch.zeros_like(layout.pipeline) > 0
    uneven = uneven | layout.has_ends if len(layout.ends) else uneven
    uneven = uneven | layout.is_listed if len(layout.dealt) else uneven
    return chosen(stages.ranks, torch.where(uneven, slowest(sizes), 0.0))


class Paced(NamedTuple):
    """Seconds of a micro-batch on one layer of each group, by what a schedule tells apart.

    Attributes:
        total: forward and backward pass.
        forward: the forward pass alone.
        weights: part of the backward pass for gradients of weights.
    """

    total: Each
    forward: Each
    weights: Each


def waiting_seconds(
    model: Model, layout: Layout, stages: Stages, times: Paced, busy: list[Tensor]
) -> Tensor:
    """Time that the slowest stage waits for others while a pipeline fills and drains; ``(*batch)``.

    As long as all others take for a micro-batch each, where all are alike or the last is the
    slowest. Ends with layers of their own may be waited for less.

    Args:
        model: what is trained.
        layout: how it is laid out.
        stages: stages of the pipeline.
        times: of a layer.
        busy: seconds of a micro-batch on each of the timed stages.
    """
    place = slowest(busy)

    def others(each: Each) -> Tensor:
        """The mean of all stages but the slowest."""
        everything = (each.again * layers_of(model.groups)).sum(0)
        if stages.spared.numel():
            everything = everything + ((each.once - each.again) * stages.spared).sum(0)
        rest = everything - chosen((each.on(layers) for layers in stages.timed), place)
        return rest.clamp_min(0.0) / (layout.pipeline - 1).clamp_min(1.0)

    forward = others(times.forward)
    found = pipeline.bubble_seconds(
        layout.schedule,
        layout.pipeline,
        layout.virtual,
        forward,
        others(times.total) - forward,
        others(times.weights),
    )
    if not len(layout.ends):
        return found
    ahead = [times.forward.on(each) for each in stages.timed[:3]]
    behind = [both - each for both, each in zip(busy, ahead, strict=False)]
    numbers = (layout.pipeline, layout.micro_batches)
    ends = pipeline.ends_seconds(*numbers, ahead, behind) - layout.micro_batches * longest(busy)
    return torch.where(layout.has_ends, ends.clamp_min(0.0), found)


def listed_seconds(
    model: Model, layout: Layout, times: Paced, waiting: Tensor, turns: int | None = None
) -> Tensor:
    """The same, where layers of stages are listed or what of them is computed again.

    Args:
        model: what is trained.
        layout: how it is laid out.
        times: of a layer.
        waiting: what it is for all other layouts; ``(*batch)``.
        turns: most chunks of a stage, as in ``layout.stage_layers``.
    """
    count = max(len(layout.dealt), len(layout.repeated))
    if not count:
        return waiting
    passes = [_passes(model, layout, times, float(stage), turns) for stage in range(count)]
    forward, backward = (torch.stack(each) for each in zip(*passes, strict=True))
    took = pipeline.listed_seconds(
        layout.pipeline, layout.virtual, layout.micro_batches, forward, backward
    )
    busy = (forward + backward).sum(1).amax(0) * layout.micro_batches
    is_plain = layout.schedule == ONE_FORWARD_ONE_BACKWARD
    return torch.where(_lists_any(layout) & is_plain, (took - busy).clamp_min(0.0), waiting)


def _passes(
    model: Model, layout: Layout, times: Paced, number: float, turns: int | None
) -> tuple[Tensor, Tensor]:
    """Forward and backward pass of each chunk of a stage; ``(chunks, *batch)``, zero of none."""
    groups, stage = model.groups, torch.full_like(layout.pipeline, number)
    turns = int(layout.virtual.max()) if turns is None else turns
    turn = torch.arange(turns, dtype=stage.dtype, device=stage.device)
    turn = turn.reshape(-1, *[1] * times.total.again.dim())
    each = chunk_layers(groups, model.layers, layout, stage, turn, torch.zeros_like(stage))
    is_first = (stage == 0) & (turn == 0)
    is_last = (stage == layout.pipeline - 1) & (turn == layout.virtual - 1)
    ends = torch.where(groups.place == 1, is_first, is_last) & (groups.place > 0)
    held = torch.where(ends, 1.0, each.held)
    spared = each.spared if each.spared.numel() else torch.zeros_like(held)

    def seconds(of: Each) -> Tensor:
        found = (of.again * (held - spared) + of.once * spared).sum(1)
        return torch.where(stage < layout.pipeline, found, 0.0)

    forward = seconds(times.forward)
    return forward, seconds(times.total) - forward
