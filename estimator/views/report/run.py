"""A priced run, as a page tells it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import altair as alt

from computebill.training.memory import PARTS
from computebill.views.run import ROWS
from computebill.views.text import count, digits, money, money_interval, percent, percent_interval

from . import drawing
from .document import Chart, Report, Result, Section, Table, distribution, figure, parts, sections
from .steps import Part, tornado, waterfall

WAYS = {
    "cloud": "rented",
    "amortised": "hardware used up + energy",
    "upfront": "buying the cluster",
}
MOVED: dict[str, tuple[str, Callable[[float], str], str]] = {
    "cloud": ("rented cost", money, drawing.DOLLARS),
    "amortised": ("cost of hardware used up and energy", money, drawing.DOLLARS),
    "gpu_hours": ("GPU-hours", count, drawing.COUNTS),
}
UNNAMED = "run"
"""Name of a run that was given none."""


def report(result: Result) -> Report:
    """Tell one run."""
    figures = _figures(result)
    tiles = [figure(label, text) for label, text in figures if label in TILES]
    found = sections(
        Section("What it costs", parts([_costs(result), _programme(result), _table(figures)])),
        Section("What drives it", parts([_tornado(result)])),
        Section("Speed", parts([_scaling(result), _breakdown(result)])),
        Section("Memory of the fullest GPU", parts([_memory(result)])),
    )
    notes = result.get("notes", ())
    return Report(title(result), _answer(result), tiles, found, notes=notes).told(result)


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
    rows, cells = [], []
    for way, label in WAYS.items():
        if not result["cost_ways_usd"].get(way):
            continue
        usd = distribution(result["cost_ways_usd"][way])
        text = money_interval(usd)
        rows.append({"name": label, "text": text, "short": text, **drawing.ends(usd)})
        cells.append((label, text))
    for part, given in result["amortised_parts_usd"].items():
        if given:
            label = f"of the hardware used up: {part.replace('_', ' ')}"
            cells.append((label, money_interval(distribution(given))))
    if not rows:
        return None
    return Chart(
        "Cost, by the way it is counted",
        f"Median and 5th to 95th percentile, on a logarithmic axis.{drawing.goes_below(rows)}",
        drawing.intervals(rows, "USD", drawing.DOLLARS, is_log=True, of="way"),
        Table("Cost by way", ("way", "median (5th–95th)"), cells),
    )


def _programme(result: Result) -> Chart | None:
    given = [
        ("this run, rented", "final run", result["cost_ways_usd"].get("cloud")),
        ("experiments and all else", "all else", result.get("exploration_usd")),
        ("the whole programme", "whole", result.get("programme_usd")),
    ]
    if not all(usd for _, _, usd in given):
        return None
    found = [Part(name, kind, distribution(usd)) for name, kind, usd in given]
    says = "What the run is of its programme is assumed, not known. "
    return waterfall("From this run to the whole programme", says, found)


def _tornado(result: Result) -> Chart | None:
    of, write, labels = MOVED.get(result.get("swings_of") or "", MOVED["cloud"])
    found = result.get("swings") or []
    unit = " (USD)" if write is money else ""
    return tornado("What moves the result", found, of, write, labels, unit)


def _scaling(result: Result) -> Chart | None:
    given = result.get("scaling") or []
    if len(given) < 2:
        return None
    now = (result["layout"] or {}).get("accelerators")
    rows = [
        {
            **each,
            "text": percent_interval(distribution({**each, "mean": each["p50"]})),
            "count": f"{each['gpus']:,.0f}",
            "what": "this run" if each["gpus"] == now else "another number of GPUs",
        }
        for each in given
    ]
    return Chart(
        "Utilisation against the number of GPUs",
        "The same global batch on more and on fewer GPUs; the band is the 5th to 95th percentile "
        "of the step model's error, the ringed point this run.",
        _scaling_line(rows),
        Table("Utilisation", ("GPUs", "MFU"), [(row["count"], row["text"]) for row in rows]),
    )


def _scaling_line(rows: drawing.Rows) -> Any:
    base = alt.Chart(drawing.data(rows)).encode(
        x=drawing.amount("gpus", "GPUs", drawing.COUNTS, is_log=True),
        tooltip=drawing.tips(count="GPUs", text="MFU", what="it is"),
    )
    title = "MFU"
    band = base.mark_area(color=drawing.MAIN, opacity=0.18).encode(
        y=drawing.height("p5", title, drawing.PERCENT), y2="p95:Q"
    )
    line = base.mark_line(color=drawing.MAIN, strokeWidth=2.5).encode(y="p50:Q")
    points = base.mark_point(color=drawing.MAIN, filled=True, opacity=1, size=50).encode(y="p50:Q")
    ring = (
        base.transform_filter("datum.what === 'this run'")
        .mark_point(color=drawing.INK, size=220, strokeWidth=2, filled=False, fillOpacity=0)
        .encode(y="p50:Q")
    )
    whole = alt.layer(band, line, points, ring).add_params(drawing.zoom())
    return whole.properties(height=260)


def _breakdown(result: Result) -> Chart | None:
    given = {key: value for key, value in (result["breakdown_seconds"] or {}).items() if value > 0}
    if not given:
        return None
    whole = sum(given.values())
    rows = [
        {"name": name, "value": value, "text": f"{digits(value)} s, {percent(value / whole)}"}
        for name, value in given.items()
    ]
    return Chart(
        "What a step's time is spent on",
        f"As predicted, {digits(whole)} s in all; a utilisation given in its place is not in it.",
        drawing.bars(rows, "seconds", drawing.COUNTS),
        Table("A step's time", ("part", "time"), [(row["name"], row["text"]) for row in rows]),
    )


def _memory(result: Result) -> Chart | None:
    given = result["memory_gb"]
    if not given:
        return None
    rows = [
        {"name": part, "value": given[part], "text": f"{digits(given[part])} GB"} for part in PARTS
    ]
    limit = result.get("accelerator_memory_gb")
    says = "Weights, gradients, optimizer states, activations and what else a GPU holds."
    if limit:
        fits = "fits" if given["total"] <= limit else "does not fit"
        says += f" The whole {fits} in {limit:g} GB."
    return Chart(
        "Memory in its parts",
        says,
        drawing.bars(rows, "GB", drawing.COUNTS),
        Table("Memory", ("part", "GB"), [(row["name"], row["text"]) for row in rows]),
    )
