"""The course of a log, as a page tells it."""

from __future__ import annotations

from collections.abc import Iterator

from computebill.views import logs
from computebill.views.charts import logs as drawn
from computebill.views.result import Result

from .document import Chart, Table, charted


def over_time(result: Result) -> Chart | None:
    """Return utilisation over the steps of a log, with its table; None without a log."""
    keys = ("steps", "convention", "text")
    return charted(
        drawn.over_time(result), "Over the steps", ("steps", "convention", "MFU"), keys, keys[1:2]
    )


def measured(result: Result) -> Iterator[Chart | Table | None]:
    """Yield what a log says: beside what was predicted, over the steps, and what time went to."""
    if not result.get("log"):
        return
    if result.get("watched"):
        yield from (Table(*cells) for cells in logs.compared(result))
    yield over_time(result)
    yield from (Table(*cells) for cells in logs.lost(result["log"]))
