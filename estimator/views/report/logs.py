"""The course of a log, as a page tells it."""

from __future__ import annotations

from computebill.views.charts import logs as drawn
from computebill.views.result import Result

from .document import Chart, charted


def over_time(result: Result) -> Chart | None:
    """Return utilisation over the steps of a log, with its table; None without a log."""
    keys = ("steps", "convention", "text")
    return charted(
        drawn.over_time(result), "Over the steps", ("steps", "convention", "MFU"), keys, keys[1:2]
    )
