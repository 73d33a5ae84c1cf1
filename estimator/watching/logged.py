"""The passport of a run by its log."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from computebill.base.errors import RequestError
from computebill.kernels.units import SECONDS_PER_HOUR
from computebill.logs import Log, Timeline
from computebill.runs.estimate import RunEstimate
from computebill.runs.watched import work_of_run

from .done import Done, passport
from .passport import Passport
from .subject import read_subject


def logged_passport(
    estimate: RunEstimate,
    log: Log,
    *,
    kwh: float | None = None,
    name: str | None = None,
    profiles: Sequence[Path] = (),
) -> Passport:
    """Return the passport of a priced run by what its log says.

    Args:
        estimate: of the run.
        log: as read.
        kwh: electricity that a meter measured, of the whole run [kWh].
        name: of the run; its own if not given.
        profiles: folders of accelerator profiles of one's own.

    Raises:
        RequestError: naming what nobody tells: a step's tokens, or its time.
    """
    course = Timeline.of(log, work_of_run(estimate))
    subject = read_subject(estimate.spec, {}, profiles)
    return passport(subject, done_by_log(course), kwh=kwh, name=name)


def done_by_log(course: Timeline) -> Done:
    """Return what a run has done, by the course of its log.

    Raises:
        RequestError: naming what nobody tells: a step's tokens, or its time.
    """
    log, spent = course.log, course.spent
    each = course.tokens * course.width
    if not np.isfinite(each).any():
        raise RequestError(
            log.file, "does not say a step's tokens; --global-batch and --sequence-length may"
        )
    if not math.isfinite(course.hours):
        raise RequestError(log.file, "tells neither a step's seconds nor times of its lines")
    speed = course.mean_speed(np.flatnonzero(course.is_steady))
    printed = f"steps of {log.file}, as {log.title} prints them"
    is_counted = course.tokens_are_counted
    return Done(
        tokens=float(np.nansum(each[~course.is_repeated])),
        tokens_computed=float(np.nansum(each)),
        tokens_are="measured" if is_counted else "declared",
        updates=int(course.width.sum()),
        seconds=course.hours * SECONDS_PER_HOUR,
        goodput=None if spent is None else spent.goodput,
        restarts=len(course.restarts),
        stalls=len(course.stalls),
        speed=speed if math.isfinite(speed) else None,
        sources={
            "tokens": printed if is_counted else f"{printed}, times a step's sequences and tokens",
            "updates": printed,
            "hours": "steps alone" if spent is None else "first to last line of a step",
            "goodput": "no line tells a time"
            if spent is None
            else "without stalls, restarts and steps made again",
            "restarts": "steps that come again",
            "stalls": "10 s and more beyond what steps take",
        },
    )
