"""Layouts as the columns that kernels take, one a row."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from computebill.kernels import memory

from .layout import (
    BUCKETS_GB,
    LOGIT_BYTES,
    MOMENTS,
    PLAIN_LOGIT_BYTES,
    RECIPES,
    RECOMPUTE,
    SCHEDULES,
    SCORE_BYTES,
    Layout,
)


def layout_columns(layouts: Sequence[Layout]) -> memory.Layout:
    """Return layouts as columns, one a row."""

    def column(name: str) -> Tensor:
        return torch.tensor([float(getattr(each, name)) for each in layouts], dtype=torch.float64)

    dp, cp, tp = column("dp"), column("cp"), column("tp")
    sequence_parallel = [float(each.is_sequence_parallel) for each in layouts]
    batches = [float(each.filled_batches) for each in layouts]
    shards = [float(each.shards or each.dp * each.cp) for each in layouts]
    return memory.Layout(
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
        keeps_outputs=torch.tensor(
            [float(each.used_recipe in BUCKETS_GB) for each in layouts], dtype=torch.float64
        ),
        schedule=torch.tensor([SCHEDULES[each.schedule] for each in layouts], dtype=torch.float64),
    )


def recipe_columns(layouts: Sequence[Layout]) -> memory.Recipe:
    """Return what layouts hold for each parameter, one a row."""
    rows = []
    for each in layouts:
        held = RECIPES[each.used_recipe]
        moments = MOMENTS[each.optimizer]
        trained = 0.0 if each.lora_rank else 1.0
        # Frozen weights rest in the 16 bits that they are computed with.
        weight = held.weight if trained else held.gathered
        rows.append(
            (
                weight,
                held.gathered,
                held.gradient,
                held.master + moments.matrix,
                held.master + moments.other,
                held.step,
                trained,
                float(each.lora_rank),
                held.weight,
                held.gradient,
                held.master + moments.other,
            )
        )
    return memory.Recipe(*torch.tensor(rows, dtype=torch.float64).T)


def activation_columns(layouts: Sequence[Layout], sequence: float) -> memory.Activations:
    """Return what layouts keep for the backward pass, one a row."""
    rows = [
        (
            sequence,
            # With dropout, a mask and what it leaves are kept beside the softmax.
            SCORE_BYTES[each.attention] * (2.5 if each.dropout else 1.0),
            2.0 * each.dropout,
            RECOMPUTE[each.recompute],
            float(each.kernels == "fused"),
            LOGIT_BYTES.get(each.used_recipe, PLAIN_LOGIT_BYTES),
        )
        for each in layouts
    ]
    return memory.Activations(*torch.tensor(rows, dtype=torch.float64).T)
