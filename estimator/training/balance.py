"""Layers dealt out so that no stage of a pipeline has more work than it must."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from computebill.architectures import Architecture
from computebill.architectures.columns import columns
from computebill.kernels.flop import token_flop
from computebill.kernels.operators import Groups, layers_before

STEPS = 60
"""Halvings of the range in which the least work of the busiest stage lies."""


class Work(NamedTuple):
    """What a token takes on its way through a model, in order [FLOP].

    Attributes:
        layers: of each layer's forward pass.
        head: of the head's.
    """

    layers: tuple[float, ...]
    head: float


def layer_kinds(groups: Groups, layers: int) -> torch.Tensor:
    """Which layers are of which kind: ``(groups, layers)``, 1 or 0; groups that are none all 0."""
    bounds = torch.arange(layers + 1, dtype=torch.float64)
    return layers_before(groups, bounds).diff(dim=1)


def work_of(architecture: Architecture, sequence: int) -> Work:
    """Return the work of a model's layers and of its head; looking up the embedding is none.

    Args:
        architecture: the model.
        sequence: tokens of a sequence.
    """
    batch = columns(architecture)
    tokens = torch.full_like(batch.hidden, float(sequence))
    each = token_flop(batch.operators, tokens).forward.sum(1)[:, 0] * batch.groups.tokens[:, 0]
    kinds = layer_kinds(batch.groups, int(architecture.layer_count))
    head = each[batch.groups.place[:, 0] == 2].sum()
    return Work(tuple((each.unsqueeze(1) * kinds).sum(0).tolist()), float(head))


def balanced(work: Work, chunks: int) -> tuple[int, ...]:
    """Return the layers of each chunk such that the busiest has as little work as can be.

    Of all that do, the one with fewest layers in front, where most micro-batches are in flight.
    Each chunk has a layer at least, but for the last, which has the head.

    Args:
        work: of the layers, at least as many as chunks less one, and of the head.
        chunks: of all stages, in order.
    """
    low, high = 0.0, sum(work.layers) + work.head
    found = _dealt(work, chunks, high) or ()
    for _ in range(STEPS):
        middle = (low + high) / 2
        tried = _dealt(work, chunks, middle)
        if tried is None:
            low = middle
        else:
            high, found = middle, tried
    return found


def _dealt(work: Work, chunks: int, most: float) -> tuple[int, ...] | None:
    """Layers of each chunk with no more work than that, as late as can be; None if none."""
    left = len(work.layers)
    counts: list[int] = []
    for earlier in reversed(range(chunks)):
        taken, done = 0, work.head if not counts else 0.0
        while left > earlier and done + work.layers[left - 1] <= most:
            left, taken, done = left - 1, taken + 1, done + work.layers[left - 1]
        if (not taken and counts) or done > most:
            return None
        counts.append(taken)
    return tuple(reversed(counts)) if not left else None


def busiest(compositions: Sequence[tuple[float, ...]]) -> list[int]:
    """Return stages of which one surely is the slowest, whatever a layer of each kind takes.

    Args:
        compositions: layers of each kind on each stage.
    """
    found: list[int] = []
    for place, one in enumerate(compositions):
        rest = (other for n, other in enumerate(compositions) if n != place)
        first = compositions.index(one) == place
        if first and not any(
            other != one and all(a <= b for a, b in zip(one, other, strict=True)) for other in rest
        ):
            found.append(place)
    return found
