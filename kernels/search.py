"""Search over grids of layouts: what is legal, what is best, what nothing else beats.

A grid's columns have a dimension for each choice, of length one wherever a column does not depend
on it; what all layouts share is computed once.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .layout import Layout
from .schedules import DUAL

INTERLEAVED = 1.0
"""Chunks of a stage beyond which a schedule is interleaved."""


def legal_masks(layout: Layout, sequence: Tensor) -> dict[str, Tensor]:
    """Which layouts obey each rule that joins several degrees; boolean, by the rule's name.

    Args:
        layout: a grid; data and micro-batches may be fractions, which break a rule.
        sequence: tokens of a sequence; broadcasts with it.
    """
    replicas = layout.data * layout.context
    ranks = layout.tensor * replicas
    divided = layout.expert * layout.expert_tensor
    is_whole = layout.data == torch.floor(layout.data)
    filled = layout.micro_batches == torch.floor(layout.micro_batches)
    parts = sequence / layout.context
    alone = layout.sequence_parallel == 0
    in_turn = torch.remainder(layout.micro_batches, layout.pipeline) == 0
    enough = layout.micro_batches >= 2 * layout.pipeline
    return {
        "tp x pp x cp divides the accelerators": is_whole & (layout.data >= 1),
        "dp x micro-batch divides the global batch": filled & (layout.micro_batches >= 1),
        "pp divides the micro-batches of an interleaved schedule": (
            (layout.virtual <= INTERLEAVED) | in_turn
        ),
        "dualpipe has 2 x pp micro-batches": (layout.schedule != DUAL) | enough,
        "ep x etp divides tp x cp x dp": torch.remainder(ranks, divided) == 0,
        "tp divides the tokens of a rank": alone | (torch.remainder(parts, layout.tensor) == 0),
        "shards divide dp x cp": torch.remainder(replicas, layout.shards) == 0,
    }


def lowest(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The lowest of some values and where they are, in the flattened grid; infinite ones last."""
    flat = values.reshape(-1)
    return torch.topk(flat, min(count, flat.numel()), largest=False, sorted=True)


def front_of_two(first: Tensor, second: Tensor) -> Tensor:
    """Places of points that no other is at or below in both; the first of equals.

    Args:
        first: any shape; infinite where a point does not count.
        second: values of the second aim, of the same shape.

    Returns:
        places in the flattened grid, by rising ``first``.
    """
    one, other = first.reshape(-1), second.reshape(-1)
    counted = torch.nonzero(torch.isfinite(one)).squeeze(1)
    by_second = counted[torch.argsort(other[counted], stable=True)]
    order = by_second[torch.argsort(one[by_second], stable=True)]
    least = torch.cummin(other[order], 0).values if order.numel() else other[order]
    before = torch.cat([torch.full_like(least[:1], torch.inf), least[:-1]])
    return order[other[order] < before]


def front(points: Tensor) -> Tensor:
    """Which points no other is at or below in everything and below in something.

    Args:
        points: ``(points, objectives)``, each to be low. Compared with the front one by one: for
            some ten thousand.

    Returns:
        boolean, ``(points,)``; of equal points the first.
    """
    order = torch.arange(len(points), device=points.device)
    for objective in reversed(range(points.shape[1])):
        order = order[torch.argsort(points[order, objective], stable=True)]
    # In this order nothing is beaten by what comes after it.
    kept: list[int] = []
    for place in order.tolist():
        if not bool((points[kept] <= points[place]).all(1).any()):
            kept.append(place)
    found = torch.zeros(len(points), dtype=torch.bool, device=points.device)
    found[kept] = True
    return found
