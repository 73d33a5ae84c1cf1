"""Axes of the page's pictures: where a value stands between the ends, and its round ticks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

MOST_TICKS = 5
WIDE = 4.0
"""Ratio of the ends from which an axis of positive values is logarithmic."""

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Axis:
    """A horizontal axis, 0 at its left end and 1 at its right."""

    low: float
    high: float
    is_log: bool

    def at(self, value: float) -> float:
        """Return where a value stands."""
        if self.is_log:
            return round(math.log(value / self.low) / math.log(self.high / self.low), 4)
        return round((value - self.low) / (self.high - self.low), 4)

    def ticks(self, write: Callable[[float], str]) -> list[dict[str, float | str]]:
        """Return a few round values, and where they stand."""
        values = self._decades() if self.is_log else self._even()
        return [{"at": self.at(value), "text": write(value)} for value in values]

    def _decades(self) -> list[float]:
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        for mantissas in ((1, 2, 5), (1, 3), (1,)):
            found = [m * 10.0**d for d in range(first, last + 1) for m in mantissas]
            inside = [value for value in found if self.low <= value <= self.high]
            if len(inside) <= MOST_TICKS:
                return inside
        return inside[:: math.ceil(len(inside) / MOST_TICKS)]

    def _even(self) -> list[float]:
        least = (self.high - self.low) / MOST_TICKS
        scale = 10.0 ** math.floor(math.log10(least))
        step = next((s * scale for s in STEPS if s * scale >= least), 10 * scale)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [i * step for i in range(first, last + 1)]


def axis_of(values: Iterable[float]) -> Axis | None:
    """Return an axis that has all values on it: logarithmic where they are far apart and positive.

    None where there is nothing to tell apart.
    """
    known = [value for value in values if math.isfinite(value)]
    if not known or min(known) == max(known):
        return None
    low, high = min(known), max(known)
    if low > 0 and high / low >= WIDE:
        return Axis(low / 1.05, high * 1.05, is_log=True)
    # Few values close to each other are told apart from where they are, not from zero.
    margin = 0.04 * (high - low)
    return Axis(low - margin, high + margin, is_log=False)
