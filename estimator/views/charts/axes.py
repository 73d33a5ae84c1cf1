"""Axes: names in lines, amounts even or logarithmic, years."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any, NamedTuple

import altair as alt

from .picture import Rows, folded

ROW = 34
"""Height of a bar with its label, pixels."""
LINE = 16
"""Height of a line of a name, pixels."""
MARGIN = 28
EDGE = 1.04
"""Where an axis from nothing ends, of its largest mark: the mark is not cut."""
ROOM = {"x": ("width", 170), "y": ("height", 55)}
"""Pixels a decade from which 2 and 5 have a label on a logarithmic axis."""


SHORT = timedelta(days=500)
"""Between days of an axis that has too few years for a mark at each."""


class Room(NamedTuple):
    """How many names an axis has, and lines the longest of them."""

    names: int
    lines: int


def room_of(rows: Rows) -> Room:
    """Return what room the names of rows need."""
    found = {row["name"] for row in folded(rows)}
    return Room(len(found), max(name.count("\n") + 1 for name in found))


def names() -> Any:
    """Return an axis of names, in the order of the rows; long ones take several lines."""
    shown = alt.Axis(grid=False, labelOverlap=False, labelExpr="split(datum.label, '\\n')")
    order = alt.EncodingSortField("place", op="min")
    return alt.Y("name:N", sort=order, title=None, axis=shown)


def tall(room: Room, step: int) -> int:
    """Return the height of a chart of so many names, pixels; more where names take more lines."""
    return max(step, LINE * room.lines + 8) * room.names


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


def alone(expression: str, prefix: str, width: float, height: float) -> str:
    """Return an axis' expression for a view among others, whose scales and sizes have a prefix.

    Args:
        expression: of a chart that stands alone.
        prefix: of the names of the view's scales.
        width: of the view, pixels.
        height: of the view, pixels.
    """
    named = expression.replace("domain('", f"domain('{prefix}")
    return named.replace("width *", f"{width} *").replace("height *", f"{height} *")


def _times(channel: str) -> str:
    """Return how many times its beginning an axis' end is."""
    return f"(domain('{channel}')[1] / domain('{channel}')[0])"


def dates(field: str, days: Iterable[str]) -> Any:
    """Return a horizontal axis of years, or of days in few months, with room at its ends.

    Args:
        field: that is drawn.
        days: that are drawn, ISO; one alone stands in the middle of its year.
    """
    found = [date.fromisoformat(day) for day in days]
    first, last = min(found), max(found)
    scale = alt.Scale(padding=MARGIN, nice=False)
    if first == last:
        half = timedelta(days=SHORT.days // 2)
        ends = [str(first - half), str(first + half)]
        scale = alt.Scale(domain=ends, nice=False)
    is_short = last - first < SHORT
    axis = alt.Axis(format="%b %Y" if is_short else "%Y", tickCount=6 if is_short else "year")
    return alt.X(f"{field}:T", title=None, scale=scale, axis=axis)
