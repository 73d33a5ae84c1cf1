"""The look of a page's charts, and the parts that many of them share.

Text and thin lines have the colour of the page's text, light or dark; in a picture it is dark. Data
colours stand out from both backgrounds, 3 to 1 or more.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import altair as alt

from ...summary import Distribution

INK = "currentColor"
FINAL, REST, MAIN, OTHER = "#d1495b", "#84919d", "#2e86ab", "#8c63b5"
PALETTE = (MAIN, "#c4720a", "#1a936f", OTHER, FINAL, "#7d8c4f", "#a0694b", REST)
ROW = 34
"""Height of a bar with its label, pixels."""
NAME_WIDTH = 38
"""Characters of a name in one line."""
WIDE = 15.0
"""Ends of a logarithmic axis so far apart that not every tick has a label."""
MARGIN = 28
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
    """Return the height of a chart of so many names, pixels."""
    return step * len({row["name"] for row in rows})


def amount(field: str, title: str, labels: str, *, is_log: bool = False, zero: bool = True) -> Any:
    """Return a horizontal axis of amounts; ``labels`` is how its numbers are written."""
    return alt.X(f"{field}:Q", **_amount(title, labels, is_log=is_log, zero=zero))


def height(field: str, title: str, labels: str, *, is_log: bool = False, zero: bool = True) -> Any:
    """Return a vertical axis of amounts."""
    return alt.Y(f"{field}:Q", **_amount(title, labels, is_log=is_log, zero=zero))


def span(values: Iterable[float]) -> float:
    """Return how many times the smallest the largest is, of a logarithmic axis."""
    known = [value for value in values if value > 0]
    return max(known) / min(known) if known else 1.0


def thinned(labels: str, times: float) -> str:
    """Return labels of a logarithmic axis: of a long one, only where Vega would write any."""
    return labels if times < WIDE else f"datum.label === '' ? '' : {labels}"


# Lines at every ninth of a decade would hide the data. Of the opacity that all lines have.
_FEW_LINES = {"condition": {"test": "datum.label !== ''", "value": 1.0}, "value": 0.2}


def _amount(title: str, labels: str, *, is_log: bool, zero: bool) -> dict[str, Any]:
    # Room for what is written beside a mark, pixels.
    scale = alt.Scale(zero=zero, nice=False, padding=0 if zero else MARGIN)
    if is_log:
        scale = alt.Scale(type="log", nice=False, padding=MARGIN)
    axis = alt.Axis(labelExpr=labels, tickCount=6)
    if is_log:
        axis.gridOpacity = _FEW_LINES
    return {"title": title, "scale": scale, "axis": axis}


def tips(**fields: str) -> list[Any]:
    """Return what hovering shows: titles by field, all of them text."""
    return [alt.Tooltip(f"{field}:N", title=title) for field, title in fields.items()]


def zoom(*encodings: str) -> Any:
    """Return a selection: drag to move, the wheel with Ctrl to zoom, a double click goes back."""
    return alt.selection_interval(
        bind="scales",
        encodings=list(encodings or ("x", "y")),  # type: ignore[arg-type]
        zoom="wheel![event.ctrlKey || event.metaKey]",
    )


def toggled(field: str) -> tuple[Any, Any]:
    """Return a selection by the legend, and the opacity that shows it."""
    chosen = alt.selection_point(fields=[field], bind="legend", toggle="true")
    return chosen, alt.condition(chosen, alt.value(0.85), alt.value(0.06))


def colours(field: str, order: Sequence[str], palette: Sequence[str] = PALETTE) -> Any:
    """Return a colour by name, with a legend in the given order."""
    used = [palette[place % len(palette)] for place in range(len(order))]
    return alt.Color(f"{field}:N", title=None, scale=alt.Scale(domain=list(order), range=used))


def ends(value: Distribution) -> dict[str, float]:
    """Return the fields that an interval is drawn from."""
    return {"p5": value.p5, "p50": value.p50, "p95": value.p95}


def intervals(rows: Rows, title: str, labels: str, *, is_log: bool) -> Any:
    """Draw medians as points, 5th to 95th percentile as lines, one row a name.

    Args:
        rows: name, p5, p50, p95, text, and kind where there are several.
        title: of the axis.
        labels: how its numbers are written.
        is_log: whether the axis is logarithmic.
    """
    kinds = list(dict.fromkeys(str(row.get("kind", "")) for row in rows))
    base = alt.Chart(data(rows)).encode(
        y=names("name", rows), tooltip=tips(name="", text="median (5th–95th)")
    )
    colour = alt.value(MAIN)
    if len(kinds) > 1:
        colour = colours("kind", kinds, [KINDS[kind] for kind in kinds])
    if is_log:
        labels = thinned(labels, span(row[key] for row in rows for key in ("p5", "p95")))
    lines = base.mark_rule(strokeWidth=3, opacity=0.65).encode(
        x=amount("p5", title, labels, is_log=is_log), x2="p95:Q", color=colour
    )
    points = base.mark_point(filled=True, size=80, opacity=1).encode(x="p50:Q", color=colour)
    texts = base.mark_text(color=INK, fontSize=12, dy=-7, baseline="bottom").encode(
        x="p50:Q", text="short:N"
    )
    whole = alt.layer(lines, points, texts).add_params(zoom("x"))
    return whole.properties(height=tall(rows, ROW + 8))


def bars(rows: Rows, title: str, labels: str, colour: str = MAIN) -> Any:
    """Draw one bar a name: ``name``, ``value``, ``text``."""
    base = alt.Chart(data(rows)).encode(y=names("name", rows), tooltip=tips(name="", text=title))
    shapes = base.mark_bar(color=colour, height={"band": 0.7}).encode(
        x=amount("value", title, labels)
    )
    texts = base.mark_text(color=INK, fontSize=12, align="left", dx=5).encode(
        x="value:Q", text="text:N"
    )
    return alt.layer(shapes, texts).properties(height=tall(rows, ROW - 6))


def waterfall(rows: Rows, title: str, labels: str) -> Any:
    """Draw steps that add up: ``name``, ``start``, ``end``, ``low``, ``high``, ``kind``, ``text``.

    ``low`` and ``high`` are where the step would end at its 5th and 95th percentile.
    """
    kinds = list(dict.fromkeys(str(row["kind"]) for row in rows))
    colour = colours("kind", kinds, [KINDS[kind] for kind in kinds])
    x = amount("start", title, labels)
    most = max(max(row["end"], row["high"]) for row in rows)
    x.scale = alt.Scale(domain=[0, 1.08 * most], nice=False)
    chosen, opacity = toggled("kind")
    base = alt.Chart(data(rows)).encode(
        y=names("name", rows), tooltip=tips(name="", text="mean (5th–95th percentile)")
    )
    shapes = (
        base.mark_bar(height=21)
        .encode(x=x, x2="end:Q", color=colour, opacity=opacity)
        .add_params(chosen, zoom("x"))
    )
    lines = base.mark_rule(color=INK, strokeWidth=1.5).encode(x="low:Q", x2="high:Q")
    texts = base.mark_text(color=INK, fontSize=12, align="left", baseline="bottom", dy=-12).encode(
        x="start:Q", text="short:N"
    )
    return alt.layer(shapes, lines, texts).properties(height=tall(rows, ROW + 16))


def tornado(rows: Rows, title: str, labels: str) -> Any:
    """Draw how far each input moves a result: ``name``, ``middle``, ``at``, ``end``, ``text``."""
    order = ["at its 5th percentile", "at its 95th percentile"]
    chosen, opacity = toggled("end")
    base = alt.Chart(data(rows)).encode(
        y=names("name", rows), tooltip=tips(name="", end="where it is", text=title)
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
