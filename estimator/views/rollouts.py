"""Tables of a search of splits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from computebill.planning.rollout_result import Divided, RolloutPlan

from . import tables
from .plan import add_bill, described
from .plan_words import LEAST, UNNAMED, memory, waiting, written
from .text import (
    count_interval,
    digits,
    money,
    percent,
)

SHOWN = 12
"""Splits of the front that a table shows."""


def full(found: RolloutPlan) -> Iterator[RenderableType]:
    """The best with its layouts, the next, the front, other mean answers, and what went in."""
    yield from (Text(note) for note in found.estimate.notes)
    yield _best(found)
    yield _splits("Splits, the best first; medians", found, _beside(found))
    if len(found.front) > 1:
        yield _splits("Nothing else beats these in days and cost", found, found.front[:SHOWN])
    yield _answers(found)
    yield Text(f"{_searched(found)}\n")
    yield tables.inputs(found.assumptions)


def _best(found: RolloutPlan) -> Table:
    name = "" if found.spec.name == UNNAMED else f"{found.spec.name}. "
    table = tables.table(f"{name}{LEAST[found.spec.objective]}: {found.best.split.text}")
    table.add_column("")
    table.add_column("median (5th–95th percentile)", justify="right")
    rows, told = found.estimate.rows, found.best.to_dict()
    step = found.best.step_seconds / found.best.days
    table.add_row("Seconds a step", count_interval(rows["days"].scaled(step)))
    table.add_row("  of it training", digits(found.best.train_seconds))
    table.add_row("  of it writing", digits(found.best.write_seconds))
    if not found.best.split.is_shared:
        table.add_row("Who waits", waiting(told))
    table.add_row("Those that train", _trained(found.best))
    table.add_row("  memory, GB", memory(told["train"]))
    table.add_row("Those that write", written(told))
    table.add_row("  memory, GB", memory(told["generate"]))
    if math.isfinite(found.moved_seconds):
        table.add_row("Weights moved, seconds a step", digits(found.moved_seconds))
    add_bill(table, rows)
    return table


def _trained(one: Divided) -> str:
    if one.layout is None:
        return "at the utilisation that is given"
    return described(one.layout)


def _beside(found: RolloutPlan) -> list[Divided]:
    """The next best, one pool and the stage's own split, each once."""
    own = [] if found.given is None else [found.given[0]]
    shared = [] if found.shared is None else [found.shared]
    every = [found.best, *found.runners_up, *shared, *own]
    return list({each.split: each for each in every}.values())


def _splits(title: str, found: RolloutPlan, splits: Sequence[Divided]) -> Table:
    table = tables.table(title, ("step", "GB, trains", "GB, writes", "waits"))
    table.add_column("split", overflow="fold")
    for heading in ("days", "cost", "step", "waits", "GB, trains", "GB, writes"):
        table.add_column(heading, justify="right")
    for each in splits:
        gb = ["" if role is None else digits(role.memory_gb) for role in (each.layout, each.copy)]
        table.add_row(
            each.split.text + _given(found, each),
            digits(each.days),
            "" if math.isnan(each.cost_usd) else money(each.cost_usd),
            f"{each.step_seconds / found.best.step_seconds - 1:+.1%}",
            _waits(each),
            *gb,
        )
    return table


def _given(found: RolloutPlan, one: Divided) -> str:
    """Return that a split is the stage's own, with its rank; nothing of others."""
    if found.given is None or one.split != found.given[0].split:
        return ""
    return f" (as given, rank {found.given[1]})"


def _waits(one: Divided) -> str:
    if one.waiting == "neither":
        return ""
    idle = one.train_idle if one.waiting == "train" else one.write_idle
    return f"{'trains' if one.waiting == 'train' else 'writes'} {percent(idle)}"


def _answers(found: RolloutPlan) -> Table:
    table = tables.table("Were the mean answer shorter or longer (5th, 50th, 95th percentile)")
    table.add_column("tokens of an answer", justify="right")
    table.add_column("best split then", overflow="fold")
    for heading in ("its days", "days of the one above"):
        table.add_column(heading, justify="right")
    for each in found.answers:
        days = (digits(each.best_days), digits(each.chosen_days))
        table.add_row(f"{each.tokens:,.0f}", each.best.text, *days)
    return table


def _searched(found: RolloutPlan) -> str:
    told = f"{found.tried:,} splits in {digits(found.search_seconds)} s."
    if found.dropped:
        reasons = "; ".join(f"{reason}: {count:,}" for reason, count in found.dropped.items())
        told += f" Left out: {reasons}."
    return told
