"""A log as the course of a run: steps in their order, restarts, stalls, and what time went to.

Speeds are of the steps that a reader may trust: what several ranks print counts once, the first
steps after each start are left out, and steps that a restart repeats count as lost.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .record import Column, Log

USUAL = 1.1
"""Times its part's median that a step may take, to be no longer one of the first."""

MOST_FIRST = 20
"""Rows of a part that may be left out as its first."""

TICK = 20.0
"""Seconds between rows that speeds are taken from, where clocks tell whole seconds alone [s]."""

STALL = 10.0
"""Seconds beyond what its steps usually take, from which a gap is told as a stall [s]."""

BEYOND = 0.1
"""Share of what steps took, as printed, that a stall is beside; of steps that are timed by the
gap itself, all of what they usually take."""

SPIKE = 1.5
"""Times the windows before and after that one takes which has a stall in it."""

COPY_SECONDS = 5.0
"""Between lines of a step that ranks print of it [s]; a restart takes longer."""

MOST_POINTS = 200
"""Points of a course over time."""


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


class Restart(NamedTuple):
    """A start after the first.

    Attributes:
        line: of its first step.
        step: that it goes on with.
        repeated: steps before that are made again.
        seconds: without a step; None where no line tells a time.
    """

    line: int
    step: int
    repeated: int
    seconds: float | None


class Stall(NamedTuple):
    """A time without steps, inside a part.

    Attributes:
        line: of the step after it.
        step: after it.
        seconds: beyond what the steps usually take.
        why: what lines in it tell: checkpoint, evaluation, error; empty where none does.
    """

    line: int
    step: int
    seconds: float
    why: str


class Window(NamedTuple):
    """Steps that follow each other; NaN where nobody tells a figure.

    Attributes:
        first_step: number of the first.
        last_step: number of the last.
        part: which start they are of, from 0.
        hours: from the run's first line to their last [h].
        seconds: of a step, their mean [s].
        speed: tokens a second of one accelerator, their mean.
        loss: their mean.
    """

    first_step: int
    last_step: int
    part: int
    hours: float
    seconds: float
    speed: float
    loss: float

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; what is not known is null."""
        found = {
            name: value if math.isfinite(value) else None for name, value in self._asdict().items()
        }
        found["tokens_per_second_per_gpu"] = found.pop("speed")
        found["step_seconds"] = found.pop("seconds")
        return found


class Spent(NamedTuple):
    """What the time from the first to the last step went to [s].

    Attributes:
        wall: all of it.
        kept: steps that count.
        repeated: steps that a restart made again.
        stalls: times without steps inside a part.
        restarts: times between parts.
        other: the rest, in small gaps.
    """

    wall: float
    kept: float
    repeated: float
    stalls: float
    restarts: float
    other: float

    @property
    def goodput(self) -> float:
        """Share of the time that trains."""
        return self.kept / self.wall if self.wall > 0 else math.nan


@dataclass(frozen=True)
class Timeline:
    """The course of a run; arrays have a row a printed step, ``(rows,)``.

    Attributes:
        log: that it is of.
        work: what a step is.
        rows: places of its rows in the log.
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
    def of(cls, log: Log, work: Work | None = None) -> Timeline:
        """Return the course of a log.

        Args:
            log: as read.
            work: what a step is, as far as the log does not tell it.
        """
        rows = np.flatnonzero(np.isfinite(log.columns["step"]))
        used = rows[_of_the_run(log.columns["steps"][rows], log.columns["step"][rows])]
        place, part = _parts(log, used)
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
        """Time of each row [s]; None where no line tells one."""
        for name in ("at", "elapsed"):
            found = self.column(name)
            if np.isfinite(found).all():
                return found if name == "at" else self._joined(found)
        return None

    @property
    def has_gaps(self) -> bool:
        """Whether lines tell the time between two starts."""
        return bool(np.isfinite(self.column("at")).all())

    def _joined(self, elapsed: Column) -> Column:
        """Return times since each start as one clock, of parts that follow at once."""
        found = elapsed.copy()
        for place in np.flatnonzero(self.is_first)[1:]:
            found[place:] += found[place - 1]
        return found

    @cached_property
    def tokens(self) -> Column:
        """Tokens of a step; NaN where nobody tells them."""
        told = self.column("step_tokens")
        sequence = math.nan if self.work.sequence is None else self.work.sequence
        of_batch = self.column("batch") * sequence
        given = math.nan if self.work.sequences is None else self.work.sequences * sequence
        return np.where(np.isfinite(told), told, np.where(np.isfinite(of_batch), of_batch, given))

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
                of_run = 1 / found[np.isfinite(found)][-1]
                found = np.where(np.isfinite(found), 1 / found, of_run)
            elif name == "tokens_per_s_gpu":
                found = self.tokens / (found * (self.work.count or math.nan))
            elif name == "tokens_per_s":
                found = self.tokens / found
            elif name == "samples_per_s" and self._sequences is not None:
                found = self._sequences / found
        return np.where(np.isfinite(found) & (found > 0), found, np.nan)

    def _of_clock(self) -> Column:
        """Return seconds of a step by the times of lines, of rows that are ``TICK`` apart."""
        clock = self.clock
        found = np.full(len(self.rows), np.nan)
        if clock is None:
            return found
        for part in range(int(self.part[-1]) + 1):
            place = np.flatnonzero(self.part == part)
            bucket = np.floor((clock[place] - clock[place[0]]) / TICK)
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

    @cached_property
    def is_repeated(self) -> NDArray[np.bool_]:
        """Whether a later part makes a row's step again."""
        found = np.zeros(len(self.rows), dtype=bool)
        least = np.inf
        for part in range(int(self.part[-1]), -1, -1):
            inside = self.part == part
            first = self.step[inside][0] - self.width[inside][0] + 1
            found |= inside & (self.step >= least)
            least = min(least, first)
        return found

    @cached_property
    def _gaps(self) -> tuple[Column, Column]:
        """Seconds since the row before, and what its steps usually take of them."""
        clock = self.clock
        if clock is None:
            nothing = np.zeros(len(self.rows))
            return nothing, nothing
        steady = self.pace[self.is_steady]
        own = (
            self.seconds
            if self.source not in ("", "clock", "steps_per_s")
            else self.seconds * np.nan
        )
        if not np.isfinite(self.seconds).any() and len(steady):  # of tokens' pace nothing is known
            gaps = np.diff(clock, prepend=np.nan) / self.width
            usual = float(np.nanmedian(gaps[~self.is_first])) if (~self.is_first).any() else 0.0
        else:
            usual = float(np.nanmedian(self.seconds[self.is_steady]))
        usually = np.where(np.isfinite(own), own, usual) * self.width
        gap = np.diff(clock, prepend=np.nan)
        gap[0] = usually[0]
        return gap, usually

    @cached_property
    def stalls(self) -> tuple[Stall, ...]:
        """Times without steps inside parts, the longest first."""
        gap, usually = self._gaps
        beyond = gap - usually
        least = usually * (1.0 if self.source in ("", "clock") else BEYOND)
        found = np.flatnonzero(~self.is_first & (beyond > STALL) & (beyond > least))
        lines = self.log.at_line[self.rows]
        told = [
            Stall(
                int(lines[n]), int(self.step[n]), float(beyond[n]),
                self._why(int(lines[n - 1]), int(lines[n])),
            )
            for n in found
        ]  # fmt: skip
        return tuple(sorted(told, key=lambda each: -each.seconds))

    def _why(self, after: int, before: int) -> str:
        kinds = {each.kind for each in self.log.events if after <= each.line <= before}
        return next((k for k in ("error", "checkpoint", "evaluation") if k in kinds), "")

    @cached_property
    def restarts(self) -> tuple[Restart, ...]:
        """Starts after the first."""
        return tuple(self._restarts())

    def _restarts(self) -> Iterator[Restart]:
        gap, usually = self._gaps
        lines = self.log.at_line[self.rows]
        for n in np.flatnonzero(self.is_first)[1:]:
            first = self.step[n] - self.width[n] + 1
            repeated = max(0, int(self.step[n - 1] - first + 1))
            lost = float(max(0.0, gap[n] - usually[n])) if self.has_gaps else None
            yield Restart(int(lines[n]), int(self.step[n]), repeated, lost)

    @cached_property
    def spent(self) -> Spent | None:
        """What the time went to; None where no line tells a time."""
        if self.clock is None or len(self.rows) < 2:
            return None
        gap, usually = self._gaps
        wall = float(gap.sum())
        if wall <= 0:
            return None
        normal = np.minimum(gap, usually)
        repeated = float(normal[self.is_repeated].sum())
        kept = float(normal[~self.is_repeated].sum())
        stalls = sum(each.seconds for each in self.stalls)
        restarts = sum(each.seconds or 0.0 for each in self.restarts)
        other = max(0.0, wall - kept - repeated - stalls - restarts)
        return Spent(wall, kept, repeated, stalls, restarts, other)

    @property
    def last_step(self) -> int:
        """Number of the last step that was printed."""
        return int(self.step[-1])

    @property
    def left_out_steps(self) -> int:
        """Steps that speeds leave out."""
        return int(self.width[self.is_left_out & ~self.is_steady].sum())

    @cached_property
    def windows(self) -> list[Window]:
        """Steady rows in some ``MOST_POINTS`` windows, none of which spans two parts."""
        steady = np.flatnonzero(self.is_steady)
        pieces = np.array_split(steady, min(MOST_POINTS, len(steady)))
        return [
            self._window(inside)
            for piece in pieces
            for inside in np.split(piece, np.flatnonzero(np.diff(self.part[piece])) + 1)
        ]

    def _window(self, rows: NDArray[np.int64]) -> Window:
        clock, loss = self.clock, self.column("loss")[rows]
        known = loss[np.isfinite(loss)]
        return Window(
            first_step=int(self.step[rows[0]]),
            last_step=int(self.step[rows[-1]]),
            part=int(self.part[rows[0]]),
            hours=math.nan if clock is None else float(clock[rows[-1]] - clock[0]) / 3600,
            seconds=self.mean_seconds(rows),
            speed=self.mean_speed(rows),
            loss=float(known.mean()) if len(known) else math.nan,
        )

    def mean_speed(self, rows: NDArray[np.int64]) -> float:
        """Return tokens a second and accelerator of rows together; NaN where nobody tells them."""
        speed, width = self.speed[rows], self.width[rows]
        known = np.isfinite(speed) & (speed > 0)
        if not known.any():
            return math.nan
        return float(width[known].sum() / (width[known] / speed[known]).sum())

    def mean_seconds(self, rows: NDArray[np.int64]) -> float:
        """Return the mean seconds of a step of rows; NaN where nobody tells them."""
        seconds, width = self.seconds[rows], self.width[rows]
        known = np.isfinite(seconds)
        if not known.any():
            return math.nan
        return float((seconds[known] * width[known]).sum() / width[known].sum())

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, without the course over time."""
        spent, steady = self.spent, np.flatnonzero(self.is_steady)
        memory = self.column("memory")
        return {
            **self.log.to_dict(),
            "first_step": int(self.step.min()),
            "last_step": self.last_step,
            "steps_of_run": None if (total := self.log.last("steps")) is None else int(total),
            "left_out_steps": self.left_out_steps,
            "copies": self.copies,
            "seconds_of": self.source,
            "step_seconds": _quantiles(self.seconds[steady]),
            "restarts": [each._asdict() for each in self.restarts],
            "stalls": [each._asdict() for each in self.stalls],
            "spent_seconds": None if spent is None else spent._asdict(),
            "goodput": None if spent is None else spent.goodput,
            "memory_gb": float(np.nanmax(memory)) / 1e9 if np.isfinite(memory).any() else None,
            "memory_of": self.log.memory or None,
            "loss": self.log.last("loss"),
            "skipped": int(np.nansum(self.column("skipped"))),
            "notes": list(self.notes()),
        }

    def notes(self) -> Iterator[str]:
        """Yield what a reader must know of the log, in sentences."""
        log = self.log
        yield from log.notes
        if log.unread.count:
            yield (
                f"{log.unread.count:,} lines look like steps and cannot be read, as cut or mixed "
                f"lines; the first is line {log.unread.line}: {log.unread.text}"
            )
        if self.copies:
            yield f"{self.copies:,} lines tell steps that another rank's line tells already"
        if self.others:
            yield f"{self.others:,} lines are of other progress bars"
        if log.is_numbered:
            yield "no line tells its step: lines are counted, one a step"
        if self.clock is None:
            yield "no line tells a time: goodput and stalls are not known"
        elif not self.has_gaps and len(self.restarts):
            yield "lines tell the time since a start alone: what a restart took is not known"


def _stands_out(pace: Column) -> NDArray[np.bool_]:
    """Return which values but the first and the last are far above both neighbours."""
    return (pace[1:-1] > SPIKE * pace[:-2]) & (pace[1:-1] > SPIKE * pace[2:])


def _quantiles(values: Column) -> dict[str, float] | None:
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    p5, p50, p95 = (float(each) for each in np.quantile(known, (0.05, 0.5, 0.95)))
    return {"p5": p5, "p50": p50, "p95": p95, "mean": float(known.mean())}


def _of_the_run(totals: Column, steps: Column) -> NDArray[np.bool_]:
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


def _parts(log: Log, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which of the rows count, and which start each of those is of.

    A step that comes again is another rank's line of it where its time is the same within
    seconds, or, of lines without a time, its loss; else the run was started again. So was it where
    steps go back to one that was not told.
    """
    step, at, loss = (log.columns[name][rows] for name in ("step", "at", "loss"))
    elapsed = log.columns["elapsed"][rows]
    clock = np.where(np.isfinite(at), at, elapsed)
    kept: list[int] = []
    parts: list[int] = []
    seen: dict[float, int] = {}
    part, most = 0, -math.inf
    for n, number in enumerate(step.tolist()):
        if number <= most:
            first = seen.get(number)
            if first is not None and _is_copy(clock, loss, first, n):
                continue
            part += 1
            seen.clear()
        most = number
        seen[number] = n
        kept.append(n)
        parts.append(part)
    return np.array(kept, dtype=np.int64), np.array(parts, dtype=np.int64)


def _is_copy(clock: Column, loss: Column, first: int, again: int) -> bool:
    if math.isfinite(clock[first]) and math.isfinite(clock[again]):
        return bool(abs(clock[again] - clock[first]) <= COPY_SECONDS)
    both = (loss[first], loss[again])
    return not all(map(math.isfinite, both)) or both[0] == both[1]
