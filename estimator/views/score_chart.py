"""Charts of a scored catalogue: cost and FLOP over time, cost by organisation."""

from __future__ import annotations

from typing import Any

import altair as alt

from computebill.base.errors import RequestError
from computebill.catalogue import Score
from computebill.catalogue.summary import MOST, trend

from .charts import FINAL, LINE, WAY_COLOURS, WIDTH, styled

MOST_ORGANISATIONS = 15
DOLLARS = (
    "datum.value >= 1e9 ? '$' + format(datum.value / 1e9, '~g') + ' B'"
    " : datum.value >= 1e6 ? '$' + format(datum.value / 1e6, '~g') + ' M'"
    " : datum.value >= 1e3 ? '$' + format(datum.value / 1e3, '~g') + ' k'"
    " : '$' + format(datum.value, '~g')"
)
"""A label as people write money; d3 writes a cent as 10m."""


def score_chart(found: Score) -> Any:
    """Points with intervals and a trend, and bars; a point tells the row and how it was derived.

    Raises:
        RequestError: where there is no row.
    """
    if found.summary.largest.empty:
        raise RequestError("--plot", "no row was scored; there is nothing to draw")
    charts = [
        _over_time(found, "cost_amortised_usd", "hardware used up + energy", DOLLARS),
        _over_time(found, "flop", "training FLOP", "format(datum.value, '~e')"),
        _by_organisation(found),
    ]
    return styled(alt.vconcat(*charts, spacing=28).resolve_scale(color="independent"))


def _over_time(found: Score, name: str, title: str, label: str) -> Any:
    rows = found.summary.largest
    rows = rows[rows["date"].notna() & (rows[f"{name}_p50"] > 0)]
    way = "gpu_hours_way" if name != "flop" else "flop_way"
    scale = alt.Scale(type="log", nice=False)
    told = [f"{title}, by date of publication"]
    if found.rows_scored > MOST:
        told.append(f"points: of {found.rows_scored:,} rows the {MOST:,} of the most FLOP")
    base = alt.Chart(rows, title=told).encode(x=alt.X("date:T", title=None))
    points = base.mark_circle(size=36, opacity=0.7).encode(
        y=alt.Y(f"{name}_p50:Q", scale=scale, title=title).axis(labelExpr=label),
        color=alt.Color(f"{way}:N", title="found by"),
        tooltip=[
            "model",
            "organization",
            "date:T",
            "flop_way",
            "gpu_hours_way",
            *(alt.Tooltip(f"{name}_{p}:Q", format=".3s") for p in ("p5", "p50", "p95")),
            "notes",
        ],
    )
    rules = base.mark_rule(color=LINE, opacity=0.12).encode(y=f"{name}_p5:Q", y2=f"{name}_p95:Q")
    line = alt.Chart(trend(found.summary, name)).encode(x="date:T")
    band = line.mark_area(color=FINAL, opacity=0.08).encode(
        y=alt.Y("low:Q", scale=scale), y2="high:Q"
    )
    middle = line.mark_line(color=FINAL, strokeDash=[6, 4]).encode(y=alt.Y("middle:Q", scale=scale))
    return (band + rules + points + middle).properties(width=WIDTH, height=280)


def _by_organisation(found: Score) -> Any:
    rows = found.summary.costliest(MOST_ORGANISATIONS).dropna(subset="cost_amortised_usd")
    return (
        alt.Chart(rows.reset_index(), title="Cost of all rows that have one, by organisation")
        .mark_bar(color=WAY_COLOURS[0])
        .encode(
            x=alt.X("cost_amortised_usd:Q", title="hardware used up + energy").axis(
                labelExpr=DOLLARS
            ),
            y=alt.Y("organization:N", title=None, sort=None).axis(labelLimit=260),
            tooltip=[
                "organization",
                "rows",
                alt.Tooltip("flop:Q", format=".2e"),
                alt.Tooltip("cost_amortised_usd:Q", format="$.3s"),
            ],
        )
        .properties(width=WIDTH)
    )
