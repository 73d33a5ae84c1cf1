"""A scored catalogue, as a page tells it; one's own runs stand among its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from computebill.views.answers.run import UNNAMED, short
from computebill.views.answers.score import COST_KEY as COST
from computebill.views.answers.score import FLOP_KEY as FLOP
from computebill.views.answers.score import answer
from computebill.views.charts import score as drawn
from computebill.views.charts.score import OWN
from computebill.views.result import Result
from computebill.views.text import UNKNOWN, flop, money, percent

from .document import Chart, Report, Section, Table, parts, sections

SUMS = ("rows", "FLOP", "rows with a cost", "cost")


def report(result: Result, runs: Sequence[Result] = ()) -> Report:
    """Tell a catalogue, with runs of one's own placed in it."""
    points = [*_points(result), *_own_rows(runs)]
    found = sections(
        Section(
            "Over time",
            parts([_over_time(result, points, name) for name in (COST, FLOP)]),
        ),
        Section("By organisation and year", parts([_organisations(result), _years(result)])),
        Section("How the figures were found", parts([*_ways(result), _reasons(result)])),
    )
    undrawn = "no row was scored; there is nothing to draw"
    return Report.of(answer(result), result, found, undrawn=undrawn)


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


def _over_time(result: Result, points: list[dict[str, Any]], name: str) -> Chart | None:
    picture = drawn.over_time(result, points, name)
    if picture is None:
        return None
    cells = [
        (row["model"], row["organization"] or "", row["date"], row["text"], row["way"])
        for row in sorted(picture.rows, key=lambda row: (not row["own"], -row["p50"]))
    ]
    label = "Cost" if name == COST else "Training FLOP"
    headings = ("model", "organisation", "date", drawn.TITLES[name], "found by")
    left = ("organisation", "date", "found by")
    return Chart(picture, Table(f"{label}, the largest first", headings, cells, left))


def _organisations(result: Result) -> Chart | None:
    picture = drawn.organisations(result)
    if picture is None:
        return None
    cells = [_sum(each["organization"], each) for each in drawn.costliest(result)]
    headings = ("organisation", *SUMS)
    return Chart(picture, Table("Organisations, sums of medians", headings, cells))


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
