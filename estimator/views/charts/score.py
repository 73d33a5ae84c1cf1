"""Charts of a scored catalogue; one's own runs stand among its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from math import log10
from typing import Any

import altair as alt

from computebill.views.answers.score import COST_KEY, FLOP_KEY, spread_text
from computebill.views.result import Result
from computebill.views.text import money

from .axes import dates, height
from .look import DOLLARS, FINAL, FLOP, INK, PALETTE, REST
from .marks import bars, colours, tips, toggled, upon, zoom
from .picture import ROWS, Picture, Rows, shape_of

MOST_ORGANISATIONS = 15
OWN = "your run"
LABEL_HEIGHT = 14
HEIGHT = 400
NEAR = 0.3
"""Part of the axis of dates that a name may be long."""
TITLES = {COST_KEY: "cost: hardware used up + energy (USD)", FLOP_KEY: "training FLOP"}
LABELS = {COST_KEY: DOLLARS, FLOP_KEY: FLOP}
WAYS = {COST_KEY: "gpu_hours_way", FLOP_KEY: "flop_way"}


def over_time(result: Result, points: Sequence[Mapping[str, Any]], name: str) -> Picture | None:
    """Return a figure of rows against their days, with the trend; None where none has both.

    Args:
        result: of the catalogue, for its trend and how many rows it has.
        points: its rows, and runs of one's own: ``own``, and ``undated`` where the day is that of
            the estimate.
        name: of the figure.
    """
    rows = [
        {
            "model": row["model"],
            "organization": row["organization"],
            "date": row["date"],
            # What is drawn as a date is a number when hovered.
            "day": row["date"],
            "way": row[WAYS[name]] or "not told",
            "own": row["own"],
            "undated": row["undated"],
            "text": spread_text(row, name),
            **{key: row[f"{name}_{key}"] for key in ("p5", "p50", "p95")},
        }
        for row in points
        if row["date"] and row[f"{name}_p50"]
    ]
    if not rows:
        return None
    trend = (result.get("trends") or {}).get(name, [])
    says = "Each point is a model with its 5th to 95th percentile"
    known = sum(not row["own"] for row in points)
    if result["rows_scored"] > known > 0:
        says += f", of {result['rows_scored']:,} rows the {known:,} of the most FLOP"
    says += "; the dashed line is the trend with nine in ten models in its band" if trend else ""
    own = sorted((row for row in rows if row["own"]), key=lambda row: row["p50"])
    says += _of_own(own)
    label = "Cost" if name == COST_KEY else "Training FLOP"
    shape = _scatter(rows, own, bool(trend), TITLES[name], LABELS[name])
    more = {"trend": trend, **{f"own{place}": [row] for place, row in enumerate(own)}}
    return Picture(f"{label} against date of publication", says, shape, rows, more)


def _of_own(own: Rows) -> str:
    if not own:
        return "."
    what = f"diamond is {OWN}" if len(own) == 1 else "diamonds are runs of your own"
    undated = any(row["undated"] for row in own)
    at = " One without a date stands at the day of its estimate." if undated else ""
    return f"; the large red {what}.{at}"


def _scatter(rows: Rows, own: Rows, has_trend: bool, title: str, labels: str) -> dict[str, Any]:
    order = list(dict.fromkeys(str(row["way"]) for row in rows if not row["own"]))
    chosen, opacity = toggled("way")
    x = dates("date", (row["date"] for row in rows))
    y = height("p50", title, labels, is_log=True)
    tooltip = tips(model="model", organization="of", day="date", text=title, way="found by")
    base = alt.Chart(ROWS).encode(x=x)
    palette = [colour for colour in PALETTE if colour != FINAL]
    others = base.transform_filter("!datum.own")
    lines = others.mark_rule(color=INK, opacity=0.13).encode(y="p5:Q", y2="p95:Q")
    points = (
        others.mark_circle(size=42)
        .encode(y=y, color=colours("way", order, palette), opacity=opacity, tooltip=tooltip)
        .add_params(chosen, zoom())
    )
    mine = base.transform_filter("datum.own")
    ends = mine.mark_rule(color=FINAL, strokeWidth=3).encode(y="p5:Q", y2="p95:Q")
    mark = mine.mark_point(shape="diamond", filled=True, color=FINAL, size=240, opacity=1)
    layers = [lines, points, ends, mark.encode(y=y, tooltip=tooltip)]
    if has_trend:
        line = alt.Chart(alt.NamedData("trend")).encode(x=x)
        low = height("low", title, labels, is_log=True)
        band = line.mark_area(color=REST, opacity=0.13).encode(y=low, y2="high:Q")
        middle = line.mark_line(color=INK, fillOpacity=0, strokeDash=[6, 4], strokeWidth=1.5)
        layers = [band, *layers, middle.encode(y="middle:Q")]
    layers += _names(rows, own, x, y)
    return shape_of(alt.layer(*layers).properties(height=HEIGHT))


def _names(rows: Rows, own: Rows, x: Any, y: Any) -> list[Any]:
    """Write the names of runs of one's own; one that would lie upon another goes above it."""
    heights = [log10(row["p50"]) for row in rows]
    days = [date.fromisoformat(row["date"]).toordinal() for row in rows]
    tall, wide = max(heights) - min(heights) or 1.0, max(days) - min(days) or 1
    placed: list[tuple[float, int]] = []
    layers = []
    for place, row in enumerate(own):
        day = date.fromisoformat(row["date"]).toordinal()
        at = start = HEIGHT * log10(row["p50"]) / tall
        for below, when in placed:
            if abs(day - when) < NEAR * wide:
                at = max(at, below + LABEL_HEIGHT)
        placed.append((at, day))
        base = alt.Chart(alt.NamedData(f"own{place}")).encode(x=x, y=y, text="model:N")
        layers += upon(base, fontSize=12, align="right", dx=-13, dy=start - at, fontWeight="bold")
    return layers


def organisations(result: Result) -> Picture | None:
    """Return the cost by organisation; None where no row has one."""
    known = costliest(result)
    if not known:
        return None
    shown = known[:MOST_ORGANISATIONS]
    rows = [
        {"name": each["organization"], "value": each[COST_KEY], "text": money(each[COST_KEY])}
        for each in shown
    ]
    says = "Sums of medians, without an interval; "
    says += f"the {len(shown)} largest of {len(known)}."
    title = "Cost of all rows that have one, by organisation"
    axis = ("hardware used up + energy (USD)", DOLLARS)
    return bars(title, says, rows, axis, of="organisation")


def costliest(result: Result) -> list[Mapping[str, Any]]:
    """Return the sums of organisations that have a cost, the largest first."""
    known = [each for each in result.get("by_organization") or () if each[COST_KEY]]
    return sorted(known, key=lambda each: -each[COST_KEY])
