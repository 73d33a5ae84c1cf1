"""The passport of a run by its log."""

from __future__ import annotations

import math

import numpy as np

from computebill.base.errors import RequestError
from computebill.logs import Timeline

from .done import Done, passport
from .passport import Passport
from .subject import Subject


def logged_passport(
    subject: Subject, course: Timeline, *, kwh: float | None = None, name: str | None = None
) -> Passport:
    """Return the passport of a run by what its log says.

    Args:
        subject: the run as described.
        course: of its log.
        kwh: electricity that a meter measured, of the whole run [kWh].
        name: of the run; its own if not given.

    Raises:
        RequestError: naming what nobody tells: a step's tokens, or its time.
    """
    return passport(subject, _done(course), kwh=kwh, name=name)


def _done(course: Timeline) -> Done:
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
        seconds=course.hours * 3600.0,
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
