"""Charts of records: use by kind over time, the opened bar, projects, sizes of jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import altair as alt

from computebill.views.result import Result, distribution
from computebill.views.text import count, percent

from .axes import ROW, Room, amount, dates, names, room_of, tall
from .look import COUNTS, FINAL, INK, PALETTE, PERCENT, REST
from .marks import SHAPES, colours, tips, toggled, upon, zoom
from .picture import ROWS, Picture, shape_of
from .squarified import Box, squarified

COLOURS = {
    "final run": FINAL,
    "pretraining research": PALETTE[0],
    "post-training": PALETTE[1],
    "data generation": PALETTE[2],
    "inference": "#5b7fa6",
    "evaluation": PALETTE[3],
    "failed or restarted": PALETTE[6],
    "interactive": PALETTE[5],
    "idle": "#b0a89a",
    "unknown": REST,
}
"""Of kinds, the same in every chart of records."""

PARTS = {
    "final runs": FINAL,
    "pretraining research": PALETTE[0],
    "post-training development": PALETTE[1],
    "synthetic data": PALETTE[2],
    "research inference": "#5b7fa6",
    "evaluation": PALETTE[3],
    "unreleased and failed runs": PALETTE[6],
    "idle and debugging": PALETTE[5],
    "unexplained": REST,
}
"""Of what R&D compute went to, by the words of programmes."""

PART_OF = {
    "final run": "final runs",
    "pretraining research": "pretraining research",
    "post-training": "post-training development",
    "data generation": "synthetic data",
    "evaluation": "evaluation",
    "failed or restarted": "unreleased and failed runs",
    "interactive": "idle and debugging",
    "idle": "idle and debugging",
    "unknown": "unexplained",
}
"""Kinds of jobs as programmes call them; inference of a product is no research."""

OWN = "these records"
NO_MONTH = "not told"
HEIGHT, ASPECT = 420, 760 / 420
"""Of the map of projects: pixels, and width over height, as on paper."""
LABELLED = (0.055, 0.07)
"""Least width and height of a labelled rectangle, of the whole."""
LETTER, MARGIN = 0.0087, 0.012
"""Width of a letter of a label, and of the room beside it, of the whole."""
FEWEST = 6
"""Letters that a label is cut to at least."""


def over_time(result: Result) -> Picture | None:
    """Return hours by kind and month, one upon another; None of fewer than two months."""
    told = {
        (each["kind"], each["month"]): each["gpu_hours"]
        for each in result["by_kind_and_month"]
        if each["month"] != NO_MONTH
    }
    months = sorted({month for _, month in told})
    kinds = _known_kinds(result, {kind for kind, _ in told})
    if len(months) < 2:
        return None
    known = _without_gaps(months)
    rows = []
    for kind in kinds:
        # What a bill takes off has no height; the last month has a width, too.
        hours = [max(0.0, told.get((kind, month), 0.0)) for month in known]
        rows += [_point(kind, *each) for each in zip(known, known, hours, strict=True)]
        rows.append(_point(kind, _after(known[-1]), known[-1], hours[-1]))
    says = "Accelerator-hours of each month, the kinds one upon another."
    ends = (rows[0]["day"], rows[-1]["day"])
    return Picture("Use by kind over time", says, _areas(tuple(kinds), ends), rows)


def _point(kind: str, begins: str, month: str, hours: float) -> dict[str, Any]:
    day = f"{begins}-01"
    return {"kind": kind, "day": day, "hours": hours, "when": month, "text": count(hours)}


def _after(month: str) -> str:
    number = int(month[:4]) * 12 + int(month[5:])
    return f"{number // 12}-{number % 12 + 1:02d}"


def _without_gaps(months: Sequence[str]) -> list[str]:
    """Return all months from the first to the last."""
    first, last = (int(each[:4]) * 12 + int(each[5:]) - 1 for each in (months[0], months[-1]))
    return [f"{each // 12}-{each % 12 + 1:02d}" for each in range(first, last + 1)]


def _known_kinds(result: Result, there: set[str]) -> list[str]:
    return [kind for kind in COLOURS if kind in there and result["by_kind"][kind]["gpu_hours"] > 0]


@lru_cache(SHAPES)
def _areas(kinds: tuple[str, ...], days: tuple[str, str]) -> dict[str, Any]:
    chosen, opacity = toggled("kind")
    axis = alt.Axis(labelExpr=COUNTS, tickCount=6)
    order = {kind: place for place, kind in enumerate(kinds)}
    area = (
        alt.Chart(ROWS)
        .transform_calculate(order=f"({order})[datum.kind]")
        .mark_area(line={"strokeWidth": 0.5}, interpolate="step-after")
        .encode(
            x=dates("day", days),
            y=alt.Y("hours:Q", stack="zero", title="accelerator-hours a month", axis=axis),
            color=colours("kind", kinds, [COLOURS[kind] for kind in kinds]),
            order=alt.Order("order:Q", sort="ascending"),
            opacity=opacity,
            tooltip=tips(kind="kind", when="month", text="accelerator-hours"),
        )
        .add_params(chosen, zoom("x"))
    )
    return shape_of(area.properties(height=300))


def opened(result: Result) -> Picture | None:
    """Return what research compute went to, beside shipped programmes; None where nothing ran."""
    own = _own_parts(result)
    if not own:
        return None
    bars = [{"title": OWN, "parts": own}, *(result.get("beside") or ())]
    rows = []
    for bar in bars:
        at = 0.0
        for part in PARTS:
            share = float(bar["parts"].get(part) or 0.0)
            if share > 0:
                text = percent(share)
                rows.append(
                    {"name": bar["title"], "part": part, "start": at, "end": at + share}
                    | {"text": text, "short": text if share > 0.06 else ""}
                )
                at += share
    of = "dollars" if _basis(result) == "cost_usd" else "accelerator-hours"
    says = f"Shares of research compute: of these records by {of}, without inference of a product"
    says += "; of programmes that ship, means of their draws." if len(bars) > 1 else "."
    parts = tuple(part for part in PARTS if any(row["part"] == part for row in rows))
    title = "What it went to, beside known programmes" if len(bars) > 1 else "What it went to"
    return Picture(title, says, _stacked(room_of(rows), parts), rows)


def _basis(result: Result) -> str:
    return "cost_usd" if result["final_share_of"] == "cost" else "gpu_hours"


def _own_parts(result: Result) -> dict[str, float]:
    """Return the shares of research compute by the words of programmes, means."""
    key, sums = _basis(result), dict.fromkeys(PARTS, 0.0)
    for kind, each in result["by_kind"].items():
        if kind in PART_OF:
            value = distribution(each[key])
            sums[PART_OF[kind]] += max(0.0, value.mean) if value.is_known else 0.0
    whole = sum(sums.values())
    return {part: value / whole for part, value in sums.items() if value > 0} if whole else {}


@lru_cache(SHAPES)
def _stacked(room: Room, parts: tuple[str, ...]) -> dict[str, Any]:
    chosen, opacity = toggled("part")
    base = alt.Chart(ROWS).encode(y=names(), tooltip=tips(name="of", part="what", text="share"))
    bars = base.mark_bar(height={"band": 0.74}).encode(
        x=amount("start", "share of research compute", PERCENT, ends=(0.0, 1.0)),
        x2="end:Q",
        color=colours("part", parts, [PARTS[part] for part in parts]),
        opacity=opacity,
    )
    middle = base.transform_calculate(middle="(datum.start + datum.end) / 2")
    texts = [each.encode(x="middle:Q", text="short:N") for each in upon(middle, fontSize=11)]
    whole = alt.layer(bars.add_params(chosen), *texts)
    return shape_of(whole.properties(height=tall(room, ROW - 6)))


def projects(result: Result) -> Picture | None:
    """Return a map of hours by project, and by kind within each; None where nothing ran."""
    by_project: dict[str, dict[str, float]] = {}
    for each in result["by_project_and_kind"]:
        if each["gpu_hours"] > 0:
            by_project.setdefault(each["project"], {})[each["kind"]] = each["gpu_hours"]
    if not by_project:
        return None
    order = sorted(by_project, key=lambda name: -sum(by_project[name].values()))
    total = sum(sum(kinds.values()) for kinds in by_project.values())
    boxes = squarified(
        [sum(by_project[name].values()) for name in order], Box(0.0, 0.0, ASPECT, 1.0)
    )
    rows = [
        row
        for name, box in zip(order, boxes, strict=True)
        for row in _inside(name, by_project[name], box, total)
    ]
    kinds = tuple(_known_kinds(result, {row["kind"] for row in rows}))
    frames = [_corners(box) | {"project": name} for name, box in zip(order, boxes, strict=True)]
    says = "Areas are accelerator-hours: a frame is a project, a colour a kind of work."
    more = {"frames": frames}
    return Picture("Projects and their kinds of work", says, _map(kinds), rows, more)


def _inside(
    project: str, kinds: Mapping[str, float], whole: Box, total: float
) -> list[dict[str, Any]]:
    """Return the rectangles of a project's kinds; the largest has the project's name."""
    order = sorted(kinds, key=lambda kind: -kinds[kind])
    rows = []
    boxes = squarified([kinds[kind] for kind in order], whole)
    for place, (kind, box) in enumerate(zip(order, boxes, strict=True)):
        hours = kinds[kind]
        text = f"{count(hours)}: {percent(hours / total)} of all"
        label = _fitting(project if place == 0 else "", box, _corners(whole)["x2"])
        rows.append(
            {"project": project, "kind": kind, "text": text, "label": label, **_corners(box)}
        )
    return rows


def _corners(box: Box) -> dict[str, float]:
    """Return a rectangle's ends, from 0 to 1; the largest are at the upper left."""
    left, right = box.x / ASPECT, (box.x + box.width) / ASPECT
    return {"x": left, "x2": right, "y": 1 - box.y, "y2": 1 - box.y - box.height}


def _fitting(text: str, box: Box, end: float) -> str:
    """Return as much of a text as there is room for, from a rectangle's left to its frame's end.

    A label may lie over the frame's other kinds. Fewer letters than tell something are none.
    """
    if box.width / ASPECT < LABELLED[0] / 2 or box.height < LABELLED[1]:
        return ""
    letters = int((end - box.x / ASPECT - MARGIN) / LETTER)
    if len(text) <= letters:
        return text
    return f"{text[: letters - 1]}…" if letters >= FEWEST else ""


@lru_cache(SHAPES)
def _map(kinds: tuple[str, ...]) -> dict[str, Any]:
    chosen, opacity = toggled("kind")
    whole = alt.Scale(domain=[0, 1], nice=False)
    ends: dict[str, Any] = {
        "x": alt.X("x:Q", scale=whole, axis=None),
        "x2": "x2:Q",
        "y": alt.Y("y:Q", scale=whole, axis=None),
        "y2": "y2:Q",
    }
    base = alt.Chart(ROWS)
    rectangles = base.mark_rect(stroke="white", strokeWidth=0.7).encode(
        **ends,
        color=colours("kind", kinds, [COLOURS[kind] for kind in kinds]),
        opacity=opacity,
        tooltip=tips(project="project", kind="kind", text="accelerator-hours"),
    )
    frames = (
        alt.Chart(alt.NamedData("frames"))
        .mark_rect(filled=False, stroke=INK, strokeWidth=1.6)
        .encode(**ends)
    )
    texts = [
        each.encode(x=ends["x"], y=ends["y"], text="label:N")
        for each in upon(base, align="left", baseline="top", dx=6, dy=6, fontSize=12)
    ]
    layers = alt.layer(rectangles.add_params(chosen), frames, *texts)
    return shape_of(layers.properties(height=HEIGHT))


def sizes(result: Result) -> Picture | None:
    """Return the shares of jobs and of hours by size of job; None where one size is known."""
    found = result.get("by_size") or {}
    order = [size for size in SIZES if found.get(size, {}).get("gpu_hours", 0.0) > 0]
    if len(order) < 2:
        return None
    whole = {key: sum(found[size][key] for size in order) for key in ("jobs", "gpu_hours")}
    rows: list[dict[str, Any]] = [
        {
            "name": size,
            "of": of,
            "value": found[size][key] / whole[key] if whole[key] else 0.0,
            "text": count(found[size][key]),
        }
        for size in order
        for of, key in (("of the jobs", "jobs"), ("of the hours", "gpu_hours"))
    ]
    for row in rows:
        row["short"] = percent(row["value"])
    says = "How many jobs are of each size, and how many of the hours: few large ones take most."
    if rows[-1]["value"] < rows[-2]["value"]:
        says = "How many jobs are of each size, and how many of the hours."
    most = 1.1 * max(row["value"] for row in rows)
    shape = _pairs(room_of(rows), round(most, 3))
    return Picture("Jobs by their number of accelerators", says, shape, rows)


SIZES = ("1", "2–8", "9–64", "65–512", "513–4,096", "above 4,096")
MEASURED = {"of the jobs": PALETTE[0], "of the hours": PALETTE[1]}


@lru_cache(SHAPES)
def _pairs(room: Room, most: float) -> dict[str, Any]:
    base = alt.Chart(ROWS).encode(
        y=names(),
        yOffset=alt.YOffset("of:N", sort=list(MEASURED)),
        tooltip=tips(name="accelerators", of="share", short="is", text="are"),
    )
    bars = base.mark_bar().encode(
        x=amount("value", "share", PERCENT, ends=(0.0, most)),
        color=colours("of", tuple(MEASURED), list(MEASURED.values())),
    )
    texts = base.mark_text(color=INK, fontSize=11, align="left", dx=4).encode(
        x="value:Q", text="short:N"
    )
    return shape_of(alt.layer(bars, texts).properties(height=tall(room, ROW + 10)))
