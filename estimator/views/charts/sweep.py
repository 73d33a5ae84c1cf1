"""Charts of a research programme: where its money goes, and its accelerators over time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import altair as alt

from computebill.views.result import Result, distribution
from computebill.views.text import digits, size_range

from .axes import amount
from .look import COUNTS, INK
from .marks import bars, colours, ends, intervals, tips, toggled, zoom
from .picture import ROWS, Picture, shape_of
from .steps import COUNT, USD, Part, Unit, waterfall


def unit_of(result: Result) -> tuple[str, str, Unit]:
    """Return the key, the axis' title and the unit that a programme is told in."""
    if result["cost_usd"] is not None:
        return "cost_usd", "cost, rented (USD)", USD
    return "gpu_hours", "GPU-hours", COUNT


def ordered(result: Result) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Return name, kind and figures of the groups, the largest first, then of the final run."""
    groups = sorted(result["groups"], key=lambda group: -group["share"])
    found = [(group["name"], "experiments", group) for group in groups]
    if result["final"] is not None:
        found.append(("final run", "final run", result["final"]))
    return found


def groups(result: Result) -> Picture:
    """Return what each group and the final run take."""
    key, title, unit = unit_of(result)
    rows = []
    for name, kind, each in ordered(result):
        value = distribution(each[key])
        if value.is_known:
            text, short = unit.interval(value), unit.one(value.p50)
            rows.append({"name": name, "kind": kind, "text": text, "short": short, **ends(value)})
    says = "Median and 5th to 95th percentile, on a logarithmic axis."
    return intervals("By group", says, rows, (title, unit.labels), is_log=True, of="group")


def whole(result: Result) -> Picture | None:
    """Return the final run and the groups one after the other; None without a final run."""
    key, title, unit = unit_of(result)
    if result["final"] is None or result["final"][key] is None:
        return None
    *experiments, final = ordered(result)
    found = [
        Part(name, kind, distribution(each[key])) for name, kind, each in (final, *experiments)
    ]
    found.append(Part("whole programme", "whole", sum(part.value.mean for part in found)))
    return waterfall("From the final run to the whole programme", "", found, unit, title)


def size_name(low: float | None, high: float | None) -> str:
    """Return a range of active parameters as people read it."""
    return size_range(math.nan if low is None else low, high or math.inf)


def sizes(result: Result) -> Picture | None:
    """Return what experiments of each size take; None where fewer than two sizes are known."""
    key, title, unit = unit_of(result)
    if sum(each["params_from"] is not None for each in result["by_size"]) < 2:
        return None
    rows = [
        {
            "name": size_name(each["params_from"], each["params_below"]),
            "value": each[key] or 0.0,
            "text": unit.one(each[key] or 0.0),
        }
        for each in result["by_size"]
    ]
    says = (
        "Medians only: that of all experiments, divided as the means of the sizes are. The table "
        "tells what is saved without the largest."
    )
    of = "active parameters"
    return bars("By active parameters", says, rows, (title, unit.labels), of)


def usage(result: Result) -> Picture | None:
    """Return the GPUs at work over time, by group; None without a cluster."""
    given = (result["schedule"] or {}).get("usage")
    if not given:
        return None
    rows = [
        {"day": day, "gpus": gpus, "group": group, "text": f"{gpus:,}", "when": digits(day)}
        for group, counts in given["gpus"].items()
        for day, gpus in zip(given["days"], counts, strict=True)
    ]
    says = "The groups one on another; the dashed line is the whole cluster."
    more = {"cluster": [{"gpus": result["schedule"]["gpus"]}]}
    return Picture("GPUs at work over time", says, _areas(list(given["gpus"])), rows, more)


def _areas(order: list[str]) -> dict[str, Any]:
    chosen, opacity = toggled("group")
    axis = alt.Axis(labelExpr=COUNTS)
    area = (
        alt.Chart(ROWS)
        .mark_area(interpolate="step-after")
        .encode(
            x=amount("day", "day", COUNTS),
            y=alt.Y("gpus:Q", stack="zero", title="GPUs at work", axis=axis),
            color=colours("group", order),
            opacity=opacity,
            tooltip=tips(group="group", when="from day", text="GPUs"),
        )
        .add_params(chosen, zoom("x"))
    )
    rule = alt.Chart(alt.NamedData("cluster")).mark_rule(
        color=INK, strokeDash=[6, 4], strokeWidth=1.5
    )
    return shape_of(alt.layer(area, rule.encode(y="gpus:Q")).properties(height=300))
