"""The chart of a search: days against cost, what nothing else beats."""

from __future__ import annotations

import math
from typing import Any

import altair as alt
import pandas as pd

from computebill.planning.result import Plan

from .charts import styled
from .plan import described, where


def plan_chart(found: Plan) -> Any:
    """Days against cost, or against memory where one cluster was searched or no price is known."""
    rows = [
        {
            "days": each.days,
            "cost": each.cost_usd,
            "memory": each.memory_gb,
            "on": where(each),
            "layout": described(each),
            "what": what,
        }
        for what, group in (
            ("front", found.pareto),
            ("best of its kind", found.each),
            ("runner-up", found.runners_up),
            ("best", (found.best,)),
        )
        for each in group
    ]
    frame = pd.DataFrame(rows)
    several = frame["on"].nunique() > 1 and not math.isnan(found.best.cost_usd)
    y = (
        alt.Y("cost:Q", title="cost, rented (USD)", scale=alt.Scale(type="log", nice=False)).axis(
            format="$~s"
        )
        if several
        else alt.Y("memory:Q", title="memory of the fullest GPU (GB)", scale=alt.Scale(zero=False))
    )
    base = alt.Chart(frame).encode(
        x=alt.X("days:Q", title="days", scale=alt.Scale(type="log", nice=False)),
        y=y,
        tooltip=[
            "on",
            "layout",
            alt.Tooltip("days:Q", format=".3g"),
            alt.Tooltip("cost:Q", format="$.3s"),
            alt.Tooltip("memory:Q", format=".3g"),
        ],
    )
    colour = alt.Color("on:N", title=None)
    kinds = ["best", "best of its kind", "runner-up", "front"]
    points = base.mark_point(filled=True, size=60, opacity=0.7).encode(
        color=colour, shape=alt.Shape("what:N", title=None, sort=kinds)
    )
    best = (
        base.transform_filter(alt.datum.what == "best")
        .mark_point(size=260, strokeWidth=2, filled=False)
        .encode(color=alt.value("black"))
    )
    title = "The plan" if found.spec.name == "plan" else found.spec.name
    told = f"{title}: {found.evaluated:,} layouts, {found.feasible:,} legal and fitting"
    return styled((points + best).properties(width=560, height=360, title=told))
