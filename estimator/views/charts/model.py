"""Charts of a model's card and of its utilisation."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import altair as alt

from computebill.training.memory import PARTS
from computebill.views.result import Result
from computebill.views.text import digits, percent

from .axes import ROW, Room, names, room_of, tall
from .look import INK, PERCENT
from .marks import SHAPES, bars, colours, tips, toggled
from .picture import ROWS, Picture, shape_of


def operators(result: Result) -> Picture:
    """Return each operator's share of a token's FLOP."""
    per_token = result["flop_per_token"]
    whole = per_token["forward"] + per_token["backward"]
    rows = []
    for name, each in per_token["by_operator"].items():
        share = (each["forward"] + each["backward"]) / whole
        rows.append({"name": name.replace("_", " "), "value": share, "text": percent(share)})
    says = "Share of forward and backward together."
    axis = ("share of the FLOP", PERCENT)
    return bars("FLOP per token by operator", says, rows, axis, of="operator")


def memory(result: Result) -> Picture | None:
    """Return the memory of one GPU under each layout in its parts; None where no layout fits."""
    if not result["memory_gb"]:
        return None
    limit = result["accelerator_memory_gb"]
    rows = [
        {
            "name": use["name"],
            "part": part,
            "gb": use[part],
            "order": order,
            "text": f"{digits(use[part])} GB",
        }
        for use in result["memory_gb"]
        for order, part in enumerate(PARTS[:-1])
    ]
    most = min(4 * limit, max(use["total"] for use in result["memory_gb"]))
    says = f"The dashed line is the {limit:g} GB of {result['accelerator']}"
    # Of what is far too large, the beginning is enough.
    says += "; longer bars are cut off." if most == 4 * limit else "."
    shape, more = _stacks(room_of(rows), most), {"limit": [{"gb": limit}]}
    return Picture("Memory of one GPU, by layout", says, shape, rows, more)


@lru_cache(SHAPES)
def _stacks(room: Room, most: float) -> dict[str, Any]:
    chosen, opacity = toggled("part")
    shapes = (
        alt.Chart(ROWS)
        .mark_bar(clip=True, height={"band": 0.7})
        .encode(
            y=names(),
            x=alt.X("gb:Q", title="GB", scale=alt.Scale(domain=[0, most], nice=False)),
            color=colours("part", PARTS[:-1]),
            order="order:Q",
            opacity=opacity,
            tooltip=tips(name="layout", part="part", text="memory"),
        )
        .add_params(chosen)
    )
    line = alt.Chart(alt.NamedData("limit")).mark_rule(
        color=INK, strokeDash=[6, 4], strokeWidth=1.5
    )
    layers = alt.layer(shapes, line.encode(x="gb:Q"))
    return shape_of(layers.properties(height=tall(room, ROW - 4)))


def utilisation(result: Result) -> Picture | None:
    """Return the same speed under each convention; None where it is known under one alone."""
    rows = [
        {"name": name, "value": value, "text": percent(value)}
        for name, value in {**result["mfu"], "hfu": result["hfu"]}.items()
        if value is not None
    ]
    if len(rows) < 2:
        return None
    says = "The same speed, counted in different ways."
    axis = ("share of the peak", PERCENT)
    return bars("Utilisation by convention", says, rows, axis, of="convention")
