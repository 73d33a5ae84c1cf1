"""Utilisation under every convention over the course of a log."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from computebill.base.errors import RequestError
from computebill.base.notebook import Shown
from computebill.logs import Log, Timeline, Work

from .mfu import Speed, Utilisation, utilisation

if TYPE_CHECKING:
    import pandas as pd

SPEED = "tokens per second per gpu"
"""Name of the assumption that the log tells."""


@dataclass(frozen=True, repr=False)
class LoggedUse(Shown):
    """What a log says of a run's speed, as shares of the peak.

    Attributes:
        mean: utilisation at the mean speed of the steps that count.
        course: of the log.
    """

    mean: Utilisation
    course: Timeline

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form: that of a speed, and ``log``; its keys are a contract."""
        goodput = None if self.course.spent is None else self.course.spent.goodput
        now = self.mean.tokens_per_second_per_gpu
        return {
            **self.mean.to_dict(),
            "log": {
                **self.course.to_dict(),
                "mfu_of_all_time": None if goodput is None else self.mean.at(now * goodput),
                "over_time": self.over_time(),
            },
        }

    def over_time(self) -> list[dict[str, Any]]:
        """Return a point a window: its steps, seconds of a step, speed, utilisation."""
        return self.course.over_time(self.mean.at)

    def to_frame(self) -> pd.DataFrame:
        """Return one row a window of steps: the course over time."""
        import pandas as pd

        rows = [
            {**{k: v for k, v in point.items() if k != "mfu"}, **point["mfu"]}
            for point in self.over_time()
        ]
        return pd.DataFrame(rows)


def work_of(given: Mapping[str, Any], stacks: int = 1) -> Work:
    """Return what a step is, from fields of a run.

    Args:
        given: ``sequence_length``, ``global_batch``, ``count`` where they are known.
        stacks: of an architecture, each of which reads a sequence.
    """
    sequence, batch, count = (given.get(n) for n in ("sequence_length", "global_batch", "count"))
    return Work(
        None if sequence is None else float(sequence) * stacks,
        None if batch is None else float(batch),
        None if count is None else float(count),
    )


def logged_use(log: Log, work: Work, **given: Any) -> LoggedUse:
    """Return utilisation under every convention over the course of a log.

    Args:
        log: as read.
        work: what a step is, as far as the log does not tell it.
        given: of ``utilisation``, but its speed.

    Raises:
        RequestError: naming what the speed hangs on and nobody tells.
    """
    course = Timeline.of(log, work)
    speed = steady_speed(course)
    found = utilisation(speed=Speed(tokens_per_second_per_gpu=speed), **given)
    told = [
        replace(each, source=f"steps of {log.file}") if each.name == SPEED else each
        for each in found.assumptions
    ]
    return LoggedUse(replace(found, assumptions=tuple(told)), course)


def steady_speed(course: Timeline) -> float:
    """Return the mean tokens a second and accelerator of the steps that count.

    Raises:
        RequestError: naming what it hangs on and nobody tells.
    """
    speed = course.mean_speed(np.flatnonzero(course.is_steady))
    if math.isfinite(speed):
        return speed
    work, log = course.work, course.log
    if not math.isfinite(course.mean_seconds(np.flatnonzero(course.is_steady))):
        told = any(log.has(name) for name in ("tokens_per_s_gpu", "tokens_per_s", "samples_per_s"))
        if not told:
            raise RequestError(
                log.file, "tells neither a step's seconds, nor a speed, nor times of its lines"
            )
    tells_tokens = bool(np.isfinite(course.tokens).any())
    lacking = [
        f"{what} ({flag})"
        for is_known, what, flag in (
            (work.count, "how many accelerators there are", "--count"),
            (work.sequence or tells_tokens, "the tokens of a sequence", "--sequence-length"),
            (
                work.sequences or tells_tokens or log.has("batch"),
                "the sequences of a step",
                "--global-batch",
            ),
        )
        if not is_known
    ]
    needed = "; ".join(lacking) or "a speed: its lines have none"
    raise RequestError(log.file, f"does not say: {needed}; --launch FILE may tell")
