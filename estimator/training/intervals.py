"""How far a step's true time may lie from the estimate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import chain
from typing import NamedTuple

import torch
from torch import Tensor

from computebill.hardware.fitted import FARTHEST, Fitted, Spread

from .cases import Case, CaseColumns
from .doubts import DOUBTS, Reach, doubt_columns, is_routed, widening
from .parameters import INDEX, NAMES

NOTICED = 1.005
"""Least times that a doubt makes an interval wider, to be told."""

WIDEST = math.log(FARTHEST)
"""Largest standard deviation of a step's time, in its logarithm."""


def interval_kind(case: Case) -> str:
    """Return the kind of case whose residuals a prediction has: experts, rough or dense.

    Rough are fine-tuning scripts and the software of before 2022, which differ among themselves.
    """
    if case.software in ("early", "scripts"):
        return "rough"
    return "experts" if is_routed(case) else "dense"


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


class StepInterval(NamedTuple):
    """How far a step's time may lie from its estimate, and why farther than others'.

    Attributes:
        low: 5th percentile of measured over predicted time.
        high: 95th percentile.
        doubts: how many times wider each doubt makes the interval, of those that do.
    """

    low: float
    high: float
    doubts: Mapping[str, float]


def step_interval(
    case: Case, columns: CaseColumns, fitted: Fitted, seconds: Tensor, free: Tensor
) -> StepInterval | None:
    """Return 5th and 95th percentile of measured over predicted time; None where nobody knows.

    From what is not known of the efficiencies that the step hangs on, what steps of one lab
    are off by beside, and doubts; of a profile without that, the interval of the case's kind.

    Args:
        case: what is run.
        columns: the same as columns.
        fitted: efficiencies.
        seconds: predicted time of the step [s]; ``(1,)``, with its way from ``free``.
        free: efficiencies, free of bounds; ``(parameters,)``.
    """
    spread = fitted.spread
    if spread is None:
        ends = interval_of(case, fitted.intervals)
        return None if ends is None else StepInterval(*ends, {})
    (slopes,) = torch.autograd.grad(seconds.log().sum(), free)
    slopes = slopes.unsqueeze(0)
    doubted = doubt_columns(
        [case], columns, slopes, Reach(spread.unseen, spread.sizes, spread.makers)
    )
    width = widths_of(slopes, covariance_of(fitted, spread), spread.row)
    low, high = ends_of(width * widening(doubted, spread.doubts), spread.tails)
    wider = {
        name: math.exp(spread.doubts.get(name, 0.0) * much)
        for name, much in zip(DOUBTS, doubted[0].tolist(), strict=True)
    }
    told = {name: times for name, times in wider.items() if times > NOTICED}
    return StepInterval(float(low), float(high), told)


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
    places = torch.tensor([INDEX[name] for name in fitted.values])
    flat = torch.tensor(list(chain.from_iterable(spread.covariance)), dtype=torch.float64)
    row, column = torch.tril_indices(len(places), len(places))
    whole = torch.zeros(len(NAMES), len(NAMES), dtype=torch.float64)
    whole[places[row], places[column]] = flat
    whole[places[column], places[row]] = flat
    return whole
