"""A batch's columns by field, whatever their headings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from computebill.batches.columns import arrow_column, is_number
from computebill.batches.pieces import Batch

from . import cells
from .cells import Words, no_words, same_words
from .draft import Draft
from .formats import Column, Format, state_of
from .rules import Places

AMOUNTS = ("accelerators", "nodes", "tokens", "params", "flop", "first_step", "last_step", "usd")
SHARE = r"\([0-9.]+%\)$"
"""What ``sreport -t HourPer`` has behind a time: ``600(60.00%)``."""


@dataclass(frozen=True)
class Reading:
    """How a file's rows are read.

    Attributes:
        form: its form.
        name: name of that.
        columns: column by field.
        places: which accelerators partitions, hosts and types have, where rules tell.
        rates: dollars of another currency, by its name.
        is_effective: whether a bill's amortised cost is taken, or what was billed.
        profiles: folders of accelerator profiles of one's own.
    """

    form: Format
    name: str
    columns: Mapping[str, Column]
    places: Places = field(default_factory=Places)
    rates: Mapping[str, float] = field(default_factory=dict)
    is_effective: bool = True
    profiles: tuple[Path, ...] = ()


class Rows:
    """The columns of a batch."""

    def __init__(self, batch: Batch, reading: Reading) -> None:
        self.batch = batch
        self.table = batch.table
        self.reading = reading
        self.count = len(batch.table)

    def has(self, name: str) -> bool:
        """Whether a field has a column or a constant."""
        return name in self.reading.form.constants or self._column(name) is not None

    def _column(self, name: str) -> Column | None:
        found = self.reading.columns.get(name)
        return found if found is not None and found.heading in self.table.column_names else None

    def raw(self, name: str) -> pa.Array | None:
        """Return a field's cells; None where the file has none."""
        found = self._column(name)
        return None if found is None else arrow_column(self.table[found.heading])

    def words(self, name: str) -> Words:
        """Return a field's texts."""
        constant = self.reading.form.constants.get(name)
        if constant is not None:
            return same_words(self.count, str(constant))
        found = self._column(name)
        return (
            no_words(self.count) if found is None else cells.read_words(self.table[found.heading])
        )

    def numbers(self, name: str) -> np.ndarray:
        """Return a field's numbers, NaN where there is none."""
        return self._read(name, cells.read_numbers)

    def durations(self, name: str, less: str = "") -> np.ndarray:
        """Return a field's durations [s], without what a regular expression says is none of it."""
        found = self._column(name)
        factor = found.factor if found else 1.0

        def read(column: pa.Array) -> np.ndarray:
            if less and not is_number(column.type):
                column = pc.replace_substring_regex(column.cast(pa.string()), less, "")
            return cells.read_durations(column, factor)

        return self._read(name, read)

    def unread(self, name: str, values: np.ndarray) -> np.ndarray:
        """Return which of a field's cells say something that was not read; ``(rows,)``.

        Args:
            name: of the field.
            values: what was read, NaN of nothing.
        """
        found: np.ndarray = np.isnan(values)
        raw = self.raw(name)
        if raw is None or not found.any():
            return np.zeros(self.count, dtype=bool)
        found[found] = cells.read_words(raw.filter(pa.array(found))).codes >= 0
        return np.asarray(found)

    def _read(self, name: str, reader: Callable[[pa.Array], np.ndarray]) -> np.ndarray:
        constant = self.reading.form.constants.get(name)
        if isinstance(constant, int | float):
            return np.full(self.count, float(constant))
        raw = self.raw(name)
        return np.full(self.count, np.nan) if raw is None else reader(raw)

    def moments(self, name: str) -> np.ndarray:
        """Return a field's moments [s since 1970]."""
        found, raw = self._column(name), self.raw(name)
        if found is None or raw is None:
            return np.full(self.count, cells.NO_TIME)
        asked = self.batch.day_first
        day_first = None if asked is None else partial(asked, found.heading)
        return cells.read_moments(raw, day_first)

    def energy(self) -> np.ndarray:
        """Return recorded energy [J]; none is recorded where it is zero."""
        found = self._column("energy")
        values = self.numbers("energy") * (found.factor if found else 1.0)
        return np.where(values > 0, values, np.nan)

    def ids(self) -> pa.Array:
        """Return ids."""
        raw = self.raw("job")
        return pa.nulls(self.count, pa.string()) if raw is None else cells.read_ids(raw)

    def states(self) -> Words:
        """Return how jobs ended."""
        own = self.reading.form.states
        return self.words("state").mapped(lambda text: state_of(text, own))

    def draft(self) -> Draft:
        """Return the fields that are taken as they stand."""
        found = Draft(self.count, self.reading.form.record, self.ids())
        names = ("cluster", "user", "project", "partition", "qos", "name", "host", "device")
        for name in (*names, "tags", "checkpoint"):
            if self.has(name):
                found.words[name] = self.words(name)
        found.words["state"] = self.states()
        for name in ("submit", "start", "end"):
            if self.has(name):
                found.moments[name] = self.moments(name)
        for name in AMOUNTS:
            if self.has(name):
                found.numbers[name] = self.numbers(name)
        if "usd" in found.numbers:
            unread = self.unread("usd", found.numbers["usd"])
            found.remark(unread, "its cost is no number; it is left out")
        found.numbers["elapsed_s"] = elapsed = self.durations("elapsed")
        found.remark(self.unread("elapsed", elapsed), "its duration is no time; it is left out")
        found.numbers["energy_j"] = self.energy()
        if self.has("gpu_time"):
            told = self.durations("gpu_time", SHARE)
            unread = self.unread("gpu_time", told)
            found.remark(unread, "its accelerator time is no time; it is left out")
            found.numbers["gpu_hours"] = told / cells.SECONDS["h"]
        if self.has("per_node"):
            each = self.numbers("per_node")
            nodes = np.where(np.isnan(found.number("nodes")), 1.0, found.number("nodes"))
            made = each * nodes
            count = found.number("accelerators")
            found.numbers["accelerators"] = np.where(np.isnan(count), made, count)
        return found
