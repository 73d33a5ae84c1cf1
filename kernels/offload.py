"""What training keeps on the host, and the time of moving it: optimizer, weights, activations.

References:
    Ren et al. 2021, "ZeRO-Offload", arXiv 2101.06840 (states and their step on the host).
    Rajbhandari et al. 2021, "ZeRO-Infinity", arXiv 2104.07857 (weights and activations there too).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .layout import Layout, in_flight, rank_layers
from .memory import Activations, Recipe, held_parameters, on_rank, resting_bytes, stage_kept
from .operators import Model
from .setting import Setting


class Host(NamedTuple):
    """What a process holds on the host for each parameter; every field ``(*batch)``.

    Attributes:
        state: size of all that the optimizer's step takes there for a parameter of a matrix inside
            a layer: weight, gradient and moments [B].
        other_state: size of the same of all other parameters [B].
        load: size of what a process holds at the least of each undivided parameter [B].
        factor: memory over that of what is in it, for buffers.
    """

    state: Tensor
    other_state: Tensor
    load: Tensor
    factor: Tensor


def host_bytes(
    model: Model,
    layout: Layout,
    recipe: Recipe,
    activations: Activations,
    host: Host,
    stage: Tensor,
) -> Tensor:
    """Bytes of the host's memory for the process of one accelerator; ``(*batch)``.

    Args:
        model: what is trained.
        layout: how the model is laid out.
        recipe: what is held for each parameter, and where it rests.
        activations: what is kept for the backward pass, and where.
        host: what rests on the host for each parameter.
        stage: pipeline stage, from 0; ``(*batch)``.
    """
    layers = rank_layers(model.groups, model.layers, layout, stage)
    on_stage = layers.held
    held = held_parameters(model.operators, model.groups, layout, torch.zeros_like(layout.tensor))
    inside = (model.groups.place == 0).unsqueeze(1)
    inner = torch.where(inside, held.matrices, 0.0)
    others = held.matrices - inner + held.vectors

    def own(figure: Tensor, least: int) -> Tensor:
        return on_rank(figure, model, on_stage, layout, least)

    states = (own(inner, 1) * host.state + own(others, 1) * host.other_state) * recipe.trained
    states = torch.where(recipe.states_away > 0, states, 0.0)
    weights = own(inner, 3) * recipe.inner_weight + own(others, 3) * recipe.weight
    states = states + torch.where(recipe.weights_away > 0, weights, 0.0)
    loaded = (on_stage * (inner + others).sum(1)).sum(0) * host.load * recipe.trained
    is_any = (recipe.states_away > 0) & (layout.zero < 3)
    states = torch.maximum(states, torch.where(is_any, loaded, 0.0)) * host.factor
    flying = in_flight(
        layout.pipeline, layout.virtual, layout.micro_batches, stage, layout.schedule
    )
    tokens = layout.micro_batch * activations.sequence / layout.context
    kept = stage_kept(model, layout, activations, layers).resting * tokens * flying
    return states + torch.where(activations.away > 0, kept, 0.0)


def activation_seconds(model: Model, setting: Setting, forward: Tensor, backward: Tensor) -> Tensor:
    """Waiting for activations on their way to the host and back; ``(groups, *batch)``.

    A layer's go while the next is computed, and come while the one before it is passed backward.

    Args:
        model: its operators, and where they stand.
        setting: what the step runs on, and how.
        forward: seconds of computing of one layer's forward pass; ``(groups, *batch)``.
        backward: the same of its backward pass, with what is computed again.
    """
    work = setting.work
    nothing = torch.zeros_like(work.width)
    kept = Activations(
        sequence=work.sequence,
        score_bytes=nothing,
        mask_bytes=nothing,
        recompute=work.recompute,
        fused=work.fused,
        logit_bytes=nothing,
        loss_parts=nothing,
        loss_tokens=nothing,
        loss_by_width=nothing,
        width=work.width,
        inputs=torch.ones_like(work.width),
        away=work.activations_away,
        gathers=nothing,
    )
    size = setting.tokens * resting_bytes(model, setting.layout, kept)
    once = size / setting.device.host_link
    waited = (once - forward).clamp_min(0.0) + (once - backward).clamp_min(0.0)
    inside = (model.groups.place == 0) & (work.activations_away > 0)
    return torch.where(inside, waited, 0.0)
