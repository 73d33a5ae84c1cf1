"""Odds of exceeding a threshold, and when a running total does."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


def share_above(draws: Tensor, thresholds: Tensor) -> Tensor:
    """Share of draws that are greater than each threshold.

    Args:
        draws: equally likely values; ``(*rows, draws)``.
        thresholds: values in the same unit; ``(thresholds,)``.

    Returns:
        ``(*rows, thresholds)``; NaN of a row with a draw that is not known.
    """
    above = (draws[..., None, :] > thresholds[:, None]).to(torch.float64).mean(-1)
    return torch.where(draws.isnan().any(-1, keepdim=True), torch.nan, above)


def lognormal_odds(threshold: Tensor, median: Tensor, below: Tensor, above: Tensor) -> Tensor:
    r"""Odds that a split log-normal quantity is greater than a threshold.

    .. math:: P(X > t) = \Phi\left(\frac{\ln m - \ln t}{\sigma}\right)

    with the sigma of the side of the median on which the threshold lies; all broadcast.

    Args:
        threshold: above zero, in the quantity's unit.
        median: of the quantity, :math:`m`; NaN where it is not known.
        below: standard deviation of the logarithm below the median.
        above: standard deviation of the logarithm above it.

    Returns:
        odds in the broadcast shape; 0 or 1 where the quantity is one number.
    """
    distance = torch.log(median) - torch.log(threshold)
    sigma = torch.where(distance > 0, below, above)
    odds = 0.5 * torch.erfc(-distance / (sigma * math.sqrt(2.0)))
    exact = (distance > 0).to(odds.dtype)
    found = torch.where(sigma > 0, odds, exact)
    return torch.where(median.isnan(), torch.nan, found)


class Running(NamedTuple):
    """A running total that is linear between times, and may jump at them; ``(times, draws)``.

    Attributes:
        before: total just before each time.
        at: total at each time, with what comes at once there.
    """

    before: Tensor
    at: Tensor


def running_total(amounts: Tensor, starts: Tensor, ends: Tensor, times: Tensor) -> Running:
    """Sum of amounts that each grow evenly from a start to an end.

    Args:
        amounts: ``(lines, draws)``.
        starts: time at which each begins; ``(lines,)``, or ``(lines, draws)`` as the next two.
        ends: time at which each ends, not before its start; ``(lines,)``. One that starts and
            ends at a time comes at once.
        times: times that are asked for; ``(times,)``.
    """
    if times.ndim == 1:
        return Running(*(each @ amounts for each in _grown(times[:, None], starts, ends)))
    # Time by time: all shares at once would be (times, lines, draws).
    rows = [[(share * amounts).sum(0) for share in _grown(time, starts, ends)] for time in times]
    before, at = (torch.stack(each) for each in zip(*rows, strict=True))
    return Running(before, at)


def _grown(times: Tensor, starts: Tensor, ends: Tensor) -> tuple[Tensor, Tensor]:
    """Shares of lines that are there just before times, and at them."""
    spans = ends - starts
    grown = ((times - starts) / torch.where(spans > 0, spans, 1.0)).clamp(0.0, 1.0)
    before, at = (
        torch.where(spans > 0, grown, is_there.to(grown.dtype))
        for is_there in (times > starts, times >= starts)
    )
    return before, at


def crossing_time(totals: Running, times: Tensor, threshold: float) -> Tensor:
    """Time at which a rising total exceeds a threshold.

    Args:
        totals: at all times at which a line starts or ends, none below the one before.
        times: ascending; ``(times,)``, or ``(times, draws)``.
        threshold: in the totals' unit.

    Returns:
        ``(draws,)``; infinite where it never does.
    """
    below = (totals.at <= threshold).sum(0)  # times, as totals rise
    does = below < len(times)
    first = below.clamp_max(len(times) - 1)
    last = (first - 1).clamp_min(0)
    high, low = totals.before.gather(0, first[None])[0], totals.at.gather(0, last[None])[0]
    rise = torch.where(high > low, high - low, 1.0)
    part = torch.where(high > threshold, (threshold - low) / rise, 1.0)  # else by a jump
    days = times[:, None].expand_as(totals.at) if times.ndim == 1 else times
    begun, ended = days.gather(0, last[None])[0], days.gather(0, first[None])[0]
    found = torch.where(first > 0, torch.lerp(begun, ended, part), days[0])
    return torch.where(does, found, math.inf)
