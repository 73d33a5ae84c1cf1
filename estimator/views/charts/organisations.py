"""Charts of many organisations, and of what the rest of one went to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import altair as alt

from computebill.programmes.bases import BASES
from computebill.views.multiverse import share_text
from computebill.views.result import Result, basis_of, distribution
from computebill.views.text import bounded, percent, percent_interval

from .axes import ROW, Room, amount, names, room_of, tall
from .look import FINAL, INK, PERCENT, REST
from .marks import SHAPES, colours, ends, intervals, tips, toggled, zoom
from .picture import ROWS, Picture, shape_of
from .steps import SHARE, Part, waterfall

GRADES = {"A": INK, "B": FINAL, "C": REST}
"""Colour of each grade: the surer, the darker."""
MARKS = dict(zip(BASES, ("circle", "square", "diamond", "triangle-up"), strict=True))
"""Shape of each basis."""


def overview(results: Sequence[Result]) -> Picture | None:
    """Return the share of every organisation and window; None where none is known."""
    rows = []
    for each in sorted(results, key=_by_grade_and_time):
        share = distribution(each["final_share"])
        if not share.is_known:
            continue
        basis, bound = basis_of(each), each.get("bound")
        rows.append(
            {
                "name": each["title"],
                "grade": each.get("grade", "B"),
                "basis": basis.name,
                "text": bounded(percent_interval(share), bound),
                **ends(share),
            }
        )
    if not rows:
        return None
    says = (
        "Median and 5th to 95th percentile of the final runs' share of R&D compute. The shade is "
        "the grade, from A, both sides the organisation's own figures, to C, one side a guess or "
        "a plan; the shape is what was counted. Windows of one organisation may overlap."
    )
    most = min(1.0, 1.08 * max(float(row["p95"]) for row in rows))
    grades = tuple(sorted({str(row["grade"]) for row in rows}))
    bases = tuple(name for name in BASES if name in {row["basis"] for row in rows})
    shape = _overview(room_of(rows), grades, bases, most)
    return Picture("Final share by organisation and window", says, shape, rows)


def _by_grade_and_time(result: Result) -> tuple[str, str, str]:
    owner = result.get("owner", result["organisation"])
    return result.get("grade", "B"), owner, result["window"]["start"]


@lru_cache(SHAPES)
def _overview(
    room: Room, grades: tuple[str, ...], bases: tuple[str, ...], most: float
) -> dict[str, Any]:
    chosen, opacity = toggled("grade")
    tooltip = tips(name="programme", text="final share", grade="grade", basis="counted in")
    base = alt.Chart(ROWS).encode(y=names(), tooltip=tooltip, opacity=opacity)
    colour = colours("grade", grades, [GRADES[grade] for grade in grades])
    scale = alt.Scale(domain=list(bases), range=[MARKS[name] for name in bases])
    shape = alt.Shape("basis:N", title=None, scale=scale)
    x = amount("p5", "final share of R&D compute", PERCENT, ends=(-0.01, most))
    lines = base.transform_filter("datum.p95 > datum.p5").mark_rule(strokeWidth=2.5)
    points = base.mark_point(filled=True, size=90).encode(x="p50:Q", color=colour, shape=shape)
    layers = (lines.encode(x=x, x2="p95:Q", color=colour), points)
    whole = alt.layer(*layers).add_params(chosen, zoom("x"))
    return shape_of(whole.properties(height=tall(room, ROW - 10)))


def multiverse(result: Result) -> Picture | None:
    """Return the medians of all combinations of methods, by choice; None where there are none."""
    found: Mapping[str, Any] | None = result.get("multiverse")
    if not found:
        return None
    rows = [_medians("all combinations", "all combinations", found["median_share"])]
    for axis in found["axes"]:
        for option in axis["options"]:
            name = f"{axis['axis']}: {option['option']}"
            rows.append(_medians(name, "with one option", option["median_share"]))
    says = (
        f"Median shares of {found['specifications']:,} combinations of methods: their median and "
        "5th to 95th percentile, in all and with each option. The choice that moves most is first."
    )
    axis_of = ("median final share of R&D compute", PERCENT)
    return intervals("What the share hangs on", says, rows, axis_of, is_log=True, of="choice")


def _medians(name: str, kind: str, share: Mapping[str, float]) -> dict[str, Any]:
    text = share_text(share)
    return {"name": name, "kind": kind, "text": text, "short": percent(share["p50"]), **share}


def rest(result: Result) -> Picture | None:
    """Return the opened bar: final runs, each kind of the rest, and what nothing explains.

    None where the final runs are not known, or no draw holds together.
    """
    found: Mapping[str, Any] | None = result.get("exploration")
    if not found or not found["final_share"] or not found["unexplained"]["share"]:
        return None
    shares = [Part("final runs", "final runs", distribution(found["final_share"]))]
    for each in found["kinds"]:
        kind = "stated fact" if each["is_stated"] else "drawn from other programmes"
        shares.append(Part(each["kind"], kind, distribution(each["share"])))
    left = distribution(found["unexplained"]["share"])
    shares.append(Part("unexplained", "unexplained", left))
    says = "From the final runs to all R&D compute, in the draws in which the kinds fit. "
    title = "What everything else went to"
    return waterfall(title, says, shares, SHARE, "share of R&D compute")
