"""A priced run, as a page tells it."""

from __future__ import annotations

from typing import Any

from computebill.views.charts import run as drawn
from computebill.views.result import Result, distribution
from computebill.views.run import ROWS
from computebill.views.text import count, money_interval

from .document import Chart, Report, Section, Table, charted, figure, parts, sections
from .steps import tornado, waterfall

UNNAMED = "run"
"""Name of a run that was given none."""


def report(result: Result) -> Report:
    """Tell one run."""
    figures = _figures(result)
    tiles = [figure(label, text) for label, text in figures if label in TILES]
    costs = [_costs(result), waterfall(drawn.programme(result)), _table(figures)]
    _, unit, _ = drawn.MOVED.get(result.get("swings_of") or "", drawn.MOVED["cloud"])
    moved = tornado(drawn.swings(result), result.get("swings") or [], unit)
    keys = ("name", "text")
    speed = [
        charted(drawn.scaling(result), "Utilisation", ("GPUs", "MFU"), ("count", "text")),
        charted(drawn.breakdown(result), "A step's time", ("part", "time"), keys),
    ]
    memory = charted(drawn.memory(result), "Memory", ("part", "GB"), keys)
    found = sections(
        Section("What it costs", parts(costs)),
        Section("What drives it", parts([moved])),
        Section("Speed", parts(speed)),
        Section("Memory of the fullest GPU", parts([memory])),
    )
    notes = result.get("notes", ())
    undrawn = "no cost is known, and no step; give a price"
    told = Report(title(result), _answer(result), tiles, found, notes=notes, undrawn=undrawn)
    return told.told(result)


def title(result: Result) -> str:
    """Return the name of a run, or its size, and what it is on."""
    on = result.get("accelerator_title", result["accelerator"])
    if result.get("count"):
        on = f"{result['count']:,.0f} x {on}"
    name = result["name"] if result["name"] != UNNAMED else _size(result)
    return f"{name}: {on}" if name else on


def short(result: Result) -> str:
    """Return the name of a run as a chart writes it beside its point."""
    if result["name"] != UNNAMED:
        return str(result["name"])
    params = (result.get("model") or {}).get("params")
    size = f"{count(distribution(params).p50)} on " if params else ""
    on = f"{result['count']:,.0f} x " if result.get("count") else ""
    return f"{size}{on}{result['accelerator']}"


def _size(result: Result) -> str:
    """Return parameters and tokens, ``70.0 B parameters, 15.0 T tokens``; what is known of them."""
    params = (result.get("model") or {}).get("params")
    given = (("parameters", params), ("tokens", result.get("tokens")))
    return ", ".join(f"{count(distribution(value).p50)} {word}" for word, value in given if value)


def _answer(result: Result) -> str:
    hours = distribution(result["gpu_hours"])
    told = f"The run takes {_count(hours)} GPU-hours"
    if result["days"]:
        told += f", {_count(distribution(result['days']))} days"
    if result["flop"]["model"]:
        told += f", for {_written('flop', result['flop']['model'])} FLOP"
    ways = [
        f"{money_interval(distribution(result['cost_ways_usd'][way]))} {label}"
        for way, label in (("cloud", "rented"), ("amortised", "as hardware used up and energy"))
        if result["cost_ways_usd"].get(way)
    ]
    told += f"; it costs {' or '.join(ways)}" if ways else "; no price is known"
    if result.get("programme_usd"):
        told += f"; its whole programme costs {_written('programme', result['programme_usd'])}"
    return f"{told}."


def _count(value: Any) -> str:
    return _WRITERS["gpu_hours"](value)


_WRITERS = {key: write for _, key, write, _ in ROWS}


def _written(key: str, given: Any) -> str:
    return _WRITERS[key](distribution(given))


def _figures(result: Result) -> list[tuple[str, str]]:
    """Return label and text of every figure that is known."""
    flop = {"flop": result["flop"]["model"], "flop_hardware": result["flop"]["hardware"]}
    whole = {key: result.get(f"{key}_usd") for key in ("programme", "exploration")}
    known = {**result, **result["cost_ways_usd"], **result["amortised_parts_usd"], **flop, **whole}
    return [
        (label.strip(), write(distribution(known[key])) + unit)
        for label, key, write, unit in ROWS
        if known.get(key) and not (key == "goodput" and known[key]["p50"] == 1)
    ]


TILES = (
    "Training FLOP",
    "Utilisation (MFU)",
    "GPU-hours",
    "Days",
    "Cost, rented",
    "The whole programme, rented",
    "Energy",
)


def _table(figures: list[tuple[str, str]]) -> Table:
    return Table("All figures", ("figure", "median (5th–95th percentile)"), figures)


def _costs(result: Result) -> Chart | None:
    picture = drawn.costs(result)
    if picture is None:
        return None
    cells = [(row["name"], row["text"]) for row in picture.rows]
    for part, given in result["amortised_parts_usd"].items():
        if given:
            label = f"of the hardware used up: {part.replace('_', ' ')}"
            cells.append((label, money_interval(distribution(given))))
    return Chart(picture, Table("Cost by way", ("way", "median (5th–95th)"), cells))
