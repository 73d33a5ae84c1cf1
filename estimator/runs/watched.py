"""A run as it goes, beside what was predicted: speed, who is to blame, what is left, an alarm."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from computebill.base.errors import RequestError
from computebill.kernels.units import SECONDS_PER_DAY
from computebill.logs import Log, Timeline, Work
from computebill.models.logged import steady_speed
from computebill.training.blame import Blame, blamed
from computebill.uncertainty.distribution import Distribution

from .estimate import RunEstimate

FEWEST = 5
"""Rows that count, from which on an alarm is raised."""

PRIOR_DAYS = 1.0
"""Days of a run whose lost time weighs as much as what was expected of it; assumed, not checked."""

DRIFT = 0.01
"""Least relative standard deviation of the pace to come; assumed, not checked."""

Z95 = 1.6449
HOURS_PER_DAY = 24.0
SECONDS_PER_HOUR = 3600.0
WAYS = ("cloud", "amortised")
NOW = 0.1
"""Share of the rows that count, the last, that tell how fast the run is now."""


@dataclass(frozen=True)
class Watched:
    """A run that was priced, and what its log says.

    Attributes:
        estimate: of the run.
        course: of its log.
    """

    estimate: RunEstimate
    course: Timeline

    @cached_property
    def speed(self) -> float:
        """Mean tokens a second and accelerator of the steps that count."""
        return steady_speed(self.course)

    @cached_property
    def speed_now(self) -> float:
        """The same of the last of them."""
        rows = np.flatnonzero(self.course.is_steady)
        return self.course.mean_speed(rows[-max(1, int(NOW * len(rows))) :])

    @property
    def expected(self) -> Distribution:
        """Tokens a second and accelerator as predicted, or as given."""
        return self.estimate.rows["tokens_per_second_per_gpu"]

    @cached_property
    def step_tokens(self) -> float:
        """Tokens of a step; NaN where nobody tells them."""
        known = self.course.tokens[np.isfinite(self.course.tokens)]
        return float(known[-1]) if len(known) else math.nan

    @cached_property
    def step_seconds(self) -> float:
        """Mean seconds of a step of those that count, or those that its speed comes to."""
        found = self.course.mean_seconds(np.flatnonzero(self.course.is_steady))
        if math.isfinite(found) and self.course.source != "":
            return found
        return self.step_tokens / (self.speed * self.count)

    @property
    def count(self) -> float:
        """Accelerators."""
        return self.course.work.count or math.nan

    @cached_property
    def steady_rows(self) -> int:
        """Rows that count."""
        return int(self.course.is_steady.sum())

    @cached_property
    def blame(self) -> list[Blame]:
        """Parts of a step by what is expected of each; empty where no step was predicted."""
        step = None if self.estimate.model is None else self.estimate.model.step
        if step is None or self.estimate.spec.mfu is not None:
            return []
        layout = step.case.layout
        own = layout.micro_batch * (layout.micro_batches or 1) * layout.dp * self.course_sequence
        # Of another batch than the predicted one, the time that its tokens take at that speed.
        measured = own / (self.speed * layout.accelerators)
        return blamed(step, measured)

    @property
    def course_sequence(self) -> float:
        """Tokens of a sequence."""
        return self.course.work.sequence or math.nan

    @property
    def alarm(self) -> str:
        """That the run leaves its interval, and how; empty while it does not."""
        low, high = self.expected.p5, self.expected.p95
        if self.steady_rows < FEWEST or not math.isfinite(low):
            return ""
        whole = not low <= self.speed <= high
        if not whole and low <= self.speed_now <= high:
            return ""
        speed = self.speed if whole else self.speed_now
        since = "" if whole else f" since step {self._left_at():,}"
        side = "slower" if speed < low else "faster"
        return (
            f"{side} than its interval{since}: {speed:,.0f} tokens a second and accelerator, where "
            f"{low:,.0f} to {high:,.0f} were expected"
        )

    def _left_at(self) -> int:
        """Return the first step of the windows outside of the interval that reach the end."""
        found = self.course.last_step
        for window in reversed(self.course.windows):
            if self.expected.p5 <= window.speed <= self.expected.p95:
                break
            found = window.first_step
        return found

    @cached_property
    def hours(self) -> float:
        """Hours so far: by the clock, or of its steps alone [h]."""
        spent = self.course.spent
        if spent is not None:
            return spent.wall / SECONDS_PER_HOUR
        of_steps = np.nansum(self.course.seconds * self.course.width)
        return float(of_steps) / SECONDS_PER_HOUR if of_steps > 0 else math.nan

    @cached_property
    def tokens_done(self) -> float:
        """Tokens trained on so far, those of steps before the log too; NaN where nobody tells."""
        log = self.course.log
        told = log.last("tokens")
        if told is not None:
            return told
        samples = log.last("samples")
        if samples is not None and self.course.work.sequence is not None:
            return samples * self.course.work.sequence
        return self.course.last_step * self.step_tokens

    @cached_property
    def tokens_left(self) -> float:
        """Tokens that the run has still to train on; NaN where nobody tells."""
        whole = self.estimate.rows["tokens"].p50
        if not math.isfinite(whole):
            whole = (self.course.log.last("steps") or math.nan) * self.step_tokens
        return max(0.0, whole - self.tokens_done) if math.isfinite(self.tokens_done) else math.nan

    @cached_property
    def days_left(self) -> Distribution:
        """Days that the rest takes, at the pace and with the lost time seen so far."""
        goodput, wide = self._goodput()
        seconds = self.tokens_left / (self.speed_now * self.count * goodput)
        spread = Z95 * math.hypot(self._drift(), wide)
        middle = seconds / SECONDS_PER_DAY
        mean = middle * math.exp((spread / Z95) ** 2 / 2)
        return Distribution(middle * math.exp(-spread), middle, middle * math.exp(spread), mean)

    def _drift(self) -> float:
        """Return the relative standard deviation of speeds over time."""
        speeds = np.array([window.speed for window in self.course.windows])
        known = speeds[np.isfinite(speeds) & (speeds > 0)]
        return max(DRIFT, float(np.log(known).std())) if len(known) > 1 else DRIFT

    def _goodput(self) -> tuple[float, float]:
        """Return the share of the time that trains from here on, and its relative deviation."""
        expected, spent = self.estimate.rows["goodput"], self.course.spent
        prior = expected.p50 if expected.is_known else 1.0
        wide = math.log(expected.p95 / expected.p5) / (2 * Z95) if expected.is_known else 0.0
        if spent is None:
            return prior, wide
        days = spent.wall / SECONDS_PER_DAY
        weight = days / (days + PRIOR_DAYS)
        share = weight * min(1.0, spent.goodput) + (1 - weight) * prior
        # What is lost comes in so many restarts and stalls, whose number goes by chance.
        stops = 1 + len(self.course.restarts) + len(self.course.stalls)
        return share, math.hypot((1 - weight) * wide, (1 - share) / share / math.sqrt(stops))

    def usd_per_gpu_hour(self) -> dict[str, float]:
        """Return what an accelerator's hour costs, by the way of counting; of what is known."""
        rows = self.estimate.rows
        return {
            way: rows[way].p50 / rows["gpu_hours"].p50
            for way in WAYS
            if rows[way].is_known and rows["gpu_hours"].is_known
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the keys that a run's result gets: ``log`` and ``watched``."""
        return {
            "log": {**self.course.to_dict(), "over_time": self.course.over_time(self.shares)},
            "watched": self._watched(),
        }

    def shares(self, speed: float) -> dict[str, float]:
        """Return utilisation as the run counts it, of tokens a second and accelerator."""
        share = self.estimate.rows["mfu"].p50 * speed / self.expected.p50
        return {self.estimate.spec.convention: share} if math.isfinite(share) else {}

    def _watched(self) -> dict[str, Any]:
        gpu_hours = self.hours * self.count
        usd, left = self.usd_per_gpu_hour(), self.days_left
        hours_left = left.scaled(HOURS_PER_DAY * self.count)
        past = self.hours / HOURS_PER_DAY
        whole = Distribution(left.p5 + past, left.p50 + past, left.p95 + past, left.mean + past)
        ratio = self.expected.p50 / self.speed
        return {
            "alarm": self.alarm or None,
            "measured": {
                "tokens_per_second_per_gpu": self.speed,
                "tokens_per_second_per_gpu_now": self.speed_now,
                "step_seconds": _known(self.step_seconds),
                "mfu": self.shares(self.speed).get(self.estimate.spec.convention),
                "goodput": None if self.course.spent is None else self.course.spent.goodput,
                "memory_gb": self.course.to_dict()["memory_gb"],
            },
            "time_over_predicted": _known(ratio),
            "within_interval": bool(self.expected.p5 <= self.speed <= self.expected.p95),
            "blame": [each.to_dict() for each in self.blame],
            "so_far": {
                "step": self.course.last_step,
                "tokens": _known(self.tokens_done),
                "share": _known(self.tokens_done / (self.tokens_done + self.tokens_left)),
                "hours": _known(self.hours),
                "gpu_hours": _known(gpu_hours),
                "cost_ways_usd": {way: _known(each * gpu_hours) for way, each in usd.items()},
            },
            "rest": {
                "tokens": _known(self.tokens_left),
                "days": _told(left),
                "gpu_hours": _told(hours_left),
                "cost_ways_usd": {way: _told(hours_left.scaled(each)) for way, each in usd.items()},
            },
            "whole": {
                "days": _told(whole),
                "days_predicted": self.estimate.rows["days"].to_dict(),
                "gpu_hours": _told(whole.scaled(HOURS_PER_DAY * self.count)),
            },
            "notes": list(self.notes()),
        }

    def notes(self) -> Iterator[str]:
        """Yield what a reader must know, in sentences."""
        if self.steady_rows < FEWEST:
            yield f"{self.steady_rows} lines of steps count: of fewer than {FEWEST}, no alarm"
        if self.course.spent is None:
            yield "hours so far are those of the steps alone"
        first = int(self.course.step.min())
        if first > 1 + int(self.course.width[0]) and math.isfinite(self.tokens_done):
            yield f"hours and cost so far are from step {first:,} on, where the log begins"


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _told(value: Distribution) -> dict[str, Any] | None:
    return value.to_dict()


def work_of_run(estimate: RunEstimate) -> Work:
    """Return what a step of a priced run is.

    Raises:
        RequestError: where its accelerators are not known as one number.
    """
    run, model = estimate.spec, estimate.model
    if run.count is None or not run.count.is_constant:
        raise RequestError("count", "is missing, or no one number; allowed with a log: a number")
    sequence: float | None = run.sequence_length
    batch: float | None = None
    if model is not None:
        sequence = float(model.card.sequence) * model.card.architecture.stacks
        if model.step is not None:
            layout = model.step.case.layout
            batch = layout.micro_batch * (layout.micro_batches or 1) * layout.dp
    if batch is None and sequence is not None:
        batch = run.sequences(sequence)
    return Work(sequence, None if batch is None else float(batch), run.count.value)


def watch_run(estimate: RunEstimate, log: Log) -> Watched:
    """Set a run's log beside what was predicted of it.

    Args:
        estimate: of the run.
        log: as read.

    Raises:
        RequestError: naming what the speed hangs on and nobody tells.
    """
    found = Watched(estimate, Timeline.of(log, work_of_run(estimate)))
    if not math.isfinite(found.speed):
        raise RequestError(log.file, "tells no speed")
    return found
