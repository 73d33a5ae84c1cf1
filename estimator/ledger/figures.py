"""Figures of an accelerator-hour in draws, and what hours of several months come to by them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from computebill.uncertainty.distribution import Distribution

from .result import NOT_KNOWN

DRAWS = 4096
LEAST_HOURS = 1e-9
"""Hours below are what is left of a difference."""
QUANTILES = (0.05, 0.5, 0.95)
TOGETHER = 64
"""Groups whose draws are held together."""
ROUNDING = 1e-14
"""Share of a figure by which draws that rise may fall."""


@dataclass(frozen=True)
class Figure:
    """A figure of an hour by accelerator and month, in draws; NaN where it is not known.

    Attributes:
        draws: ``(keys, DRAWS)``.
        part: place of each key's accelerator among all; ``(keys,)``.
    """

    draws: np.ndarray
    part: np.ndarray

    @cached_property
    def medians(self) -> np.ndarray:
        """Return the median by key."""
        return self._told[:, 1]

    @cached_property
    def _known(self) -> np.ndarray:
        return np.asarray(~np.isnan(self.draws).any(axis=1))

    @cached_property
    def _told(self) -> np.ndarray:
        """Return each key's quantiles and mean, ``(keys, 4)``."""
        quantiles = np.quantile(self.draws, QUANTILES, axis=1)
        return np.column_stack([*quantiles, self.draws.mean(axis=1)])

    @cached_property
    def _rises(self) -> np.ndarray:
        """Return whether all months of each accelerator rise and fall in the same draws."""
        rises = np.zeros(int(self.part.max(initial=-1)) + 1, dtype=bool)
        for part in range(len(rises)):
            rows = self.draws[(self.part == part) & self._known]
            if len(rows):
                ordered = rows[:, np.argsort(rows.sum(axis=0))]
                least = -ROUNDING * np.abs(rows).max(axis=1, keepdims=True)
                rises[part] = bool((np.diff(ordered, axis=1) >= least).all())
        return rises

    def times(self, hours: np.ndarray, told: np.ndarray) -> np.ndarray:
        """Return what is told, and hours times an hour's figure where that is known, in draws.

        NaN where there are hours, none of them of a known figure, and nothing is told.

        Args:
            hours: of each group and key; ``(groups, keys)``.
            told: of each group, NaN where nobody can tell; ``(groups, 1)`` or ``(groups, DRAWS)``.
        """
        hours = np.where(np.abs(hours) > LEAST_HOURS, hours, 0.0)
        found = hours[:, self._known] @ self.draws[self._known] + told
        found = np.broadcast_to(found, (len(hours), DRAWS)).copy()
        found[self._is_lacking(hours, told)] = np.nan
        return found

    def _is_lacking(self, hours: np.ndarray, told: np.ndarray) -> np.ndarray:
        used = hours != 0
        return np.asarray(
            used.any(axis=1) & ~used[:, self._known].any(axis=1) & ~np.any(told, axis=1)
        )

    def sums(self, hours: np.ndarray, told: np.ndarray) -> list[Distribution]:
        """Return the distributions of the same, without its draws where they may be left out.

        Quantiles of figures that rise and fall in the same draws add up, as means always do: an
        accelerator's prices of all months are of one and the same draw.
        """
        if not len(self.part):
            return distributions(self.times(hours, told))
        hours = np.where(np.abs(hours) > LEAST_HOURS, hours, 0.0)
        used = (hours != 0) & self._known
        part = self.part[used.argmax(axis=1)]
        adds = (hours >= 0).all(axis=1) & ~(used & (self.part != part[:, None])).any(axis=1)
        adds &= ~used.any(axis=1) | self._rises[part]
        if told.shape[1] > 1:
            adds &= ~told.any(axis=1)
        adds &= ~self._is_lacking(hours, told) & ~np.isnan(told[:, 0])
        found = [NOT_KNOWN] * len(hours)
        rows = np.flatnonzero(adds)
        # Not as a product of matrices, which may round alike columns in other ways.
        each = np.where(self._known[:, None], self._told, 0.0)
        whole = (hours[rows][:, :, None] * each).sum(axis=1) + told[rows, :1]
        for row, (*quantiles, mean) in zip(rows.tolist(), whole.tolist(), strict=True):
            found[row] = _distribution(quantiles, mean)
        rest = np.flatnonzero(~adds)
        for first in range(0, len(rest), TOGETHER):
            rows = rest[first : first + TOGETHER]
            others = distributions(self.times(hours[rows], told[rows]))
            for row, other in zip(rows.tolist(), others, strict=True):
                found[row] = other
        return found


def distributions(draws: np.ndarray) -> list[Distribution]:
    """Return quantiles and mean of each row's draws; not known where one is NaN."""
    found = [NOT_KNOWN] * len(draws)
    means = draws.mean(axis=1)
    known = np.flatnonzero(~np.isnan(means))
    quantiles = np.quantile(draws[known], QUANTILES, axis=1).T.tolist()
    for row, each in zip(known.tolist(), quantiles, strict=True):
        found[row] = _distribution(each, float(means[row]))
    return found


def _distribution(quantiles: list[float], mean: float) -> Distribution:
    # One set of points tells no error of its own; draws of one number have none.
    p5, p50, p95 = quantiles
    error = 0.0 if p5 == p95 else math.nan
    return Distribution(p5, p50, p95, mean, (error,) * 4)
