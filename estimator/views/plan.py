"""Tables of a search."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from computebill.costs.method import cost_method
from computebill.planning.result import Candidate, Plan
from computebill.planning.search import OBJECTIVES
from computebill.training.memory_odds import memory_interval
from computebill.training.utilisation import Fastest
from computebill.uncertainty.distribution import Distribution

from . import tables
from .plan_words import LEAST, UNNAMED
from .text import (
    count_interval,
    digits,
    duration_interval,
    energy_interval,
    fit_text,
    memory_with_ends,
    money,
    money_interval,
    observed_text,
    percent_interval,
    stage_texts,
)

ALIKE = 0.8
"""Odds below which two layouts cannot be told apart."""

SHOWN = 12
"""Layouts of the front that a table shows; all of them are in the JSON and the chart."""

FEWER = ("fits", "step", "odds", "GB")
"""Columns that a narrow terminal has no room for, the first to go first."""

FAR = 2.0
"""Times the days of the fastest, beyond which a table leaves out a layout that saves memory."""


def full(found: Plan) -> Iterator[RenderableType]:
    """The best, the next, the front, how large the search was, and what went in."""
    yield from (Text(note) for note in found.estimate.notes)
    yield _best(found)
    if len(found.each) + len(found.dropped) > 1:
        yield _each(found)
    if found.runners_up:
        yield _runners(found)
    if len(found.pareto) > 1:
        yield _front(found)
    yield Text(f"{_searched(found)}\n")
    yield tables.inputs(found.assumptions)


def described(one: Candidate | Fastest) -> str:
    """Return a layout in one line: what is not one, or not usual."""
    layout = one.layout
    parts = [f"tp {layout.tp}"] * (layout.tp > 1)
    parts += ["no sequence parallel"] * (layout.tp > 1 and not layout.is_sequence_parallel)
    parts += [f"pp {layout.pp}"] * (layout.pp > 1)
    parts += [f"vpp {layout.vpp}"] * (layout.vpp > 1)
    parts += [layout.schedule] * (layout.schedule != "1f1b")
    parts += [f"cp {layout.cp}"] * (layout.cp > 1)
    parts += [f"dp {layout.dp}"] * (layout.dp > 1)
    parts += [f"ep {layout.ep}"] * (layout.ep > 1)
    parts = parts or ["no parallel degree"]
    parts += [f"etp {layout.expert_tensor}"] * (layout.ep > 1 and layout.expert_tensor > 1)
    parts += [f"zero {layout.zero}" + (f" in {layout.shards}" if layout.shards else "")]
    parts += [f"micro-batch {layout.micro_batch}"]
    parts += stage_texts(layout.to_dict())
    return ", ".join(parts)


def where(one: Candidate) -> str:
    """Return how many of which accelerator, in which precision."""
    return f"{one.layout.accelerators:,} x {one.accelerator.name}, {one.precision}"


def _title(found: Plan) -> str:
    name = "" if found.spec.name == UNNAMED else f"{found.spec.name}. "
    return f"{name}{LEAST[found.spec.objective]}: {where(found.best)}"


def _best(found: Plan) -> Table:
    table = tables.table(_title(found))
    table.add_column("")
    table.add_column("median (5th–95th percentile)", justify="right")
    rows = found.estimate.rows
    room = found.best.accelerator.memory_gb.value
    table.add_row("Layout", described(found.best))
    run = found.estimate.spec
    if run.global_batch is not None:
        table.add_row("Global batch", f"{run.global_batch:,.0f} sequences")
    table.add_row("Seconds a step", count_interval(rows["step_seconds"]))
    table.add_row("Utilisation (MFU)", percent_interval(rows["mfu"]))
    observed = cost_method().mfu.observed
    reached = observed_text(observed.p10, observed.p50, observed.p90)
    table.add_row(f"  {observed.runs} real runs reached", reached)
    table.add_row("Time that trains (goodput)", percent_interval(rows["goodput"]))
    memory = memory_with_ends(found.best.memory_gb, memory_interval(found.best.memory_gb))
    table.add_row("Memory, GB", f"{memory} of {room:g}")
    table.add_row("Odds that it fits", fit_text(found.best.fit_odds))
    add_bill(table, rows)
    return table


def add_bill(table: Table, rows: Mapping[str, Distribution]) -> None:
    """Add rows of a plan's days, and of its dollars and energy where they are known.

    Args:
        table: of the best, two columns.
        rows: what its estimate tells.
    """
    table.add_row("Wall-clock time", duration_interval(rows["days"]))
    if rows["cloud"].is_known:
        table.add_row("Cost, rented", money_interval(rows["cloud"]))
    if rows["energy_mwh"].is_known:
        table.add_row("Energy", energy_interval(rows["energy_mwh"]))


def _runners(found: Plan) -> Table:
    alike = f"; {found.alike:,} left out that hardly differ from one here" if found.alike else ""
    title = f"The next best; odds that they are really slower a step than the best{alike}"
    table = tables.table(title, FEWER)
    _columns(table, found)
    table.add_column("step", justify="right")
    table.add_column("odds", justify="right")
    for each in found.runners_up:
        loss = each.step_seconds / found.best.step_seconds - 1
        table.add_row(*_cells(each, found), f"{loss:+.1%}", _odds(found.odds(each)))
    return table


def _odds(odds: float | None) -> str:
    if odds is None:
        return ""
    return f"{odds:.0%}{' (alike)' if 1 - ALIKE < odds < ALIKE else ''}"


def _each(found: Plan) -> Table:
    table = tables.table("The best of each accelerator", FEWER)
    _columns(table, found)
    ranked = sorted(found.each, key=lambda each: getattr(each, OBJECTIVES[found.spec.objective]))
    for each in ranked:
        table.add_row(*_cells(each, found))
    for (name, precision), reason in found.dropped.items():
        table.add_row(f"{name}, {precision}", reason)
    return table


def _front(found: Plan) -> Table:
    near = [each for each in found.pareto if each.days <= FAR * found.pareto[0].days]
    step = max(1, math.ceil(len(near) / SHOWN))
    shown = near[::step][:SHOWN]
    left = len(found.pareto) - len(shown)
    more = f" ({left} more with --json)" if left > 0 else ""
    table = tables.table(f"Nothing else beats these in days, cost and memory{more}", FEWER)
    _columns(table, found)
    for each in shown:
        table.add_row(*_cells(each, found))
    return table


def _columns(table: Table, found: Plan) -> None:
    if _several(found):
        table.add_column("on")
    table.add_column("layout", overflow="fold")
    for heading in ("GB", "fits", "days", "cost"):
        table.add_column(heading, justify="right")


def _cells(one: Candidate, found: Plan) -> list[str]:
    price = "" if math.isnan(one.cost_usd) else money(one.cost_usd)
    memory = (digits(one.memory_gb), fit_text(one.fit_odds))
    cells = [described(one), *memory, digits(one.days), price]
    return [where(one), *cells] if _several(found) else cells


def _several(found: Plan) -> bool:
    shown = (found.best, *found.runners_up, *found.pareto, *found.each)
    return len({where(each) for each in shown}) > 1 or bool(found.dropped)


def _searched(found: Plan) -> str:
    """Return how large the search was, and what left layouts out."""
    several = "layout" if found.evaluated == 1 else "layouts"
    told = (
        f"{found.evaluated:,} {several} in {digits(found.search_seconds)} s; "
        f"{found.feasible:,} {'is legal and fits' if found.feasible == 1 else 'are legal and fit'}"
    )
    ordered = sorted(found.excluded.items(), key=lambda each: -each[1])
    rules = "; ".join(f"{rule}: {count:,}" for rule, count in ordered)
    return f"{told}. Left out (one layout by several rules): {rules}." if rules else f"{told}."
