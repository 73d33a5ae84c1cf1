"""Sums of jobs: how many hours, dollars, joules and FLOP each kind, person and month had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from .cells import NO_TIME, Words
from .schema import BY, KINDS, MEASURES, SIZE_ENDS, SIZES, UNKNOWN

HELD = 200_000
"""Cells of batches that are held before they are added up."""
MOST = 400_000
"""Cells that are kept; beyond, persons of the fewest hours are taken together."""
KEPT_NAMES = 1000
OTHERS = "(others)"
NO_MONTH = "not told"
DAY = 86400
LONGEST = 240
"""Months of a job, at most."""

WAIT_BINS = np.concatenate([[0.0], np.logspace(0, 8, 1601)])
"""Ends of the bins that waits are counted in [s]; quantiles are theirs."""


def months_of(seconds: np.ndarray) -> np.ndarray:
    """Return months since 1970; -1 for no moment."""
    is_none = seconds == NO_TIME
    has_none = bool(is_none.any())
    days = (np.where(is_none, 0, seconds) if has_none else seconds) // DAY
    low, high = (int(days.min()), int(days.max())) if len(days) else (0, 0)
    # Days are few: each one's month is worked out once.
    months = np.arange(low, high + 1).astype("datetime64[D]").astype("datetime64[M]")
    found = months.astype(np.int64)[days - low]
    return np.where(is_none, -1, found) if has_none else found


def month_name(month: int) -> str:
    """Return ``2024-09`` for a month since 1970."""
    return NO_MONTH if month < 0 else str(np.datetime64(int(month), "M"))


_SIZES = np.searchsorted(SIZE_ENDS, np.arange(SIZE_ENDS[-1] + 2), side="left")
"""Size of every number of accelerators, up to the first of the largest size."""


def size_of(accelerators: np.ndarray) -> np.ndarray:
    """Return the place of each number of accelerators among `SIZES`; what is no number is none."""
    # Ends are whole: part of an accelerator counts as one.
    whole = np.ceil(np.fmin(np.fmax(accelerators, 0.0), len(_SIZES) - 1))
    return np.asarray(_SIZES[whole.astype(np.int64)])


@dataclass(frozen=True)
class Measured:
    """Jobs of a batch, to be summed.

    Attributes:
        words: texts of ``record``, ``state``, ``project``, ``user``, ``accelerator``.
        kind: place among `KINDS`.
        accelerators: of each job.
        start: [s since 1970].
        end: [s since 1970].
        measures: of `MEASURES`; ``(rows,)`` each, no NaN. What is not there is 0 of all.
    """

    words: Mapping[str, Words]
    kind: np.ndarray
    accelerators: np.ndarray
    start: np.ndarray
    end: np.ndarray
    measures: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Cells:
    """Sums of jobs by what they are of.

    Attributes:
        texts: by `BY`: what cells may be of.
        codes: by `BY`: place of each cell's text among those; ``(cells,)`` each.
        sums: of `MEASURES`; ``(cells,)`` each. What is not there is 0 of all.
    """

    texts: Mapping[str, Sequence[str]]
    codes: Mapping[str, np.ndarray]
    sums: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.codes["record"])

    def sum_of(self, name: str) -> np.ndarray:
        """Return one of the sums."""
        found = self.sums.get(name)
        return np.zeros(len(self)) if found is None else found

    def frame(self) -> pd.DataFrame:
        """Return a row for each cell, its texts and sums as columns."""
        columns = {
            name: pa.DictionaryArray.from_arrays(
                pa.array(self.codes[name]), pa.array(self.texts[name], pa.string())
            ).cast(pa.string())
            for name in BY
        }
        columns |= {name: pa.array(self.sum_of(name)) for name in MEASURES}
        found: pd.DataFrame = pa.table(columns).to_pandas()
        return found


NO_CELLS = Cells({name: [] for name in BY}, {name: np.zeros(0, dtype=np.int32) for name in BY}, {})


def cells_of(jobs: Measured) -> Cells:
    """Return the sums of a batch; the hours of a job that spans months are divided by its time."""
    texts: dict[str, Sequence[str]] = {"kind": KINDS, "size": SIZES}
    codes = {"kind": jobs.kind, "size": _sizes(jobs)}
    for name in jobs.words.keys() & set(BY):
        texts[name] = [UNKNOWN, *jobs.words[name].values]
        codes[name] = jobs.words[name].codes + 1
    rows, month, share = _by_month(jobs.start, jobs.end)
    low = int(month.min(initial=0)) if len(month) else 0
    texts["month"] = [month_name(each) for each in range(low, int(month.max(initial=low)) + 1)]
    month -= low
    key = _keys(codes, texts, KEYED)
    if rows is not None:
        key = key._replace(numbers=key.numbers[rows])
    place, first = _groups(_keyed(key, month, len(texts["month"])))
    of = first if rows is None else rows[first]
    found = {name: codes[name][of].astype(np.int32) for name in KEYED}
    found["month"] = month[first].astype(np.int32)
    begins = place if rows is None else place[np.append(True, rows[1:] != rows[:-1])]
    sums = {}
    for name, values in jobs.measures.items():
        if rows is None or name in WHOLE:
            sums[name] = np.bincount(begins, values, minlength=len(first))
        else:
            sums[name] = np.bincount(place, values[rows] * share, minlength=len(first))
    return Cells(texts, found, sums)


def _sizes(jobs: Measured) -> np.ndarray:
    """Return the place of each job's size; unknown of what ran on nobody says how many."""
    found, is_untold = size_of(jobs.accelerators), np.isnan(jobs.accelerators)
    if not is_untold.any():
        return found
    did = [jobs.measures[name] != 0 for name in ("gpu_hours", "flop") if name in jobs.measures]
    return np.where(is_untold & np.any(did, axis=0), SIZES.index(UNKNOWN), found)


WHOLE = ("jobs", "wait_s", "waited")
"""Measures that are of a job's first month, and not divided."""
KEYED = tuple(name for name in BY if name != "month")
WIDEST = 2**62
"""Keys of groups that a number holds."""


class _Key(NamedTuple):
    """A number for each row, the same for rows of the same codes, and one more than the largest."""

    numbers: np.ndarray
    wide: int


def _keyed(key: _Key, codes: np.ndarray, number: int) -> _Key:
    """Return a key that tells further codes apart, of so many."""
    numbers, wide = key
    if wide * number > WIDEST:
        numbers, kinds = pd.factorize(numbers)
        wide = len(kinds)
    return _Key(numbers + codes.astype(np.int64) * wide, wide * number)


def _keys(
    codes: Mapping[str, np.ndarray], texts: Mapping[str, Sequence[str]], names: Sequence[str]
) -> _Key:
    """Return a key of rows' codes."""
    key = _Key(np.zeros(len(codes[names[0]]), dtype=np.int64), 1)
    for name in names:
        key = _keyed(key, codes[name], len(texts[name]))
    return key


def _groups(key: _Key) -> tuple[np.ndarray, np.ndarray]:
    """Return the group of each row, and the first row of each; groups in the order of those."""
    place, kinds = pd.factorize(key.numbers)
    first = np.empty(len(kinds), dtype=np.int64)
    first[place[::-1]] = np.arange(len(place))[::-1]
    return place, first


def _by_month(
    start: np.ndarray, end: np.ndarray
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
    """Return rows by month: the row, the month, its share of the time.

    Rows are None where each is of one month, and its share all.
    """
    first = months_of(start)
    last = months_of(np.where(end == NO_TIME, NO_TIME, end - 1))
    last = np.clip(np.where(end == NO_TIME, first, last), first, first + LONGEST)
    number = np.where(first < 0, 1, last - first + 1)
    several = np.flatnonzero(number > 1)
    if not len(several):
        return None, first, np.ones(0)
    rows = np.repeat(np.arange(len(start)), number)
    month, share = first[rows], np.ones(len(rows))
    # Jobs of several months are few.
    at = np.flatnonzero(number[rows] > 1)
    of, many = rows[at], number[several]
    month[at] += np.arange(len(at)) - np.repeat(np.cumsum(many) - many, many)
    begins, ends = (
        (month[at] + each).astype("datetime64[M]").astype("datetime64[s]").astype(np.int64)
        for each in (0, 1)
    )
    inside = np.minimum(ends, end[of]) - np.maximum(begins, start[of])
    share[at] = inside / np.maximum(1, end[of] - start[of])
    return rows, month, share


@dataclass
class Cube:
    """Cells of batches, added up.

    Attributes:
        texts: by `BY`: what cells may be of.
        held: cells of batches that are not yet added up, their codes places among those texts.
        waits: jobs by size and wait.
        is_cut: whether persons of few hours were taken together.
    """

    texts: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in BY})
    held: list[Cells] = field(default_factory=list)
    waits: np.ndarray = field(default_factory=lambda: np.zeros((len(SIZES), len(WAIT_BINS))))
    is_cut: bool = False
    _places: dict[str, dict[str, int]] = field(default_factory=lambda: {name: {} for name in BY})

    def add(self, cells: Cells) -> None:
        """Take in a batch's."""
        if not len(cells):
            return
        codes = {name: self._moved(name, cells.texts[name])[cells.codes[name]] for name in BY}
        self.held.append(Cells(self.texts, codes, cells.sums))
        if sum(map(len, self.held)) > HELD + len(self.held[0]):
            self.held = [self.cells()]

    def _moved(self, name: str, texts: Sequence[str]) -> np.ndarray:
        """Return the places of texts among all, those that are new behind the others."""
        known, place = self.texts[name], self._places[name]
        for text in texts:
            if text not in place:
                place[text] = len(known)
                known.append(text)
        return np.array([place[text] for text in texts], dtype=np.int32)

    def cells(self) -> Cells:
        """Return all cells."""
        if not self.held:
            return NO_CELLS
        names = [name for name in MEASURES if any(name in each.sums for each in self.held)]
        found = _summed(
            Cells(
                self.texts,
                {name: np.concatenate([each.codes[name] for each in self.held]) for name in BY},
                {name: np.concatenate([each.sum_of(name) for each in self.held]) for name in names},
            )
        )
        for name in ("user", "project"):
            if len(found) > MOST:
                found = self._cut(found, name)
        return found

    def _cut(self, found: Cells, name: str) -> Cells:
        """Return cells with those of the fewest hours taken together, by person or project."""
        self.is_cut = True
        texts, codes = self.texts[name], found.codes[name]
        hours = np.bincount(codes, found.sum_of("gpu_hours"), minlength=len(texts))
        present = np.unique(codes).tolist()
        order = sorted(present, key=lambda code: (-hours[code], texts[code]))
        others = self._moved(name, [OTHERS])[0]
        moved, kept = np.full(len(texts), others), order[:KEPT_NAMES]
        moved[kept] = kept
        return _summed(replace(found, codes={**found.codes, name: moved[codes].astype(np.int32)}))

    def queue(self) -> pd.DataFrame:
        """Return the wait by size of job [h]: jobs, and quantiles of the bins."""
        rows = []
        for place, size in enumerate(SIZES):
            counts = self.waits[place]
            total = counts.sum()
            if not total:
                continue
            below = np.cumsum(counts) / total
            at = WAIT_BINS[np.minimum(np.searchsorted(below, QUANTILES), len(counts) - 1)]
            hours = dict(zip(WAITS, (end / 3600 for end in at), strict=True))
            rows.append({"size": size, "jobs": total, **hours})
        return pd.DataFrame(rows).set_index("size") if rows else pd.DataFrame()


QUANTILES = (0.5, 0.9, 0.99)
WAITS = ("p50_h", "p90_h", "p99_h")


def _summed(cells: Cells) -> Cells:
    """Return cells, those of the same texts added up."""
    place, first = _groups(_keys(cells.codes, cells.texts, BY))
    if len(first) == len(cells):
        return cells
    sums = {
        name: np.bincount(place, values, minlength=len(first))
        for name, values in cells.sums.items()
    }
    return Cells(cells.texts, {name: codes[first] for name, codes in cells.codes.items()}, sums)


_SOON = 1 << 17
_SOON_BINS = np.searchsorted(WAIT_BINS, np.arange(_SOON), side="left")
"""Bins of waits of so many whole seconds."""


def waits_of(accelerators: np.ndarray, wait: np.ndarray) -> np.ndarray:
    """Return jobs by size and wait [s]."""
    is_soon = (wait < _SOON) & (wait == np.floor(wait))
    bins = _SOON_BINS[np.where(is_soon, wait, 0).astype(np.int64)]
    late = np.searchsorted(WAIT_BINS, wait[~is_soon], side="left")
    bins[~is_soon] = np.minimum(late, len(WAIT_BINS) - 1)
    key = size_of(accelerators) * len(WAIT_BINS) + bins
    counts = np.bincount(key, minlength=len(SIZES) * len(WAIT_BINS))
    return counts.reshape(len(SIZES), len(WAIT_BINS)).astype(float)
