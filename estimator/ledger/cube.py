"""Sums of jobs: how many hours, dollars, joules and FLOP each kind, person and month had."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from .cells import NO_TIME, Words
from .schema import BY, KINDS, MEASURES, SIZE_ENDS, SIZES, UNKNOWN

HELD = 200_000
"""Cells of batches that are held before they are added up."""
MOST = 400_000
"""Cells that are kept; beyond, persons of the fewest hours are taken together."""
KEPT_NAMES = 1000
OTHERS = "(others)"
NO_MONTH = "not told"
LONGEST = 240
"""Months of a job, at most."""

WAIT_BINS = np.concatenate([[0.0], np.logspace(0, 8, 1601)])
"""Ends of the bins that waits are counted in [s]; quantiles are theirs."""


def months_of(seconds: np.ndarray) -> np.ndarray:
    """Return months since 1970; -1 for no moment."""
    moments = np.where(seconds == NO_TIME, 0, seconds).astype("datetime64[s]")
    return np.where(seconds == NO_TIME, -1, moments.astype("datetime64[M]").astype(np.int64))


def month_name(month: int) -> str:
    """Return ``2024-09`` for a month since 1970."""
    return NO_MONTH if month < 0 else str(np.datetime64(int(month), "M"))


def size_of(accelerators: np.ndarray) -> np.ndarray:
    """Return the place of each job's size among `SIZES`; unknown numbers are none."""
    return np.asarray(np.searchsorted(SIZE_ENDS, np.nan_to_num(accelerators), side="left"))


@dataclass(frozen=True)
class Measured:
    """Jobs of a batch, to be summed.

    Attributes:
        words: texts of ``record``, ``state``, ``project``, ``user``, ``accelerator``.
        kind: place among `KINDS`.
        accelerators: of each job.
        start: [s since 1970].
        end: [s since 1970].
        measures: of `MEASURES`; ``(rows,)`` each, no NaN.
    """

    words: Mapping[str, Words]
    kind: np.ndarray
    accelerators: np.ndarray
    start: np.ndarray
    end: np.ndarray
    measures: Mapping[str, np.ndarray]


def cells_of(jobs: Measured) -> pd.DataFrame:
    """Return the sums of a batch; the hours of a job that spans months are divided by its time."""
    rows, month, share, is_first = _by_month(jobs.start, jobs.end)
    codes: dict[str, tuple[np.ndarray, list[str]]] = {
        name: (words.codes.astype(np.int64) + 1, [UNKNOWN, *words.values])
        for name, words in jobs.words.items()
    }
    codes["kind"] = (jobs.kind.astype(np.int64), list(KINDS))
    codes["size"] = (size_of(jobs.accelerators).astype(np.int64), list(SIZES))
    low = int(month.min(initial=0))
    months = [month_name(each) for each in range(low, int(month.max(initial=low)) + 1)]
    key, wide = np.zeros(len(rows), dtype=np.int64), 1
    for name in BY:
        if name == "month":
            code, number = month - low, len(months)
        else:
            code, number = codes[name][0][rows], len(codes[name][1])
        key += code * wide
        wide *= number  # at most 5e18: a batch has no more different texts than rows
    place, keys = pd.factorize(key)
    found = {}
    for name in BY:
        texts = months if name == "month" else codes[name][1]
        keys, at = np.divmod(keys, len(texts))
        found[name] = np.array(texts, dtype=object)[at]
    for name in MEASURES:
        values = jobs.measures[name]
        parted = np.where(is_first, values[rows], 0.0) if name in WHOLE else values[rows] * share
        found[name] = np.bincount(place, parted, minlength=len(keys))
    return pd.DataFrame(found)


WHOLE = ("jobs", "wait_s", "waited")
"""Measures that are of a job's first month, and not divided."""


def _by_month(
    start: np.ndarray, end: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return rows by month: the row, the month, its share of the time, whether it is the first."""
    first = months_of(start)
    last = np.where(end == NO_TIME, first, months_of(np.where(end == NO_TIME, end, end - 1)))
    last = np.clip(last, first, first + LONGEST)
    number = np.where(first < 0, 1, last - first + 1)
    if (number == 1).all():
        return np.arange(len(start)), first, np.ones(len(start)), np.ones(len(start), dtype=bool)
    rows = np.repeat(np.arange(len(start)), number)
    since = np.arange(len(rows)) - np.repeat(np.cumsum(number) - number, number)
    month = first[rows] + since
    begins = month.astype("datetime64[M]").astype("datetime64[s]").astype(np.int64)
    ends = (month + 1).astype("datetime64[M]").astype("datetime64[s]").astype(np.int64)
    inside = np.minimum(ends, end[rows]) - np.maximum(begins, start[rows])
    is_one = number[rows] == 1
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(is_one, 1.0, inside / np.maximum(1, end[rows] - start[rows]))
    return rows, month, share, since == 0


@dataclass
class Cube:
    """Cells of batches, added up.

    Attributes:
        held: cells of batches that are not yet added up.
        waits: jobs by size and wait.
        is_cut: whether persons of few hours were taken together.
    """

    held: list[pd.DataFrame] = field(default_factory=list)
    waits: np.ndarray = field(default_factory=lambda: np.zeros((len(SIZES), len(WAIT_BINS))))
    is_cut: bool = False

    def add(self, cells: pd.DataFrame) -> None:
        """Take in a batch's."""
        self.held.append(cells)
        if sum(map(len, self.held)) > HELD + len(self.held[0]):
            self.held = [self.cells()]

    def cells(self) -> pd.DataFrame:
        """Return all cells."""
        if not self.held:
            kinds = {**dict.fromkeys(BY, object), **dict.fromkeys(MEASURES, float)}
            return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})
        found = _summed(pd.concat(self.held, ignore_index=True))
        for name in ("user", "project"):
            if len(found) > MOST:
                found = self._cut(found, name)
        return found

    def _cut(self, found: pd.DataFrame, name: str) -> pd.DataFrame:
        self.is_cut = True
        hours = found.groupby(name)["gpu_hours"].sum().nlargest(KEPT_NAMES)
        found[name] = found[name].where(found[name].isin(hours.index), OTHERS)
        return _summed(found)

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


def _summed(cells: pd.DataFrame) -> pd.DataFrame:
    return cells.groupby(list(BY), sort=False, as_index=False, observed=True).sum()


def waits_of(accelerators: np.ndarray, wait: np.ndarray) -> np.ndarray:
    """Return jobs by size and wait; those whose wait is NaN are left out."""
    known = ~np.isnan(wait)
    bins = np.searchsorted(WAIT_BINS, wait[known], side="left")
    bins = np.minimum(bins, len(WAIT_BINS) - 1)
    key = size_of(accelerators[known]) * len(WAIT_BINS) + bins
    counts = np.bincount(key, minlength=len(SIZES) * len(WAIT_BINS))
    return counts.reshape(len(SIZES), len(WAIT_BINS)).astype(float)
