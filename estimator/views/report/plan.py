"""A search, as a page tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt

from computebill.views.text import (
    count_interval,
    digits,
    money,
    money_interval,
    percent,
    percent_interval,
)

from . import drawing
from .document import (
    Chart,
    Report,
    Result,
    Section,
    Table,
    distribution,
    figure,
    parts,
    sections,
    signed,
)

LEAST = {"time": "Fastest", "cost": "Cheapest", "energy": "Least energy"}
DEGREES = ("tp", "pp", "vpp", "dp", "cp", "ep")
KINDS = ("best", "best of its kind", "runner-up", "front")


def report(result: Result) -> Report:
    """Tell a search and the best that it found."""
    best = result["best"]
    days, usd = distribution(best["days"]), distribution(best["cost_usd"])
    answer = f"{LEAST[result['objective']]} is {where(best)}, laid out {described(best)}: "
    answer += f"{count_interval(days)} days"
    answer += f" and {money_interval(usd)} rented." if usd.is_known else "; no price is known."
    texts = (
        ("days", count_interval(days)),
        ("seconds a step", count_interval(distribution(best["step_seconds"]))),
        ("utilisation (MFU)", percent_interval(distribution(best["mfu"]))),
        ("cost, rented", money_interval(usd)),
        ("memory, GB", digits(best["memory_gb"])),
    )
    found = sections(
        Section("Days and cost", parts([_front(result)])),
        Section("Other layouts", parts([_runners(result), _each(result)])),
        Section("The search", parts([_rules(result)])),
    )
    notes = result.get("notes", ())
    title = "The plan" if result["name"] == "plan" else result["name"]
    return Report(title, answer, [figure(*each) for each in texts], found, notes=notes).told(result)


def where(one: Mapping[str, Any]) -> str:
    """Return how many of which accelerator, in which precision."""
    return f"{one['layout']['accelerators']:,} x {one['accelerator']}, {one['precision']}"


def described(one: Mapping[str, Any]) -> str:
    """Return a layout in one line, what is 1 left out."""
    layout = one["layout"]
    told = [f"{key} {layout[key]}" for key in DEGREES if layout[key] > 1] or ["no parallel degree"]
    told += [f"zero {layout['zero']}", f"micro-batch {layout['micro_batch']}"]
    told += [layout["schedule"]] * (layout["schedule"] != "1f1b")
    told += [f"recompute {layout['recompute']}"] * (layout["recompute"] != "none")
    return ", ".join(told)


def _middle(value: Any) -> float | None:
    """Return a figure, or the median of one with an interval."""
    found: float | None = value["p50"] if isinstance(value, Mapping) else value
    return found


def _front(result: Result) -> Chart:
    points = _layouts(result)
    cells = [
        (row["where"], row["layout"], row["kind"], row["texts"], row["usd"], row["gb"])
        for row in sorted(points, key=lambda row: row["days"])
    ]
    several = len({row["cost"] for row in points}) > 1 and all(row["usd"] for row in points)
    against = "cost" if several else "memory"
    says = f"Nothing else beats these in days, cost and memory; shown is days against {against}."
    says += " Points are medians"
    spread = any("days_p5" in row for row in points)
    says += "; the best has its 5th to 95th percentile." if spread else "."
    clusters = len({row["where"] for row in points})
    if clusters > 1:
        says += " The cross is the best; a line joins the cheapest for so many days or fewer."
    return Chart(
        f"Days against {against}",
        says,
        _scatter(points, against),
        Table(
            "Layouts", ("on", "layout", "kind", "days", "cost", "memory"), cells, ("layout", "kind")
        ),
    )


def _layouts(result: Result) -> list[dict[str, Any]]:
    """Return each layout once, as the first of the kinds that it is of."""
    groups = (result["pareto"], result["runners_up"], result["by_accelerator"], [result["best"]])
    rows: dict[str, dict[str, Any]] = {}
    for kind, group in zip(reversed(KINDS), groups, strict=True):
        for each in group:
            row = {
                "days": _middle(each["days"]),
                "cost": _middle(each["cost_usd"]),
                "memory": each["memory_gb"],
                "on": f"{each['accelerator']}, {each['precision']}",
                "where": where(each),
                "layout": described(each),
                "kind": kind,
                "texts": count_interval(distribution(each["days"])),
                "usd": "" if each["cost_usd"] is None else _usd(each),
                "gb": digits(each["memory_gb"]),
            }
            for name, given in (("days", each["days"]), ("cost", each["cost_usd"])):
                if isinstance(given, Mapping):
                    row |= {f"{name}_{end}": given[end] for end in ("p5", "p95")}
            # The last kind that a layout is of goes before.
            rows[f"{row['where']} {row['layout']} {each['layout']}"] = row
    return list(rows.values())


def _usd(one: Mapping[str, Any]) -> str:
    return money_interval(distribution(one["cost_usd"]))


def _scatter(rows: list[dict[str, Any]], against: str) -> Any:
    order = list(dict.fromkeys(row["on"] for row in rows))
    chosen, _ = drawing.toggled("on")
    of_kind, _ = drawing.toggled("kind")
    opacity = alt.condition(chosen & of_kind, alt.value(0.85), alt.value(0.06))
    titles = {
        "cost": ("cost, rented (USD)", drawing.DOLLARS, True),
        "memory": ("memory of the fullest GPU (GB)", drawing.COUNTS, False),
    }
    title, labels, is_log = titles[against]
    x = drawing.amount("days", "days", drawing.COUNTS, is_log=True)
    y = drawing.height(against, title, labels, is_log=is_log, zero=False)
    tooltip = drawing.tips(
        where="on", layout="layout", kind="kind", texts="days", usd="cost", gb="memory, GB"
    )
    base = alt.Chart(drawing.data(rows))
    points = (
        base.mark_point(filled=True, size=70)
        .encode(
            x=x,
            y=y,
            color=drawing.colours("on", order),
            shape=alt.Shape(
                "kind:N",
                title=None,
                legend=alt.Legend(
                    symbolFillColor=drawing.INK, symbolStrokeColor=drawing.INK, columns=2
                ),
                scale=alt.Scale(
                    domain=list(KINDS), range=["cross", "diamond", "triangle-up", "circle"]
                ),
            ),
            opacity=opacity,
            tooltip=tooltip,
        )
        .add_params(chosen, of_kind, drawing.zoom())
    )
    best = (
        base.transform_filter("datum.kind === 'best'")
        .mark_point(color=drawing.INK, size=320, strokeWidth=2, filled=False, fillOpacity=0)
        .encode(x=x, y=y, tooltip=tooltip)
    )
    layers = [points, *_spreads(rows, x, y, against), best]
    if against == "cost":
        layers.insert(0, _steps(rows, x, y))
    return alt.layer(*layers).properties(height=380)


def _spreads(rows: list[dict[str, Any]], x: Any, y: Any, against: str) -> list[Any]:
    """Draw the intervals of the layouts that have one; an axis has one title, its points'."""
    known = [row for row in rows if "days_p5" in row]
    if not known:
        return []
    rule = alt.Chart(drawing.data(known)).mark_rule(color=drawing.INK, strokeWidth=1.5, opacity=0.6)
    across = rule.encode(x=alt.X("days_p5:Q").title(""), x2="days_p95:Q", y=y)
    up = rule.encode(x=x, y=alt.Y(f"{against}_p5:Q").title(""), y2=f"{against}_p95:Q")
    return [across, up] if all(f"{against}_p5" in row for row in known) else [across]


def _steps(rows: list[dict[str, Any]], x: Any, y: Any) -> Any:
    """Draw the front of days and cost alone, which nothing beats in both."""
    front: list[dict[str, Any]] = []
    for row in sorted(rows, key=lambda row: (row["days"], row["cost"])):
        if not front or row["cost"] < front[-1]["cost"]:
            front.append({"days": row["days"], "cost": row["cost"]})
    line = alt.Chart(drawing.data(front)).mark_line(
        interpolate="step-after", color=drawing.REST, strokeWidth=1.5
    )
    return line.encode(x=x, y=y)


def _runners(result: Result) -> Table | None:
    best = _middle(result["best"]["step_seconds"])
    cells = []
    for each in result["runners_up"]:
        odds = each["odds_slower"]
        loss = "" if best is None else signed(each["step_seconds"] / best - 1)
        cells.append(
            (
                where(each),
                described(each),
                digits(each["days"]),
                "" if each["cost_usd"] is None else money(each["cost_usd"]),
                loss,
                "" if odds is None else f"{odds * 100:.0f} %",
            )
        )
    headings = ("on", "layout", "days", "cost", "step", "odds that it is slower")
    return Table("The next best, medians only", headings, cells, ("layout",)) if cells else None


def _each(result: Result) -> Table | None:
    cells = [
        (
            where(each),
            described(each),
            count_interval(distribution(each["days"])),
            "" if each["cost_usd"] is None else _usd(each),
        )
        for each in result["by_accelerator"]
    ]
    cells += [
        (f"{each['accelerator']}, {each['precision']}", each["reason"], "", "")
        for each in result["dropped"]
    ]
    title, headings = "The best of each accelerator, medians only", ("on", "layout", "days", "cost")
    return Table(title, headings, cells, ("layout",)) if len(cells) > 1 else None


def _rules(result: Result) -> Table:
    title = (
        f"{result['evaluated']:,} layouts in {digits(result['search_seconds'])} s; "
        f"{result['feasible']:,} are legal and fit. Left out, one layout by several rules"
    )
    ordered = sorted(result["excluded"].items(), key=lambda each: -each[1])
    cells = [(rule, f"{count:,}", percent(count / result["evaluated"])) for rule, count in ordered]
    return Table(title, ("rule", "layouts", "share"), cells)
