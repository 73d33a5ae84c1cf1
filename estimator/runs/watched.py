"""A run as it goes, beside what was predicted: speed, who is to blame, what is left, an alarm."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from computebill.base.assumptions import gathered
from computebill.base.errors import RequestError
from computebill.costs.hour import hour_inputs
from computebill.kernels.units import SECONDS_PER_HOUR
from computebill.logs import Log, Timeline, Work
from computebill.models.logged import steady_speed
from computebill.training.blame import Blame, blamed
from computebill.uncertainty.distribution import Distribution

from .estimate import RunEstimate
from .rates import rates
from .rest import days_left, known, measured, rest, so_far, whole

FEWEST = 5
"""Rows that count, from which on an alarm is raised."""

WAYS = {"cloud": "usd", "amortised": "amortised_usd"}
"""Ways of counting, and the rate of each."""

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
        seconds = self.tokens_left / (self.speed_now * self.count)
        return days_left(self.course, seconds, self.estimate.rows["goodput"])

    @cached_property
    def usd_per_gpu_hour(self) -> dict[str, float]:
        """Median of what an accelerator's hour costs, by the way of counting; what is known."""
        spec, part = self.estimate.spec, self.estimate.accelerator
        second = rates(gathered(hour_inputs(spec.pricing, part)).quantities, 1.0)
        return {
            way: second[name].p50 * SECONDS_PER_HOUR for way, name in WAYS.items() if name in second
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
        usd, left = self.usd_per_gpu_hour, self.days_left
        ratio = self.expected.p50 / self.speed
        return {
            "alarm": self.alarm or None,
            "measured": {
                "tokens_per_second_per_gpu": self.speed,
                "tokens_per_second_per_gpu_now": self.speed_now,
                "step_seconds": known(self.step_seconds),
                "mfu": self.shares(self.speed).get(self.estimate.spec.convention),
                **measured(self.course),
            },
            "time_over_predicted": known(ratio),
            "within_interval": bool(self.expected.p5 <= self.speed <= self.expected.p95),
            "blame": [each.to_dict() for each in self.blame],
            "so_far": {
                "step": self.course.last_step,
                "tokens": known(self.tokens_done),
                "share": known(self.tokens_done / (self.tokens_done + self.tokens_left)),
                **so_far(self.course, self.count, usd),
            },
            "rest": {"tokens": known(self.tokens_left), **rest(left, self.count, usd)},
            "whole": whole(self.course, left, self.estimate.rows["days"], self.count),
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


def tokens_of_log(log: Log, work: Work) -> float | None:
    """Return the tokens of a whole run by its log: its steps times the tokens of one.

    Args:
        log: as read.
        work: what a step is, as far as the log does not tell it.
    """
    course = Timeline.of(log, work)
    steps, tokens = log.last("steps"), course.tokens[np.isfinite(course.tokens)]
    return None if steps is None or not len(tokens) else steps * float(tokens[-1])


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
