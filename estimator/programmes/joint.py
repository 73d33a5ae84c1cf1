"""Numerator and share of a programme together, as a grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from computebill.kernels import quantiles

CELLS = 20
"""Along each axis, equally likely."""


@dataclass(frozen=True)
class Joint:
    """Final runs and share together: a grid of cells equally likely along each axis."""

    rank_correlation: float
    final_runs_usd_edges: list[float]
    final_share_edges: list[float]
    probability: list[list[float]]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; ``probability[i][j]`` is cost cell i, share cell j."""
        return dict(self.__dict__)


def joint_of(final: Tensor, share: Tensor) -> Joint | None:
    """Return how final runs and share go together; None where one of them does not vary.

    Args:
        final: what the final runs cost, ``(draws,)``.
        share: of R&D compute, ``(draws,)``.
    """
    if bool((final == final[0]).all()) or bool((share == share[0]).all()):
        return None
    steps = torch.linspace(0, 1, CELLS + 1, dtype=torch.float64)
    edges = quantiles.sorted_quantiles(torch.stack([final, share]), steps)
    counts = quantiles.joint_counts(final, share, edges[0], edges[1])
    return Joint(
        float(quantiles.rank_correlation(final, share)),
        edges[0].tolist(),
        edges[1].tolist(),
        (counts / counts.sum()).tolist(),
    )
