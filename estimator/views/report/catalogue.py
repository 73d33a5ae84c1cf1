"""A scored catalogue, as a page tells it; one's own runs stand among its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from math import log10
from typing import Any

import altair as alt

from computebill.views.text import UNKNOWN, flop, flop_interval, money, money_interval, percent

from . import drawing
from .document import Chart, Figure, Report, Result, Section, Table, distribution, parts, sections
from .run import UNNAMED, short

MOST_ORGANISATIONS = 15
OWN = "your run"
SUMS = ("rows", "FLOP", "rows with a cost", "cost")
LABEL_HEIGHT = 14
HEIGHT = 400
NEAR = 0.3
"""Part of the axis of dates that a name may be long."""
COST, FLOP = "cost_amortised_usd", "flop"


def report(result: Result, runs: Sequence[Result] = ()) -> Report:
    """Tell a catalogue, with runs of one's own placed in it."""
    rows = _points(result)
    points = [*rows, *_own_rows(runs)]
    largest = max(rows, key=lambda row: row[f"{FLOP}_p50"] or 0.0, default=None)
    answer = f"{result['rows_scored']:,} of {result['rows_in']:,} rows have figures"
    if largest is not None and largest[f"{FLOP}_p50"]:
        answer += f"; the largest run is {largest['model']}, {_flop(largest)} FLOP"
    dearest = max(rows, key=lambda row: row[f"{COST}_p50"] or 0.0, default=None)
    if dearest is not None and dearest[f"{COST}_p50"]:
        answer += f"; the dearest is {dearest['model']}, {_usd(dearest)}"
    figures = [
        Figure("rows", f"{result['rows_in']:,}"),
        Figure("scored", f"{result['rows_scored']:,}"),
        Figure("rejected", f"{result['rows_rejected']:,}"),
    ]
    trends = result.get("trends") or {}
    found = sections(
        Section(
            "Over time",
            parts(
                [
                    _over_time(points, trends.get(COST, []), COST),
                    _over_time(points, trends.get(FLOP, []), FLOP),
                ]
            ),
        ),
        Section("By organisation and year", parts([_organisations(result), _years(result)])),
        Section("How the figures were found", parts([*_ways(result), _reasons(result)])),
    )
    names = ", ".join(result.get("catalogues") or []) or "A catalogue"
    return Report(f"{names}, scored", f"{answer}.", figures, found, notes=_notes(result)).told(
        result
    )


def _points(result: Result) -> list[dict[str, Any]]:
    return [{**row, "own": False, "undated": False} for row in result.get("points") or ()]


def _own_rows(runs: Sequence[Result]) -> list[dict[str, Any]]:
    """Return runs as rows: one without a name is one's own, several are told by their size."""
    names = [short(each) for each in runs]
    if len(runs) == 1 and runs[0]["name"] == UNNAMED:
        names = [OWN]
    found = []
    for place, (name, each) in enumerate(zip(names, runs, strict=True)):
        number = names[: place + 1].count(name)
        found.append(_own(each, f"{name} ({number})" if number > 1 else name))
    return found


def _own(result: Result, name: str) -> dict[str, Any]:
    """Return a run as a row; it stands at its date, or at the day it was estimated."""
    row: dict[str, Any] = {
        "model": name,
        "organization": result.get("accelerator_title", ""),
        "date": result.get("date") or (result.get("about") or {}).get("date"),
        "flop_way": OWN,
        "gpu_hours_way": OWN,
        "own": True,
        "undated": not result.get("date"),
    }
    costs = {COST: result["cost_ways_usd"].get("amortised"), FLOP: result["flop"]["model"]}
    for name, given in costs.items():
        for key in ("p5", "p50", "p95"):
            row[f"{name}_{key}"] = given[key] if given else None
    return row


def _notes(result: Result) -> list[str]:
    return [f"{each['file']}: {each['reason']}" for each in result.get("unread_files") or ()]


def _spread(row: Mapping[str, Any], name: str) -> Any:
    values = {key: row[f"{name}_{key}"] for key in ("p5", "p50", "p95")}
    if values["p50"] is None:
        return distribution(None)
    filled = {key: values["p50"] if each is None else each for key, each in values.items()}
    return distribution({**filled, "mean": values["p50"]})


def _usd(row: Mapping[str, Any]) -> str:
    return money_interval(_spread(row, COST))


def _flop(row: Mapping[str, Any]) -> str:
    return flop_interval(_spread(row, FLOP))


def _over_time(
    points: list[dict[str, Any]], trend: Sequence[Mapping[str, Any]], name: str
) -> Chart | None:
    way = "gpu_hours_way" if name == COST else "flop_way"
    rows = [
        {
            "model": row["model"],
            "organization": row["organization"],
            "date": row["date"],
            # What is drawn as a date is a number when hovered.
            "day": row["date"],
            "way": row[way] or "not told",
            "own": row["own"],
            "undated": row["undated"],
            "text": _usd(row) if name == COST else _flop(row),
            **{key: row[f"{name}_{key}"] for key in ("p5", "p50", "p95")},
        }
        for row in points
        if row["date"] and row[f"{name}_p50"]
    ]
    if not rows:
        return None
    label = "Cost" if name == COST else "Training FLOP"
    says = "Each point is a model with its 5th to 95th percentile"
    says += "; the dashed line is the trend with nine in ten models in its band" if trend else ""
    says += _of_own([row for row in rows if row["own"]])
    title = "cost: hardware used up + energy (USD)" if name == COST else "training FLOP"
    labels = drawing.DOLLARS if name == COST else drawing.FLOP
    cells = [
        (row["model"], row["organization"] or "", row["date"], row["text"], row["way"])
        for row in sorted(rows, key=lambda row: (not row["own"], -row["p50"]))
    ]
    return Chart(
        f"{label} against date of publication",
        says,
        _scatter(rows, trend, title, labels),
        Table(
            f"{label}, the largest first",
            ("model", "organisation", "date", title, "found by"),
            cells,
            ("organisation", "date", "found by"),
        ),
    )


def _scatter(
    rows: drawing.Rows, trend: Sequence[Mapping[str, Any]], title: str, labels: str
) -> Any:
    order = list(dict.fromkeys(str(row["way"]) for row in rows if not row["own"]))
    chosen, opacity = drawing.toggled("way")
    x = drawing.dates("date")
    y = drawing.height("p50", title, labels, is_log=True)
    tooltip = drawing.tips(model="model", organization="of", day="date", text=title, way="found by")
    base = alt.Chart(drawing.data(rows)).encode(x=x)
    palette = [colour for colour in drawing.PALETTE if colour != drawing.FINAL]
    others = base.transform_filter("!datum.own")
    lines = others.mark_rule(color=drawing.INK, opacity=0.13).encode(y="p5:Q", y2="p95:Q")
    points = (
        others.mark_circle(size=42)
        .encode(y=y, color=drawing.colours("way", order, palette), opacity=opacity, tooltip=tooltip)
        .add_params(chosen, drawing.zoom())
    )
    own = base.transform_filter("datum.own")
    spread = own.mark_rule(color=drawing.FINAL, strokeWidth=3).encode(y="p5:Q", y2="p95:Q")
    mark = own.mark_point(
        shape="diamond", filled=True, color=drawing.FINAL, size=240, opacity=1
    ).encode(y=y, tooltip=tooltip)
    layers = [lines, points, spread, mark]
    if trend:
        line = alt.Chart(drawing.data(trend)).encode(x=drawing.dates("date"))
        layers.insert(
            0,
            line.mark_area(color=drawing.REST, opacity=0.13).encode(
                y=drawing.height("low", title, labels, is_log=True), y2="high:Q"
            ),
        )
        layers.append(
            line.mark_line(
                color=drawing.INK, fillOpacity=0, strokeDash=[6, 4], strokeWidth=1.5
            ).encode(y="middle:Q")
        )
    layers += _names(rows, x, y)
    return alt.layer(*layers).properties(height=HEIGHT)


def _of_own(own: drawing.Rows) -> str:
    if not own:
        return "."
    what = f"diamond is {OWN}" if len(own) == 1 else "diamonds are runs of your own"
    undated = any(row["undated"] for row in own)
    at = " One without a date stands at the day of its estimate." if undated else ""
    return f"; the large red {what}.{at}"


def _names(rows: drawing.Rows, x: Any, y: Any) -> list[Any]:
    """Write the names of runs of one's own; one that would lie upon another goes above it."""
    own = sorted((row for row in rows if row["own"]), key=lambda row: row["p50"])
    spread = [log10(row["p50"]) for row in rows]
    days = [date.fromisoformat(row["date"]).toordinal() for row in rows]
    tall, wide = max(spread) - min(spread) or 1.0, max(days) - min(days) or 1
    placed: list[tuple[float, int]] = []
    layers = []
    for row in own:
        day = date.fromisoformat(row["date"]).toordinal()
        at = start = HEIGHT * log10(row["p50"]) / tall
        for below, when in placed:
            if abs(day - when) < NEAR * wide:
                at = max(at, below + LABEL_HEIGHT)
        placed.append((at, day))
        base = alt.Chart(drawing.data([row])).encode(x=x, y=y, text="model:N")
        layers += drawing.upon(
            base, fontSize=12, align="right", dx=-13, dy=start - at, fontWeight="bold"
        )
    return layers


def _organisations(result: Result) -> Chart | None:
    known = [each for each in result.get("by_organization") or () if each[COST]]
    known.sort(key=lambda each: -each[COST])
    if not known:
        return None
    rows = [
        {"name": each["organization"], "value": each[COST], "text": money(each[COST])}
        for each in known
    ]
    cells = [_sum(each["organization"], each) for each in known]
    return Chart(
        "Cost of all rows that have one, by organisation",
        "Sums of medians, without an interval; "
        f"the {min(len(rows), MOST_ORGANISATIONS)} largest of {len(rows)}.",
        drawing.bars(
            rows[:MOST_ORGANISATIONS],
            "hardware used up + energy (USD)",
            drawing.DOLLARS,
            of="organisation",
        ),
        Table("Organisations, sums of medians", ("organisation", *SUMS), cells),
    )


def _years(result: Result) -> Table | None:
    cells = [
        _sum(UNKNOWN if each["year"] is None else f"{each['year']:.0f}", each)
        for each in result.get("by_year") or ()
    ]
    title = "By year of publication, sums of medians"
    return Table(title, ("year", *SUMS), cells) if cells else None


def _sum(name: str, each: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the cells of a sum; of no row that has a figure it is not known."""
    known = each.get("rows_with_cost")
    return (
        name,
        f"{each['rows']:,.0f}",
        flop(each[FLOP]) if each[FLOP] else UNKNOWN,
        UNKNOWN if known is None else f"{known:,.0f}",
        money(each[COST]) if each[COST] else UNKNOWN,
    )


def _ways(result: Result) -> list[Table]:
    labels = {"flop": "Training FLOP", "gpu_hours": "GPU-hours"}
    return [
        Table(
            f"{labels.get(name, name)}, by the way they were found",
            ("way", "rows", "share"),
            [
                (way, f"{count:,}", percent(count / max(1, result["rows_scored"])))
                for way, count in counts.items()
            ],
        )
        for name, counts in result["ways"].items()
    ]


def _reasons(result: Result) -> Table | None:
    cells = [(reason, f"{count:,}") for reason, count in result["reasons"].items()]
    return Table("Rejected, by reason", ("reason", "rows"), cells) if cells else None
