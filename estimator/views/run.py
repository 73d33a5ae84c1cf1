"""Tables of a priced run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from computebill.models.card import MemoryUse
from computebill.runs.estimate import RunEstimate
from computebill.runs.inputs import holds_lost_time
from computebill.training.memory import PARTS
from computebill.training.memory_odds import verdict
from computebill.training.step_time import StepEstimate
from computebill.uncertainty.distribution import Distribution

from . import tables
from .text import (
    count_interval,
    digits,
    duration_interval,
    energy_interval,
    fit_text,
    flop_interval,
    mass_interval,
    memory_with_ends,
    money_interval,
    percent,
    percent_interval,
)

if TYPE_CHECKING:
    import pandas as pd

ROWS: tuple[tuple[str, str, Callable[[Distribution], str], str], ...] = (
    ("Training FLOP", "flop", flop_interval, ""),
    ("Hardware FLOP, recomputation counted", "flop_hardware", flop_interval, ""),
    ("Utilisation (MFU)", "mfu", percent_interval, ""),
    ("Time that trains (goodput)", "goodput", percent_interval, ""),
    ("GPU-hours", "gpu_hours", count_interval, ""),
    ("Wall-clock time", "days", duration_interval, ""),
    ("Tokens per second and GPU", "tokens_per_second_per_gpu", count_interval, ""),
    ("Seconds a step", "step_seconds", count_interval, ""),
    ("Cost, rented", "cloud", money_interval, ""),
    ("Cost, hardware used up + energy", "amortised", money_interval, ""),
    ("  of it energy", "energy", money_interval, ""),
    ("Cost of buying the hardware", "upfront", money_interval, ""),
    ("The whole programme, rented", "programme", money_interval, ""),
    ("  of it experiments and all else", "exploration", money_interval, ""),
    ("Energy", "energy_mwh", energy_interval, ""),
    ("Carbon", "carbon_t", mass_interval, " CO2e"),
)

INPUT, USD = "input", "USD"
UNITS = {
    "params": "parameters",
    "params_active": "parameters",
    "tokens": "tokens",
    "flop": "FLOP",
    "flop_hardware": "FLOP",
    "mfu": "of 1",
    "goodput": "of 1",
    "gpu_hours": "GPU-hours",
    "days": "days",
    "tokens_per_second_per_gpu": "tokens a second",
    "step_seconds": "seconds",
    "energy_mwh": "MWh",
    "carbon_t": "t CO2e",
}
"""Units of figures that are no sums of money."""


def full(estimate: RunEstimate) -> Iterator[RenderableType]:
    """Notes that the first sentence does not have, figures, every assumption with its source."""
    yield from (Text(note) for note in estimate.notes if note != estimate.memory_doubt)
    yield _answer(estimate)
    if estimate.model is not None and estimate.model.memory is not None:
        yield _memory(estimate.model.memory, estimate.accelerator.memory_gb.value)
    if estimate.model is not None and estimate.model.step is not None:
        yield _step(estimate.model.step)
    yield tables.inputs(estimate.assumptions)


def sheet(estimate: RunEstimate) -> pd.DataFrame:
    """Return the rows of a spreadsheet: each figure in the screen's words, then what went in.

    Inputs are rows of the quantity ``input``, their value in words, with its source.
    """
    import pandas as pd

    named = {key: label.strip().removeprefix("of it ") for label, key, _, _ in ROWS}
    figures = estimate.to_frame()
    figures["figure"] = [named.get(key, key) for key in figures["quantity"]]
    figures["unit"] = [UNITS.get(key, USD) for key in figures["quantity"]]
    inputs = [
        {"quantity": INPUT, "figure": each.name, "value": each.value, "source": each.source}
        for each in estimate.assumptions
    ]
    return pd.concat([figures, pd.DataFrame(inputs)], ignore_index=True)


def _title(estimate: RunEstimate) -> str:
    name = "" if estimate.spec.name == "run" else f"{estimate.spec.name}: "
    count = estimate.spec.count
    on = f"{count.text} x {estimate.accelerator.title}" if count else estimate.accelerator.title
    return f"{name}{on}"


def _answer(estimate: RunEstimate) -> Table:
    table = tables.table(_title(estimate))
    table.add_column("")
    table.add_column("median (5th–95th percentile)", justify="right")
    for label, key, write, unit in ROWS:
        row = estimate.rows[key]
        if key == "goodput" and holds_lost_time(estimate.spec, estimate.model):
            table.add_row(label, "within the utilisation")
        elif row.is_known:
            table.add_row(label, write(row) + unit)
    return table


def _memory(use: MemoryUse, limit_gb: float) -> Table:
    odds = fit_text(use.fit_odds)
    table = tables.table(
        f"Fullest GPU (stage {use.stage + 1} of {use.layout.pp}), GB: {verdict(use.fit_odds)} in "
        f"{limit_gb:g} (odds {odds})"
    )
    for heading in (*PARTS[:-1], "total (5th–95th percentile)"):
        table.add_column(heading, justify="right")
    table.add_row(
        *(digits(getattr(use, part)) for part in PARTS[:-1]),
        memory_with_ends(use.total, use.odds_dict()["memory_interval_gb"]),
    )
    return table


def _step(step: StepEstimate) -> Table:
    """What a predicted step is spent on; a utilisation given in its place is not in it."""
    low, high = step.seconds * step.low, step.seconds * step.high
    table = tables.table(
        f"A step as predicted: {digits(step.seconds)} s ({digits(low)}–{digits(high)}), spent on"
    )
    spent = {name: value for name, value in step.breakdown.items() if value > 5e-4 * step.seconds}
    for name in spent:
        table.add_column(name, justify="right")
    table.add_row(*(percent(value / step.seconds) for value in spent.values()))
    return table
