"""Jobs as they are read: columns by field, what is wrong with a row, and the normalised table."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from . import cells
from .cells import NO_TIME, Words, no_words
from .devices import Device, find_device
from .schema import JOBS

WORDS = (
    *("cluster", "user", "project", "partition", "qos", "name", "state", "host", "device"),
    *("accelerator", "tags", "checkpoint"),
)

SECONDS_PER_HOUR = 3600.0
MOST = 1e7
"""Accelerators of a job; there are no more of one kind in the world."""
TIMED = ("scheduler", "tracker")
"""Records whose rows have a time of their own."""
NEAR = 0.01
"""Share by which recorded accelerator-hours may differ from count times time: rounding."""
LONGEST_JOB = 20 * 366 * 86400.0
"""Seconds; a longer job is a mistake."""
MOST_HOURS = MOST * LONGEST_JOB / SECONDS_PER_HOUR

_MIX = np.uint64(0x9E3779B97F4A7C15)


class Part(NamedTuple):
    """Accelerators of one type that jobs had: what records call it, and how many."""

    device: Words
    number: np.ndarray


@dataclass
class Draft:
    """Rows of a batch.

    Attributes:
        rows: how many.
        record: what they are, of `schema.RECORDS`.
        job: ids.
        words: texts by field.
        moments: [s since 1970] by field.
        numbers: by field; NaN where a record does not tell.
        config: text of each tracked run.
        parts: further types of accelerators.
        reason: what is wrong with each row, a place in ``reasons``; 0 for nothing.
        reasons: what may be wrong.
        joined: whether a row only adds to another, as a step does to its job.
        owners: row that each of those adds to.
        source: row of the batch that each is of, where one tells several.
        remarks: rows by what to know of them.
    """

    rows: int
    record: str
    job: pa.Array
    words: dict[str, Words] = field(default_factory=dict)
    moments: dict[str, np.ndarray] = field(default_factory=dict)
    numbers: dict[str, np.ndarray] = field(default_factory=dict)
    config: pa.Array | None = None
    parts: list[Part] = field(default_factory=list)
    reason: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    reasons: list[str] = field(default_factory=lambda: [""])
    joined: np.ndarray | None = None
    owners: np.ndarray | None = None
    source: np.ndarray | None = None
    remarks: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.reason = np.zeros(self.rows, dtype=np.int32)

    def text(self, name: str) -> Words:
        """Return a field's texts."""
        return self.words.get(name) or no_words(self.rows)

    def moment(self, name: str) -> np.ndarray:
        """Return a field's moments."""
        found = self.moments.get(name)
        return np.full(self.rows, NO_TIME) if found is None else found

    def number(self, name: str) -> np.ndarray:
        """Return a field's numbers."""
        found = self.numbers.get(name)
        return np.full(self.rows, np.nan) if found is None else found

    def reject(self, rows: np.ndarray, reason: str) -> None:
        """Say what is wrong with rows, where nothing was said before."""
        rows = rows & (self.reason == 0)
        if rows.any():
            if reason not in self.reasons:
                self.reasons.append(reason)
            self.reason[rows] = self.reasons.index(reason)

    def remark(self, rows: np.ndarray, text: str) -> None:
        """Say what to know of rows that are used."""
        count = int((rows & (self.reason == 0)).sum())
        if count:
            self.remarks[text] += count


def settle_times(draft: Draft) -> None:
    """Find how long each job took, and refuse those that do not tell."""
    has_ends = "end" in draft.moments
    start, end, elapsed = draft.moment("start"), draft.moment("end"), draft.number("elapsed_s")
    has_both = (start != NO_TIME) & (end != NO_TIME)
    between = np.where(has_both, end - np.where(has_both, start, end), 0).astype(float)
    told = ~np.isnan(elapsed)
    is_backwards = has_both & (between < 0)
    draft.reject(elapsed < 0, "its duration is negative")
    draft.reject(elapsed > LONGEST_JOB, "its duration is above twenty years")
    draft.remark(is_backwards & told, "ends before it starts; its own duration is used")
    draft.reject(is_backwards & ~told, "ends before it starts, and tells no duration")
    draft.moments["end"] = end = np.where(is_backwards, NO_TIME, end)
    elapsed = np.where(told, elapsed, np.where(has_both & ~is_backwards, between, np.nan))
    is_far = told & has_both & (np.abs(between - elapsed) > np.maximum(60.0, NEAR * elapsed))
    is_far &= ~is_backwards & (draft.record in TIMED)
    draft.remark(is_far, "its duration is not the time from start to end; the duration is used")
    # One end and the duration tell the other.
    whole = np.nan_to_num(elapsed).astype(np.int64)
    known = ~np.isnan(elapsed)
    no_start = known & (start == NO_TIME) & (end != NO_TIME)
    draft.moments["start"] = start = np.where(no_start, end - whole, start)
    no_end = known & (end == NO_TIME) & (start != NO_TIME)
    draft.moments["end"] = np.where(no_end, start + whole, end)
    states = draft.text("state")
    is_open = states.told(lambda state: state == "running", False).astype(bool) & no_end
    draft.remark(is_open, "is still running; hours until now")
    is_endless = no_end & ~is_open & has_ends
    draft.remark(is_endless, "has no end; its duration is used")
    draft.numbers["elapsed_s"] = elapsed
    submit = draft.moment("submit")
    is_early = (submit != NO_TIME) & (start != NO_TIME) & (start < submit)
    draft.remark(is_early, "starts before it was submitted; its wait is not counted")
    draft.moments["submit"] = np.where(is_early, NO_TIME, submit)


def settle_hours(draft: Draft, *, may_lack: bool) -> None:
    """Find each job's accelerator-hours, and refuse those that do not tell.

    Args:
        draft: jobs, with how long each took.
        may_lack: whether a row may tell none, as what another record tells can complete it.
    """
    elapsed, count = draft.number("elapsed_s"), draft.number("accelerators")
    told = draft.number("gpu_hours")
    made = count * elapsed / SECONDS_PER_HOUR
    made = np.where(count == 0, 0.0, made)
    has_both = ~np.isnan(told) & ~np.isnan(made)
    differs = has_both & (np.abs(told - made) > NEAR * np.maximum(np.abs(told), 1e-9))
    draft.remark(differs, "its accelerator-hours are not count times duration; they are used")
    hours = np.where(np.isnan(made) | differs, told, made)
    draft.reject(count > MOST, "its accelerators are above ten million")
    draft.reject(np.abs(told) > MOST_HOURS, "its accelerator-hours are too many to be any")
    draft.reject((hours < 0) & (draft.record != "bill"), "its accelerator-hours are negative")
    no_time = np.isnan(hours) & np.isnan(elapsed)
    no_count = np.isnan(hours) & np.isnan(count)
    with np.errstate(invalid="ignore", divide="ignore"):
        derived = told * SECONDS_PER_HOUR / elapsed
    draft.numbers["accelerators"] = np.where(
        np.isnan(count) & ~np.isnan(told) & (elapsed > 0), derived, count
    )
    draft.numbers["gpu_hours"] = hours
    if not may_lack:
        is_waiting = draft.text("state").told(lambda state: state == "pending", False)
        rows = no_time & is_waiting.astype(bool)
        hours[rows] = 0.0
        draft.reject(no_time & ~rows, "tells no duration, and not both start and end")
        draft.reject(no_count & ~rows, "tells no number of accelerators")


def settle_devices(draft: Draft, profiles: tuple[Path, ...]) -> None:
    """Find which accelerator's profile each job's type means, unless a rule told."""

    def found(text: str) -> Device:
        return find_device(text, profiles)

    def named(words: Words) -> Words:
        return words.mapped(lambda text: found(text).profile)

    if "accelerator" not in draft.words:
        device = draft.text("device")
        draft.words["accelerator"] = named(device)
        doubtful = device.told(lambda text: not found(text).is_sure, False).astype(bool)
        draft.remark(doubtful, "its accelerator's name means several; the usual one is taken")


def identities(draft: Draft) -> np.ndarray:
    """Return a hash of each row's record, cluster, id and start; 0 where it has no id."""
    cluster = draft.text("cluster")
    texts = np.array([draft.record + each for each in (*cluster.values, "")], dtype=object)
    found = pd.util.hash_array(texts)[cluster.codes]
    ids = _numbered(draft.job)
    start = draft.moment("start").astype(np.uint64)
    with np.errstate(over="ignore"):
        mixed = (found * _MIX) ^ (ids * np.uint64(0xC2B2AE3D27D4EB4F)) ^ (start * _MIX)
        mixed ^= mixed >> np.uint64(29)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(32)
    return np.where(_has(draft.job), mixed.view(np.int64), 0)


def _has(ids: pa.Array) -> np.ndarray:
    return np.asarray(pc.is_valid(ids).to_numpy(zero_copy_only=False), dtype=bool)


def _numbered(ids: pa.Array) -> np.ndarray:
    """Return ids as numbers: their own where they are such, as a scheduler's are.

    What an id's number is does not hang on the others, which may be of arrays: the same job may be
    among others in another file.
    """
    try:
        return _whole(ids)
    except pa.ArrowInvalid:
        pass
    is_whole = pc.match_substring_regex(ids, r"^-?[0-9]{1,18}$").fill_null(False)
    coded = ids.dictionary_encode()
    hashed = cells.hashed(Words(cells.codes_of(coded), coded.dictionary.to_pylist()))
    own = _whole(pc.if_else(is_whole, ids, None))
    return np.where(is_whole.to_numpy(zero_copy_only=False), own, hashed)


def _whole(ids: pa.Array) -> np.ndarray:
    found = ids.cast(pa.int64())
    found = found.fill_null(0) if found.null_count else found
    return np.asarray(found.to_numpy(zero_copy_only=False)).astype(np.uint64)


def normalised(draft: Draft, file: int, lines: np.ndarray) -> pa.Table:
    """Return the rows that are used, as `schema.JOBS` has them.

    Args:
        draft: settled.
        file: place of their file among all.
        lines: number of each row in it.
    """
    draft.numbers.setdefault("jobs", np.ones(draft.rows))
    columns: dict[str, pa.Array] = {
        "record": pa.DictionaryArray.from_arrays(
            pa.array(np.zeros(draft.rows, dtype=np.int32)), pa.array([draft.record])
        ),
        "job": draft.job,
        "config": draft.config if draft.config is not None else pa.nulls(draft.rows, pa.string()),
        "file": pa.array(np.full(draft.rows, file, dtype=np.int32)),
        "line": pa.array(lines.astype(np.int64)),
        "identity": pa.array(identities(draft)),
    }
    columns |= {name: draft.text(name).column() for name in WORDS if name in draft.words}
    columns |= {name: cells.as_timestamps(found) for name, found in draft.moments.items()}
    columns |= {name: cells.as_numbers(found) for name, found in draft.numbers.items()}
    nothing = {each.name: each.type for each in JOBS if each.name not in columns}
    columns |= {name: pa.nulls(draft.rows, kind) for name, kind in nothing.items()}
    table = pa.table({name: columns[name] for name in JOBS.names})
    is_used = draft.reason == 0
    if draft.joined is not None:
        is_used &= ~draft.joined
    tables = [table if is_used.all() else table.filter(pa.array(is_used))]
    tables += [_further(table, draft, part, is_used) for part in draft.parts]
    if len(tables) == 1:
        return tables[0]
    return pa.concat_tables([plain_texts(each) for each in tables])


def _further(table: pa.Table, draft: Draft, part: Part, is_used: np.ndarray) -> pa.Table:
    """Return rows of the same jobs' accelerators of another type."""
    rows = np.flatnonzero(is_used & (part.number > 0))
    chosen = table.take(pa.array(rows))
    count = part.number[rows]
    elapsed = draft.number("elapsed_s")[rows]
    nothing = pa.nulls(len(rows), pa.float64())
    changed: dict[str, pa.Array] = {
        "device": part.device.column().take(pa.array(rows)),
        "accelerator": part.device.mapped(lambda text: find_device(text).profile)
        .column()
        .take(pa.array(rows)),
        "jobs": pa.array(np.zeros(len(rows))),
        "accelerators": pa.array(count),
        "gpu_hours": pa.array(count * elapsed / SECONDS_PER_HOUR),
        **dict.fromkeys(("energy_j", "usd", "tokens", "flop"), nothing),
    }
    for name, column in changed.items():
        chosen = chosen.set_column(chosen.schema.get_field_index(name), name, column)
    return chosen


def plain_texts(table: pa.Table) -> pa.Table:
    """Return a table as `schema.JOBS` has it, its texts row by row."""
    return table.select(JOBS.names).cast(JOBS)
