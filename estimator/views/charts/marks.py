"""Marks that many charts share; those that are drawn again and again have their shapes kept."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import altair as alt

from computebill.uncertainty.distribution import Distribution

from .axes import EDGE, ROW, Room, amount, from_nothing, names, room_of, tall
from .look import HALO, INK, KINDS, MAIN, PALETTE
from .picture import ROWS, Picture, Rows, shape_of

LONG = 24
"""Characters of a name beyond which a legend has two columns."""
LOWEST = 1e-3
"""Where a logarithmic axis begins at the latest, of its smallest median."""
SHAPES = 256
"""That are kept of each kind of chart: one takes 50 ms, its rows none."""


def upon(base: Any, **look: Any) -> list[Any]:
    """Return text that stays legible upon marks: its halo, and itself."""
    return [
        base.mark_text(**look, color=HALO, stroke=HALO, strokeWidth=4, strokeJoin="round"),
        base.mark_text(**look, color=INK),
    ]


def tips(**fields: str) -> list[Any]:
    """Return what hovering shows: titles by field, all of them text."""
    return [alt.Tooltip(f"{field}:N", title=title) for field, title in fields.items()]


def zoom(*encodings: str) -> Any:
    """Return a selection: drag to move, the wheel with Ctrl to zoom, a double click goes back."""
    return alt.selection_interval(
        name="zoom",
        bind="scales",
        encodings=list(encodings or ("x", "y")),  # type: ignore[arg-type]
        zoom="wheel![event.ctrlKey || event.metaKey]",
    )


def toggled(field: str) -> tuple[Any, Any]:
    """Return a selection by the legend, and the opacity that shows it."""
    chosen = alt.selection_point(
        name=f"chosen_{field}", fields=[field], bind="legend", toggle="true"
    )
    return chosen, alt.condition(chosen, alt.value(0.85), alt.value(0.06))


def colours(field: str, order: Sequence[str], palette: Sequence[str] = PALETTE) -> Any:
    """Return a colour by name, with a legend in the given order."""
    used = [palette[place % len(palette)] for place in range(len(order))]
    scale = alt.Scale(domain=list(order), range=used)
    if max(map(len, order), default=0) <= LONG:
        return alt.Color(f"{field}:N", title=None, scale=scale)
    return alt.Color(f"{field}:N", title=None, scale=scale, legend=alt.Legend(columns=2))


def ends(value: Distribution) -> dict[str, float]:
    """Return the fields that an interval is drawn from."""
    return {"p5": value.p5, "p50": value.p50, "p95": value.p95}


def intervals(
    title: str,
    says: str,
    rows: Rows,
    axis: tuple[str, str],
    *,
    is_log: bool,
    of: str = "part",
    told: str = "median (5th–95th)",
) -> Picture:
    """Draw medians as points, 5th to 95th percentile as lines, one row a name.

    Args:
        title: heading.
        says: how to read it; what goes below a logarithmic axis is said too.
        rows: name, p5, p50, p95, text, short, and kind where there are several.
        axis: its title, and how its numbers are written.
        is_log: whether the axis is logarithmic, where anything is more than nothing.
        of: what a name is of.
        told: what text is, where the ends are other percentiles.
    """
    is_log = is_log and any(row["p95"] > 0 for row in rows)
    ends = None
    if is_log:
        if any(row["p5"] < _floor(rows) for row in rows):
            says += " An arrow goes on below the axis."
        rows = _above(rows)
    else:
        low, high = min(row["p5"] for row in rows), max(row["p95"] for row in rows)
        ends = (EDGE * min(0.0, low), EDGE * high)
        rows = [{**row, "at": row["p50"], "cut": False} for row in rows]
    kinds = tuple(dict.fromkeys(str(row.get("kind", "")) for row in rows))
    return Picture(title, says, _intervals(room_of(rows), kinds, axis, ends, of, told), rows)


@lru_cache(SHAPES)
def _intervals(
    room: Room,
    kinds: tuple[str, ...],
    axis: tuple[str, str],
    ends: tuple[float, float] | None,
    of: str,
    told: str,
) -> dict[str, Any]:
    base = alt.Chart(ROWS).encode(y=names(), tooltip=tips(name=of, text=told))
    colour, opacity, params = alt.value(MAIN), alt.value(1.0), [zoom("x")]
    if len(kinds) > 1:
        colour = colours("kind", kinds, [KINDS[kind] for kind in kinds])
        chosen, opacity = toggled("kind")
        params.append(chosen)
    base = base.encode(color=colour, opacity=opacity)
    x = amount("p5", *axis, is_log=ends is None, ends=ends)
    lines = base.transform_filter("datum.p95 > datum.p5").mark_rule(strokeWidth=3)
    points = base.transform_filter("datum.p50 === datum.at").mark_point(filled=True, size=80)
    arrows = base.transform_filter("datum.cut").mark_point(
        shape="triangle-left", filled=True, size=130
    )
    texts = base.mark_text(fontSize=12, dy=-7, baseline="bottom").encode(
        x="at:Q", text="short:N", color=alt.value(INK)
    )
    layers = (lines.encode(x=x, x2="p95:Q"), points.encode(x="at:Q"), arrows.encode(x="p5:Q"))
    whole = alt.layer(*layers, texts).add_params(*params)
    return shape_of(whole.properties(height=tall(room, ROW + 8)))


def _floor(rows: Rows) -> float:
    """Return where a logarithmic axis begins: a stray low end shall not press all else together."""
    above = [row[key] for row in rows for key in ("p5", "p50", "p95") if row[key] > 0]
    middles = [row["p50"] for row in rows if row["p50"] > 0]
    return float(max(min(above), LOWEST * min(middles, default=0.0)))


def _above(rows: Rows) -> list[dict[str, Any]]:
    """Return rows with what lies below a logarithmic axis at its beginning."""
    floor = _floor(rows)
    return [
        {
            **row,
            "p5": max(row["p5"], floor),
            "p95": max(row["p95"], floor),
            "at": max(row["p50"], floor),
            "cut": row["p5"] < floor,
        }
        for row in rows
    ]


def bars(title: str, says: str, rows: Rows, axis: tuple[str, str], of: str = "part") -> Picture:
    """Draw one bar a name: ``name``, ``value``, ``text``; the axis as ``intervals`` has it."""
    return Picture(title, says, _bars(room_of(rows), axis, of), rows)


@lru_cache(SHAPES)
def _bars(room: Room, axis: tuple[str, str], of: str) -> dict[str, Any]:
    base = alt.Chart(ROWS).encode(y=names(), tooltip=tips(name=of, text=axis[0]))
    shapes = base.mark_bar(color=MAIN, height={"band": 0.7}).encode(x=amount("value", *axis))
    texts = base.mark_text(color=INK, fontSize=12, align="left", dx=5).encode(
        x="value:Q", text="text:N"
    )
    return shape_of(alt.layer(shapes, texts).properties(height=tall(room, ROW - 6)))


def dots(
    rows: Rows, by: str, axis: tuple[str, str], tooltip: list[Any], palette: Sequence[str]
) -> dict[str, Any]:
    """Return the shape of several values a name, a dot each.

    Args:
        rows: ``name``, ``value``, and ``by``.
        by: field that tells the values of a name apart, and colours them.
        axis: its title, and how its numbers are written.
        tooltip: as ``tips`` returns it.
        palette: of ``by``, in the order of the rows.
    """
    order = list(dict.fromkeys(str(row[by]) for row in rows))
    chosen, opacity = toggled(by)
    reached = from_nothing(row["value"] for row in rows)
    return shape_of(
        alt.Chart(ROWS)
        .mark_point(filled=True, size=80)
        .encode(
            y=names(),
            x=amount("value", *axis, ends=reached),
            color=colours(by, order, palette),
            opacity=opacity,
            tooltip=tooltip,
        )
        .add_params(chosen, zoom("x"))
        .properties(height=tall(room_of(rows), 24))
    )
