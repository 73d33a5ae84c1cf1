"""A priced run in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from computebill.views.result import Result, distribution
from computebill.views.run import ROWS
from computebill.views.text import count, duration_interval, money_interval, percent_interval

from . import logs, plan
from .answer import Answer, figure

UNNAMED = "run"
"""Name of a run that was given none."""

TILES = (
    "Training FLOP",
    "Utilisation (MFU)",
    "GPU-hours",
    "Wall-clock time",
    "Cost, rented",
    "The whole programme, rented",
    "Energy",
)


def answer(result: Result) -> Answer:
    """Tell what a run takes and costs; first of all that it may not fit."""
    doubt = result.get("memory_doubt")
    nearest = result.get("nothing_fits")
    first = f"Does not fit: {nearest}." if nearest else doubt
    told = _sentence(result, "If it fits, the run" if first else "The run")
    figures = [figure(label, text) for label, text in figures_of(result) if label in TILES]
    notes = [each for each in result.get("notes", ()) if each != doubt]
    if result.get("watched"):
        told = f"{logs.watched(result)} As predicted: {told[:1].lower()}{told[1:]}"
    return Answer(title(result), f"{first} {told}" if first else told, figures, notes)


def title(result: Result) -> str:
    """Return the name of a run, or its size, and what it is on."""
    on = result.get("accelerator_title", result["accelerator"])
    if result.get("count"):
        on = f"{result['count']:,.0f} x {on}"
    name = result["name"] if result["name"] != UNNAMED else _size(result)
    return f"{name}: {on}" if name else on


def heading(result: Result) -> str:
    """Return what a run is, how long it takes, and its layout, for a picture that stands alone."""
    told = [title(result)]
    if result["days"]:
        told.append(duration_interval(distribution(result["days"])))
    if result.get("layout"):
        told.append(plan.described(result))
    return ", ".join(told)


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


def _sentence(result: Result, who: str) -> str:
    told = f"{who} takes {_written('gpu_hours', result['gpu_hours'])} GPU-hours"
    if result["days"]:
        told += f", {duration_interval(distribution(result['days']))}"
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
    return f"{told}.{_best_layout(result)}"


def _best_layout(result: Result) -> str:
    """Tell what the best layout found would take; nothing where none was looked for."""
    best = result.get("best_layout")
    if not best:
        return ""
    usd = "" if best["cost_usd"] is None else f" and {plan.rented(best)}"
    took = f"{duration_interval(distribution(best['days']))}{usd}"
    reached = percent_interval(distribution(best["mfu"]))
    used = percent_interval(distribution(result["mfu"]))
    return (
        f" That is at the utilisation that real runs reached, {used}, their lost time in it; "
        f"{reached} is predicted on the best layout that `computebill plan` finds "
        f"({plan.described(best)}), which would take {took}."
    )


_WRITERS: dict[str, Callable[[Any], str]] = {key: write for _, key, write, _ in ROWS}


def _written(key: str, given: Any) -> str:
    return _WRITERS[key](distribution(given))


def figures_of(result: Result) -> list[tuple[str, str]]:
    """Return label and text of every figure that is known."""
    flop = {"flop": result["flop"]["model"], "flop_hardware": result["flop"]["hardware"]}
    whole = {key: result.get(f"{key}_usd") for key in ("programme", "exploration")}
    known = {**result, **result["cost_ways_usd"], **result["amortised_parts_usd"], **flop, **whole}
    return [
        (label.strip(), write(distribution(known[key])) + unit)
        for label, key, write, unit in ROWS
        if known.get(key) and not (key == "goodput" and known[key]["p50"] == 1)
    ]
