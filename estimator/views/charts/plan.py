"""Chart of a search: days against cost, or against memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt

from computebill.views.answers.plan import described, rented, where
from computebill.views.result import Result, distribution
from computebill.views.text import count_interval, fit_text, memory_with_ends

from .axes import amount, height
from .look import COUNTS, DOLLARS, INK, REST
from .marks import colours, tips, toggled, zoom
from .picture import ROWS, Picture, Rows, shape_of

KINDS = ("best", "best of its kind", "runner-up", "front")
AGAINST = {
    "cost": ("cost, rented (USD)", DOLLARS, True),
    "memory": ("memory of the fullest GPU (GB)", COUNTS, False),
}


def middle(value: Any) -> float | None:
    """Return a figure, or the median of one with an interval."""
    found: float | None = value["p50"] if isinstance(value, Mapping) else value
    return found


def front(result: Result) -> Picture:
    """Return what nothing else beats: days against cost, or against memory on one cluster.

    Memory too where no price is known.
    """
    points = _layouts(result)
    clusters = len({row["where"] for row in points})
    # Of one cluster cost is days times a price.
    several = clusters > 1 and all(row["usd"] for row in points)
    against = "cost" if several else "memory"
    says = f"Nothing else beats these in days, cost and memory; shown is days against {against}."
    says += " Points are medians"
    spread = [row for row in points if "days_p5" in row]
    says += "; the best has its 5th to 95th percentile." if spread else "."
    if several:
        says += " The cross is the best; a line joins the cheapest for so many days or fewer."
    more = {"spread": spread, "steps": _steps(points) if several else []}
    return Picture(f"Days against {against}", says, _scatter(points, against), points, more)


def _layouts(result: Result) -> list[dict[str, Any]]:
    """Return each layout once, as the first of the kinds that it is of."""
    groups = (result["pareto"], result["runners_up"], result["by_accelerator"], [result["best"]])
    rows: dict[str, dict[str, Any]] = {}
    for kind, group in zip(reversed(KINDS), groups, strict=True):
        for each in group:
            row = {
                "days": middle(each["days"]),
                "cost": middle(each["cost_usd"]),
                "memory": each["memory_gb"],
                "on": f"{each['accelerator']}, {each['precision']}",
                "where": where(each),
                "layout": described(each),
                "kind": kind,
                "texts": count_interval(distribution(each["days"])),
                "usd": rented(each),
                "gb": memory_with_ends(each["memory_gb"], each.get("memory_interval_gb")),
                "fits": fit_text(each.get("fit_odds")),
            }
            for name, given in (("days", each["days"]), ("cost", each["cost_usd"])):
                if isinstance(given, Mapping):
                    row |= {f"{name}_{end}": given[end] for end in ("p5", "p95")}
            # The last kind that a layout is of goes before.
            rows[f"{row['where']} {row['layout']} {each['layout']}"] = row
    return list(rows.values())


def _scatter(rows: Rows, against: str) -> dict[str, Any]:
    order = list(dict.fromkeys(row["on"] for row in rows))
    chosen, _ = toggled("on")
    of_kind, _ = toggled("kind")
    title, labels, is_log = AGAINST[against]
    x = amount("days", "days", COUNTS, is_log=True)
    y = height(against, title, labels, is_log=is_log, zero=False)
    tooltip = tips(
        where="on",
        layout="layout",
        kind="kind",
        texts="days",
        usd="cost",
        gb="memory, GB",
        fits="odds that it fits",
    )
    base = alt.Chart(ROWS)
    points = (
        base.mark_point(filled=True, size=70)
        .encode(
            x=x,
            y=y,
            color=colours("on", order),
            shape=_shapes(),
            opacity=alt.condition(chosen & of_kind, alt.value(0.85), alt.value(0.06)),
            tooltip=tooltip,
        )
        .add_params(chosen, of_kind, zoom())
    )
    best = (
        base.transform_filter("datum.kind === 'best'")
        .mark_point(color=INK, size=320, strokeWidth=2, filled=False, fillOpacity=0)
        .encode(x=x, y=y, tooltip=tooltip)
    )
    layers = [points, *_spreads(rows, x, y, against), best]
    if against == "cost":
        line = alt.Chart(alt.NamedData("steps")).mark_line(
            interpolate="step-after", color=REST, strokeWidth=1.5
        )
        layers.insert(0, line.encode(x=x, y=y))
    return shape_of(alt.layer(*layers).properties(height=380))


def _shapes() -> Any:
    legend = alt.Legend(symbolFillColor=INK, symbolStrokeColor=INK, columns=2)
    scale = alt.Scale(domain=list(KINDS), range=["cross", "diamond", "triangle-up", "circle"])
    return alt.Shape("kind:N", title=None, legend=legend, scale=scale)


def _spreads(rows: Rows, x: Any, y: Any, against: str) -> list[Any]:
    """Draw the intervals of the layouts that have one; an axis has one title, its points'."""
    known = [row for row in rows if "days_p5" in row]
    if not known:
        return []
    rule = alt.Chart(alt.NamedData("spread")).mark_rule(color=INK, strokeWidth=1.5, opacity=0.6)
    across = rule.encode(x=alt.X("days_p5:Q").title(""), x2="days_p95:Q", y=y)
    up = rule.encode(x=x, y=alt.Y(f"{against}_p5:Q").title(""), y2=f"{against}_p95:Q")
    return [across, up] if all(f"{against}_p5" in row for row in known) else [across]


def _steps(rows: list[dict[str, Any]]) -> Rows:
    """Return the front of days and cost alone, which nothing beats in both."""
    found: list[dict[str, Any]] = []
    for row in sorted(rows, key=lambda row: (row["days"], row["cost"])):
        if not found or row["cost"] < found[-1]["cost"]:
            found.append({"days": row["days"], "cost": row["cost"]})
    return found
