"""How far a step's true time may lie from the estimate."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from computebill.hardware.fitted import FARTHEST, Fitted, Spread

from .cases import Case
from .parameters import INDEX, NAMES

WIDEST = math.log(FARTHEST)
"""Largest standard deviation of a step's time, in its logarithm."""


def interval_kind(case: Case) -> str:
    """Return the kind of case whose residuals a prediction has: experts, rough or dense.

    Rough are fine-tuning scripts and the software of before 2022, which differ among themselves.
    """
    if case.software in ("early", "scripts"):
        return "rough"
    is_routed = any(each.expert for each in case.architecture.operators())
    return "experts" if is_routed else "dense"


def interval_of(
    case: Case, intervals: Mapping[str, tuple[float, float]]
) -> tuple[float, float] | None:
    """Return the interval of a case's kind; the widest where it has none; None without any."""
    if not intervals:
        return None
    widest = (
        min(low for low, _ in intervals.values()),
        max(high for _, high in intervals.values()),
    )
    return intervals.get(interval_kind(case), widest)


def step_interval(
    case: Case, fitted: Fitted, seconds: Tensor, free: Tensor
) -> tuple[float, float] | None:
    """Return 5th and 95th percentile of measured over predicted time; None where nobody knows.

    From what is not known of the efficiencies that the step hangs on, and what steps of one lab
    are off by beside; of a profile without that, the interval of the case's kind.

    Args:
        case: what is run.
        fitted: efficiencies.
        seconds: predicted time of the step [s]; ``(1,)``, with its way from ``free``.
        free: efficiencies, free of bounds; ``(parameters,)``.
    """
    if fitted.spread is None:
        return interval_of(case, fitted.intervals)
    (slopes,) = torch.autograd.grad(seconds.log().sum(), free)
    covariance = covariance_of(fitted, fitted.spread)
    width = widths_of(slopes.unsqueeze(0), covariance, fitted.spread.row)
    low, high = ends_of(width, fitted.spread.tails)
    return float(low), float(high)


def ends_of(widths: Tensor, tails: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """Return the ends of intervals, measured over predicted time; each ``(rows,)``.

    Args:
        widths: standard deviations of the logarithm of that; ``(rows,)``.
        tails: how many of them the ends are away.
    """
    low, high = ((tail * widths).clamp_max(math.log(FARTHEST)) for tail in tails)
    return (-low).exp(), high.exp()


def widths_of(slopes: Tensor, covariance: Tensor, row: float) -> Tensor:
    """Return standard deviations of the logarithm of measured over predicted time; ``(rows,)``.

    Args:
        slopes: derivatives of the logarithm of seconds by efficiencies, free of bounds;
            ``(rows, parameters)``.
        covariance: what is not known of them; ``(parameters, parameters)``.
        row: standard deviation of one step's beside.
    """
    unknown = ((slopes @ covariance) * slopes).sum(1).clamp_min(0.0)
    return (unknown + row**2).sqrt().clamp_max(WIDEST)


def covariance_of(fitted: Fitted, spread: Spread) -> Tensor:
    """Return the covariance of all efficiencies; ``(parameters, parameters)``."""
    places = [INDEX[name] for name in fitted.values]
    whole = torch.zeros(len(NAMES), len(NAMES), dtype=torch.float64)
    for place, row in zip(places, spread.covariance, strict=True):
        whole[place, places[: len(row)]] = torch.tensor(row, dtype=torch.float64)
    return whole + whole.T - torch.diag(whole.diagonal())
