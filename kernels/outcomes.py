"""How far experiments come: stopped early, failed, begun again.

A rule of stopping is a distribution over the progress at which an experiment ends, a share of its
tokens: ``progress`` and ``weight``, each ``(ends,)``, the weights adding up to one.

References:
    Jamieson & Talwalkar 2016, "Non-stochastic Best Arm Identification and Hyperparameter
    Optimization", arXiv:1502.07943 (successive halving).
    Li et al. 2018, "Hyperband", arXiv:1603.06560; Li et al. 2020, "A System for Massively Parallel
    Hyperparameter Tuning", arXiv:1810.05934 (ASHA, the same budgets without waiting).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Moments(NamedTuple):
    """Mean and variance of the share of its own length that an experiment takes."""

    mean: Tensor
    variance: Tensor


def halving_counts(count: float, eta: float, rungs: int) -> list[float]:
    r"""Experiments that reach each rung: :math:`n_i = \lfloor n\,\eta^{-i} \rfloor`, one at least.

    Args:
        count: number of experiments that begin.
        eta: one in so many goes on.
        rungs: number of rungs of progress, the last being the whole length.
    """
    # A quotient that is whole but for rounding stays whole.
    return [max(1.0, float(int(count / eta**i + 1e-9))) for i in range(rungs)]


def halving_progress(eta: float, rungs: int) -> list[float]:
    r"""Progress at which each rung judges: :math:`\eta^{i-s}` of rungs ``0 … s``."""
    return [eta ** (i - rungs + 1) for i in range(rungs)]


def stopped_moments(progress: Tensor, weight: Tensor) -> Moments:
    """Moments of the progress at which an experiment is stopped; both ``(ends,)``."""
    mean = (progress * weight).sum(-1)
    return Moments(mean, ((progress - mean[..., None]) ** 2 * weight).sum(-1))


def failure_moments(rate: Tensor, restarted: Tensor) -> Moments:
    r"""Moments of what failures make of an experiment's length.

    One that fails does so at a uniform progress :math:`U`. Begun again it takes :math:`1+U` in all,
    else only :math:`U`:

    .. math:: \mathrm E = 1 - q + q(\tfrac12 + \rho),\quad
        \mathrm E[F^2] = 1 - q + q\left(\rho\,\tfrac73 + (1-\rho)\tfrac13\right)

    Args:
        rate: share of experiments that fail, q.
        restarted: share of these that are begun again, and come through, :math:`\rho`.
    """
    mean = 1.0 - rate + rate * (0.5 + restarted)
    square = 1.0 - rate + rate * (restarted * 7.0 / 3.0 + (1.0 - restarted) / 3.0)
    return Moments(mean, square - mean**2)


def product_moments(one: Moments, other: Moments) -> Moments:
    """Moments of the product of two independent shares."""
    squares = (one.variance + one.mean**2) * (other.variance + other.mean**2)
    mean = one.mean * other.mean
    return Moments(mean, (squares - mean**2).clamp_min(0.0))


def stopped_progress(u: Tensor, progress: Tensor, weight: Tensor) -> Tensor:
    """Draw the progress at which experiments end, by inversion.

    Args:
        u: uniform points, any shape.
        progress: ``(ends,)``.
        weight: ``(ends,)``.
    """
    edges = torch.cumsum(weight, -1)[:-1].contiguous()
    return progress[torch.searchsorted(edges, u.contiguous(), right=True)]


def failed_length(u: Tensor, rate: Tensor, restarted: Tensor) -> Tensor:
    """Draw what failures make of experiments' lengths, by inversion.

    Points up to ``rate * restarted`` are of experiments that are begun again, those from there up
    to ``rate`` of others that fail; how far along either stretch a point lies is the progress at
    which its experiment fails.

    Args:
        u: uniform points, any shape.
        rate: share that fails.
        restarted: share of these that are begun again.
    """
    again = rate * restarted
    lost = (u - again).div_(rate - again).masked_fill_(u >= rate, 1.0)
    return torch.where(u < again, (u / again).add_(1.0), lost)
