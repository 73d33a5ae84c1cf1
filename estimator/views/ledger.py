"""Tables of a ledger: what a lab's accelerators did, from its own records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from rich.console import RenderableType
from rich.table import Table

from computebill.batches.writing import harmless
from computebill.ledger.result import LARGEST, Amount, Ledger
from computebill.ledger.schema import KINDS, SIZES, STATES

from . import tables
from .text import (
    UNKNOWN,
    count,
    energy,
    energy_interval,
    flop,
    flop_interval,
    money,
    money_interval,
    number,
    percent,
    percent_interval,
)

MOST = 10
MOST_FIRST = 5
"""Rejected rows that are shown, one of a reason."""
LONGEST_ROW = 80
"""Letters of such a row."""
TITLES = {
    "kind": "By kind",
    "state": "By state at the end; a cancelled job is how a long run ends, and no waste",
    "project": "By project, the most hours",
    "user": "By person, the most hours",
    "month": "By month",
    "size": "By size of job, accelerators",
    "accelerator": "By accelerator",
}
ORDER = {"kind": KINDS, "state": STATES, "size": SIZES}


def full(found: Ledger) -> Iterator[RenderableType]:
    """Hours, dollars, energy and FLOP by what they were for, and how that is known."""
    yield _total(found)
    yield _files(found)
    for name, title in TITLES.items():
        parts = found.parts.get(name, {})
        if parts and (name in ("kind", "state") or set(parts) - {"unknown", "not told"}):
            yield _parts(name, title, parts, found.total)
    if len(found.runs):
        yield _largest(found)
    if found.restarts.get("restarts"):
        yield _restarts(found)
    if len(found.queue):
        yield _queue(found.queue)
    counted = (
        ("Joined, so that no job counts twice", found.joined),
        ("To know of rows", found.remarks),
        ("Rejected, by reason", found.reasons),
    )
    yield from (tables.reasons(title, "", each, "others") for title, each in counted if each)
    if found.rejects:
        yield _first_rejects(found)
    if found.assumptions:
        yield _assumptions(found)


def _total(found: Ledger) -> Table:
    table = tables.table("What the records tell")
    table.add_column("")
    table.add_column("", overflow="fold")
    if found.period is not None:
        start, end = found.period
        table.add_row("period", f"{start:%Y-%m-%d} to {end:%Y-%m-%d}")
    rows = f"{found.rows_in:,}, used {found.rows_used:,}, rejected {found.rows_rejected:,}"
    table.add_row("rows", rows)
    total = found.total
    table.add_row("accelerator-hours", f"{total.gpu_hours:,.1f}")
    table.add_row("cost", money_interval(total.cost_usd))
    if found.unpriced > 0:
        table.add_row("", f"without {count(found.unpriced)} hours of no known price")
    table.add_row("energy", energy_interval(total.energy_mwh))
    table.add_row("model FLOP", flop_interval(total.flop))
    basis = "of dollars" if found.share_basis == "cost" else "of hours"
    if found.final_share.is_known:
        table.add_row("final runs", f"{percent_interval(found.final_share)} {basis}")
    if found.final_share_of_research.is_known:
        share = percent_interval(found.final_share_of_research)
        table.add_row("", f"{share} without inference and idle accelerators")
    if found.capacity is not None:
        idle = percent(found.idle_hours() / found.capacity)
        told = f"{count(found.capacity)} hours; idle {idle}"
        table.add_row("capacity", told)
    return table


def _files(found: Ledger) -> Table:
    table = tables.table("Files, and what each was taken for")
    table.add_column("file", overflow="fold")
    table.add_column("form")
    table.add_column("rows", justify="right")
    table.add_column("rejected", justify="right")
    for each in found.files[:MOST]:
        table.add_row(each.file, each.format, f"{each.rows_in:,}", f"{each.rows_rejected:,}")
    if len(found.files) > MOST:
        table.add_row(f"and {len(found.files) - MOST} more", "", "", "")
    for file, reason in found.unread_files.items():
        table.add_row(file, f"not read: {reason}", "", "")
    return table


def _parts(name: str, title: str, parts: dict[str, Amount], total: Amount) -> Table:
    table = tables.table(title, less=("FLOP", "energy", "jobs", "cost"))
    table.add_column("", overflow="fold")
    for heading in ("jobs", "hours", "share", "cost", "energy", "FLOP"):
        table.add_column(heading, justify="right")
    names = [each for each in ORDER.get(name, parts) if each in parts]
    for each in names if name in (*ORDER, "month") else names[:MOST]:
        amount = parts[each]
        share = amount.gpu_hours / total.gpu_hours if total.gpu_hours else float("nan")
        table.add_row(
            each,
            f"{amount.jobs:,.0f}",
            count(amount.gpu_hours),
            percent(share),
            money(amount.cost_usd.p50),
            energy(amount.energy_mwh.p50),
            flop(amount.flop.p50),
        )
    return table


def _largest(found: Ledger) -> Table:
    less = ("accelerators", "jobs", "who", "cost")
    table = tables.table("The largest runs; jobs with their restarts are one", less)
    table.add_column("run", overflow="fold")
    table.add_column("who", overflow="fold")
    table.add_column("kind")
    for heading in ("jobs", "accelerators", "hours", "cost"):
        table.add_column(heading, justify="right")
    row: Any
    for row in found.runs.head(LARGEST).itertuples():
        table.add_row(
            str(row.name or row.job or UNKNOWN),
            ", ".join(str(each) for each in (row.user, row.project) if isinstance(each, str)),
            str(row.kind),
            f"{row.jobs:,}",
            number(row.accelerators),
            count(row.gpu_hours),
            money(row.cost_usd),
        )
    return table


def _restarts(found: Ledger) -> Table:
    told = found.restarts
    table = tables.table("Restarts")
    table.add_column("")
    table.add_column("", justify="right")
    table.add_row("runs that were restarted", f"{told['chains']:,}")
    table.add_row("restarts", f"{told['restarts']:,}")
    table.add_row("their accelerator-hours", count(told["gpu_hours"]))
    lost = told["lost_gpu_hours"]
    table.add_row("of which done again", UNKNOWN if lost is None else count(lost))
    table.add_row("restarts that do not tell", f"{told['restarts_untold']:,}")
    goodput = told["goodput"]
    table.add_row("goodput of those that tell", UNKNOWN if goodput is None else percent(goodput))
    running = told["running_share"]
    table.add_row("time that they ran", UNKNOWN if running is None else percent(running))
    return table


def _queue(queue: pd.DataFrame) -> Table:
    table = tables.table("Wait in the queue by size of job [h]")
    table.add_column("accelerators")
    for heading in ("jobs", "median", "90 %", "99 %"):
        table.add_column(heading, justify="right")
    for size, row in queue.iterrows():
        waits = (f"{row[name]:,.2f}" for name in ("p50_h", "p90_h", "p99_h"))
        table.add_row(str(size), f"{row['jobs']:,.0f}", *waits)
    return table


def _first_rejects(found: Ledger) -> Table:
    """Return the first rejected row of each reason, as it stands."""
    table = tables.table("The first of them; --rejects FILE.csv gets all")
    for heading in ("file", "line", "reason", "row"):
        justify: Any = "right" if heading == "line" else "left"
        table.add_column(heading, justify=justify, overflow="fold")
    first = {each.reason: each for each in reversed(found.rejects)}
    for each in list(first.values())[::-1][:MOST_FIRST]:
        name = each.file.rpartition("/")[2]
        text = each.text if len(each.text) <= LONGEST_ROW else f"{each.text[:LONGEST_ROW]} …"
        table.add_row(name, f"{each.line:,}", each.reason, text)
    return table


def _assumptions(found: Ledger) -> Table:
    table = tables.table("What this rests on")
    for heading in ("", "value", "source"):
        table.add_column(heading, overflow="fold")
    for each in found.assumptions:
        table.add_row(each.name, each.value, each.source)
    return table


def runs_frame(found: Ledger) -> pd.DataFrame:
    """Return the largest runs as a table of which no cell is run as a formula."""
    runs = found.runs
    if not len(runs):
        return runs
    made: pd.DataFrame = harmless(
        pa.table({name: _column(runs[name]) for name in runs.columns})
    ).to_pandas()
    return made


def _column(values: pd.Series) -> pa.Array:
    if values.dtype == object:
        return pa.array([None if each is None else str(each) for each in values], pa.string())
    return pa.array(np.asarray(values), from_pandas=True)
