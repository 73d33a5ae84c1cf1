"""What a run's log says of the time and money so far, and of the rest at the pace it shows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from computebill.kernels.units import SECONDS_PER_DAY, SECONDS_PER_HOUR
from computebill.logs import Timeline
from computebill.uncertainty.distribution import Distribution

PRIOR_DAYS = 1.0
"""Days of a run whose lost time weighs as much as what was expected of it; assumed, not checked."""

DRIFT = 0.01
"""Least relative standard deviation of the pace to come; assumed, not checked."""

Z95 = 1.6449

HOURS_PER_DAY = SECONDS_PER_DAY / SECONDS_PER_HOUR


def days_left(course: Timeline, seconds: float, expected: Distribution) -> Distribution:
    """Return the days that the rest takes, with the lost time and the drift seen so far.

    Args:
        course: of its log.
        seconds: that its steps take, if none of the time is lost [s].
        expected: share of the time that was expected to train.
    """
    goodput, wide = _goodput(course, expected)
    spread = Z95 * math.hypot(_drift(course), wide)
    middle = seconds / goodput / SECONDS_PER_DAY
    mean = middle * math.exp((spread / Z95) ** 2 / 2)
    return Distribution(middle * math.exp(-spread), middle, middle * math.exp(spread), mean)


def _drift(course: Timeline) -> float:
    """Return the relative standard deviation of speeds over time."""
    speeds = np.array([window.speed for window in course.windows])
    if not np.isfinite(speeds).any():
        speeds = 1 / np.array([window.seconds for window in course.windows])
    found = speeds[np.isfinite(speeds) & (speeds > 0)]
    return max(DRIFT, float(np.log(found).std())) if len(found) > 1 else DRIFT


def _goodput(course: Timeline, expected: Distribution) -> tuple[float, float]:
    """Return the share of the time that trains from here on, and its relative deviation."""
    spent = course.spent
    prior = expected.p50 if expected.is_known else 1.0
    wide = math.log(expected.p95 / expected.p5) / (2 * Z95) if expected.is_known else 0.0
    if spent is None:
        return prior, wide
    days = spent.wall / SECONDS_PER_DAY
    weight = days / (days + PRIOR_DAYS)
    share = weight * min(1.0, spent.goodput) + (1 - weight) * prior
    # What is lost comes in so many restarts and stalls, whose number goes by chance.
    stops = 1 + len(course.restarts) + len(course.stalls)
    return share, math.hypot((1 - weight) * wide, (1 - share) / share / math.sqrt(stops))


def measured(course: Timeline) -> dict[str, Any]:
    """Return the keys of what any log may tell beside a speed."""
    memory = course.column("memory")
    return {
        "goodput": None if course.spent is None else course.spent.goodput,
        "memory_gb": float(np.nanmax(memory)) / 1e9 if np.isfinite(memory).any() else None,
    }


def so_far(course: Timeline, count: float, usd: Mapping[str, float]) -> dict[str, Any]:
    """Return the keys of what a run has taken.

    Args:
        course: of its log.
        count: accelerators.
        usd: of an accelerator's hour, by the way of counting.
    """
    gpu_hours = course.hours * count
    return {
        "hours": known(course.hours),
        "gpu_hours": known(gpu_hours),
        "cost_ways_usd": {way: known(each * gpu_hours) for way, each in usd.items()},
    }


def rest(left: Distribution, count: float, usd: Mapping[str, float]) -> dict[str, Any]:
    """Return the keys of what the rest takes.

    Args:
        left: days of it.
        count: accelerators.
        usd: of an accelerator's hour, by the way of counting.
    """
    hours = left.scaled(HOURS_PER_DAY * count)
    return {
        "days": left.to_dict(),
        "gpu_hours": hours.to_dict(),
        "cost_ways_usd": {way: hours.scaled(each).to_dict() for way, each in usd.items()},
    }


def whole(
    course: Timeline, left: Distribution, predicted: Distribution, count: float
) -> dict[str, Any]:
    """Return the keys of the run from its first line to its end, beside what was predicted [d]."""
    past = course.hours / HOURS_PER_DAY
    days = Distribution(left.p5 + past, left.p50 + past, left.p95 + past, left.mean + past)
    return {
        "days": days.to_dict(),
        "days_predicted": predicted.to_dict(),
        "gpu_hours": days.scaled(HOURS_PER_DAY * count).to_dict(),
    }


def known(value: float) -> float | None:
    """Return a figure, or None where nobody knows it."""
    return value if math.isfinite(value) else None
