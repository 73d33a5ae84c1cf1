"""Which part of a step is likely to blame, where it takes longer, or less, than predicted.

What is not known of the efficiencies makes every part of a step uncertain, some more than others.
Given how far the whole step is off, each part's expected excess follows of their covariance, as
that of jointly normal amounts given their sum does.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .cases import case_columns, step_times
from .intervals import covariance_of
from .parameters import INDEX, bounded, unbounded
from .step_time import StepEstimate

PACE = "pace"
"""The cluster's own pace, which is in every part: told as one of its own."""

UNEXPLAINED = "unexplained"
"""What no part is expected to account for: one step's own difference from the next."""

LIKELY = 0.05
"""Share of an excess from which on a part is told."""

Z95 = 1.6449
"""Standard deviations from the median of a normal amount to its 95th percentile."""


class Blame(NamedTuple):
    """A part of a step, beside what the whole step is off by.

    Attributes:
        part: its name, of ``kernels.step.StepTime``; or ``pace``, or ``unexplained``.
        predicted: seconds that were predicted of it [s].
        swing: seconds that it may be off by itself, to its 95th percentile [s].
        could_explain: share of the whole excess that this swing is, at most 1.
        likely: seconds of the excess that are expected of it [s].
        share: of the excess.
    """

    part: str
    predicted: float
    swing: float
    could_explain: float
    likely: float
    share: float

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "part": self.part,
            "predicted_seconds": self.predicted,
            "swing_seconds": self.swing,
            "could_explain": self.could_explain,
            "likely_seconds": self.likely,
            "share": self.share,
        }


def blamed(step: StepEstimate, measured: float) -> list[Blame]:
    """Return the parts of a step by what is expected of each, the likeliest first.

    Args:
        step: as predicted.
        measured: time of the step [s].

    Returns:
        The parts of ``LIKELY`` and more of the excess; none of a profile without a covariance.
    """
    spread, excess = step.fitted.spread, measured - step.seconds
    if spread is None or not excess:
        return []
    names, slopes = part_slopes(step)
    parts = slopes @ covariance_of(step.fitted, spread) @ slopes.T
    own = (spread.row * step.seconds) ** 2
    of_whole = parts.sum(1) / (parts.sum() + own)
    swings = Z95 * parts.diagonal().clamp_min(0.0).sqrt()
    found = [
        _blame(name, step.breakdown.get(name, 0.0), swing, share, excess)
        for name, swing, share in zip(names, swings.tolist(), of_whole.tolist(), strict=True)
    ]
    left = 1.0 - float(of_whole.sum())
    found.append(_blame(UNEXPLAINED, 0.0, Z95 * math.sqrt(own), left, excess))
    likely = [each for each in found if each.share >= LIKELY]
    return sorted(likely, key=lambda each: -each.share)


def _blame(part: str, predicted: float, swing: float, share: float, excess: float) -> Blame:
    return Blame(part, predicted, swing, min(1.0, swing / abs(excess)), share * excess, share)


def part_slopes(step: StepEstimate) -> tuple[list[str], Tensor]:
    """Return the parts of a step, and their derivatives by efficiencies free of bounds [s].

    Returns:
        Names, ``pace`` last, and ``(parts, parameters)``.
    """
    free = unbounded(step.fitted.values).requires_grad_(True)
    times = step_times(case_columns([step.case]), bounded(free))
    rows = [
        torch.autograd.grad(part.sum(), free, retain_graph=True)[0]
        if part.requires_grad
        else torch.zeros_like(free)
        for part in times
    ]
    slopes = torch.stack(rows)
    of_pace = [place for name, place in INDEX.items() if name.partition(".")[0] == PACE]
    own = torch.zeros_like(free)
    own[of_pace] = slopes[:, of_pace].sum(0)
    slopes[:, of_pace] = 0.0
    return [*times._fields, PACE], torch.cat([slopes, own.unsqueeze(0)]).detach()
