"""A log as the course of a run: its restarts, stalls, what time went to, speeds over time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .formats import SECONDS
from .record import Column
from .steps import Steps

STALL = 10.0
"""Seconds beyond what its steps usually take, from which a gap is told as a stall [s]."""

BEYOND = 0.1
"""Share of what steps take that a stall is beside."""

NORMAL, OUTLYING = 1.4826, 6.0
"""Standard deviation of a normal over its median absolute deviation; standard deviations of gaps
that a stall is beside, where lines tell the time alone: of sequences of any length steps vary."""

OF_SPEEDS = ("tokens_per_s_gpu", "tokens_per_s", "samples_per_s")
"""Columns that tell a step's seconds by its tokens, or sequences."""

APART = 1.5
"""Times that a step's seconds by speeds and by times of lines are apart where one is wrong."""

NOISE = 1e-9
"""Share of all time that is none: what sums of floating-point numbers leave."""

MOST_POINTS = 200
"""Points of a course over time."""


Shares = Callable[[float], Mapping[str, float | None]]
"""Utilisation by convention, of tokens a second and accelerator."""


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


class Timeline(Steps):
    """The course of a run: what its steps come to.

    Speeds are of the steps that a reader may trust: what several ranks print counts once, the
    first steps after each start are left out, and steps that a restart repeats count as lost.
    """

    @cached_property
    def is_repeated(self) -> NDArray[np.bool_]:
        """Whether a later start of its run makes a row's step again."""
        found = np.zeros(len(self.rows), dtype=bool)
        least, run = np.inf, int(self.run[-1])
        for part in range(int(self.part[-1]), -1, -1):
            inside = np.flatnonzero(self.part == part)
            if self.run[inside[0]] != run:
                least, run = np.inf, int(self.run[inside[0]])
            first = self.step[inside[0]] - self.width[inside[0]] + 1
            found[inside] = self.step[inside] >= least
            least = min(least, first)
        return found

    @cached_property
    def _gaps(self) -> tuple[Column, Column]:
        """Seconds since the row before, and what its steps usually take of them."""
        clock = self.clock
        if clock is None:
            nothing = np.zeros(len(self.rows))
            return nothing, nothing
        own = self.seconds if self._has_own_seconds else self.seconds * np.nan
        if np.isfinite(self.seconds).any():
            usual = _median(self.seconds[self.is_steady])
        else:  # of tokens' pace nothing is known
            usual = _median((np.diff(clock, prepend=np.nan) / self.width)[~self.is_first])
        usually = np.where(np.isfinite(own), own, usual) * self.width
        gap = np.diff(clock, prepend=np.nan)
        gap[0] = usually[0]
        return gap, usually

    @cached_property
    def _is_stalled(self) -> NDArray[np.bool_]:
        """Whether the time before a row has a stall in it."""
        gap, usually = self._gaps
        beyond = gap - usually
        least = usually * BEYOND
        inside = beyond[~self.is_first]
        if not self._has_own_seconds and len(inside):  # steps are timed by the gap itself
            spread = NORMAL * float(np.median(np.abs(inside - np.median(inside))))
            least = np.maximum(least, OUTLYING * spread)
        return ~self.is_first & (beyond > STALL) & (beyond > least)

    @property
    def _has_own_seconds(self) -> bool:
        """Whether lines tell what steps took, and not only when they were made."""
        return self.source not in ("", "clock", "steps_per_s")

    @cached_property
    def _is_trained(self) -> NDArray[np.bool_]:
        """Whether the whole time before a row is its steps'.

        It is where it is as long as they take, as far as clocks of whole seconds tell that; where
        lines tell the time alone, if no stall is in it.
        """
        gap, usually = self._gaps
        if not self._has_own_seconds:
            return ~self.is_first & ~self._is_stalled
        return gap <= usually + (1.0 if self.is_of_whole_seconds else 0.0)

    @cached_property
    def stalls(self) -> tuple[Stall, ...]:
        """Times without steps inside parts, the longest first."""
        gap, usually = self._gaps
        beyond = gap - usually
        found = np.flatnonzero(self._is_stalled)
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
        """Starts after the first of a run."""
        return tuple(self._restarts())

    def _restarts(self) -> Iterator[Restart]:
        gap, usually = self._gaps
        lines = self.log.at_line[self.rows]
        for n in np.flatnonzero(self.is_first)[1:]:
            if self.run[n] != self.run[n - 1]:
                continue
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
        normal = np.where(self._is_trained, gap, np.minimum(gap, usually))
        repeated = float(normal[self.is_repeated].sum())
        kept = float(normal[~self.is_repeated].sum())
        stalls = sum(each.seconds for each in self.stalls)
        restarts = sum(each.seconds or 0.0 for each in self.restarts)
        other = wall - kept - repeated - stalls - restarts
        other = other if other > NOISE * wall else 0.0
        return Spent(wall, kept, repeated, stalls, restarts, other)

    @cached_property
    def hours(self) -> float:
        """Hours so far: by the clock, or of its steps alone; NaN where lines tell neither [h]."""
        if self.spent is not None:
            return self.spent.wall / SECONDS["h"]
        of_steps = float(np.nansum(self.seconds * self.width))
        return of_steps / SECONDS["h"] if of_steps > 0 else math.nan

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
        pieces = np.array_split(steady, max(1, min(MOST_POINTS, len(steady))))
        return [
            self._window(inside)
            for piece in pieces
            for inside in np.split(piece, np.flatnonzero(np.diff(self.part[piece])) + 1)
            if len(inside)
        ]

    def over_time(self, shares: Shares) -> list[dict[str, Any]]:
        """Return a point a window: its steps, seconds of a step, speed, loss, utilisation.

        Args:
            shares: returns utilisation by convention, of tokens a second and accelerator.
        """
        return [
            {
                **window.to_dict(),
                "mfu": dict(shares(window.speed)) if math.isfinite(window.speed) else {},
            }
            for window in self.windows
        ]

    def _window(self, rows: NDArray[np.int64]) -> Window:
        clock, loss = self.clock, self.column("loss")[rows]
        known = loss[np.isfinite(loss)]
        return Window(
            first_step=int(self.step[rows[0]]),
            last_step=int(self.step[rows[-1]]),
            part=int(self.part[rows[0]]),
            hours=math.nan if clock is None else float(clock[rows[-1]] - clock[0]) / SECONDS["h"],
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
        if count := log.unread.count:
            look = "line looks like a step" if count == 1 else "lines look like steps"
            yield (
                f"{count:,} {look} and cannot be read, as cut or mixed lines; the first is line "
                f"{log.unread.line}: {log.unread.text}"
            )
        if self.copies:
            yield f"{self.copies:,} lines tell steps that another rank's line tells already"
        if self.others:
            yield f"{self.others:,} lines are of other bars, which have other numbers of steps"
        if self.run[-1]:
            last = int(log.at_line[self.rows[np.flatnonzero(self.run == self.run[-1])[0]]])
            yield f"{self.run[-1] + 1} runs stand in it, the last from line {last:,} on"
        if self.set_back:
            yield (
                f"before {self.set_back:,} of its steps the time goes back, as in logs put "
                "together: what lies between is not known, and counts as none"
            )
        yield from self._doubt()
        if log.is_numbered:
            yield "no line tells its step: lines are counted, one a step"
        if self.clock is None:
            yield "no line tells a time: goodput and stalls are not known"
        elif not self.has_gaps and len(self.restarts):
            yield "lines tell the time since a start alone: what a restart took is not known"

    def _doubt(self) -> Iterator[str]:
        """Yield that printed speeds and the times of lines contradict each other."""
        if self.clock is None or self.source not in OF_SPEEDS:
            return
        by_lines = _median((np.diff(self.clock, prepend=np.nan) / self.width)[~self.is_first])
        by_speed = _median(self.seconds[self.is_steady])
        if by_lines and by_speed and abs(math.log(by_lines / by_speed)) > math.log(APART):
            yield (
                f"by the times of its lines a step takes {by_lines:.3g} s, by its printed speed "
                f"{by_speed:.3g} s: accelerators, sequences or their tokens are others than given"
            )


def _median(values: Column) -> float:
    """Return the median of what is known; zero where nothing is."""
    found = values[np.isfinite(values)]
    return float(np.median(found)) if len(found) else 0.0


def _quantiles(values: Column) -> dict[str, float] | None:
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    p5, p50, p95 = (float(each) for each in np.quantile(known, (0.05, 0.5, 0.95)))
    return {"p5": p5, "p50": p50, "p95": p95, "mean": float(known.mean())}
