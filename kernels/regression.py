"""Ordinary least squares on many resamples at once.

References:
    Efron & Tibshirani 1993, "An Introduction to the Bootstrap", section 9.5 (pairs).
    Davison & Hinkley 1997, "Bootstrap Methods and their Application", section 6.3.3
    (prediction: the resampled line plus a residual).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Lines(NamedTuple):
    """Fitted lines, one per resample, as pivot: ``y = mean_y + slope (x - mean_x)``."""

    slope: Tensor
    mean_x: Tensor
    mean_y: Tensor

    def at(self, x: Tensor) -> Tensor:
        """Read the lines off at ``x``, broadcast against the resamples."""
        return self.mean_y + self.slope * (x - self.mean_x)

    @property
    def intercept(self) -> Tensor:
        """Value of each line at zero."""
        return self.mean_y - self.slope * self.mean_x


def resample_index(u: Tensor, count: int) -> Tensor:
    """Turn uniform points into row numbers, drawn with replacement.

    Args:
        u: ``(count, resamples)``, in (0, 1).
        count: rows to draw from.

    Returns:
        int64 ``(count, resamples)``, each in [0, count).
    """
    return (u * count).to(torch.int64)


def fit_lines(x: Tensor, y: Tensor) -> Lines:
    r"""Least squares of y on x along the first axis.

    :math:`b = \sum (x-\bar x)(y-\bar y) / \sum (x-\bar x)^2`, NaN where all x of a resample are
    the same.

    Args:
        x: ``(points, ...)``.
        y: values of the dependent variable, of the same shape.

    Returns:
        Lines of shape ``(...)``.
    """
    mean_x, mean_y = x.mean(0), y.mean(0)
    dx = x - mean_x
    spread = (dx * dx).sum(0)
    # The mean of equal numbers may be off by a bit, so their spread need not be zero.
    varies = (x != x[:1]).any(0)
    slope = (dx * y).sum(0) / torch.where(varies, spread, torch.nan)
    return Lines(slope, mean_x, mean_y)


def bootstrap_lines(x: Tensor, y: Tensor, index: Tensor) -> Lines:
    """Fit a line to each resample of the rows.

    Sums are taken about the mean of all rows, which keeps their digits; one gather of a small
    table serves all five.

    Args:
        x: ``(rows,)``.
        y: ``(rows,)``.
        index: int64 ``(rows, resamples)``, of ``resample_index``.

    Returns:
        Lines of shape ``(resamples,)``; slope NaN where a resample holds one x only.
    """
    centre_x, centre_y = x.mean(), y.mean()
    dx, dy = x - centre_x, y - centre_y
    resampled_x, resampled_y = dx[index], dy[index]
    lines = fit_lines(resampled_x, resampled_y)
    return Lines(lines.slope, lines.mean_x + centre_x, lines.mean_y + centre_y)


def residual_sd(x: Tensor, y: Tensor) -> Tensor:
    r"""Residual standard deviation of the fit: :math:`\sqrt{\sum e^2/(n-2)}`, along axis 0."""
    residual = y - fit_lines(x, y).at(x)
    return torch.sqrt((residual * residual).sum(0) / (x.shape[0] - 2))
