"""A search, as a page tells it."""

from __future__ import annotations

from dataclasses import replace

from computebill.views.answers.plan import (
    answer,
    described,
    heading,
    rented,
    way_label,
    where,
)
from computebill.views.charts.picture import Picture
from computebill.views.charts.plan import front, middle
from computebill.views.plan_words import chance, checkpointed
from computebill.views.result import Result, distribution
from computebill.views.text import (
    count_interval,
    digits,
    money,
    percent,
    percent_interval,
    signed,
)

from .document import Chart, Report, Section, Table, parts, sections


def report(result: Result) -> Report:
    """Tell a search and the best that it found."""
    found = sections(
        Section("Side by side", parts([_ways(result)])),
        Section("Days and cost", [_layouts(front(result))]),
        Section("Other layouts", parts([_runners(result), _each(result)])),
        Section("The search", parts([_rules(result)])),
    )
    return replace(Report.of(answer(result), result, found), heading=heading(result))


def _ways(result: Result) -> Table | None:
    """Clusters and markets side by side; nothing of one plan alone."""
    rows = [
        (
            way_label(each),
            where(each),
            each["price"],
            f"{each['interruptions_per_gpu_day']:.3g}",
            checkpointed(each),
            percent_interval(distribution(each["goodput"])),
            count_interval(distribution(each["days"])),
            rented(each),
            chance(each),
        )
        for each in result.get("alternatives") or ()
    ]
    day = result.get("deadline_days")
    headings = (
        "cluster and market",
        "on",
        "USD an hour",
        "taken away, a GPU and day",
        "checkpoint",
        "goodput",
        "days",
        "cost",
        "odds" if day is None else f"odds by day {day:g}",
    )
    return Table("Side by side, the best first", headings, rows, headings[1:2]) if rows else None


def _layouts(picture: Picture) -> Chart:
    keys = ("where", "layout", "kind", "texts", "usd", "gb", "fits")
    rows = sorted(picture.rows, key=lambda row: row["days"])
    cells = [tuple(row[key] for key in keys) for row in rows]
    headings = ("on", "layout", "kind", "days", "cost", "memory", "fits")
    return Chart(picture, Table("Layouts", headings, cells, ("layout", "kind")))


def _runners(result: Result) -> Table | None:
    best = middle(result["best"]["step_seconds"])
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
            rented(each),
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
