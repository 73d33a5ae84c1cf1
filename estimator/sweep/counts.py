"""On how many accelerators experiments run, and the seconds that they train there."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from computebill.base.amounts import STEP_LAW
from computebill.base.errors import RequestError
from computebill.hardware.accelerators import peak_flop_per_s
from computebill.kernels.units import SECONDS_PER_HOUR

from .experiments import Experiments
from .workshop import Workshop

KEPT_SPEED = 0.7
"""Of an accelerator's speed among fewer, that it keeps among as many as are taken by default."""

FEWEST = 8
"""Accelerators of an experiment whose number is not given: powers of two from here."""

Seconds = Callable[[int, Tensor | None], Tensor]
"""Accelerator-seconds on so many, of the rows that are wanted: all without a mask."""


def training_seconds(
    workshop: Workshop, of: Experiments, tokens: Tensor, flop: Tensor, beside: Tensor
) -> tuple[Tensor, Tensor]:
    """Accelerator-seconds of training, and on how many accelerators; ``(experiments,)`` each.

    Args:
        workshop: that knows the utilisation.
        of: the experiments.
        tokens: that they train on.
        flop: of that.
        beside: further accelerator-seconds of each.

    Raises:
        RequestError: where a model does not fit, or its batch is too small for so many.
    """
    trains = workshop.utilisation(of)
    peak = peak_flop_per_s(trains.accelerator, trains.precision)
    if of.cell.group.mfu is not None:
        seconds = flop / peak  # the group's quantity divides it
        reached = seconds / of.cell.group.mfu.median + beside
        return seconds, count_for(workshop, of, reached)
    constant, power = STEP_LAW
    usual = (constant * tokens**power / trains.sequence).clamp_min(1.0)
    batch = of.get("global_batch", usual)

    def at(count: int, wanted: Tensor | None = None) -> Tensor:
        if of.model is not None:
            model = of.model
            share = trains.of_model(model.architecture, model.active, batch, count, wanted)
        else:
            share = trains.of_sizes(of.active, batch, count, wanted)
        return flop / (peak * share)

    if of.count is not None:
        seconds = at(of.count)
        _check_trains(of, batch, of.count, ~seconds.isnan())
        return seconds, of.full(float(of.count))
    return _fewest(of, at, beside, workshop.most)


def _fewest(of: Experiments, at: Seconds, beside: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """On the fewest accelerators that end in time.

    Where nobody gives the time, no more are taken than keep most of their speed each: then
    as many as end soonest of these.
    """
    is_given, within = "within_hours" in of, of.within_seconds
    seconds = torch.full_like(of.active, math.nan)
    count, wall = seconds.clone(), torch.full_like(of.active, math.inf)
    least = wall.clone()
    counts = _powers(min(FEWEST, most), most)
    # Small models with few sequences a step cannot use more.
    for tried in (*counts, *reversed(_powers(1, counts[0] - 1))):
        is_small = tried < counts[0]
        waiting = count.isnan() if is_small else ~(wall <= within)
        if not bool(waiting.any()):
            continue
        found = at(tried, waiting)
        least = torch.fmin(least, found)
        ends = (found + beside) / tried
        better = waiting & ~found.isnan() & (is_small | (ends < wall))
        if not is_given:
            better = better & (found <= least / KEPT_SPEED)
        seconds, count = torch.where(better, found, seconds), torch.where(better, tried, count)
        wall = torch.where(better, ends, wall)
    _check_trains(of, torch.full_like(of.active, math.nan), most, ~seconds.isnan())
    if is_given:
        _check_in_time(of, wall, within, most)
    return seconds, count


def count_for(workshop: Workshop, of: Experiments, seconds: Tensor) -> Tensor:
    """Accelerators: as given, or the fewest that end so many accelerator-seconds in time."""
    if of.count is not None:
        return of.full(float(of.count))
    needed = torch.log2((seconds / of.within_seconds).clamp_min(1.0)).ceil()
    counts = _powers(min(FEWEST, workshop.most), workshop.most)
    return (2.0**needed).clamp(counts[0], counts[-1])


def _check_trains(of: Experiments, batch: Tensor, count: int, trains: Tensor) -> None:
    if bool(trains.all()):
        return
    size, sequences = float(of.active[~trains].max()), float(batch[~trains].min())
    told = "" if math.isnan(sequences) else f" with {sequences:.4g} sequences a step"
    raise RequestError(
        "count",
        f"no common layout of {size:.3g} parameters{told} is legal and fits on {count:,} "
        f"{of.part}; give another count, global_batch or precision, or mfu",
    )


def _check_in_time(of: Experiments, wall: Tensor, within: Tensor, most: int) -> None:
    if not bool((wall > within).any()):
        return
    row = int((wall / within).argmax())
    raise RequestError(
        "within_hours",
        f"got {float(within[row]) / SECONDS_PER_HOUR:g}; the soonest that "
        f"{float(of.active[row]):.3g} parameters end on up to {most:,} is after "
        f"{float(wall[row]) / SECONDS_PER_HOUR:.3g} hours",
    )


def _powers(low: int, high: int) -> list[int]:
    """Powers of two from one number to another; the largest below the first where there is none."""
    found = [2**n for n in range(high.bit_length()) if low <= 2**n <= high]
    return found or ([2 ** (high.bit_length() - 1)] if high else [])
