"""Tables of a log: utilisation over time, what time went to; a run beside what was predicted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from computebill.views.result import Result, distribution

from . import tables
from .text import (
    UNKNOWN,
    count,
    digits,
    duration,
    duration_interval,
    money,
    money_interval,
    percent,
    signed,
)


class Cells(NamedTuple):
    """A table as text, for a terminal and a page.

    Attributes:
        title: above it.
        headings: of its columns.
        rows: of as many texts.
        left: headings of columns of words; the others are figures, set to the right.
    """

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: Sequence[str]


SHOWN = 12
"""Windows of the course that a table has; JSON and files have all."""

MOST_STALLS = 5

SPENT = {
    "kept": "steps that count",
    "repeated": "steps made again after a restart",
    "stalls": "stalls",
    "restarts": "restarts",
    "other": "the rest",
}
"""What time went to, in words."""

PARTS = {"pace": "the cluster's own pace", "unexplained": "nothing that is modelled"}
"""Parts of a blame that are none of a step's, in words."""


def of_log(result: Result) -> Iterator[RenderableType]:
    """The course of a log, what its time went to, its stalls and restarts, notes."""
    log = result["log"]
    yield from (Text(f"Of the log: {note}.") for note in log["notes"])
    yield course(log)
    yield from map(_table, lost(log))


def _table(cells: Cells) -> Table:
    table = tables.table(cells.title)
    for heading in cells.headings:
        table.add_column(heading, justify="left" if heading in cells.left else "right")
    for row in cells.rows:
        table.add_row(*row)
    return table


def lost(log: Mapping[str, Any]) -> Iterator[Cells]:
    """Yield what the time of a log went to, its restarts and stalls; what there is of them."""
    if log["spent_seconds"]:
        yield _spent(log)
    if log["restarts"] or log["stalls"]:
        yield _interruptions(log)


def compared(result: Result) -> Iterator[Cells]:
    """Yield a run beside what was predicted: speed, blame, what is left."""
    yield _beside(result)
    if result["watched"]["blame"]:
        yield _blame(result["watched"])
    yield _money(result)


def course(log: Mapping[str, Any]) -> Table:
    """Return the course over time: speed, a step's seconds, utilisation, loss."""
    points = thinned(log["over_time"], SHOWN)
    names = list(points[0]["mfu"]) if points else []
    table = tables.table(f"{log['file']} over time ({log['title']})")
    for heading in ("steps", "seconds a step", "tokens/s/GPU", *names, "loss"):
        table.add_column(heading, justify="right")
    for point in points:
        table.add_row(
            steps_text(point),
            number(point["step_seconds"]),
            number(point["tokens_per_second_per_gpu"], count),
            *(number(point["mfu"].get(name), percent) for name in names),
            number(point["loss"]),
        )
    return table


def thinned(points: Sequence[Any], most: int) -> list[Any]:
    """Return at most so many points, evenly, the first and the last among them."""
    if len(points) <= most:
        return list(points)
    return [points[round(n * (len(points) - 1) / (most - 1))] for n in range(most)]


def steps_text(point: Mapping[str, Any]) -> str:
    """Return the steps of a point, ``1,200–1,300``."""
    first, last = point["first_step"], point["last_step"]
    return f"{first:,}" if first == last else f"{first:,}–{last:,}"


def number(value: float | None, write: Any = digits) -> str:
    """Return a figure as people read it, or a dash."""
    return UNKNOWN if value is None else str(write(value))


def _spent(log: Mapping[str, Any]) -> Cells:
    spent = log["spent_seconds"]
    rows = [
        (words, duration(spent[key] / 86400), percent(spent[key] / spent["wall"]))
        for key, words in SPENT.items()
        if spent[key]
    ]
    title = f"What {duration(spent['wall'] / 86400)} went to; {percent(log['goodput'])} trained"
    return Cells(title, ("", "time", "share"), rows, ("",))


def _interruptions(log: Mapping[str, Any]) -> Cells:
    rows = []
    for each in log["restarts"]:
        again = f", {each['repeated']:,} steps made again" if each["repeated"] else ""
        took = number(each["seconds"], lambda seconds: duration(seconds / 86400))
        rows.append((f"{each['line']:,}", f"{each['step']:,}", f"restart{again}", took))
    for each in log["stalls"][:MOST_STALLS]:
        why = f" ({each['why']})" if each["why"] else ""
        took = duration(each["seconds"] / 86400)
        rows.append((f"{each['line']:,}", f"{each['step']:,}", f"stall{why}", took))
    headings = ("line", "step", "what", "time")
    return Cells("Restarts, and the longest stalls", headings, rows, ("what",))


def measured(result: Result) -> Iterator[RenderableType]:
    """Rows for a calibration: what was measured, and on what; notes."""
    yield from (Text(f"Of the log: {note}.") for note in result["notes"])
    rows = result["measured_rows"]
    table = tables.table(f"Rows of {result['log']['file']}")
    for heading in ("column", *(f"row {n}" for n in range(1, len(rows) + 1))):
        table.add_column(heading, justify="left" if heading == "column" else "right")
    for name in dict.fromkeys(name for row in rows for name in row):
        table.add_row(name, *(str(row.get(name, "")) for row in rows))
    yield table


def watched(result: Result) -> Iterator[RenderableType]:
    """A run beside what was predicted: speed, blame, what is left; then its log."""
    yield from (Text(f"Of the log: {note}.") for note in result["watched"]["notes"])
    yield from map(_table, compared(result))
    yield from of_log(result)


def _beside(result: Result) -> Cells:
    found, measured = result["watched"], result["watched"]["measured"]
    rows = []
    for label, key, write in (
        ("tokens a second and accelerator", "tokens_per_second_per_gpu", count),
        ("seconds a step", "step_seconds", digits),
        ("utilisation (MFU)", "mfu", percent),
        ("time that trains (goodput)", "goodput", percent),
    ):
        expected = result.get(key)
        text = UNKNOWN
        if expected:
            ends = "–".join(write(expected[end]) for end in ("p5", "p95"))
            text = f"{write(expected['p50'])} ({ends})"
        rows.append((label, text, number(measured[key], write)))
    memory = result.get("memory_gb")
    if memory and measured["memory_gb"] is not None:
        of = f" ({result['log']['memory_of']})" if result["log"]["memory_of"] else ""
        seen = digits(measured["memory_gb"]) + of
        rows.append(("memory of one, GB", digits(memory["total"]), seen))
    rows.append(("time over predicted", "", number(found["time_over_predicted"])))
    headings = ("", "predicted, median (5th–95th)", "measured")
    return Cells("Predicted, and measured", headings, rows, ("",))


def _blame(found: Mapping[str, Any]) -> Cells:
    headings = ("part", "predicted, s", "may be off by, s", "could explain", "likely, s", "share")
    rows = [
        (
            part_name(each["part"]),
            digits(each["predicted_seconds"]) if each["predicted_seconds"] else "",
            digits(each["swing_seconds"]),
            percent(each["could_explain"]),
            digits(each["likely_seconds"]),
            percent(each["share"]),
        )
        for each in found["blame"]
    ]
    return Cells("What a step's difference is likely of", headings, rows, ("part",))


def part_name(part: str) -> str:
    """Return a part of a step as people read it."""
    return PARTS.get(part, part)


def _money(result: Result) -> Cells:
    found = result["watched"]
    so_far, rest = found["so_far"], found["rest"]
    hours, days = so_far["hours"], rest["days"]
    rows = [
        ("tokens", number(so_far["tokens"], count), number(rest["tokens"], count)),
        (
            "time",
            UNKNOWN if hours is None else duration(hours / 24),
            UNKNOWN if days is None else duration_interval(distribution(days)),
        ),
    ]
    for way, label in (("cloud", "cost, rented"), ("amortised", "cost, hardware and energy")):
        if way in so_far["cost_ways_usd"]:
            left = rest["cost_ways_usd"][way]
            text = UNKNOWN if left is None else money_interval(distribution(left))
            rows.append((label, number(so_far["cost_ways_usd"][way], money), text))
    title = f"So far to step {so_far['step']:,}, and the rest at the pace seen"
    return Cells(title, ("", "so far", "the rest, median (5th–95th)"), rows, ("",))


def line(result: Result) -> str:
    """Return where a log stands in one line: step, speed, utilisation, time, cost so far."""
    log = result["log"]
    last = log["over_time"][-1] if log["over_time"] else {"mfu": {}}
    total = f"/{log['steps_of_run']:,}" if log["steps_of_run"] else ""
    told = [f"step {log['last_step']:,}{total}"]
    if last.get("step_seconds"):
        told.append(f"{digits(last['step_seconds'])} s a step")
    if last.get("tokens_per_second_per_gpu"):
        told.append(f"{count(last['tokens_per_second_per_gpu'])} tokens/s/GPU")
    told += [f"MFU {percent(share)} ({name})" for name, share in list(last["mfu"].items())[:1]]
    if log["goodput"] is not None:
        told.append(f"goodput {percent(log['goodput'])}")
    if log["restarts"]:
        several = "" if len(log["restarts"]) == 1 else "s"
        told.append(f"{len(log['restarts']):,} restart{several}")
    return ", ".join([*told, *_watched_line(result.get("watched"))])


def _watched_line(found: Mapping[str, Any] | None) -> list[str]:
    if found is None:
        return []
    told = []
    if found["time_over_predicted"] is not None:
        told.append(f"{signed(found['time_over_predicted'] - 1)} time against predicted")
    usd = found["so_far"]["cost_ways_usd"].get("cloud")
    if usd is not None:
        told.append(f"{money(usd)} so far")
    if found["rest"]["days"] is not None:
        told.append(f"{duration_interval(distribution(found['rest']['days']))} left")
    if found["alarm"]:
        told.append(f"ALARM: {found['alarm']}")
    return told
