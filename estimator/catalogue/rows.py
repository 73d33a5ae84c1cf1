"""Rows of a batch, from cells to columns: what each took and cost, or why that cannot be told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from .cells import NO_DAY, Texts, read_days, read_numbers, read_texts, years_of
from .costs import Chips, derive_costs, different_pairs, find_chips, price
from .derive import (
    SIZES,
    TIMES,
    WAYS,
    Figure,
    Inputs,
    confidence_factors,
    derive_flop,
    derive_hours,
    is_circular,
    is_language,
    line_shifts,
)
from .headers import TEXTS, Column, HeadingsError, fields

FIGURES = (
    "flop",
    "gpu_hours",
    "cost_amortised_usd",
    "cost_upfront_usd",
    "cost_cloud_usd",
    "energy_mwh",
)
"""What is found of a row, each as _p5, _p50 and _p95; of FLOP and hours also the way."""

DERIVED = ("flop", "gpu_hours")

MISSING = "no FLOP, no size with data, no hardware with time"
REASONS = (f"{MISSING}, no date", f"{MISSING}, no line of its domain")

TODAY = "no date: prices of today"

SAID = frozenset({"flop", "params", "tokens", "hours", "chip_hours", "date"})
"""Fields, one of which a catalogue has to have."""


@dataclass
class Cells:
    """What a batch's cells say, by field.

    Attributes:
        numbers: NaN where there is none; ``(rows,)`` each.
        texts: empty where there is none.
        published: days.
        notes: what was made of cells, those of a column in one.
    """

    numbers: dict[str, np.ndarray]
    texts: dict[str, Texts]
    published: np.ndarray
    notes: list[Texts]

    def note(self, heading: str, notes: Texts | None) -> None:
        """Keep what was made of a column's cells."""
        if notes is not None and any(notes.values):
            told = [f"{heading}: {note}" if note else "" for note in notes.values]
            self.notes.append(Texts(notes.codes, told))


@dataclass
class Found:
    """What was found of a batch.

    Attributes:
        table: the new columns, of every row.
        known: rows that have FLOP or hours; ``(rows,)``.
        reasons: why the others have none, row by row.
        ways: how figures were found, by figure.
    """

    table: pa.Table
    known: np.ndarray
    reasons: Texts
    ways: dict[str, Texts]


def check_columns(columns: Mapping[str, Column], headings: Iterable[object]) -> None:
    """Refuse a table that says nothing of models.

    Raises:
        HeadingsError: naming the headings that there are.
    """
    if not columns.keys() & SAID:
        told = ", ".join(str(each) for each in list(headings)[:8]) or "none"
        raise HeadingsError(
            "headings", f"got {told}; none is a field's: {', '.join(fields())}; give a mapping"
        )


def score_rows(
    table: Mapping[str, pa.Array],
    rows: int,
    columns: Mapping[str, Column],
    profiles: tuple[Path, ...],
    device: str = "cpu",
) -> Found:
    """Return what is found of a batch.

    Args:
        table: its columns by heading, those of fields at least, as `arrow_column` gives them.
        rows: of it.
        columns: headings of fields.
        profiles: folders of accelerator profiles of one's own.
        device: that computes.
    """
    cells = _read(table, rows, columns)
    chips = find_chips(cells.texts["hardware"], cells.texts["format"], profiles)
    where = torch.device(device)
    inputs = _inputs(cells, chips, where)
    flop = derive_flop(inputs)
    hours = derive_hours(inputs, flop)
    priced = price(
        chips, cells.texts["organization"], cells.published, cells.numbers["hours"], profiles, where
    )
    costs = derive_costs(hours, inputs["quantity"], priced)
    found: dict[str, pa.Array] = {"accelerator": chips.texts("name").as_column()}
    ways = {
        name: Texts(each.way.cpu().numpy(), WAYS)
        for name, each in zip(DERIVED, (flop, hours), strict=True)
    }
    found |= _columns((flop, hours, *costs), ways)
    hardware = cells.texts["hardware"]
    found["circular"] = pa.array(is_circular(inputs).cpu().numpy())
    found["fine_tune"] = pa.array(cells.texts["base_model"].told(bool))
    found["several_accelerators"] = pa.array(hardware.told(lambda text: "," in text))
    undated = np.isnat(cells.published) & ~np.isnan(chips.figures("peak"))
    today = Texts(undated.astype(np.int64), ["", TODAY])
    found["notes"] = joined([*cells.notes, chips.texts("note"), today], rows).as_column()
    known = torch.isfinite(flop.median) | torch.isfinite(hours.median)
    return Found(pa.table(found), known.cpu().numpy(), _reasons(cells), ways)


def _read(table: Mapping[str, pa.Array], rows: int, columns: Mapping[str, Column]) -> Cells:
    nothing = Texts(np.zeros(rows, dtype=np.int64), [""])
    cells = Cells({}, {}, np.full(rows, NO_DAY), [])
    if "date" in columns:
        days = read_days(table[columns["date"].heading])
        cells.published = days.values
        cells.note(columns["date"].heading, days.notes)
    for name in fields():
        column = columns.get(name)
        if name in TEXTS:
            read = name not in ("date", "model") and column
            cells.texts[name] = read_texts(table[column.heading]) if read and column else nothing
        elif name in SIZES or name in TIMES:
            if column is None:
                cells.numbers[name] = np.full(rows, np.nan)
                continue
            numbers = read_numbers(table[column.heading], column.factor)
            cells.numbers[name] = numbers.values
            cells.note(column.heading, numbers.notes)
    _read_percent(cells, columns)
    return cells


def _read_percent(cells: Cells, columns: Mapping[str, Column]) -> None:
    """Take a utilisation above one as percent."""
    shares = cells.numbers["mfu"]
    is_percent = (shares > 1) & (shares <= 100)
    if is_percent.any():
        cells.numbers["mfu"] = np.where(is_percent, shares / 100, shares)
        notes = Texts(is_percent.astype(np.int64), ["", "taken as percent"])
        cells.note(columns["mfu"].heading, notes)


def _inputs(cells: Cells, chips: Chips, device: torch.device) -> Inputs:
    def column(values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(device)

    domain = cells.texts["domain"]
    return Inputs(
        {name: column(values) for name, values in cells.numbers.items()},
        column(years_of(cells.published)),
        column(chips.figures("peak")),
        column(confidence_factors(cells.texts["confidence"])),
        column(is_language(domain)),
        {name: column(shifts) for name, shifts in line_shifts(domain).items()},
    )


def _columns(figures: Iterable[Figure], ways: Mapping[str, Texts]) -> dict[str, pa.Array]:
    """Return figures and ways as columns; a figure that is not known is nothing."""
    found: dict[str, pa.Array] = {}
    for name, each in zip(FIGURES, figures, strict=True):
        for key, values in (("p5", each.p5), ("p50", each.median), ("p95", each.p95)):
            numbers = values.cpu().numpy()
            found[f"{name}_{key}"] = pa.array(numbers, mask=~np.isfinite(numbers))
        if name in ways:
            found[f"{name}_way"] = ways[name].as_column()
    return found


def joined(notes: Iterable[Texts], rows: int) -> Texts:
    """Return what is noted of each row, in one text."""
    found = Texts(np.zeros(rows, dtype=np.int64), [""])
    for note in notes:
        if any(note.values):
            codes, pairs = different_pairs(found.codes, note.codes)
            both = [(found.values[one], note.values[other]) for one, other in pairs]
            found = Texts(codes, ["; ".join(filter(None, each)) for each in both])
    return found


def _reasons(cells: Cells) -> Texts:
    return Texts((~np.isnat(cells.published)).astype(np.int64), REASONS)
