"""The look of a page's charts, and the parts that many of them share.

Text and thin lines have the colour of the page's text, light or dark; in a picture it is dark. Data
colours stand out from both backgrounds, 3 to 1 or more.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import altair as alt

from computebill.uncertainty.distribution import Distribution

INK = "currentColor"
FINAL, REST, MAIN, OTHER = "#d1495b", "#84919d", "#2e86ab", "#8c63b5"
PALETTE = (MAIN, "#c4720a", "#1a936f", OTHER, FINAL, "#7d8c4f", "#a0694b", REST)
ROW = 34
"""Height of a bar with its label, pixels."""
NAME_WIDTH = 38
"""Characters of a name in one line."""
LONG = 24
"""Characters of a name beyond which a legend has two columns."""
LINE = 16
"""Height of a line of a name, pixels."""
MARGIN = 28
EDGE = 1.04
"""Where an axis from nothing ends, of its largest mark: the mark is not cut."""
LOWEST = 1e-3
"""Where a logarithmic axis begins at the latest, of its smallest median."""
HALO = "#ffffff"
"""Behind text upon marks, on paper; a page puts its own colour in its place."""
ROOM = {"x": ("width", 170), "y": ("height", 55)}
"""Pixels a decade from which 2 and 5 have a label on a logarithmic axis."""
PICTURE_WIDTH = 760
FONT = "system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', Arial, sans-serif"

# 51M becomes 51 M, 2G becomes 2 B.
_SHORT = "replace(replace(format(datum.value, '{form}'), 'G', 'B'), regexp('([kMBTP])$'), ' $1')"
_SMALL = "abs(datum.value) < 1 ? format(datum.value, '{form}') : "
DOLLARS = _SMALL.format(form="$.2~r") + _SHORT.format(form="$~s")
COUNTS = _SMALL.format(form=".2~r") + _SHORT.format(form="~s")
PERCENT = "format(datum.value * 100, '.3~r') + ' %'"
FLOP = "replace(format(datum.value, '.0e'), '+', '')"

KINDS = {
    "final run": FINAL,
    "final runs": FINAL,
    "experiments": MAIN,
    "all else": REST,
    "whole": OTHER,
    "counted": MAIN,
    "not counted": REST,
    "variant": MAIN,
    "one change after another": REST,
}
"""Colours that mean the same in every chart."""

Rows = Sequence[Mapping[str, Any]]


def look(ink: str) -> dict[str, Any]:
    """Return the configuration of all charts; ``ink`` is the colour of text and lines."""
    text = {"labelColor": ink, "titleColor": ink, "labelFontSize": 12, "titleFontSize": 12}
    return {
        "font": FONT,
        "background": None,
        "view": {"stroke": None},
        "axis": {
            **text,
            "titleFontWeight": 500,
            "domain": False,
            "tickColor": ink,
            "tickOpacity": 0.4,
            "gridColor": ink,
            "gridOpacity": 0.14,
            "labelOverlap": True,
            "labelSeparation": 4,
        },
        "axisY": {"labelLimit": 260},
        "axisX": {"labelFlush": True},
        "legend": {
            **text,
            "orient": "bottom",
            "direction": "horizontal",
            "title": None,
            "labelLimit": 300,
            "symbolOpacity": 1,
            "columns": 4,
        },
        "title": {"color": ink, "subtitleColor": ink, "anchor": "start", "fontSize": 16},
        "range": {"category": list(PALETTE)},
    }


def data(rows: Rows) -> Any:
    """Return rows as the chart holds them, long names in lines."""
    return alt.InlineData(values=folded(rows))


def folded(rows: Rows) -> list[dict[str, Any]]:
    """Return rows with long names in lines."""
    return [
        {**row, "name": textwrap.fill(str(row["name"]), NAME_WIDTH)} if "name" in row else {**row}
        for row in rows
    ]


def names(field: str, rows: Rows) -> Any:
    """Return an axis of names, in the order of the rows; long ones take several lines."""
    order = list(dict.fromkeys(str(row[field]) for row in folded(rows)))
    shown = alt.Axis(grid=False, labelOverlap=False, labelExpr="split(datum.label, '\\n')")
    return alt.Y(f"{field}:N", sort=order, title=None, axis=shown)


def tall(rows: Rows, step: int) -> int:
    """Return the height of a chart of so many names, pixels; more where names take more lines."""
    found = {str(row["name"]) for row in folded(rows)}
    lines = max(name.count("\n") + 1 for name in found)
    return max(step, LINE * lines + 8) * len(found)


def amount(
    field: str,
    title: str,
    labels: str,
    *,
    is_log: bool = False,
    zero: bool = True,
    ends: tuple[float, float] | None = None,
) -> Any:
    """Return a horizontal axis of amounts.

    Args:
        field: that is drawn.
        title: of the axis.
        labels: how its numbers are written.
        is_log: whether it is logarithmic.
        zero: whether it begins at nothing.
        ends: of the axis, in place of what the data say.
    """
    return alt.X(f"{field}:Q", **_amount("x", title, labels, is_log, zero, ends))


def height(
    field: str,
    title: str,
    labels: str,
    *,
    is_log: bool = False,
    zero: bool = True,
    ends: tuple[float, float] | None = None,
) -> Any:
    """Return a vertical axis of amounts, as ``amount`` does."""
    return alt.Y(f"{field}:Q", **_amount("y", title, labels, is_log, zero, ends))


def from_nothing(values: Iterable[float]) -> tuple[float, float]:
    """Return the ends of an axis from nothing that cuts no mark, at nothing or the largest."""
    most = max(values)
    return (1.0 - EDGE) / 2 * most, EDGE * most


def _amount(
    channel: str,
    title: str,
    labels: str,
    is_log: bool,
    zero: bool,
    ends: tuple[float, float] | None,
) -> dict[str, Any]:
    axis = alt.Axis(labelExpr=labels, tickCount=6)
    if is_log:
        scale = alt.Scale(type="log", nice=False, padding=MARGIN)
        told = _told_ticks(channel)
        # Of a short axis the even steps between 100 and 200 are told too.
        count = alt.ExprRef(f"{_times(channel)} < 3 ? 14 : {_times(channel)} < 10 ? 20 : 6")
        axis = alt.Axis(labelExpr=f"{told} ? {labels} : ''", tickCount=count)
        # Lines at every ninth of a decade would hide the data. Of the opacity that all lines have.
        axis.gridOpacity = {"condition": {"test": told, "value": 1.0}, "value": 0.2}
    elif ends is not None:
        scale = alt.Scale(domain=list(ends), nice=False)
    else:
        # Room for what is written beside a mark, pixels.
        scale = alt.Scale(zero=zero, nice=False, padding=0 if zero else MARGIN)
    return {"title": title, "scale": scale, "axis": axis}


def _told_ticks(channel: str) -> str:
    """Return which ticks of a logarithmic axis have a label, zoomed too: all, 1, 2 and 5, or 1."""
    size, least = ROOM[channel]
    room = f"{size} * LN10 / log({_times(channel)})"
    digit = "format(datum.value / pow(10, floor(log(datum.value) / LN10 + 1e-9)), '.3~r')"
    few = f"{room} > {least} && ({digit} === '2' || {digit} === '5')"
    return f"({_times(channel)} < 10 || {digit} === '1' || {few})"


def _times(channel: str) -> str:
    """Return how many times its beginning an axis' end is."""
    return f"(domain('{channel}')[1] / domain('{channel}')[0])"


def dates(field: str) -> Any:
    """Return a horizontal axis of years, with room for what stands at its ends."""
    scale = alt.Scale(padding=MARGIN, nice=False)
    axis = alt.Axis(format="%Y", tickCount="year")
    return alt.X(f"{field}:T", title=None, scale=scale, axis=axis)


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
    rows: Rows,
    title: str,
    labels: str,
    *,
    is_log: bool,
    of: str = "part",
    told: str = "median (5th–95th)",
) -> Any:
    """Draw medians as points, 5th to 95th percentile as lines, one row a name.

    Args:
        rows: name, p5, p50, p95, text, and kind where there are several.
        title: of the axis.
        labels: how its numbers are written.
        is_log: whether the axis is logarithmic, where anything is more than nothing.
        of: what a name is of.
        told: what text is, where the ends are other percentiles.
    """
    is_log = is_log and any(row["p95"] > 0 for row in rows)
    kinds = list(dict.fromkeys(str(row.get("kind", "")) for row in rows))
    drawn = _above(rows) if is_log else [{**row, "at": row["p50"], "cut": False} for row in rows]
    tooltip = tips(name=of, text=told)
    base = alt.Chart(data(drawn)).encode(y=names("name", rows), tooltip=tooltip)
    colour, opacity, params = alt.value(MAIN), alt.value(1.0), [zoom("x")]
    if len(kinds) > 1:
        colour = colours("kind", kinds, [KINDS[kind] for kind in kinds])
        chosen, opacity = toggled("kind")
        params.append(chosen)
    base = base.encode(color=colour, opacity=opacity)
    ends = (EDGE * min(0.0, *(row["p5"] for row in rows)), EDGE * max(row["p95"] for row in rows))
    x = amount("p5", title, labels, is_log=is_log, ends=ends)
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
    return whole.properties(height=tall(rows, ROW + 8))


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


def goes_below(rows: Rows) -> str:
    """Say what the arrows of a logarithmic axis are, where there are any."""
    if not any(row["p95"] > 0 for row in rows) or all(row["p5"] >= _floor(rows) for row in rows):
        return ""
    return " An arrow goes on below the axis."


def bars(rows: Rows, title: str, labels: str, of: str = "part") -> Any:
    """Draw one bar a name: ``name``, ``value``, ``text``."""
    base = alt.Chart(data(rows)).encode(y=names("name", rows), tooltip=tips(name=of, text=title))
    shapes = base.mark_bar(color=MAIN, height={"band": 0.7}).encode(
        x=amount("value", title, labels)
    )
    texts = base.mark_text(color=INK, fontSize=12, align="left", dx=5).encode(
        x="value:Q", text="text:N"
    )
    return alt.layer(shapes, texts).properties(height=tall(rows, ROW - 6))


def dots(
    rows: Rows, by: str, title: str, labels: str, tooltip: list[Any], palette: Sequence[str]
) -> Any:
    """Draw several values a name, a dot each: ``name``, ``value``, and ``by``, which colours it.

    Args:
        rows: to draw.
        by: field that tells the values of a name apart.
        title: of the axis.
        labels: how its numbers are written.
        tooltip: as ``tips`` returns it.
        palette: of ``by``, in the order of the rows.
    """
    order = list(dict.fromkeys(str(row[by]) for row in rows))
    chosen, opacity = toggled(by)
    reached = from_nothing(row["value"] for row in rows)
    return (
        alt.Chart(data(rows))
        .mark_point(filled=True, size=80)
        .encode(
            y=names("name", rows),
            x=amount("value", title, labels, ends=reached),
            color=colours(by, order, palette),
            opacity=opacity,
            tooltip=tooltip,
        )
        .add_params(chosen, zoom("x"))
        .properties(height=tall(rows, 24))
    )


def waterfall(rows: Rows, title: str, labels: str) -> Any:
    """Draw steps that add up: ``name``, ``start``, ``end``, ``low``, ``high``, ``kind``, ``text``.

    ``low`` and ``high`` are where the step would end at its 5th and 95th percentile.
    """
    kinds = list(dict.fromkeys(str(row["kind"]) for row in rows))
    colour = colours("kind", kinds, [KINDS[kind] for kind in kinds])
    reached = [row[key] for row in rows for key in ("end", "low", "high")]
    x = amount("start", title, labels, ends=(1.08 * min(0.0, *reached), 1.08 * max(reached)))
    chosen, opacity = toggled("kind")
    base = alt.Chart(data(rows)).encode(
        y=names("name", rows), tooltip=tips(name="part", text="mean (5th–95th percentile)")
    )
    shapes = (
        base.mark_bar(height=21)
        .encode(x=x, x2="end:Q", color=colour, opacity=opacity)
        .add_params(chosen, zoom("x"))
    )
    lines = base.mark_rule(color=INK, strokeWidth=1.5).encode(x="low:Q", x2="high:Q")
    look: dict[str, Any] = {"color": INK, "fontSize": 12, "baseline": "bottom", "dy": -12}
    up = base.transform_filter("datum.end >= datum.start").mark_text(**look, align="left")
    down = base.transform_filter("datum.end < datum.start").mark_text(**look, align="right")
    texts = [each.encode(x="start:Q", text="short:N") for each in (up, down)]
    return alt.layer(shapes, lines, *texts).properties(height=tall(rows, ROW + 16))


def tornado(rows: Rows, title: str, labels: str) -> Any:
    """Draw how far each input moves a result: ``name``, ``middle``, ``at``, ``end``, ``text``."""
    order = ["at its 5th percentile", "at its 95th percentile"]
    chosen, opacity = toggled("end")
    base = alt.Chart(data(rows)).encode(
        y=names("name", rows), tooltip=tips(name="assumption", end="where it is", text=title)
    )
    shapes = (
        base.mark_bar(height={"band": 0.66})
        .encode(
            x=amount("middle", title, labels, zero=False),
            x2="at:Q",
            color=colours("end", order, (MAIN, "#c4720a")),
            opacity=opacity,
        )
        .add_params(chosen, zoom("x"))
    )
    middle = alt.Chart(data([{"middle": rows[0]["middle"]}]))
    line = middle.mark_rule(color=INK, strokeWidth=1.5).encode(x="middle:Q")
    return alt.layer(shapes, line).properties(height=tall(rows, ROW - 6))
