"""A stage of a run as it goes, beside what was predicted of it: time, what is left, an alarm.

What a step of a stage is made of differs (a step of reinforcement learning writes answers, too), so
hours are compared, and no part of a step is blamed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from computebill.base.errors import RequestError, shown
from computebill.logs import Log, Timeline, Work
from computebill.uncertainty.distribution import Distribution

from .rest import HOURS_PER_DAY, days_left, known, measured, rest, so_far, whole
from .staged import StagedEstimate, StageEstimate
from .watched import FEWEST, NOW, WAYS

ALL = Distribution(1.0, 1.0, 1.0, 1.0)
"""The share of the time that trains, of a stage whose hours hold what is lost."""


@dataclass(frozen=True)
class WatchedStage:
    """A stage that was priced, and what its log says.

    Attributes:
        stage: as priced.
        course: of its log.
        steps: of the whole stage.
    """

    stage: StageEstimate
    course: Timeline
    steps: float

    @property
    def count(self) -> float:
        """Accelerators."""
        return self.course.work.count or math.nan

    @cached_property
    def share(self) -> float:
        """Share of the stage's steps that were made."""
        return min(1.0, self.course.last_step / self.steps)

    @cached_property
    def days_left(self) -> Distribution:
        """Days that the rest takes, at the pace and with the lost time seen so far."""
        steady = np.flatnonzero(self.course.is_steady)
        now = self.course.mean_seconds(steady[-max(1, int(NOW * len(steady))) :])
        seconds = max(0.0, self.steps - self.course.last_step) * now
        return days_left(self.course, seconds, ALL)

    @cached_property
    def days(self) -> float:
        """Days of the whole stage, at the pace seen."""
        return self.course.hours / HOURS_PER_DAY + self.days_left.p50

    @property
    def predicted(self) -> Distribution:
        """Days as predicted."""
        return self.stage.rows["days"]

    @property
    def within(self) -> bool | None:
        """Whether its days are within their interval; None where none was predicted."""
        if not self.predicted.is_known:
            return None
        return bool(self.predicted.p5 <= self.days <= self.predicted.p95)

    @property
    def alarm(self) -> str:
        """That the stage leaves its interval, and how; empty while it does not."""
        if self.within is not False or int(self.course.is_steady.sum()) < FEWEST:
            return ""
        low, high = self.predicted.p5, self.predicted.p95
        side = "slower" if self.days > high else "faster"
        return (
            f"{side} than its interval: {self.days:.3g} days in all at this pace, where {low:.3g} "
            f"to {high:.3g} were expected"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the keys that a result gets: ``log`` and ``watched``."""
        return {
            "log": {**self.course.to_dict(), "over_time": self.course.over_time(lambda _: {})},
            "watched": self._watched(),
        }

    def _watched(self) -> dict[str, Any]:
        rows, left = self.stage.rows, self.days_left
        usd = {
            way: rows[way].p50 / rows["gpu_hours"].p50
            for way in WAYS
            if rows[way].is_known and rows["gpu_hours"].is_known
        }
        steady = np.flatnonzero(self.course.is_steady)
        speed = known(self.course.mean_speed(steady))
        return {
            "stage": self.stage.stage.label,
            "alarm": self.alarm or None,
            "measured": {
                "tokens_per_second_per_gpu": speed,
                "step_seconds": known(self.course.mean_seconds(steady)),
                "mfu": None,
                **measured(self.course),
            },
            "time_over_predicted": known(self.days / self.predicted.p50),
            "within_interval": self.within,
            "blame": [],
            "so_far": {
                "step": self.course.last_step,
                "tokens": known(rows["tokens"].p50 * self.share),
                "share": self.share,
                **so_far(self.course, self.count, usd),
            },
            "rest": {
                "tokens": known(rows["tokens"].p50 * (1 - self.share)),
                **rest(left, self.count, usd),
            },
            "whole": whole(self.course, left, self.predicted, self.count),
            "notes": list(self.notes()),
        }

    def notes(self) -> Iterator[str]:
        """Yield what a reader must know, in sentences."""
        if self.course.spent is None:
            yield "hours so far are those of the steps alone"
        yield "the other stages are as predicted"


def watch_stage(estimate: StagedEstimate, log: Log, name: str | None = None) -> WatchedStage:
    """Set the log of a stage beside what was predicted of it.

    Args:
        estimate: of the run.
        log: of one of its stages, as read.
        name: of that stage; it may be left out where there is one.

    Raises:
        RequestError: naming the stage, or what its time hangs on and nobody tells.
    """
    found = _named(estimate, name)
    stage, total = found.stage, log.last("steps")
    if stage.count is None or not stage.count.is_constant:
        raise RequestError("count", "is missing, or no one number; allowed with a log: a number")
    if total is None and stage.steps is not None:
        total = stage.steps.median
    if total is None:
        raise RequestError(log.file, "does not say how many steps the stage has; allowed: --steps")
    # Of answers that a policy writes, a step's tokens are not its sequences' length.
    length = None if stage.steps is not None else stage.sequence_length
    batch = None if length is None else stage.sequences(length)
    course = Timeline.of(log, Work(length, batch, stage.count.value))
    if not math.isfinite(course.hours):
        raise RequestError(log.file, "tells neither a step's seconds nor times of its lines")
    return WatchedStage(found, course, total)


def _named(estimate: StagedEstimate, name: str | None) -> StageEstimate:
    labels = [each.stage.label for each in estimate.stages]
    allowed = ", ".join(labels)
    if name is None and len(labels) > 1:
        raise RequestError("--log-stage", f"is missing; allowed: {allowed}")
    if name is not None and name not in labels:
        raise RequestError("--log-stage", f"got {shown(name)}; allowed: {allowed}")
    return estimate.stages[labels.index(name) if name is not None else 0]
