"""Predictions against measured steps, as a page tells them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from computebill.views.answers.validation import answer
from computebill.views.charts import validation as drawn
from computebill.views.result import Result
from computebill.views.text import UNKNOWN, percent, signed

from .document import Chart, Report, Section, Table, charted, parts, sections


def report(result: Result) -> Report:
    """Tell how far predictions are off."""
    left_out = result.get("left_out")
    headings = ("model", "source", "on", "measured, s", "predicted, s (5th–95th)", "off")
    keys = ("model", "source", "on", "seconds", "text", "off")
    points = charted(drawn.points(result), "Steps", headings, keys, ("source", "on"))
    found = sections(
        Section("Predicted against measured", parts([points])),
        Section("Fits that had no part in the rows", parts(_of_left_out(left_out)), is_main=False),
        Section("A few rows of one's own", parts([_few(result.get("few"))])),
        Section("By kind", parts(_of_profile(result)), is_main=False),
        Section("Memory", parts([_memory(result.get("memory"))])),
        Section("Not predicted", parts([_skipped(result)])),
    )
    return Report.of(answer(result), result, found)


def _of_profile(result: Result) -> list[Chart | None]:
    """Errors of the profile on each group of rows."""
    return [_groups(result, key, f"Error by {name}") for key, name in drawn.GROUPS.items()]


def _of_left_out(left_out: Mapping[str, Any] | None) -> list[Chart | None]:
    """The same of fits that had no part in them; nothing where nothing was left out."""
    if not left_out:
        return []
    told = f"{left_out.get('unit', 'source')} left out"
    return [
        _groups(left_out, key, f"Error by {name}, {told}") for key, name in drawn.GROUPS.items()
    ]


def _memory(memory: Mapping[str, Any] | None) -> Table | None:
    """Predicted memory by source; nothing where no row prints it, or an older result has it."""
    if not memory or not memory.get("by_source"):
        return None
    cells = [
        (
            name,
            f"{each['rows']:,}",
            percent(each["median_ape"]),
            signed(each["bias"]),
            percent(each["within_15"]),
            percent(each["coverage_90"]),
            _percent(each["coverage_90_left_out"]),
        )
        for name, each in {"all": memory, **memory["by_source"]}.items()
    ]
    told = ("within 15 %", "in the 90 % interval", f"{memory['unit'] or 'lab'} left out")
    headings = ("source", "rows", "median error", "bias", *told)
    return Table("Error of predicted memory, by source", headings, cells)


def _groups(result: Mapping[str, Any], key: str, title: str) -> Chart | None:
    if key not in result:
        return None
    cells = [
        (
            name,
            f"{each['rows']:,}",
            percent(each["median_ape"]),
            percent(each["mape"]),
            signed(each["bias"]),
            _percent(each["baseline_median_ape"]),
            "" if each["coverage_90"] is None else percent(each["coverage_90"]),
        )
        for name, each in result[key].items()
    ]
    headings = (drawn.GROUPS[key], "rows", "median", "mean", "bias", "one line", "in 90 %")
    return Chart(drawn.groups(result, key, title), Table(title, headings, cells))


def _few(few: Mapping[str, Any] | None) -> Table | None:
    """Errors of a lab's other rows, by how many of it were measured."""
    if not few:
        return None
    cells = [
        (
            count,
            f"{each['rows']:,}",
            percent(each["median_ape"]),
            percent(each["mape"]),
            percent(each["median_of_labs"]),
            percent(each["coverage_90"]),
        )
        for count, each in few.items()
    ]
    headings = ("own rows", "rows", "median", "mean", "median of labs", "in 90 %")
    return Table("Error of a lab's other rows, by own rows that were measured", headings, cells)


def _percent(value: float | None) -> str:
    return UNKNOWN if value is None else percent(value)


def _skipped(result: Result) -> Table | None:
    reasons = Counter(each["reason"] for each in result["skipped"])
    cells = [(reason, f"{count:,}") for reason, count in reasons.most_common()]
    title = f"{len(result['skipped']):,} rows could not be predicted"
    return Table(title, ("reason", "rows"), cells) if cells else None
