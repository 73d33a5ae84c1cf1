"""Tables of a research programme."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table

from . import tables
from .text import (
    UNKNOWN,
    count,
    count_interval,
    digits,
    energy_interval,
    flop_interval,
    money,
    money_interval,
    percent,
    percent_interval,
    size_range,
)

if TYPE_CHECKING:
    from computebill.sweep.estimate import SweepEstimate
    from computebill.sweep.priced import PricedSize
    from computebill.sweep.spec import SweepSpec

PUBLISHED = {
    "gpu_hours": ("GPU-hours", count),
    "energy_mwh": ("energy, MWh", count),
    "flop": ("FLOP", lambda value: f"{value:.3g}"),
    "cost_usd": ("cost, rented", money),
    "experiments": ("experiments", count),
    "share": ("share of the programme", percent),
}
"""What a source may say of a programme, and how it is written."""


def full(found: SweepEstimate) -> Iterator[RenderableType]:
    """The answer, the groups, the sizes, the schedule, and what went in."""
    if found.spec.description:
        yield " ".join(found.spec.description.split())
    yield _answer(found)
    if found.spec.published:
        yield _published(found)
    yield _groups(found)
    if any(math.isfinite(size.low) for size in found.sizes):
        yield _sizes(found)
    if found.schedule is not None:
        yield _schedule(found)
    if found.fitting is not None:
        yield _budget(found)
    if any(group.group.source or group.group.note for group in found.groups):
        yield _notes(found)
    yield tables.inputs(found.assumptions, "What went in beside the groups' own figures")


def presets(shipped: Sequence[tuple[str, SweepSpec]]) -> Iterator[RenderableType]:
    """List the programmes that ship."""
    table = tables.table("Published programmes; computebill sweep NAME prices one")
    table.add_column("name")
    table.add_column("what it is", overflow="fold")
    for name, spec in shipped:
        first, *_ = re.split(r"(?<=[a-z)])\.\s", " ".join(spec.description.split()), maxsplit=1)
        table.add_row(name, f"{spec.name}: {first.rstrip('.')}" if first else spec.name)
    yield table


def _answer(found: SweepEstimate) -> Table:
    table = tables.table(found.spec.name)
    table.add_column("")
    table.add_column("experiments", justify="right")
    if found.final is not None:
        table.add_column("final run", justify="right")
    rows, final = found.rows, found.final or {}
    number = f"{found.experiments:,.0f}"
    table.add_row("How many", number, *(["1"] if final else []))
    for label, key, write in (
        ("Training FLOP", "flop", flop_interval),
        ("GPU-hours", "gpu_hours", count_interval),
        ("Cost, rented", "cloud", money_interval),
        ("Cost, hardware used up + energy", "amortised", money_interval),
        ("Energy", "energy_mwh", energy_interval),
    ):
        known = [rows[key], *([final[key]] if final else [])]
        if any(row.is_known for row in known):
            table.add_row(label, *(write(row) for row in known))
    if found.share is not None and found.share.is_known:
        of = "cost" if found.share_basis == "cost_usd" else "GPU-hours"
        rest = found.share.scaled(-1.0)
        final_share = type(rest)(1 + rest.p95, 1 + rest.p50, 1 + rest.p5, 1 + rest.mean)
        table.add_row(
            f"Share of the programme's {of}",
            percent_interval(found.share),
            percent_interval(final_share),
        )
    return table


def _published(found: SweepEstimate) -> Table:
    table = tables.table("Beside what was published")
    table.add_column("figure")
    for heading in ("published", "estimate", "off by"):
        table.add_column(heading, justify="right")
    table.add_column("source", overflow="fold")
    for said, own in found.published():
        label, write = PUBLISHED[said.quantity]
        known = own is not None and said.value > 0
        off = f"{own / said.value - 1:+.1%}" if known and own is not None else UNKNOWN
        table.add_row(
            label,
            write(said.value),
            UNKNOWN if own is None else write(own),
            off,
            found.spec.sources[said.source].title,
        )
    return table


def _groups(found: SweepEstimate) -> Table:
    less = ("MFU", "kind", "experiments", "share")
    table = tables.table("By group: median (5th–95th percentile)", less)
    table.add_column("group", overflow="fold")
    table.add_column("kind")
    table.add_column("experiments", justify="right")
    has_utilisation = any(math.isfinite(group.mfu) for group in found.groups)
    if has_utilisation:
        table.add_column("MFU", justify="right")
    table.add_column("GPU-hours", justify="right")
    table.add_column("cost, rented", justify="right")
    table.add_column("share", justify="right")
    for group in sorted(found.groups, key=lambda group: -group.share):
        table.add_row(
            group.group.name,
            group.group.kind,
            f"{group.experiments:,.0f}",
            *([percent(group.mfu)] if has_utilisation else []),
            count_interval(group.rows["gpu_hours"]),
            money_interval(group.rows["cloud"]),
            percent(group.share),
        )
    return table


def size_name(size: PricedSize) -> str:
    """Return a size of model as people write it."""
    return size_range(size.low, size.high)


def _sizes(found: SweepEstimate) -> Table:
    table = tables.table("By active parameters", ("experiments", "GPU-hours"))
    table.add_column("size")
    for heading in ("experiments", "GPU-hours", "cost", "saved without these and larger"):
        table.add_column(heading, justify="right")
    whole = sum(size.cost_usd for size in found.sizes)
    for size in found.sizes:
        saved = f"{money(size.saved_usd)}, {percent(size.saved_usd / whole)}"
        table.add_row(
            size_name(size),
            f"{size.experiments:,.0f}",
            count(size.gpu_hours),
            money(size.cost_usd),
            saved if math.isfinite(size.saved_usd) else UNKNOWN,
        )
    return table


def _schedule(found: SweepEstimate) -> Table:
    assert found.schedule is not None
    schedule = found.schedule
    table = tables.table(f"On {schedule.gpus:,} GPUs, largest first")
    table.add_column("")
    table.add_column("", justify="right")
    table.add_row("Days until all have ended", digits(schedule.days))
    table.add_row("  no schedule is shorter than", digits(schedule.bound_days))
    table.add_row("Idle until then", percent(schedule.idle_share))
    return table


def _budget(found: SweepEstimate) -> Table:
    assert found.fitting is not None
    fitting = found.fitting
    table = tables.table(f"What {money(fitting.budget_usd)} pays for")
    table.add_column("")
    table.add_column("", justify="right")
    table.add_row("Odds that all experiments cost no more", percent(fitting.odds))
    table.add_row("Part of the programme, at the median", percent(fitting.part))
    for size, (_, _, fits) in zip(found.sizes, fitting.by_size, strict=True):
        table.add_row(f"Or experiments of {size_name(size)} alone", f"{math.floor(fits):,}")
    return table


def _notes(found: SweepEstimate) -> Table:
    """What each group's figures are from, and what is assumed in them."""
    table = tables.table("Where the groups' figures are from")
    table.add_column("group", overflow="fold")
    table.add_column("source", overflow="fold")
    table.add_column("note", overflow="fold")
    for group in found.groups:
        source = found.spec.sources.get(group.group.source or "")
        title = source.title if source is not None else ""
        table.add_row(group.group.name, title, group.group.note or "")
    return table
