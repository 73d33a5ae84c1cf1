"""One job in two records: a tracker's run in a scheduler's job, found by id, time and host."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from .cells import NO_TIME, Words, codes_of, no_words, read_words, whole
from .formats import words
from .rules import config_value

SLACK = 120
"""Seconds by which clocks of two records may differ."""
BY_ID, BY_HOST, BY_NAME = (
    "tracked run of a job, by its id",
    "tracked run of a job, by time and host",
    "tracked run of a job, by time and name",
)
MOST_NODES = 100_000

_RANGE = re.compile(r"([^,\[\]]+)(?:\[([^\]]*)\])?([^,\[\]]*)")

GIVEN = ("tokens", "params", "flop", "first_step", "last_step")
"""Numbers that a tracker tells of a job."""


@lru_cache(maxsize=1 << 14)
def nodes_of(text: str) -> frozenset[str]:
    """Return the nodes of ``node[1-3,7],gpu2``, by their names without domain."""
    return frozenset(name.partition(".")[0] for name in _nodes(text.strip().lower()))


def _nodes(text: str) -> Iterator[str]:
    number = 0
    for before, ranges, behind in _RANGE.findall(text):
        if not ranges:
            yield before.strip()
            continue
        for each in ranges.split(","):
            low, _, high = each.partition("-")
            if not low.isdigit() or (high and not high.isdigit()):
                yield f"{before.strip()}{each}{behind}"
                continue
            for place in range(int(low), int(high or low) + 1):
                number += 1
                if number > MOST_NODES:
                    return
                yield f"{before.strip()}{place:0{len(low)}d}{behind}"


@dataclass
class Trackers:
    """Rows of trackers, to be found among a scheduler's jobs.

    Attributes:
        table: as `schema.JOBS` has them.
        owner: whether each was found; ``(rows,)``.
        told: joined rows by how they were found.
    """

    table: pa.Table
    owner: np.ndarray = field(init=False)
    told: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.owner = np.zeros(len(self.table), dtype=bool)
        self.start, self.end = (moments_in(self.table, name) for name in ("start", "end"))
        self._ids = self._scheduler_ids()
        hosts = words_in(self.table, "host")
        self._by_host = _places(hosts, lambda text: next(iter(nodes_of(text)), ""))
        self._by_name = _places(words_in(self.table, "name"), str)

    def _scheduler_ids(self) -> dict[str, list[int]]:
        config = column_of(self.table, "config")
        found: dict[str, list[int]] = {}
        for key in words("keys")["scheduler_job"]:
            values = config_value(config, key).to_pylist() if len(config) else []
            for place, value in enumerate(values):
                if value:
                    found.setdefault(value.strip().strip('"'), []).append(place)
        return found

    def join(self, jobs: pa.Table) -> np.ndarray:
        """Return the tracked run of each of a scheduler's jobs, -1 where there is none."""
        rows = np.full(len(jobs), -1, dtype=np.int64)
        start, end = (moments_in(jobs, name) for name in ("start", "end"))
        if self._ids:
            ids = column_of(jobs, "job")
            wanted = pa.array(list(self._ids), pa.string())
            at = pc.index_in(ids, wanted).fill_null(-1).to_numpy(zero_copy_only=False)
            keys = list(self._ids)
            for row in np.flatnonzero(at >= 0).tolist():
                self._take(rows, row, self._ids[keys[at[row]]], (start, end), BY_ID)
        for by, name, how in ((self._by_host, "host", BY_HOST), (self._by_name, "name", BY_NAME)):
            if by:
                self._within(rows, words_in(jobs, name), by, (start, end), how)
        return rows

    def _take(
        self,
        rows: np.ndarray,
        row: int,
        runs: list[int],
        times: tuple[np.ndarray, np.ndarray],
        how: str,
    ) -> None:
        """Give a job the runs that were in it: what they tell is the first one's."""
        start, end = times
        for run in runs:
            if self.owner[run] or not _inside(self, run, start[row], end[row]):
                continue
            self.owner[run] = True
            self.told[how] += 1
            if rows[row] < 0:
                rows[row] = run

    def _within(
        self,
        rows: np.ndarray,
        told: Words,
        by: dict[str, list[int]],
        times: tuple[np.ndarray, np.ndarray],
        how: str,
    ) -> None:
        """Find runs in jobs of the same host, or name, that ran when they did."""
        start, end = times
        for code, text in enumerate(told.values):
            keys = nodes_of(text) & by.keys() if how is BY_HOST else {text} & by.keys()
            runs = [run for key in keys for run in by[key] if not self.owner[run]]
            runs = [run for run in runs if self.start[run] != NO_TIME and self.end[run] != NO_TIME]
            if not runs:
                continue
            at = np.flatnonzero((told.codes == code) & (start != NO_TIME) & (end != NO_TIME))
            for run in runs:
                is_in = start[at] <= self.start[run] + SLACK
                is_in &= end[at] >= self.end[run] - SLACK
                for row in at[is_in][:1]:
                    self._take(rows, row, [run], times, how)


def _inside(trackers: Trackers, run: int, start: int, end: int) -> bool:
    """Whether a run was within a job's time; where neither tells, its id is enough."""
    own = trackers.start[run]
    if NO_TIME in (own, start, end):
        return True
    return bool(start - SLACK <= own <= end + SLACK)


def _places(told: Words, key: object) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    keys = [key(text) for text in told.values]  # type: ignore[operator]
    for row in np.flatnonzero(told.codes >= 0):
        name = keys[told.codes[row]]
        if name:
            found.setdefault(name, []).append(int(row))
    return found


def column_of(table: pa.Table, name: str) -> pa.Array:
    """Return a column as one array."""
    return whole(table[name])


def words_in(table: pa.Table, name: str) -> Words:
    """Return a column's texts, each different one once."""
    if table[name].null_count == len(table):
        return no_words(len(table))
    column = column_of(table, name)
    if not pa.types.is_dictionary(column.type):
        return read_words(column)
    return Words(codes_of(column), column.dictionary.to_pylist())


def moments_in(table: pa.Table, name: str) -> np.ndarray:
    """Return a column's moments [s since 1970]."""
    found = column_of(table, name).cast(pa.timestamp("s")).cast(pa.int64())
    found = found.fill_null(NO_TIME) if found.null_count else found
    return np.asarray(found.to_numpy(zero_copy_only=False))


def numbers_in(table: pa.Table, name: str) -> np.ndarray:
    """Return a column's numbers, NaN where there is none."""
    return np.asarray(column_of(table, name).to_numpy(zero_copy_only=False), dtype=float)


def taken_words(told: Words, other: Words, rows: np.ndarray) -> Words:
    """Return texts of jobs, and of their tracked runs where they have none.

    Args:
        told: of the jobs.
        other: of the tracked runs.
        rows: run of each job, -1 for none.
    """
    if not len(other.values) or not (rows >= 0).any():
        return told
    codes, values = pd.factorize(np.array([*told.values, *other.values], dtype=object))
    first = np.append(codes[: len(told.values)], -1)[told.codes]
    second = np.append(codes[len(told.values) :], -1)[other.codes][rows]
    found = np.where((first < 0) & (rows >= 0), second, first)
    return Words(found.astype(np.int32), list(values))
