"""What an architecture holds and computes, counted by the kernels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from computebill.kernels import flop as kernel
from computebill.kernels import operators as held

from .columns import Columns
from .counts import CONVENTIONS, FlopPerToken, Parameters


def count_parameters(columns: Columns, adapter_rank: float = 0.0) -> Parameters:
    """Count parameters.

    Args:
        columns: a batch of architectures.
        adapter_rank: rank of low-rank adapters; 0 for none.
    """
    operators, layers = columns.operators, held.layers_of(columns.groups)

    def total(each: Tensor) -> Tensor:
        return (each.sum(1) * layers).sum(0)

    low_rank = operators.copies * operators.low_rank
    return Parameters(
        total=total(held.parameters(operators)),
        active=total(held.active_parameters(operators)),
        embedding=total(held.embedding_parameters(operators)),
        adapters=adapter_rank * total(low_rank) + total(operators.beside),
    )


def count_flop(
    columns: Columns,
    sequence: float | Tensor,
    *,
    recompute: str = "none",
    spared: Tensor | None = None,
    adapter_rank: int = 0,
) -> FlopPerToken:
    """Count FLOP per token.

    Args:
        columns: a batch of architectures.
        sequence: tokens of a sequence.
        recompute: none, selective, operators or full.
        spared: layers of each group that full recomputation leaves out, ``(groups, *batch)``.
        adapter_rank: rank of low-rank adapters beside frozen weights; 0 trains all weights.
    """
    operators, groups = columns.operators, columns.groups
    tokens = torch.as_tensor(sequence, dtype=torch.float64, device=columns.hidden.device)
    tokens = tokens.expand_as(columns.hidden)
    trained = torch.full_like(tokens, 0.0 if adapter_rank else 1.0)
    rank = torch.full_like(tokens, float(adapter_rank))
    each = kernel.token_flop(operators, tokens, trained=trained, adapter_rank=rank)
    counted = kernel.conventions(operators, groups, tokens, trained=trained, adapter_rank=rank)
    layers = (held.layers_of(groups) * groups.tokens).unsqueeze(1)
    passes = torch.stack([each.forward * layers, each.backward * layers])
    modes = {
        argument: torch.full_like(tokens, float(recompute == mode))
        for argument, mode in (
            ("selective", "selective"),
            ("per_operator", "operators"),
            ("full", "full"),
        )
    }
    recomputed = kernel.recomputed_flop(operators, groups, each, **modes)
    if spared is not None:
        recomputed = recomputed - (spared * groups.tokens * each.forward.sum(1)).sum(0)
    return FlopPerToken(
        forward=kernel.over_layers(groups, each.forward),
        backward=kernel.over_layers(groups, each.backward),
        recomputed=recomputed,
        by_operator=_by_operator(columns.names, passes),
        conventions=dict(zip(CONVENTIONS, counted, strict=True)),
    )


def _by_operator(
    names: Sequence[Sequence[str]], passes: Tensor
) -> dict[str, tuple[Tensor, Tensor]]:
    """Add up the figures of each name, ``(passes, groups, slots, *batch)``; those of none go."""
    places: dict[str, list[Tensor]] = {}
    for group, row in enumerate(names):
        for slot, name in enumerate(row):
            if name:
                places.setdefault(name, []).append(passes[:, group, slot])
    found: dict[str, tuple[Tensor, Tensor]] = {}
    for name, parts in places.items():
        forward, backward = torch.stack(parts).sum(0)
        if bool(forward.any()):
            found[name] = (forward, backward)
    return found
