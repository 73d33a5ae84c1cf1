"""Rows of a batch, from cells to columns: what each took and cost, or why that cannot be told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from computebill.regulation.rules import RuleSet

from .cells import NO_DAY, Texts, read_days, read_numbers, read_texts, years_of
from .compound import Parted, Told, part, read_chips, read_size, read_time
from .costs import Chips, derive_costs, different_pairs, find_chips, price
from .derive import (
    LANGUAGE,
    SIZES,
    TIMES,
    WAYS,
    Figure,
    Inputs,
    confidence_factors,
    constants,
    derive_flop,
    derive_hours,
    is_circular,
    is_known_domain,
    is_language,
    line_shifts,
)
from .headers import TEXTS, Column, HeadingsError, fields, is_in_tokens
from .odds import base_notes, odds_columns

FIGURES = (
    "flop",
    "gpu_hours",
    "cost_amortised_usd",
    "cost_upfront_usd",
    "cost_cloud_usd",
    "energy_mwh",
)
"""Figures that are found of a row, each as _p5, _p50 and _p95; of FLOP and hours also the way."""

DERIVED = ("flop", "gpu_hours")

MISSING = "no FLOP, no size with data, no hardware with time"
REASONS = (f"{MISSING}, no date", f"{MISSING}, no line of its domain")

GIVEN_ALONE = {"params": "parameters", "tokens": "data", "hours": "time"}
"""Fields that say nothing of a run by themselves, and what each is called in a reason."""

NOTHING = Texts(np.zeros(0, dtype=np.int64), [""])
TAKEN_AS_LANGUAGE = "no column of domains: taken as language"
OF_DOMAIN = frozenset({WAYS[2], WAYS[4], WAYS[5]})
"""Ways to FLOP that a row's domain matters to."""

TODAY = "no date: prices of today"

COMPOUND: dict[str, tuple[Callable[[str], Told | None], str | None]] = {
    "params": (read_size, "params_active"),
    "hardware": (read_chips, "quantity"),
    "hours": (read_time, None),
}
"""Fields whose cells may tell another too, how they are read, and the other."""

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
        remarks: what to know of several rows, row by row.
    """

    table: pa.Table
    known: np.ndarray
    reasons: Texts
    ways: dict[str, Texts]
    remarks: Texts


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
    rules: RuleSet | None = None,
) -> Found:
    """Return what is found of a batch.

    Args:
        table: its columns by heading, those of fields at least, as `arrow_column` gives them.
        rows: number of its rows.
        columns: headings of fields.
        profiles: folders of accelerator profiles of one's own.
        device: device that computes.
        rules: rule set whose thresholds' odds are told.
    """
    cells = _read(table, rows, columns)
    chips = find_chips(cells.texts["hardware"], cells.texts["format"], profiles)
    where = torch.device(device)
    inputs = _inputs(cells, chips, where, in_tokens=is_in_tokens(columns))
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
    if rules is not None:
        found |= odds_columns(flop, inputs, rules)
        cells.notes.append(base_notes(cells.texts["base_model"], rules))
    hardware = cells.texts["hardware"]
    found["circular"] = pa.array(is_circular(inputs).cpu().numpy())
    found["fine_tune"] = pa.array(cells.texts["base_model"].told(bool))
    found["several_accelerators"] = pa.array(hardware.told(lambda text: "," in text))
    undated = np.isnat(cells.published) & ~np.isnan(chips.figures("peak"))
    today = Texts(undated.astype(np.int64), ["", TODAY])
    remarks = _domain_remarks(cells, ways["flop"], columns)
    noted = remarks if "domain" in columns else NOTHING
    told = [*cells.notes, chips.texts("note"), noted, today]
    found["notes"] = joined([each for each in told if each is not NOTHING], rows).as_column()
    known = torch.isfinite(flop.median) | torch.isfinite(hours.median)
    return Found(pa.table(found), known.cpu().numpy(), _reasons(cells), ways, remarks)


def _read(table: Mapping[str, pa.Array], rows: int, columns: Mapping[str, Column]) -> Cells:
    nothing = Texts(np.zeros(rows, dtype=np.int64), [""])
    cells = Cells({}, {}, np.full(rows, NO_DAY), [])
    if "date" in columns:
        days = read_days(table[columns["date"].heading], columns["date"].style)
        cells.published = days.values
        cells.note(columns["date"].heading, days.notes)
    parted = _parted(table, columns)
    table = {**table, **{columns[name].heading: each.column for name, each in parted.items()}}
    for name in fields():
        column = columns.get(name)
        if name in TEXTS:
            read = name not in ("date", "model") and column
            cells.texts[name] = read_texts(table[column.heading]) if read and column else nothing
        elif name in SIZES or name in TIMES:
            if column is None:
                cells.numbers[name] = np.full(rows, np.nan)
                continue
            numbers = read_numbers(table[column.heading], column.factor, column.style)
            cells.numbers[name] = numbers.values
            cells.note(column.heading, numbers.notes)
    for name, each in parted.items():
        _take_others(cells, columns[name].heading, name, each)
    _read_percent(cells, columns)
    cells.texts["domain"] = _domains(cells.texts["domain"], columns)
    return cells


def _parted(table: Mapping[str, pa.Array], columns: Mapping[str, Column]) -> dict[str, Parted]:
    """Return columns whose cells may tell two fields, or another unit than their heading."""
    return {
        name: part(table[columns[name].heading], read)
        for name, (read, _) in COMPOUND.items()
        if name in columns and columns[name].factor == 1.0
    }


def _take_others(cells: Cells, heading: str, name: str, parted: Parted) -> None:
    """Take what a column's cells tell of another field, where that has no cell of its own."""
    cells.note(heading, parted.notes)
    other = COMPOUND[name][1]
    if other is None:
        return
    own = cells.numbers[other]
    cells.numbers[other] = np.where(np.isnan(own), parted.others, own)
    is_other = ~np.isnan(own) & ~np.isnan(parted.others) & (own != parted.others)
    if is_other.any():
        cells.note(heading, Texts(is_other.astype(np.int64), ["", f"its {other} is not used"]))


def _domains(told: Texts, columns: Mapping[str, Column]) -> Texts:
    """Return domains; who has none, or counts data in tokens, means language."""
    if "domain" in columns and not is_in_tokens(columns):
        return told
    return told._replace(values=[each or LANGUAGE for each in told.values])


def _domain_remarks(cells: Cells, ways: Texts, columns: Mapping[str, Column]) -> Texts:
    """Return what rows without a domain were taken for, where that makes their FLOP."""
    domain = cells.texts["domain"]
    if "domain" not in columns:
        rows = ways.told(lambda way: way in OF_DOMAIN)
        return Texts(rows.astype(np.int64), ["", TAKEN_AS_LANGUAGE])
    if is_in_tokens(columns):
        return NOTHING
    factor = 10 ** -constants()["product"]["other"]["middle"]
    known = is_known_domain(domain).astype(bool)
    told = domain.told(lambda text: text != "").astype(bool)
    rows = ~known & ways.told(lambda way: way == WAYS[2]).astype(bool)
    divided = f"6 N D times {factor:.2g}, as of domains other than language"
    texts = ["", f"no domain: {divided}", f"domain not known: {divided}"]
    return Texts(np.where(rows, 1 + told, 0), texts)


def _read_percent(cells: Cells, columns: Mapping[str, Column]) -> None:
    """Take a utilisation above one as percent."""
    shares = cells.numbers["mfu"]
    is_percent = (shares > 1) & (shares <= 100)
    if is_percent.any():
        cells.numbers["mfu"] = np.where(is_percent, shares / 100, shares)
        notes = Texts(is_percent.astype(np.int64), ["", "taken as percent"])
        cells.note(columns["mfu"].heading, notes)


def _inputs(cells: Cells, chips: Chips, device: torch.device, *, in_tokens: bool) -> Inputs:
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
        in_tokens,
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
    """Return what each row lacks, and what of that it has: of a few texts, one a row."""
    codes = (~np.isnat(cells.published)).astype(np.int64)
    given = [~np.isnan(cells.numbers[name]) for name in GIVEN_ALONE]
    given.append(cells.texts["hardware"].told(bool).astype(bool))
    names = [*GIVEN_ALONE.values(), "hardware"]
    texts = []
    for place in range(len(REASONS) << len(names)):
        has = [name for bit, name in enumerate(names) if place // len(REASONS) >> bit & 1]
        alone = f"; it has {', '.join(has)} alone" if has else ""
        texts.append(f"{REASONS[place % len(REASONS)]}{alone}")
    for bit, is_given in enumerate(given):
        codes = codes + is_given * (len(REASONS) << bit)
    return Texts(codes, texts)
