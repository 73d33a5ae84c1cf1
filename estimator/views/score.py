"""Tables of a scored catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
from rich.console import RenderableType
from rich.table import Table

from computebill.catalogue import Score
from computebill.catalogue.score import TOLD
from computebill.uncertainty.distribution import Distribution

from . import tables
from .text import flop, flop_interval, money, money_interval, percent

MOST_YEARS = 10
MOST_ORGANISATIONS = 10


def full(found: Score, output: str = "") -> Iterator[RenderableType]:
    """How many rows, how their figures were found, and why some are left out."""
    table = tables.table(f"{found.rows_in:,} rows")
    table.add_column("")
    table.add_column("rows", justify="right")
    table.add_column("", overflow="fold")
    table.add_row("scored", f"{found.rows_scored:,}", output)
    table.add_row("rejected", f"{found.rows_rejected:,}", found.rejects_file or "")
    yield table
    yield _columns(found)
    for remark, rows in found.remarks.most_common():
        yield f"{remark} ({rows:,} {'row' if rows == 1 else 'rows'})"
    for name, label in (("flop", "Training FLOP"), ("gpu_hours", "GPU-hours")):
        yield _ways(found, name, f"{label}, by the way they were found")
    if len(found.summary.largest):
        yield _largest(found)
        yield _years(found)
        yield _organisations(found)
    if found.reasons:
        yield tables.reasons("Rejected, by reason", "reason", found.reasons, "other reasons")


def _columns(found: Score) -> str:
    """Return which columns were read as what, and which were not."""
    read = [f"{name}: {heading}" for heading, name in found.columns.items() if name]
    unused = [heading for heading, name in found.columns.items() if not name]
    told = f"Columns read: {', '.join(read)}."
    return f"{told} Not used: {', '.join(unused)}." if unused else told


def _ways(found: Score, name: str, title: str) -> Table:
    table = tables.table(title)
    table.add_column("way")
    table.add_column("rows", justify="right")
    table.add_column("share", justify="right")
    for way, count in found.ways[name].most_common():
        table.add_row(way, f"{count:,}", percent(count / max(1, found.rows_scored)))
    return table


def _largest(found: Score) -> Table:
    table = tables.table(
        "The largest runs; cost of hardware used up + energy", ("found by", "organisation")
    )
    table.add_column("model", overflow="fold")
    table.add_column("organisation", overflow="fold")
    for heading in ("FLOP", "found by", "cost"):
        table.add_column(heading, justify="right")
    for row in found.summary.largest.head(TOLD).itertuples():
        table.add_row(
            str(row.model),
            str(row.organization),
            flop_interval(_spread(row, "flop")),
            str(row.flop_way),
            money_interval(_spread(row, "cost_amortised_usd")),
        )
    return table


def _spread(row: Any, name: str) -> Distribution:
    p5, p50, p95 = (float(getattr(row, f"{name}_{key}")) for key in ("p5", "p50", "p95"))
    return Distribution(p5, p50, p95, p50)


def _years(found: Score) -> Table:
    sums = found.summary.by_year.tail(MOST_YEARS)
    return _sums(sums.rename(index="{:.0f}".format), "By year of publication, sums of medians")


def _organisations(found: Score) -> Table:
    sums = found.summary.costliest(MOST_ORGANISATIONS)
    return _sums(sums, "By organisation, the most costly; sums of medians")


def _sums(sums: pd.DataFrame, title: str) -> Table:
    table = tables.table(title)
    table.add_column("", overflow="fold")
    for heading in ("rows", "FLOP", "with a cost", "cost"):
        table.add_column(heading, justify="right")
    for name, row in sums.iterrows():
        rows, known = (f"{row[key]:,.0f}" for key in ("rows", "rows_with_cost"))
        table.add_row(str(name), rows, flop(row["flop"]), known, money(row["cost_amortised_usd"]))
    return table
