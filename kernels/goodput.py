"""The share of a cluster's time that trains: failures, checkpoints, restarts.

References:
    Young 1974, "A first order approximation to the optimum checkpoint interval", Communications
    of the ACM 17 (9).
    Daly 2006, "A higher order estimate of the optimum checkpoint interval for restart dumps",
    Future Generation Computer Systems 22 (3).
"""

from __future__ import annotations

import torch
from torch import Tensor


def best_interval(between_failures: Tensor, checkpoint: Tensor) -> Tensor:
    r"""Seconds of training between checkpoints that lose least.

    :math:`\sqrt{2 \delta M} (1 + \frac{1}{3} \sqrt{\delta / 2M} + \frac{1}{9} \delta / 2M) -
    \delta`, and :math:`M` where a checkpoint takes longer than two failures are apart.

    Args:
        between_failures: mean seconds from one to the next, :math:`M`; any shape.
        checkpoint: seconds of writing one, :math:`\delta`; broadcasts with it.

    References:
        Daly 2006, equation 37.
    """
    half = checkpoint / (2.0 * between_failures)
    estimate = torch.sqrt(2.0 * checkpoint * between_failures)
    estimate = estimate * (1.0 + torch.sqrt(half) / 3.0 + half / 9.0) - checkpoint
    return torch.where(half < 1.0, estimate, between_failures)


def training_share(
    between_failures: Tensor, checkpoint: Tensor, restart: Tensor, interval: Tensor
) -> Tensor:
    r"""Share of wall-clock time that trains, failures coming at random.

    :math:`\tau / (M e^{R / M} (e^{(\tau + \delta) / M} - 1))`: work since the last checkpoint is
    lost, and a restart may fail too.

    Args:
        between_failures: mean seconds from one failure to the next, :math:`M`; any shape.
        checkpoint: seconds of writing one, :math:`\delta`; all broadcast.
        restart: seconds from a failure until training goes on, :math:`R`.
        interval: seconds of training between checkpoints, :math:`\tau`.

    References:
        Daly 2006, equation 20.
    """
    attempts = torch.expm1((interval + checkpoint) / between_failures)
    return interval / (between_failures * torch.exp(restart / between_failures) * attempts)
