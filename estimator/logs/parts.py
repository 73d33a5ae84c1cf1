"""Which rows of a log are steps, and of which start and run each is.

What several ranks print counts once; bars of evaluations are none of a run's steps.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .record import Column, Log

COPY_SECONDS = 5.0
"""Between lines of a step that ranks print of it [s]; a restart takes longer."""

COPY_ROWS = 16
"""Rows that a rank's line of a step is behind the first, where lines tell no time of the day."""

NEAR_END = 0.99
"""Share of its steps from which on a run has made them: a start from the first is another's."""


def of_the_run(totals: Column, steps: Column) -> NDArray[np.bool_]:
    """Return which rows are of the run's bar, where bars of evaluations are among them."""
    known = np.isfinite(totals)
    if not known.any():
        return np.ones(len(totals), dtype=bool)
    names, counts = np.unique(totals[known], return_counts=True)
    if len(names) == 1:
        return np.ones(len(totals), dtype=bool)
    # A run that is prolonged has several totals, and steps that go on: bars begin again.
    reached = [float(steps[totals == name].max()) for name in names]
    begins = [float(steps[totals == name].min()) for name in names]
    main = int(np.argmax(counts * (np.array(reached) > 0)))
    mine = [n == main or (begins[n] > 1 and reached[n] > reached[main]) for n in range(len(names))]
    return ~known | np.isin(totals, names[mine])


def parts(log: Log, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which of the rows count, and which start each of those is of.

    A step that comes again is another rank's line of it where its time is the same within
    seconds, or, of lines without a time, its loss, a few rows later; or its bar, drawn once more
    as the run ends. Else the run was started again. So was it where steps go back to one that was
    not told.
    """
    step = log.columns["step"][rows]
    evidence = Evidence(*(log.columns[name][rows] for name in Evidence._fields))
    kept: list[int] = []
    found: list[int] = []
    seen: dict[float, tuple[int, int]] = {}
    part, most = 0, -math.inf
    for n, number in enumerate(step.tolist()):
        if number <= most:
            first, place = seen.get(number, (n, len(kept)))
            if first < n and (
                evidence.is_copy(first, n, len(kept) - place)
                or (number == most and evidence.is_redrawn(first, n))
            ):
                continue
            part += 1
            seen.clear()
        most = number
        seen[number] = (n, len(kept))
        kept.append(n)
        found.append(part)
    return np.array(kept, dtype=np.int64), np.array(found, dtype=np.int64)


class Evidence(NamedTuple):
    """What tells a restart from a copy; arrays have a row each, ``(rows,)``.

    Attributes:
        at: time of the line [s since 1970]; NaN where it tells none.
        elapsed: time since the start [s]; the same.
        loss: the same.
    """

    at: Column
    elapsed: Column
    loss: Column

    def is_copy(self, first: int, again: int, behind: int) -> bool:
        """Whether a row is another rank's line of a step.

        Args:
            first: row that told the step.
            again: row that tells it again.
            behind: steps that were told between the two, the first counted.
        """
        apart = self.at[again] - self.at[first]
        if math.isfinite(apart):
            return bool(abs(apart) <= COPY_SECONDS)
        if behind > COPY_ROWS:
            return False
        apart = self.elapsed[again] - self.elapsed[first]
        if math.isfinite(apart):
            return bool(abs(apart) <= COPY_SECONDS)
        return self._has_no_loss_of_its_own(first, again) or math.isnan(self.loss[first])

    def is_redrawn(self, first: int, again: int) -> bool:
        """Whether a row is a bar's last step with a later time since the start.

        A run that starts again begins its bar, and that time, anew.
        """
        is_bar = math.isnan(self.at[again]) and self.elapsed[again] >= self.elapsed[first]
        return is_bar and self._has_no_loss_of_its_own(first, again)

    def _has_no_loss_of_its_own(self, first: int, again: int) -> bool:
        return bool(math.isnan(self.loss[again]) or self.loss[again] == self.loss[first])


def runs(step: Column, total: Column, part: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which run each row is of, from 0: several may stand in a log, one after the other.

    A start is another run's where it is from the first step, and the one before had made its
    steps or was to make another number of them.

    Args:
        step: number of the step; ``(rows,)``.
        total: steps of its run, NaN where no line tells them; ``(rows,)``.
        part: which start each is of; ``(rows,)``.
    """
    begins = np.flatnonzero(np.diff(part, prepend=-1))
    found = np.zeros(len(part), dtype=np.int64)
    for before, first in itertools.pairwise(begins):
        apart = step[first + 1] - step[first] if first + 1 < len(step) else 1.0
        is_afresh = step[first] <= max(1.0, apart)
        old, new = _total(total[before:first]), _total(total[first:])
        has_ended = math.isfinite(old) and step[first - 1] >= NEAR_END * old - 1
        if is_afresh and (has_ended or (old != new and math.isfinite(old))):
            found[first:] += 1
    return found


def _total(totals: Column) -> float:
    """Return the total that the first row tells."""
    return float(totals[0])
