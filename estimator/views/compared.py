"""Tables of plans of several clusters and markets side by side."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table

from computebill.planning.compared import Alternative, ComparedPlan

from . import plan, tables
from .plan_words import chance, checkpointed
from .text import count_interval, money_interval, percent_interval

FEWER = ("taken away", "checkpoint", "goodput", "USD/h")
"""Columns that a narrow terminal has no room for, the first to go first."""


def full(found: ComparedPlan) -> Iterator[RenderableType]:
    """All side by side, what else there was, then the best by itself."""
    yield _ways(found)
    if found.dropped:
        yield _dropped(found)
    yield from plan.full(found.best.plan)


def _ways(found: ComparedPlan) -> Table:
    by_day = found.spec.deadline
    table = tables.table("Side by side, the best first; median (5th–95th percentile)", FEWER)
    table.add_column("", overflow="fold")
    table.add_column("on", overflow="fold")
    headings = ["USD/h", "taken away", "checkpoint", "goodput", "days", "cost, rented"]
    headings += [f"by day {by_day:g}"] if by_day is not None else []
    cells = [_cells(each, by_day) for each in found.alternatives]
    for place, heading in enumerate(headings):
        tables.add_figures(table, heading, [each[place] for each in cells])
    for each, texts in zip(found.alternatives, cells, strict=True):
        table.add_row(each.way.label, plan.where(each.plan.best), *texts)
    return table


def _cells(one: Alternative, by_day: float | None) -> list[str]:
    rows, told = one.plan.estimate.rows, one.to_dict()
    cells = [
        one.price[0],
        f"{one.interruptions:.3g}",
        checkpointed(told),
        percent_interval(rows["goodput"]),
        count_interval(rows["days"]),
        money_interval(rows["cloud"]) if rows["cloud"].is_known else "",
    ]
    return cells + ([chance(told)] if by_day is not None else [])


def _dropped(found: ComparedPlan) -> Table:
    table = tables.table("Nothing was found on")
    table.add_column("")
    table.add_column("why", overflow="fold")
    for label, reason in found.dropped.items():
        table.add_row(label, reason)
    return table
