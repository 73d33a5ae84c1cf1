"""A scored catalogue, as a page tells it; one's own runs stand among its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from ..text import UNKNOWN, flop, flop_interval, money, money_interval, percent
from . import drawing
from .document import (
    Chart,
    Figure,
    Report,
    Result,
    Section,
    Table,
    distribution,
    parts,
    sections,
)

MOST_ORGANISATIONS = 15
OWN = "your run"
COST, FLOP = "cost_amortised_usd", "flop"


def report(result: Result, runs: Sequence[Result] = ()) -> Report:
    """Tell a catalogue, with runs of one's own placed in it."""
    points = [*_points(result), *map(_own, runs)]
    largest = max(points, key=lambda row: row[f"{FLOP}_p50"] or 0.0, default=None)
    answer = f"{result['rows_scored']:,} of {result['rows_in']:,} rows have figures"
    if largest is not None and largest[f"{FLOP}_p50"]:
        answer += f"; the largest run is {largest['model']}, {_flop(largest)} FLOP"
    dearest = max(points, key=lambda row: row[f"{COST}_p50"] or 0.0, default=None)
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
    return [{**row, "own": False} for row in result.get("points") or ()]


def _own(result: Result) -> dict[str, Any]:
    """Return a run as a row; it stands at its date, or at the day it was estimated."""
    row: dict[str, Any] = {
        "model": OWN if result["name"] == "run" else result["name"],
        "organization": result.get("accelerator_title", ""),
        "date": result.get("date") or (result.get("about") or {}).get("date"),
        "flop_way": OWN,
        "gpu_hours_way": OWN,
        "own": True,
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
            "way": row[way] or "not told",
            "own": row["own"],
            "text": _usd(row) if name == COST else _flop(row),
            **{key: row[f"{name}_{key}"] for key in ("p5", "p50", "p95")},
        }
        for row in points
        if row["date"] and row[f"{name}_p50"]
    ]
    if not rows:
        return None
    label = "Cost" if name == COST else "Training FLOP"
    own = any(row["own"] for row in rows)
    says = "Each point is a model with its 5th to 95th percentile"
    says += "; the dashed line is the trend with nine in ten models in its band" if trend else ""
    says += f"; the large red diamond is {OWN}." if own else "."
    title = "cost: hardware used up + energy (USD)" if name == COST else "training FLOP"
    labels = drawing.DOLLARS if name == COST else drawing.FLOP
    cells = [
        (row["model"], row["organization"] or "", row["date"], row["text"], row["way"])
        for row in sorted(rows, key=lambda row: (not row["own"], -row["p50"]))
    ]
    labels = drawing.thinned(labels, drawing.span(row["p50"] for row in rows))
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
    x = alt.X("date:T", title=None, axis=alt.Axis(format="%Y", tickCount="year"))
    y = drawing.height("p50", title, labels, is_log=True)
    tooltip = drawing.tips(model="", organization="of", date="date", text=title, way="found by")
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
    layers = [lines, points, spread, mark, *_names(rows, x, y)]
    if trend:
        line = alt.Chart(drawing.data(trend)).encode(x="date:T")
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
    return alt.layer(*layers).properties(height=400)


def _names(rows: drawing.Rows, x: Any, y: Any) -> list[Any]:
    """Write the names of runs of one's own, each a line above the one before."""
    return [
        alt.Chart(drawing.data([row]))
        .mark_text(
            color=drawing.INK, fontSize=12, align="right", dx=-13, dy=-14 * place, fontWeight="bold"
        )
        .encode(x=x, y=y, text="model:N")
        for place, row in enumerate(row for row in rows if row["own"])
    ]


def _organisations(result: Result) -> Chart | None:
    known = [each for each in result.get("by_organization") or () if each[COST]]
    known.sort(key=lambda each: -each[COST])
    if not known:
        return None
    rows = [
        {"name": each["organization"], "value": each[COST], "text": money(each[COST])}
        for each in known
    ]
    cells = [
        (each["organization"], f"{each['rows']:,.0f}", flop(each[FLOP] or 0.0), money(each[COST]))
        for each in known
    ]
    return Chart(
        "Cost of all rows that have one, by organisation",
        f"Sums of medians; the {min(len(rows), MOST_ORGANISATIONS)} largest of {len(rows)}.",
        drawing.bars(rows[:MOST_ORGANISATIONS], "hardware used up + energy (USD)", drawing.DOLLARS),
        Table("Organisations", ("organisation", "rows", "FLOP", "cost"), cells),
    )


def _years(result: Result) -> Table | None:
    cells = [
        (
            UNKNOWN if each["year"] is None else f"{each['year']:.0f}",
            f"{each['rows']:,.0f}",
            flop(each[FLOP] or 0.0),
            money(each[COST] or 0.0),
        )
        for each in result.get("by_year") or ()
    ]
    title = "By year of publication, sums of medians"
    return Table(title, ("year", "rows", "FLOP", "cost"), cells) if cells else None


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
