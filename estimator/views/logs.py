"""Tables of a log: utilisation over time, what time went to; a run beside what was predicted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

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
    if log["spent_seconds"]:
        yield _spent(log)
    if log["restarts"] or log["stalls"]:
        yield _interruptions(log)


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


def _spent(log: Mapping[str, Any]) -> Table:
    spent = log["spent_seconds"]
    wall = duration(spent["wall"] / 86400)
    table = tables.table(f"What {wall} went to; {percent(log['goodput'])} trained")
    for heading in ("", "time", "share"):
        table.add_column(heading, justify="right" if heading else "left")
    for key, words in SPENT.items():
        if spent[key]:
            table.add_row(words, duration(spent[key] / 86400), percent(spent[key] / spent["wall"]))
    return table


def _interruptions(log: Mapping[str, Any]) -> Table:
    table = tables.table("Restarts, and the longest stalls")
    for heading in ("line", "step", "what", "time"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for each in log["restarts"]:
        lost = f", {each['repeated']:,} steps made again" if each["repeated"] else ""
        took = number(each["seconds"], lambda seconds: duration(seconds / 86400))
        table.add_row(f"{each['line']:,}", f"{each['step']:,}", f"restart{lost}", took)
    for each in log["stalls"][:MOST_STALLS]:
        why = f" ({each['why']})" if each["why"] else ""
        took = duration(each["seconds"] / 86400)
        table.add_row(f"{each['line']:,}", f"{each['step']:,}", f"stall{why}", took)
    return table


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
    found = result["watched"]
    yield from (Text(f"Of the log: {note}.") for note in found["notes"])
    yield _beside(result)
    if found["blame"]:
        yield _blame(found)
    yield _money(result)
    yield from of_log(result)


def _beside(result: Result) -> Table:
    found, measured = result["watched"], result["watched"]["measured"]
    table = tables.table("Predicted, and measured")
    for heading in ("", "predicted, median (5th–95th)", "measured"):
        table.add_column(heading, justify="right" if heading else "left")
    rows = (
        ("tokens a second and accelerator", "tokens_per_second_per_gpu", count),
        ("seconds a step", "step_seconds", digits),
        ("utilisation (MFU)", "mfu", percent),
        ("time that trains (goodput)", "goodput", percent),
    )
    for label, key, write in rows:
        expected = result.get(key)
        text = UNKNOWN
        if expected:
            ends = "–".join(write(expected[end]) for end in ("p5", "p95"))
            text = f"{write(expected['p50'])} ({ends})"
        table.add_row(label, text, number(measured[key], write))
    memory = result.get("memory_gb")
    if memory and measured["memory_gb"] is not None:
        of = f" ({result['log']['memory_of']})" if result["log"]["memory_of"] else ""
        table.add_row(
            "memory of one, GB", digits(memory["total"]), digits(measured["memory_gb"]) + of
        )
    table.add_row("time over predicted", "", number(found["time_over_predicted"]))
    return table


def _blame(found: Mapping[str, Any]) -> Table:
    table = tables.table("What a step's difference is likely of")
    headings = ("part", "predicted, s", "may be off by, s", "could explain", "likely, s", "share")
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "part" else "right")
    for each in found["blame"]:
        table.add_row(
            part_name(each["part"]),
            digits(each["predicted_seconds"]) if each["predicted_seconds"] else "",
            digits(each["swing_seconds"]),
            percent(each["could_explain"]),
            digits(each["likely_seconds"]),
            percent(each["share"]),
        )
    return table


def part_name(part: str) -> str:
    """Return a part of a step as people read it."""
    return PARTS.get(part, part)


def _money(result: Result) -> Table:
    found = result["watched"]
    so_far, rest = found["so_far"], found["rest"]
    title = f"So far to step {so_far['step']:,}, and the rest at the pace seen"
    table = tables.table(title)
    for heading in ("", "so far", "the rest, median (5th–95th)"):
        table.add_column(heading, justify="right" if heading else "left")
    table.add_row("tokens", number(so_far["tokens"], count), number(rest["tokens"], count))
    hours = so_far["hours"]
    table.add_row(
        "time",
        UNKNOWN if hours is None else duration(hours / 24),
        UNKNOWN if rest["days"] is None else duration_interval(distribution(rest["days"])),
    )
    for way, label in (("cloud", "cost, rented"), ("amortised", "cost, hardware and energy")):
        if way in so_far["cost_ways_usd"]:
            left = rest["cost_ways_usd"][way]
            table.add_row(
                label,
                number(so_far["cost_ways_usd"][way], money),
                UNKNOWN if left is None else money_interval(distribution(left)),
            )
    return table


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
