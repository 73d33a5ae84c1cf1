"""Layouts as the columns that kernels take, one a row."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from computebill.architectures.columns import Columns
from computebill.kernels import layout as kernel
from computebill.kernels import memory, offload, stage_times

from .layout import (
    BUCKETS_GB,
    LOGIT_BYTES,
    PLAIN_LOGIT_BYTES,
    RECOMPUTE,
    SCHEDULES,
    SCORE_BYTES,
    Layout,
)
from .recipes import MOMENTS, OF_TORCH, WEIGHTS


def layout_columns(layouts: Sequence[Layout]) -> kernel.Layout:
    """Return layouts as columns, one a row."""

    def column(name: str) -> Tensor:
        return torch.tensor([float(getattr(each, name)) for each in layouts], dtype=torch.float64)

    dp, cp, tp = column("dp"), column("cp"), column("tp")
    sequence_parallel = [float(each.is_sequence_parallel) for each in layouts]
    batches = [float(each.filled_batches) for each in layouts]
    shards = [float(each.shards or each.dp * each.cp) for each in layouts]
    return kernel.Layout(
        tensor=tp,
        pipeline=column("pp"),
        virtual=column("vpp"),
        data=dp,
        context=cp,
        expert=column("ep"),
        expert_tensor=column("expert_tensor"),
        sequence_parallel=torch.tensor(sequence_parallel, dtype=torch.float64),
        micro_batch=column("micro_batch"),
        micro_batches=torch.tensor(batches, dtype=torch.float64),
        zero=column("zero"),
        shards=torch.tensor(shards, dtype=torch.float64),
        holds=torch.tensor([float(each.holds_gathered) for each in layouts], dtype=torch.float64),
        keeps_outputs=torch.tensor(
            [float(each.used_recipe in BUCKETS_GB) for each in layouts], dtype=torch.float64
        ),
        schedule=torch.tensor([SCHEDULES[each.schedule] for each in layouts], dtype=torch.float64),
        ends=_rows([each.deal.ends for each in layouts]),
        dealt=_rows([each.deal.own for each in layouts]),
        repeated=_rows([each.deal.repeated for each in layouts], math.inf),
    )


def _rows(lists: Sequence[Sequence[float]], rest: float = 0.0) -> torch.Tensor:
    """Return lists as columns, filled up to the longest; no rows where there is nothing in any."""
    count = max(map(len, lists), default=0)
    filled = [[*map(float, each), *[rest] * (count - len(each))] for each in lists]
    return torch.tensor(filled, dtype=torch.float64).reshape(len(lists), count).T


def spared_of(batch: Columns, layout: Layout) -> torch.Tensor | None:
    """Return the layers of each group that a layout does not compute again; None if it lists none.

    Args:
        batch: one architecture.
        layout: checked against it.
    """
    described = layout_columns([layout])
    if not len(described.repeated):
        return None
    return stage_times.spared_layers(batch.model, described)


def recipe_columns(layouts: Sequence[Layout]) -> memory.Recipe:
    """Return what layouts hold for each parameter, one a row."""
    rows = [_recipe(each) for each in layouts]
    fields = {name: [row[name] for row in rows] for name in memory.Recipe._fields}
    return memory.Recipe(
        **{name: torch.tensor(each, dtype=torch.float64) for name, each in fields.items()}
    )


def _recipe(layout: Layout) -> dict[str, float]:
    held, moments = layout.held, MOMENTS[layout.optimizer]
    matrix, other = moments.held(held)
    trained = 0.0 if layout.lora_rank else 1.0
    resting = WEIGHTS[layout.used_weights]
    is_quantised = layout.is_quantised
    # Frozen weights rest in the 16 bits that they are computed with, if not in fewer or in more.
    frozen = WEIGHTS["bf16"].bytes if is_quantised else resting.bytes
    weight = held.weight if trained else frozen
    is_away = {part: float(part in layout.offload) for part in ("optimizer", "weights")}
    return {
        "weight": weight,
        "inner_weight": weight if trained else resting.bytes,
        "gathered": held.gathered,
        "inner_gathered": resting.bytes if is_quantised else held.gathered,
        "copied": held.copy,
        "unpacked": memory.UNPACKED_BYTES if is_quantised else 0.0,
        "gradient": held.gradient,
        "keeps_gradients": float(held.keeps_gradients),
        "whole_gradients": float(held.whole_gradients),
        "matrix_state": held.master + matrix,
        "other_state": held.master + other,
        "step": held.step,
        "weights_away": is_away["weights"],
        "gradients_away": float(layout.sends_gradients or is_away["weights"] > 0),
        # Pages come and go as the step needs them.
        "states_away": max(is_away["optimizer"], float(moments.paged)),
        "trained": trained,
        "adapter_rank": float(layout.lora_rank),
        "adapter_weight": held.weight,
        "adapter_gradient": held.gradient,
        "adapter_state": held.master + other,
    }


def host_columns(layouts: Sequence[Layout]) -> offload.Host:
    """Return what rests on the host for each parameter, one a row."""
    rows = []
    for each in layouts:
        held = each.held
        matrix, other = MOMENTS[each.optimizer].held(held)
        # The optimizer there reads a gradient in its own type and writes a weight, which is the
        # one at rest where weights rest there too.
        gradient = max(min(held.gradient, 4.0), held.step)
        own = held.master or (0.0 if "weights" in each.offload else held.weight)
        # What is paged is on the host as it is on the device: its states alone.
        beside = gradient + own if "optimizer" in each.offload else 0.0
        rows.append((matrix + beside, other + beside, held.host_load, held.host_factor))
    return offload.Host(*torch.tensor(rows, dtype=torch.float64).T)


def activation_columns(layouts: Sequence[Layout], sequence: float) -> memory.Activations:
    """Return what layouts keep for the backward pass, one a row."""
    rows = [_activations(each, sequence) for each in layouts]
    fields = {name: [row[name] for row in rows] for name in memory.Activations._fields}
    return memory.Activations(
        **{name: torch.tensor(each, dtype=torch.float64) for name, each in fields.items()}
    )


def _activations(layout: Layout, sequence: float) -> dict[str, float]:
    held = layout.held
    width = held.activation / memory.ACTIVATION_BYTES
    scores = SCORE_BYTES[layout.attention] * width
    # With dropout, a mask of a byte and what it leaves are kept beside the softmax.
    dropped = scores + scores / (SCORE_BYTES["unfused"] * width) if layout.dropout else 0.0
    parts, tokens = layout.loss_parts
    return {
        "sequence": sequence,
        "score_bytes": scores + dropped,
        "mask_bytes": 2.0 * layout.dropout,
        "recompute": RECOMPUTE[layout.recompute],
        "fused": float(layout.kernels == "fused"),
        "logit_bytes": LOGIT_BYTES.get(
            layout.loss, LOGIT_BYTES.get(layout.used_recipe, PLAIN_LOGIT_BYTES)
        ),
        "loss_parts": parts,
        "loss_tokens": tokens,
        "loss_by_width": float(layout.loss == "fused"),
        "width": width,
        "inputs": held.input / held.activation,
        "away": float("activations" in layout.offload),
        "gathers": float(layout.used_recipe in OF_TORCH),
    }
