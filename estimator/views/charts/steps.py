"""What a total is made of, and what moves it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import altair as alt

from computebill.uncertainty.distribution import Distribution
from computebill.views.text import (
    count,
    count_interval,
    money,
    money_interval,
    percent,
    percent_interval,
)

from .axes import ROW, Room, amount, names, room_of, tall
from .look import COUNTS, DOLLARS, INK, KINDS, MAIN, PALETTE, PERCENT
from .marks import SHAPES, colours, tips, toggled, zoom
from .picture import ROWS, Picture, shape_of

MOST_BARS = 12
TEXT: dict[str, Any] = {"color": INK, "fontSize": 12, "baseline": "bottom", "dy": -12}


class Unit(NamedTuple):
    """How figures of a unit read, alone, with their interval, and on an axis."""

    one: Callable[[float], str]
    interval: Callable[[Distribution], str]
    labels: str


USD = Unit(money, money_interval, DOLLARS)
COUNT = Unit(count, count_interval, COUNTS)
SHARE = Unit(percent, percent_interval, PERCENT)


class Part(NamedTuple):
    """A step of a waterfall, its mean or its whole distribution."""

    name: str
    kind: str
    value: Any


def waterfall(
    title: str, says: str, found: Sequence[Part], unit: Unit = USD, axis: str = "USD"
) -> Picture:
    """Return parts one after the other; one of kind ``whole`` starts from nothing.

    Intervals are in words: a line that starts where the parts before end would tell of no draw.
    """
    rows = _steps(found, unit)
    middle = max(max(row["start"], row["end"]) for row in rows) / 2
    for row in rows:
        ends = sorted((row["start"], row["end"]))
        row["late"] = row["start"] > middle
        row["at"] = ends[-1] if row["late"] else ends[0]
    says += (
        "Bars are means, since means add up; figures are the median and the 5th to 95th "
        "percentile of each part by itself."
    )
    if not all(isinstance(part.value, Distribution) for part in found):
        says += " A figure alone is one number, or a sum or a rest whose interval is not known."
    kinds = tuple(dict.fromkeys(part.kind for part in found))
    return Picture(title, says, _waterfall(room_of(rows), kinds, (axis, unit.labels)), rows)


def _steps(found: Sequence[Part], unit: Unit) -> list[dict[str, Any]]:
    """Return a row a part, each from where the one before it ends."""
    rows: list[dict[str, Any]] = []
    at = 0.0
    for part in found:
        known = isinstance(part.value, Distribution)
        mean = part.value.mean if known else float(part.value)
        start = 0.0 if part.kind == "whole" else at
        at = start + mean
        text = f"mean {unit.one(mean)}"
        if known and part.value.p5 != part.value.p95:
            text += f"; median {unit.interval(part.value)}"
        rows.append(
            {
                "name": part.name,
                "kind": part.kind,
                "start": start,
                "end": at,
                "text": text,
                "short": unit.one(mean),
                "interval": unit.interval(part.value) if known else "",
                "told": unit.interval(part.value) if known else unit.one(mean),
            }
        )
    return rows


@lru_cache(SHAPES)
def _waterfall(room: Room, kinds: tuple[str, ...], axis: tuple[str, str]) -> dict[str, Any]:
    base, shapes = _bars(kinds, axis)
    early = base.transform_filter("!datum.late").mark_text(**TEXT, align="left")
    late = base.transform_filter("datum.late").mark_text(**TEXT, align="right")
    texts = [each.encode(x="at:Q", text="told:N") for each in (early, late)]
    return shape_of(alt.layer(shapes, *texts).properties(height=tall(room, ROW + 16)))


def _bars(kinds: tuple[str, ...], axis: tuple[str, str]) -> tuple[alt.Chart, alt.Chart]:
    """Return what all layers share, and the bars of the parts."""
    chosen, opacity = toggled("kind")
    base = alt.Chart(ROWS).encode(
        y=names(), tooltip=tips(name="part", text="mean (5th–95th percentile)")
    )
    shapes = (
        base.mark_bar(height=21)
        .encode(
            x=amount("start", *axis),
            x2="end:Q",
            color=colours("kind", kinds, [KINDS[kind] for kind in kinds]),
            opacity=opacity,
        )
        .add_params(chosen, zoom("x"))
    )
    return base, shapes


def swings(
    title: str, found: Sequence[Mapping[str, Any]], of: str, unit: Unit, axis: str = ""
) -> Picture | None:
    """Return how far each assumption moves a result; None where nothing does.

    Args:
        title: heading.
        found: assumption, p5, p50, p95 of the result with it at its ends, the widest first.
        of: the result's name.
        unit: of it.
        axis: the axis' title, where it is not the result's name.
    """
    if not found:
        return None
    rows = [
        {
            "name": each["assumption"],
            "middle": each["p50"],
            "at": each[key],
            "end": end,
            "text": unit.one(each[key]),
        }
        for each in found[:MOST_BARS]
        for key, end in zip(("p5", "p95"), ENDS, strict=True)
    ]
    says = (
        "Each assumption at the ends of its own interval, all others at their medians, where the "
        f"{of} is {unit.one(found[0]['p50'])}."
    )
    if len(found) > MOST_BARS:
        says += f" The {MOST_BARS} widest of {len(found)}."
    shape = _swings(room_of(rows), (axis or of, unit.labels))
    return Picture(title, says, shape, rows, {"middle": [{"middle": found[0]["p50"]}]})


ENDS = ("at its 5th percentile", "at its 95th percentile")


@lru_cache(SHAPES)
def _swings(room: Room, axis: tuple[str, str]) -> dict[str, Any]:
    chosen, opacity = toggled("end")
    base = alt.Chart(ROWS).encode(
        y=names(), tooltip=tips(name="assumption", end="where it is", text=axis[0])
    )
    shapes = (
        base.mark_bar(height={"band": 0.66})
        .encode(
            x=amount("middle", *axis, zero=False),
            x2="at:Q",
            color=colours("end", ENDS, (MAIN, PALETTE[1])),
            opacity=opacity,
        )
        .add_params(chosen, zoom("x"))
    )
    middle = alt.Chart(alt.NamedData("middle"))
    line = middle.mark_rule(color=INK, strokeWidth=1.5).encode(x="middle:Q")
    return shape_of(alt.layer(shapes, line).properties(height=tall(room, ROW - 6)))
