"""Charts of a research programme: where its money goes, and its accelerators over time."""

from __future__ import annotations

import math
from typing import Any

import altair as alt
import pandas as pd

from computebill.sweep.estimate import SweepEstimate

from .charts import FINAL, LINE, WAY_COLOURS, WIDTH, styled
from .sweep import size_name

MOST_STEPS = 4000
"""Changes of the cluster's use that are drawn."""


def sweep_chart(found: SweepEstimate) -> Any:
    """Bars by group with intervals, bars by size, and the cluster's use over time."""
    is_priced = found.share_basis == "cost_usd"
    charts = [_groups(found, is_priced)]
    if sum(math.isfinite(size.low) for size in found.sizes) > 1:
        charts.append(_sizes(found, is_priced))
    if found.schedule is not None:
        charts.append(_usage(found))
    return styled(alt.vconcat(*charts, spacing=28).resolve_scale(color="independent"))


def _axis(is_priced: bool) -> tuple[str, str]:
    return ("cost, rented (USD)", "$~s") if is_priced else ("GPU-hours", "~s")


def _groups(found: SweepEstimate, is_priced: bool) -> Any:
    key = "cloud" if is_priced else "gpu_hours"
    named = [(group.group.name, "experiments", group.rows[key]) for group in found.groups]
    if found.final is not None:
        named.append(("final run", "final run", found.final[key]))
    frame = pd.DataFrame(
        [
            {"group": name, "what": what, "p5": row.p5, "p50": row.p50, "p95": row.p95}
            for name, what, row in named
        ]
    )
    title, form = _axis(is_priced)
    base = alt.Chart(frame, title=f"{found.spec.name}: median, 5th to 95th percentile").encode(
        y=alt.Y("group:N", title=None, sort=None).axis(labelLimit=260),
        tooltip=["group", *(alt.Tooltip(f"{p}:Q", format=".3s") for p in ("p5", "p50", "p95"))],
    )
    bars = base.mark_bar().encode(
        x=alt.X("p50:Q", title=title).axis(format=form),
        color=alt.Color("what:N", title=None, sort=["experiments", "final run"]).scale(
            domain=["experiments", "final run"], range=[WAY_COLOURS[0], FINAL]
        ),
    )
    rules = base.mark_rule(color=LINE).encode(x="p5:Q", x2="p95:Q")
    return (bars + rules).properties(width=WIDTH)


def _sizes(found: SweepEstimate, is_priced: bool) -> Any:
    title, form = _axis(is_priced)
    frame = pd.DataFrame(
        [
            {
                "size": size_name(size),
                "spent": size.cost_usd if is_priced else size.gpu_hours,
                "experiments": size.experiments,
            }
            for size in found.sizes
        ]
    )
    return (
        alt.Chart(frame, title="By active parameters")
        .mark_bar(color=WAY_COLOURS[0])
        .encode(
            x=alt.X("size:N", title=None, sort=None).axis(labelAngle=-25),
            y=alt.Y("spent:Q", title=title).axis(format=form),
            tooltip=["size", "experiments", alt.Tooltip("spent:Q", format=".3s")],
        )
        .properties(width=WIDTH, height=160)
    )


def _usage(found: SweepEstimate) -> Any:
    assert found.schedule is not None
    schedule = found.schedule
    names = [group.group.name for group in found.groups]
    frame = pd.DataFrame(
        [
            {"day": day, "group": names[group], "gpus": gpus}
            for day, group, gpus in schedule.usage(MOST_STEPS)
        ]
    )
    told = f"{schedule.gpus:,} GPUs for {schedule.days:.3g} days, {schedule.idle_share:.0%} idle"
    area = (
        alt.Chart(frame, title=told)
        .mark_area(interpolate="step-after", opacity=0.85)
        .encode(
            x=alt.X("day:Q", title="day"),
            y=alt.Y("gpus:Q", title="GPUs at work", stack="zero"),
            color=alt.Color("group:N", title=None, sort=names).scale(scheme="tableau20"),
            tooltip=["group", alt.Tooltip("day:Q", format=".3g"), "gpus"],
        )
    )
    rule = (
        alt.Chart(pd.DataFrame({"gpus": [schedule.gpus]}))
        .mark_rule(color=FINAL, strokeDash=[5, 4])
        .encode(y="gpus:Q")
    )
    return (area + rule).properties(width=WIDTH, height=200)
