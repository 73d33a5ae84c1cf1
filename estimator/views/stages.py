"""Tables of a run of several stages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from computebill.runs.stage_kinds import KINDS
from computebill.runs.staged import StagedEstimate
from computebill.uncertainty.distribution import Distribution

from . import tables
from .text import (
    UNKNOWN,
    count_interval,
    flop_interval,
    money_interval,
    percent_interval,
)

if TYPE_CHECKING:
    import pandas as pd

TOTAL = "total"
UNITS = {
    "tokens": "tokens",
    "mfu": "of 1",
    "days": "days",
    "gpu_hours": "GPU-hours",
    "cloud": "USD",
    "amortised": "USD",
    "energy_mwh": "MWh",
    "carbon_t": "t CO2e",
}
"""Of figures; all others are FLOP."""

LEDGER = (
    ("updates", "updates"),
    ("samples", "own samples"),
    ("discarded", "discarded"),
    ("reference", "reference"),
    ("teacher", "teacher"),
    ("reward", "reward model"),
    ("critic", "critic"),
    ("critic_updates", "critic's updates"),
    ("recomputed", "recomputed"),
    ("restarted", "restarted"),
    ("hardware", "by hours"),
)
"""Parts of the ledger of FLOP, and what a column calls each."""


def full(estimate: StagedEstimate) -> Iterator[RenderableType]:
    """Notes, the stages and the total, the ledger of FLOP, every assumption with its source."""
    yield from (Text(note) for note in estimate.notes)
    yield _stages(estimate)
    yield _ledger(estimate)
    yield tables.inputs(estimate.assumptions)


def sheet(estimate: StagedEstimate) -> pd.DataFrame:
    """Return the rows of a spreadsheet: each stage's figures with their units, then what went in.

    Inputs are rows of the quantity ``input``, their value in words, with its source.
    """
    import pandas as pd

    figures = estimate.to_frame()
    figures["unit"] = [UNITS.get(key, "FLOP") for key in figures["quantity"]]
    inputs = [
        {"quantity": "input", "figure": each.name, "value": each.value, "source": each.source}
        for each in estimate.assumptions
    ]
    return pd.concat([figures, pd.DataFrame(inputs)], ignore_index=True)


def _stages(estimate: StagedEstimate) -> Table:
    less = ("MFU", "kind", "days")
    table = tables.table(f"{estimate.spec.name}: median (5th–95th percentile)", less)
    table.add_column("stage", overflow="fold", min_width=tables.LEAST_WORDS)
    table.add_column("kind", overflow="fold", min_width=tables.LEAST_WORDS)
    is_sold = not estimate.rows["gpu_hours"].is_known and estimate.rows["cloud"].is_known
    shown = [
        ("FLOP", "flop", flop_interval),
        ("MFU", "mfu", percent_interval),
        ("GPU-hours", "gpu_hours", count_interval),
        ("days", "days", count_interval),
        ("cost, sold by the token" if is_sold else "cost, rented", "cloud", money_interval),
    ]
    known = [each for each in shown if any(s.rows[each[1]].is_known for s in estimate.stages)]
    for heading, key, write in known:
        texts = [write(rows[key]) for rows in _all_rows(estimate)]
        tables.add_figures(table, heading, texts)
    for each in estimate.stages:
        cells = [write(each.rows[key]) for _, key, write in known]
        table.add_row(each.stage.label, KINDS[each.stage.kind].label, *cells)
    if len(estimate.stages) > 1:
        table.add_section()
        cells = [write(estimate.rows[key]) for _, key, write in known]
        table.add_row(TOTAL, "", *cells, style="bold")
    return table


def _all_rows(estimate: StagedEstimate) -> list[Mapping[str, Distribution]]:
    """Return the figures of each stage, then of all."""
    return [*(each.rows for each in estimate.stages), estimate.rows]


def _ledger(estimate: StagedEstimate) -> Table:
    """FLOP by what they were for; columns that are nothing in all stages are left out."""
    kept = [each for each in LEDGER if any(_is_some(s.rows[each[0]]) for s in estimate.stages)]
    table = tables.table("FLOP, by what they are for", [heading for _, heading in kept[:0:-1]])
    table.add_column("stage", overflow="fold", min_width=tables.LEAST_WORDS)
    for key, heading in kept:
        tables.add_figures(table, heading, [_cell(rows, key) for rows in _all_rows(estimate)])
    for each in estimate.stages:
        table.add_row(each.stage.label, *(_cell(each.rows, key) for key, _ in kept))
    if len(estimate.stages) > 1:
        table.add_section()
        table.add_row(TOTAL, *(_cell(estimate.rows, key) for key, _ in kept), style="bold")
    return table


def _is_some(row: Distribution) -> bool:
    return row.is_known and row.p95 > 0


def _cell(rows: Mapping[str, Distribution], key: str) -> str:
    row = rows[key]
    if not row.is_known:
        return UNKNOWN
    return flop_interval(row) if row.p95 > 0 else "0"
