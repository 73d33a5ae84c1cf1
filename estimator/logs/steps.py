"""Steps of a log in their order: what each is, takes and says; which may be trusted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from .parts import COPY_SECONDS, of_the_run, parts, runs
from .record import Column, Log

USUAL = 1.1
"""Times its part's median that a step may take, to be no longer one of the first."""

MOST_FIRST = 20
"""Rows of a part that may be left out as its first."""

TICK, FINE_TICK = 20.0, 0.2
"""Seconds between rows that speeds are taken from, of whole seconds, and of finer clocks [s]."""

SPIKE = 1.5
"""Times the windows before and after that one takes which has a stall in it."""

MOST_WITH_TIME = 0.9
"""Share of rows with a time from which on the others' is taken from between their neighbours."""

ANEW = 0.5
"""Share of the time since a start that a row tells less than, where its timer began anew."""

LEAST_PRINTED = 0.05
"""Steps a second below which three digits after the point are too few."""


@dataclass(frozen=True)
class Work:
    """What a step is, as far as a log does not tell it.

    Attributes:
        sequence: tokens of a sequence.
        sequences: of a step.
        count: accelerators.
    """

    sequence: float | None = None
    sequences: float | None = None
    count: float | None = None


@dataclass(frozen=True)
class Steps:
    """Steps that were printed; arrays have a row each, ``(rows,)``.

    Attributes:
        log: that they are of.
        work: what a step is.
        rows: places of the rows in the log.
        part: which start each is of, from 0.
        copies: rows that other ranks printed of the same step.
        others: rows of other progress bars, of evaluations for example.
    """

    log: Log
    work: Work
    rows: NDArray[np.int64]
    part: NDArray[np.int64]
    copies: int
    others: int

    @classmethod
    def of(cls, log: Log, work: Work | None = None) -> Self:
        """Return the steps of a log.

        Args:
            log: as read.
            work: what a step is, as far as the log does not tell it.
        """
        rows = np.flatnonzero(np.isfinite(log.columns["step"]))
        used = rows[of_the_run(log.columns["steps"][rows], log.columns["step"][rows])]
        place, part = parts(log, used)
        return cls(
            log, work or Work(), used[place], part, len(used) - len(place), len(rows) - len(used)
        )

    def column(self, name: str) -> Column:
        """Return a column of the log."""
        return self.log.columns[name][self.rows]

    @cached_property
    def step(self) -> Column:
        """Number of the step."""
        return self.column("step")

    @cached_property
    def run(self) -> NDArray[np.int64]:
        """Which run each row is of, from 0."""
        return runs(self.step, self.column("steps"), self.part)

    @cached_property
    def is_first(self) -> NDArray[np.bool_]:
        """Whether a row is the first of its part."""
        return np.concatenate([[True], np.diff(self.part) > 0])

    @cached_property
    def width(self) -> Column:
        """Steps that a row tells of: those since the row before."""
        apart = np.diff(self.step, prepend=np.nan)
        inside = apart[~self.is_first]
        usual = float(np.median(inside)) if len(inside) else 1.0
        apart[self.is_first] = np.clip(usual, 1.0, np.maximum(1.0, self.step[self.is_first]))
        return apart

    @cached_property
    def clock(self) -> Column | None:
        """Time of each row [s]; None where lines tell none."""
        for name in ("at", "elapsed"):
            found = self.column(name)
            known = np.isfinite(found)
            if known.mean() <= MOST_WITH_TIME:
                continue
            if not known.all():
                place = np.flatnonzero(known)
                found = np.interp(np.arange(len(found)), place, found[known])
            return self._forward(found) if name == "at" else self._joined(found)
        return None

    @staticmethod
    def _forward(at: Column) -> Column:
        """Return times of lines as a clock that never goes back far: what it does is no time."""
        found: Column = at + np.cumsum(np.where(_is_set_back(at), -np.diff(at, prepend=at[0]), 0.0))
        return found

    @cached_property
    def set_back(self) -> int:
        """How often times of lines go back."""
        return int(_is_set_back(self.column("at")).sum())

    def _joined(self, elapsed: Column) -> Column:
        """Return times since a start as one clock; starts follow at once, timers begin anew."""
        before = np.roll(elapsed, 1)
        is_anew = self.is_first | (elapsed < ANEW * before)
        is_anew[0] = False
        found: Column = elapsed + np.cumsum(np.where(is_anew, before, 0.0))
        return found

    @cached_property
    def is_of_whole_seconds(self) -> bool:
        """Whether clocks tell whole seconds alone."""
        return self.clock is not None and bool(np.all(self.clock == np.round(self.clock)))

    @property
    def has_gaps(self) -> bool:
        """Whether lines tell the time between two starts."""
        return bool(np.isfinite(self.column("at")).mean() > MOST_WITH_TIME)

    @cached_property
    def tokens(self) -> Column:
        """Tokens of a step; NaN where nobody tells them."""
        given = math.nan if self.work.sequences is None else self.work.sequences * self._sequence
        found = self.column("step_tokens")
        for each in (self._counted, self._of_batch, np.full(len(found), given)):
            found = np.where(np.isfinite(found), found, each)
        return found

    @property
    def tokens_are_counted(self) -> bool:
        """Whether lines tell the tokens of most steps, rather than a batch or nothing of them."""
        told = np.isfinite(self.column("step_tokens")) | np.isfinite(self._counted)
        return bool(told.mean() > 0.5)

    @property
    def _sequence(self) -> float:
        return math.nan if self.work.sequence is None else self.work.sequence

    @property
    def _of_batch(self) -> Column:
        """Tokens of a step by the sequences that lines tell."""
        return self.column("batch") * self._sequence

    @cached_property
    def _counted(self) -> Column:
        """Tokens of a step by those seen so far; NaN where they are not told exactly."""
        so_far = self.column("tokens")
        known = np.flatnonzero(np.isfinite(so_far))
        found = np.full(len(self.rows), np.nan)
        if len(known) < 2 or "tokens" in self.log.rounded:
            return found
        with np.errstate(divide="ignore", invalid="ignore"):
            later = np.diff(so_far[known]) / np.diff(self.step[known])
        later[(np.diff(self.part[known]) > 0) | (later <= 0)] = np.nan
        each: Column = np.append(np.nan, later)
        is_first = np.isnan(each)
        each[:-1][is_first[:-1]] = each[1:][is_first[:-1]]  # what its start's next steps have
        place = np.searchsorted(known, np.arange(len(found))).clip(max=len(known) - 1)
        return np.asarray(each[place])

    @cached_property
    def source(self) -> str:
        """What steps' seconds are of: the name of a column, or ``clock``; empty: of nothing."""
        for name in ("seconds", "steps_per_s"):
            if np.isfinite(self.column(name)).sum() > len(self.rows) / 2:
                return name
        has_tokens, count = np.isfinite(self.tokens).any(), self.work.count
        for name, is_of_use in (
            ("tokens_per_s_gpu", has_tokens and count is not None),
            ("tokens_per_s", has_tokens),
            ("samples_per_s", self._sequences is not None),
        ):
            if is_of_use and np.isfinite(self.column(name)).sum() > len(self.rows) / 2:
                return name
        if self.clock is not None and len(self.rows) > 1 and self.clock[-1] > self.clock[0]:
            return "clock"
        if np.isfinite(self.column("steps_per_s")).any():
            return "steps_per_s"
        return ""

    @cached_property
    def _sequences(self) -> Column | None:
        batch = self.column("batch")
        if np.isfinite(batch).any():
            return batch
        given = self.work.sequences
        return None if given is None else np.full(len(self.rows), given)

    @cached_property
    def seconds(self) -> Column:
        """Seconds of a step; NaN where nobody tells them."""
        name = self.source
        if not name:
            return np.full(len(self.rows), np.nan)
        if name == "clock":
            return self._of_clock()
        found = self.column(name)
        with np.errstate(divide="ignore", invalid="ignore"):
            if name == "steps_per_s":
                found = np.where(np.isfinite(found), 1 / found, self._of_run(found))
            elif name == "tokens_per_s_gpu":
                found = self.tokens / (found * (self.work.count or math.nan))
            elif name == "tokens_per_s":
                found = self.tokens / found
            elif name == "samples_per_s" and self._sequences is not None:
                found = self._sequences / found
        return np.where(np.isfinite(found) & (found > 0), found, np.nan)

    def _of_run(self, speed: Column) -> float:
        """Return mean seconds of a step by what the end of a run tells."""
        last = float(speed[np.isfinite(speed)][-1])
        whole = self.log.last("run_seconds")
        if whole is not None and last < LEAST_PRINTED:
            return whole / float(self.step[-1] - self.step[0] + self.width[0])
        return 1 / last if last else math.nan

    def _of_clock(self) -> Column:
        """Return seconds of a step by the times of lines, of rows that are ``TICK`` apart."""
        clock = self.clock
        found = np.full(len(self.rows), np.nan)
        if clock is None:
            return found
        tick = TICK if self.is_of_whole_seconds else FINE_TICK
        for part in range(int(self.part[-1]) + 1):
            place = np.flatnonzero(self.part == part)
            bucket = np.floor((clock[place] - clock[place[0]]) / tick)
            ends = place[np.flatnonzero(np.diff(bucket, append=np.inf))]
            steps, times = np.diff(self.step[ends]), np.diff(clock[ends])
            kept = steps > 0
            pace = times[kept] / steps[kept]
            pace[1:-1][_stands_out(pace)] = np.nan  # a stall, which is told by itself
            found[ends[1:][kept]] = pace
        found[found <= 0] = np.nan
        return found

    @cached_property
    def speed(self) -> Column:
        """Tokens a second of one accelerator; NaN where nobody tells them."""
        told = self.column("tokens_per_s_gpu")
        if self.work.count is None:
            return told
        with np.errstate(invalid="ignore"):
            together = self.column("tokens_per_s") / self.work.count
            of_step = self.tokens / (self.seconds * self.work.count)
        return np.where(np.isfinite(told), told, np.where(np.isfinite(together), together, of_step))

    @cached_property
    def pace(self) -> Column:
        """Seconds of a step, or else of a token: what is compared with its usual value."""
        if np.isfinite(self.seconds).any():
            return self.seconds
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.speed > 0, 1 / self.speed, np.nan)

    @cached_property
    def is_left_out(self) -> NDArray[np.bool_]:
        """Whether a row is one of the first of its part, which speeds leave out."""
        found = np.zeros(len(self.rows), dtype=bool)
        for part in range(int(self.part[-1]) + 1):
            place = np.flatnonzero((self.part == part) & np.isfinite(self.pace))
            if len(place) < 3:
                found[self.part == part] = part < int(self.part[-1]) or part > 0
                continue
            usual = USUAL * float(np.median(self.pace[place]))
            most = min(MOST_FIRST, len(place) // 2)
            slow = self.pace[place[:most]] > usual
            slow[0] = self.source != "clock" or slow[0]
            fast = np.flatnonzero(~slow)
            last = place[(int(fast[0]) if len(fast) else most)]
            found[(self.part == part) & (np.arange(len(self.rows)) < last)] = True
        return found

    @cached_property
    def is_steady(self) -> NDArray[np.bool_]:
        """Whether a row's speed counts."""
        known = np.isfinite(self.pace)
        steady = known & ~self.is_left_out
        return steady if steady.any() else known


def _is_set_back(at: Column) -> NDArray[np.bool_]:
    """Return before which rows times go back further than ranks' lines are mixed."""
    return np.asarray(np.diff(at, prepend=at[:1]) < -COPY_SECONDS)


def _stands_out(pace: Column) -> NDArray[np.bool_]:
    """Return which values but the first and the last are far above both neighbours."""
    return (pace[1:-1] > SPIKE * pace[:-2]) & (pace[1:-1] > SPIKE * pace[2:])
