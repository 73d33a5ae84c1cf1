"""A batch of a file: its scored rows, its rejects, and what it counts.

Nothing is lost: a row is in one table or in the other.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from computebill.base.errors import RequestError, one_line, shown
from computebill.batches.columns import arrow_column
from computebill.batches.pieces import Batch
from computebill.regulation.rules import RuleSet

from .cells import Style, Texts
from .headers import Column, HeadingsError, find_columns
from .rows import DERIVED, Found, check_columns, score_rows
from .summary import PREFIX, Summary, own_name, summarise

FILE, LINE, REASON, NOTES = "source_file", "line", "row_reason", "row_notes"
"""Columns that files of rows have besides the catalogue's own and what was found."""
AT, CELLS = "source_line", "row_cells"
"""Columns of rejects: the line that a row begins in, and the cells that could not be used."""

BLANK = "blank rows left out"
"""What is told of rows without any cell."""
LONGEST_REASON = 300
MOST_FAILED = 100
"""Rows of a batch that are looked for one by one, where something goes wrong."""


@dataclass(frozen=True)
class Settings:
    """How rows are scored.

    Attributes:
        mapping: headings by field, where they are other ones.
        profiles: folders of accelerator profiles of one's own.
        device: device that computes.
        rules: rule set whose thresholds' odds are told.
    """

    mapping: Mapping[str, str] = field(default_factory=dict)
    profiles: tuple[Path, ...] = ()
    device: str = "cpu"
    rules: RuleSet | None = None


@dataclass
class Counts:
    """What rows are, by number.

    Attributes:
        rows_scored: rows of them that were scored.
        rows_rejected: the others, and lines that are no rows.
        ways: rows by the way in which a figure was found, by figure.
        reasons: rejected rows by reason.
        remarks: scored rows by what to know of them.
        columns: field by the heading of each column that was seen; empty where it is none's.
    """

    rows_scored: int = 0
    rows_rejected: int = 0
    ways: dict[str, Counter[str]] = field(
        default_factory=lambda: {name: Counter() for name in DERIVED}
    )
    reasons: Counter[str] = field(default_factory=Counter)
    remarks: Counter[str] = field(default_factory=Counter)
    columns: dict[str, str] = field(default_factory=dict)

    @property
    def rows_in(self) -> int:
        """Rows that were read, and lines that could not be."""
        return self.rows_scored + self.rows_rejected

    def to_json(self) -> str:
        """Return the counts as a text."""
        names = ("rows_scored", "rows_rejected", "ways", "reasons", "remarks", "columns")
        return json.dumps({name: getattr(self, name) for name in names})

    @classmethod
    def from_json(cls, text: str) -> Counts:
        """Read what `to_json` wrote."""
        told = json.loads(text)
        ways = {figure: Counter(counted) for figure, counted in told["ways"].items()}
        reasons, remarks = Counter(told["reasons"]), Counter(told.get("remarks", {}))
        rows = (told["rows_scored"], told["rows_rejected"])
        return Counts(*rows, ways, reasons, remarks, dict(told.get("columns", {})))

    def add(self, other: Counts) -> None:
        """Add another's."""
        self.rows_scored += other.rows_scored
        self.rows_rejected += other.rows_rejected
        for name, ways in other.ways.items():
            self.ways[name].update(ways)
        self.reasons.update(other.reasons)
        self.remarks.update(other.remarks)
        for heading, name in other.columns.items():
            self.columns[heading] = name or self.columns.get(heading, "")


@dataclass
class Scored:
    """What came of a batch.

    Attributes:
        scored: rows with what was found of them.
        rejects: rows that could not be scored, with the reason.
        counts: counts of both.
        summary: sums of the scored rows.
    """

    scored: pa.Table
    rejects: pa.Table
    counts: Counts = field(default_factory=Counts)
    summary: Summary = field(default_factory=Summary)


def score_batch(batch: Batch, settings: Settings) -> Scored:
    """Score a batch; lines that could not be read are among the rejects, as they stand.

    Raises:
        HeadingsError: naming the file, where its headings say nothing of models.
    """
    table, columns = batch.table, {}
    if len(table):
        try:
            columns = columns_of(batch, settings)
        except HeadingsError as error:
            raise HeadingsError(f"{batch.file}: {error.field}", error.problem) from None
    names, at = table.column_names, _free(AT, table.column_names)
    table = table.append_column(at, pa.array(np.arange(len(table))))
    found = score_table(table, columns, settings, names)
    found.scored = found.scored.drop_columns([at])
    found.counts.columns = fields_of(names, columns)
    found.rejects = _with_cells(_with_lines(_filled(found, names), batch, at), columns)
    if batch.before and len(table):
        told = f"headings read from line {batch.before + 1}"
        found.counts.remarks[told] = found.counts.rows_in
    if batch.unread:
        lines, reasons = zip(*batch.unread, strict=True)
        line, reason = (own_name(name, found.rejects.column_names) for name in (LINE, REASON))
        unread = pa.table({line: pa.array(lines), reason: pa.array(reasons)})
        unread = unread.append_column(at, pa.array(_lines(batch, batch.unread_places), pa.int64()))
        found.rejects = pa.concat_tables([found.rejects, unread], promote_options="default")
        found.counts.add(Counts(rows_rejected=len(lines), reasons=Counter(reasons)))
    found.scored, found.rejects = (
        each.add_column(0, _free(FILE, each.column_names), pa.repeat(batch.file, len(each)))
        for each in (found.scored, found.rejects)
    )
    return found


def _filled(found: Scored, names: Sequence[str]) -> pa.Table:
    """Return the rejects that have a cell; rows of nothing are counted as none."""
    rejects = found.rejects
    is_filled = np.zeros(len(rejects), dtype=bool)
    for name in names if len(rejects) else ():
        cells = rejects[name]
        if pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type):
            is_filled |= pc.not_equal(pc.utf8_trim_whitespace(cells.fill_null("")), "").to_numpy()
        else:
            is_filled |= cells.is_valid().to_numpy()
    blank = rejects.filter(pa.array(~is_filled))
    if len(blank):
        reasons = Counter(blank[own_name(REASON, blank.column_names)].to_pylist())
        found.counts.add(Counts(rows_rejected=-len(blank)))
        found.counts.reasons = +(found.counts.reasons - reasons)
        found.counts.remarks[BLANK] = len(blank)
    return rejects.filter(pa.array(is_filled))


def _with_lines(rejects: pa.Table, batch: Batch, at: str) -> pa.Table:
    """Return rejects with the lines that their rows begin in, in place of their numbers."""
    numbers = rejects[at].to_numpy()
    places = numbers if batch.places is None else batch.places[numbers]
    order = np.argsort(places)
    lines = _lines(batch, places[order].tolist())
    told = [lines[place] for place in np.argsort(order)]
    column = pa.array(told, pa.int64())
    return rejects.drop_columns([at]).append_column(at, column)


def _lines(batch: Batch, places: Sequence[int]) -> list[int | None]:
    if batch.line_of is None or not len(places):
        return [None] * len(places)
    return batch.line_of(places)


def _with_cells(rejects: pa.Table, columns: Mapping[str, Column]) -> pa.Table:
    """Return rejects with the cells that something was noted of, as they stand."""
    notes = rejects[own_name(NOTES, rejects.column_names)].to_pylist() if len(rejects) else []
    told = []
    for row, text in enumerate(notes):
        cells = ((name, rejects[name][row].as_py()) for name in _noted(text, columns))
        told.append("; ".join(f"{name} {cell!r}" for name, cell in cells if cell is not None))
    return rejects.append_column(_free(CELLS, rejects.column_names), pa.array(told, pa.string()))


def _noted(notes: str, columns: Mapping[str, Column]) -> list[str]:
    """Return the headings of cells that something was noted of."""
    headings = (column.heading for column in columns.values())
    return [name for name in headings if f"; {name}: " in f"; {notes}"]


def columns_of(batch: Batch, settings: Settings) -> dict[str, Column]:
    """Return the columns of a batch's fields, with how their cells are written.

    Raises:
        HeadingsError: where the headings say nothing of models.
    """
    names, mapping = batch.table.column_names, settings.mapping
    if not batch.is_first:  # rows of JSON need not all have every key
        mapping = {name: heading for name, heading in mapping.items() if heading in names}
    columns = find_columns(names, mapping)
    if batch.is_first:
        check_columns(columns, names)
    return with_style(columns, comma=batch.comma, day_first=batch.day_first)


def fields_of(headings: Sequence[str], columns: Mapping[str, Column]) -> dict[str, str]:
    """Return the field of each heading; empty where it is none's."""
    known = {column.heading: name for name, column in columns.items()}
    return {heading: known.get(heading, "") for heading in headings}


def with_style(
    columns: Mapping[str, Column],
    *,
    comma: bool = False,
    day_first: Callable[[str], bool | None] | None = None,
) -> dict[str, Column]:
    """Return columns with how their cells are written.

    Args:
        columns: columns by field.
        comma: whether commas in numbers are decimal ones.
        day_first: tells of a heading whether its dates begin with the day.
    """
    found = {name: each._replace(style=Style(comma)) for name, each in columns.items()}
    if "date" in found and day_first is not None:
        asked = partial(day_first, found["date"].heading)
        found["date"] = found["date"]._replace(style=Style(comma, asked))
    return found


def _free(name: str, taken: Sequence[str]) -> str:
    """Return the name of a new column: a catalogue that has one of that name keeps it."""
    while name in taken:
        name = f"{PREFIX}{name}"
    return name


def score_table(
    table: pa.Table, columns: Mapping[str, Column], settings: Settings, headings: Sequence[str]
) -> Scored:
    """Score rows.

    Args:
        table: columns of fields at least.
        columns: headings of fields.
        settings: how.
        headings: headings of the catalogue, that new columns are not named like.
    """
    found = _Scorer(columns, settings, headings).score(table)
    if len(found.scored):
        found.summary = summarise(found.scored, columns)
    return found


@dataclass
class _Scorer:
    """Scores tables of the same columns.

    What no cell should do is to stop the rest: rows that something goes wrong with are looked for
    by halves, and are rejected with what went wrong.
    """

    columns: Mapping[str, Column]
    settings: Settings
    headings: Sequence[str]
    failed: int = 0

    def score(self, table: pa.Table) -> Scored:
        if not len(table):
            return Scored(table, self._rejects(table, [], []))
        headings = [column.heading for column in self.columns.values()]
        asked = self.settings
        try:
            cells = {name: arrow_column(table[name]) for name in headings}
            found = score_rows(
                cells, len(table), self.columns, asked.profiles, asked.device, asked.rules
            )
        except RequestError:  # no row's, but the user's
            raise
        except Exception as error:
            told = one_line(f"{type(error).__name__}: {error}", LONGEST_REASON)
            return self._without_the_worst(table, f"could not be scored: {told}")
        return self._divided(table, found)

    def _without_the_worst(self, table: pa.Table, reason: str) -> Scored:
        rows = len(table)
        if rows == 1 or self.failed >= MOST_FAILED:
            self.failed += 1
            rejects = self._rejects(table, [reason] * rows, [""] * rows)
            counts = Counts(rows_rejected=rows, reasons=Counter({reason: rows}))
            return Scored(table.slice(0, 0), rejects, counts)
        one, other = (
            self.score(part) for part in (table.slice(0, rows // 2), table.slice(rows // 2))
        )
        scored, rejects = (
            pa.concat_tables(both, promote_options="default")
            for both in ((one.scored, other.scored), (one.rejects, other.rejects))
        )
        one.counts.add(other.counts)
        return Scored(scored, rejects, one.counts)

    def _divided(self, table: pa.Table, found: Found) -> Scored:
        """Return rows with what was found of them, and those that nothing was found of."""
        names = [_free(name, self.headings) for name in found.table.column_names]
        scored, new = table, found.table
        if not found.known.all():
            is_known = pa.array(found.known)
            scored, new = table.filter(is_known), new.filter(is_known)
        for name, column in zip(names, new.columns, strict=True):
            scored = scored.append_column(name, column)
        unknown = np.flatnonzero(~found.known)
        reasons = [found.reasons.values[code] for code in found.reasons.codes[unknown]]
        notes = found.table["notes"].take(pa.array(unknown)).to_pylist()
        left = table.take(pa.array(unknown))
        own = [
            self._own_reason(left, *each) for each in enumerate(zip(reasons, notes, strict=True))
        ]
        rejects = self._rejects(left, own, notes)
        counts = Counts(
            len(scored),
            len(rejects),
            {name: _counted(ways, found.known) for name, ways in found.ways.items()},
            Counter(reasons),
            _remarked(found),
        )
        return Scored(scored, rejects, counts)

    def _own_reason(self, table: pa.Table, row: int, told: tuple[str, str]) -> str:
        """Return why a row is rejected, with what was made of its cells."""
        reason, notes = told
        for name in _noted(notes, self.columns):
            cell = table[name][row].as_py()
            notes = notes.replace(f"{name}: ", f"{name} {shown(cell)}: ", 1)
        return "; ".join(filter(None, (reason, notes)))

    def _rejects(self, table: pa.Table, reasons: list[str], notes: list[str]) -> pa.Table:
        lines: list[str | None] = [None] * len(table)
        for name, column in ((LINE, lines), (REASON, reasons), (NOTES, notes)):
            own = _free(name, self.headings)
            table = table.append_column(own, pa.array(column, pa.string()))
        return table


def _remarked(found: Found) -> Counter[str]:
    if not any(found.remarks.values):
        return Counter()
    counted = _counted(found.remarks, found.known)
    return Counter({text: rows for text, rows in counted.items() if text in found.remarks.values})


def _counted(ways: Texts, known: np.ndarray) -> Counter[str]:
    counts = np.bincount(ways.codes[known], minlength=len(ways.values))
    told = {way or "not known": int(n) for way, n in zip(ways.values, counts, strict=True) if n}
    return Counter(told)
