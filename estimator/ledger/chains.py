"""Restarts: jobs of one name or checkpoint folder, one after the other, are one run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .cells import NO_TIME, Words, hashed, may_be_twice
from .rules import Chains

MOST = 1 << 20
"""Jobs that are put in order together; of more, a share at a time."""
KEPT = 2000
"""Runs that are told, the largest."""
TOLERANCE = 60
"""Seconds by which a restart may begin before the job before has ended."""

COLUMNS: Mapping[str, tuple[type, float]] = {
    "key": (np.int64, 0),
    "base": (np.int64, 0),
    "start": (np.int64, NO_TIME),
    "end": (np.int64, NO_TIME),
    "hours": (np.float64, 0.0),
    "accelerators": (np.float64, np.nan),
    "usd": (np.float64, np.nan),
    "flop": (np.float64, np.nan),
    "tokens": (np.float64, np.nan),
    "first_step": (np.float64, np.nan),
    "last_step": (np.float64, np.nan),
    "kind": (np.int8, 0),
    "is_done": (np.bool_, False),
    "part": (np.int32, 0),
    "row": (np.int32, 0),
}
"""What is kept of a job: whose restart it may be, its time, and what it took. Each column's kind,
and what stands in it where a batch has no such column."""
CHAINED = ("key", "base", "start", "end", "hours", "accelerators", "kind", "is_done")
"""Columns that tell whether a job goes on with another; the others are of few jobs."""

Jobs = Mapping[str, np.ndarray]
"""Some of `COLUMNS` of some jobs; ``(jobs,)`` each."""


def keys_of(words: Mapping[str, Words], rows: int) -> np.ndarray:
    """Return a hash of each job's checkpoint folder, or of its user, project and name."""
    found = np.zeros(rows, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for name in ("cluster", "user", "project", "name"):
            found *= np.uint64(0x9E3779B97F4A7C15)
            found += hashed(words[name])
    folder = words["checkpoint"]
    if not folder.values:
        return found.view(np.int64)
    return np.where(folder.codes >= 0, hashed(folder), found).view(np.int64)


@dataclass
class Share:
    """Jobs in memory: those of a key together.

    Attributes:
        rows: how many.
        held: values of batches, by column.
    """

    rows: int = 0
    held: dict[str, list[np.ndarray]] = field(default_factory=dict)

    def add(self, jobs: Jobs) -> None:
        """Take in jobs."""
        for name, values in jobs.items():
            kind, nothing = COLUMNS[name]
            parts = self.held.setdefault(name, [])
            lacking = self.rows - sum(map(len, parts))
            parts += [np.full(lacking, nothing, kind)] if lacking else []
            parts.append(values.astype(kind, copy=False))
        self.rows += len(jobs["key"])

    def column(self, name: str) -> np.ndarray:
        """Return a column."""
        kind, nothing = COLUMNS[name]
        parts = self.held.get(name, [])
        if len(parts) > 1:
            parts[:] = [np.concatenate(parts)]
        found = parts[0] if parts else np.zeros(0, kind)
        return self._filled(found, kind, nothing)

    def _filled(self, found: np.ndarray, kind: type, nothing: float) -> np.ndarray:
        lacking = self.rows - len(found)
        return np.append(found, np.full(lacking, nothing, kind)) if lacking else found

    def chosen(self, names: Iterable[str], rows: np.ndarray) -> Jobs:
        """Return columns of some of the jobs."""
        return {name: self.column(name)[rows] for name in names}


class OnDisk(Share):
    """The same on disk, a file a column."""

    def __init__(self, path: Path) -> None:
        """Begin.

        Args:
            path: beginning of the files' names.
        """
        super().__init__()
        self._path = path

    def _file(self, name: str) -> Path:
        return self._path.with_name(f"{self._path.name}-{name}.bin")

    def add(self, jobs: Jobs) -> None:
        """Take in jobs."""
        for name, values in jobs.items():
            kind, nothing = COLUMNS[name]
            with self._file(name).open("ab") as file:
                lacking = self.rows - file.tell() // np.dtype(kind).itemsize
                np.full(lacking, nothing, kind).tofile(file)
                values.astype(kind, copy=False).tofile(file)
        self.rows += len(jobs["key"])

    def column(self, name: str) -> np.ndarray:
        """Return a column."""
        kind, nothing = COLUMNS[name]
        path = self._file(name)
        found: np.ndarray = np.fromfile(path, kind) if path.exists() else np.zeros(0, kind)
        return self._filled(found, kind, nothing)


class Spill:
    """Jobs of batches by the share that their key falls in; of more than one they lie on disk."""

    def __init__(self, folder: Path, rows: int) -> None:
        number = max(1, -(-rows // MOST))
        self.shares = [
            OnDisk(folder / f"share-{n}") if number > 1 else Share() for n in range(number)
        ]

    def add(self, jobs: Jobs) -> None:
        """Take in jobs."""
        number = len(self.shares)
        if jobs and number == 1:
            self.shares[0].add(jobs)
        elif jobs:
            share = (jobs["key"] % number).astype(np.uint16)
            order = np.argsort(share, kind="stable")
            ends = np.cumsum(np.bincount(share, minlength=number))
            parts = {name: np.split(values[order], ends[:-1]) for name, values in jobs.items()}
            for place, each in enumerate(self.shares):
                each.add({name: values[place] for name, values in parts.items()})


@dataclass
class Runs:
    """Runs of jobs, and what their restarts lost.

    Attributes:
        largest: of each run: jobs, hours, when, what it took, where its first job is.
        runs: how many.
        chains: runs that were restarted.
        restarts: how often.
        hours: accelerator-hours of those.
        lost: accelerator-hours whose work was done again, where that is known.
        untold: restarts of which nobody tells what they lost.
        told_hours: accelerator-hours of runs whose restarts all tell it.
        pause_h: time between their jobs [h].
        ran_h: time of their jobs [h].
    """

    largest: pd.DataFrame = field(default_factory=pd.DataFrame)
    runs: int = 0
    chains: int = 0
    restarts: int = 0
    hours: float = 0.0
    lost: float = 0.0
    untold: int = 0
    told_hours: float = 0.0
    pause_h: float = 0.0
    ran_h: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form. What is lost is only of restarts that tell it."""
        told = self.restarts - self.untold
        return {
            "runs": self.runs,
            "chains": self.chains,
            "restarts": self.restarts,
            "gpu_hours": self.hours,
            "lost_gpu_hours": self.lost if told else None,
            "restarts_untold": self.untold,
            "goodput": 1 - self.lost / self.told_hours if self.told_hours > 0 else None,
            "pause_hours": self.pause_h,
            "running_share": self.ran_h / (self.ran_h + self.pause_h) if self.ran_h else None,
        }


def find_runs(spill: Spill, chains: Chains, no_chain: np.ndarray) -> Runs:
    """Put jobs together that are restarts of one run.

    A job goes on with the one before of its key where it begins after that has ended, within the
    pause that rules allow, on as many accelerators; and where that one did not end by itself, or
    both are tasks of one array.

    Args:
        spill: jobs.
        chains: what rules say.
        no_chain: kinds, by place, whose jobs are no restarts.
    """
    found = Runs()
    for share in spill.shares:
        if share.rows:
            _add(found, share, chains, no_chain)
    return found


def _add(found: Runs, share: Share, chains: Chains, no_chain: np.ndarray) -> None:
    keys = share.column("key")
    order, single = _in_order(keys, share.column("start"))
    # A column at a time: fields of a row lie too far apart to be gone through together.
    jobs = share.chosen(CHAINED, order)
    pause, goes_on = _goes_on(jobs, chains, no_chain)
    begins = np.append(True, ~goes_on)[: len(order)]
    run = np.cumsum(begins) - 1
    number = int(begins.sum())
    # Restarts are few: what is only of them is not worked out of all jobs.
    at = np.flatnonzero(goes_on)
    before, after = (share.chosen(LOSING, order[rows]) for rows in (at, at + 1))
    lost, is_told = _lost(before, after, chains)
    of = run[at]
    sums = {
        "jobs": np.bincount(run, minlength=number),
        "gpu_hours": np.bincount(run, jobs["hours"], minlength=number),
        "lost_gpu_hours": _summed(of, lost, number),
        "untold": _summed(of, ~is_told, number),
        "pause_h": _summed(of, np.maximum(0.0, pause[at]) / 3600.0, number),
    }
    several = np.flatnonzero(sums["jobs"] > 1)
    found.runs += number + len(single)
    found.chains += len(several)
    found.restarts += len(at)
    found.hours += float(sums["gpu_hours"][several].sum())
    found.lost += float(lost.sum())
    found.untold += int((~is_told).sum())
    whole = several[sums["untold"][several] == 0]
    found.told_hours += float(sums["gpu_hours"][whole].sum())
    found.pause_h += float(sums["pause_h"].sum())
    ran = share.chosen(("start", "end"), order[np.union1d(at, at + 1)])
    found.ran_h += float(_ran_hours(ran).sum())
    sums["key"], sums["first"] = jobs["key"][begins], np.flatnonzero(begins)
    frame = _largest(share, order, sums, single)
    both = pd.concat([found.largest, frame], ignore_index=True)
    found.largest = both.nlargest(KEPT, ["gpu_hours", "flop"]).reset_index(drop=True)


def _in_order(keys: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rows that have their key in common, by key and start; and those that have it alone.

    What has no key, 0, is alone.
    """
    rows = np.flatnonzero(may_be_twice(keys) & (keys != 0))
    # Keys are hashes: those that are alike are next to each other in the order of their beginnings,
    # which leave room for the place of each among the others.
    bits = len(rows).bit_length()
    packed = np.sort((keys[rows] >> bits << bits) | np.arange(len(rows)))
    rows, near = rows[packed & ((1 << bits) - 1)], packed >> bits
    rows = rows[_beside_alike(near)]
    own, begins = keys[rows], start[rows]
    is_known = begins != NO_TIME
    low = int(begins[is_known].min()) if is_known.any() else 0
    since = np.where(is_known, begins - low + 1, 0)
    if (own[1:] < own[:-1]).any():  # beginnings of different keys may be alike
        order = np.lexsort((rows, since, own))
    else:
        # A share has no more than 2^20 keys, and starts are of less than 2^34 seconds.
        rank = np.cumsum(np.append(False, own[1:] != own[:-1])[: len(own)])
        order = np.argsort((rank << 34) + since, kind="stable")
    rows, own = rows[order], own[order]
    rows = rows[_beside_alike(own)]
    is_alone = np.ones(len(keys), dtype=bool)
    is_alone[rows] = False
    return rows, np.flatnonzero(is_alone)


def _beside_alike(ordered: np.ndarray) -> np.ndarray:
    """Return which values have a neighbour that is the same; ``(values,)``."""
    found = np.zeros(len(ordered), dtype=bool)
    is_next = ordered[1:] == ordered[:-1]
    found[1:] |= is_next
    found[:-1] |= is_next
    return found


LOSING = ("first_step", "last_step", "hours", "accelerators")
"""Columns that tell what a restart lost."""


def _goes_on(jobs: Jobs, chains: Chains, no_chain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pause after each job but the last [s], and whether the next goes on with it."""
    before, after = (
        {name: values[part] for name, values in jobs.items()}
        for part in (slice(None, -1), slice(1, None))
    )
    pause = (after["start"] - before["end"]).astype(float)
    goes_on = (before["key"] == after["key"]) & (after["key"] != 0)
    goes_on &= (before["start"] != NO_TIME) & (before["end"] != NO_TIME)
    goes_on &= (pause >= -TOLERANCE) & (pause <= chains.gap_hours * 3600.0)
    goes_on &= before["accelerators"] == after["accelerators"]
    goes_on &= ~before["is_done"] | ((before["base"] == after["base"]) & (after["base"] != 0))
    goes_on &= ~no_chain[before["kind"]] & ~no_chain[after["kind"]]
    return pause, goes_on


def _ran_hours(rows: Jobs) -> np.ndarray:
    """Return the time that each job ran [h]."""
    is_known = (rows["start"] != NO_TIME) & (rows["end"] != NO_TIME)
    return np.asarray(np.where(is_known, rows["end"] - rows["start"], 0) / 3600.0)


def _summed(of: np.ndarray, values: np.ndarray, number: int) -> np.ndarray:
    """Return sums of values by what they are of, 0 of none."""
    return np.bincount(of, values, minlength=number).astype(float)


def _lost(before: Jobs, after: Jobs, chains: Chains) -> tuple[np.ndarray, np.ndarray]:
    """Return the accelerator-hours that each restart lost, and whether that is known."""
    with np.errstate(invalid="ignore", divide="ignore"):
        steps = before["last_step"] - before["first_step"]
        again = before["last_step"] - after["first_step"]
        share = np.clip(again / steps, 0.0, 1.0)
    by_steps = np.where(steps > 0, share * before["hours"], np.nan)
    if chains.checkpoint_minutes is not None:
        half = chains.checkpoint_minutes / 60.0 / 2 * before["accelerators"]
        by_steps = np.where(np.isnan(by_steps), np.minimum(half, before["hours"]), by_steps)
    return np.nan_to_num(by_steps), ~np.isnan(by_steps)


def _least_kept(hours: np.ndarray) -> float:
    """Return the hours of the smallest run that is told."""
    return float(np.partition(hours, -KEPT)[-KEPT]) if len(hours) > KEPT else -np.inf


def _largest(
    share: Share, order: np.ndarray, sums: Mapping[str, np.ndarray], single: np.ndarray
) -> pd.DataFrame:
    """Return a row of sums for each of the largest runs.

    Args:
        share: jobs.
        order: of those that may be of a run of several: it puts those of a run together.
        sums: of each of their runs; ``first`` is the place of its first job in that order.
        single: jobs that are a run of their own.
    """
    hours = share.column("hours")[single]
    least = _least_kept(np.append(sums["gpu_hours"], hours))
    several, single = np.flatnonzero(sums["gpu_hours"] >= least), single[hours >= least]
    alone = share.chosen(("hours", "key"), single)
    every = {
        "gpu_hours": np.append(sums["gpu_hours"][several], alone["hours"]),
        "key": np.append(sums["key"][several], alone["key"]),
        "jobs": np.append(sums["jobs"][several], np.ones(len(single), dtype=np.int64)),
        "first": np.append(sums["first"][several], len(order) + np.arange(len(single))),
    }
    largest = np.lexsort((every["first"], every["key"], -every["gpu_hours"]))[:KEPT]
    jobs, first = every["jobs"][largest], every["first"][largest]
    of = np.repeat(np.arange(len(largest)), jobs)
    since = np.arange(len(of)) - np.repeat(np.cumsum(jobs) - jobs, jobs)
    rows = np.append(order, single)[np.repeat(first, jobs) + since]
    own = share.chosen([name for name in COLUMNS if name not in ("key", "base")], rows)

    def total(name: str) -> np.ndarray:
        known = np.bincount(of, ~np.isnan(own[name]), minlength=len(largest))
        return np.where(known > 0, _summed(of, np.nan_to_num(own[name]), len(largest)), np.nan)

    def most(name: str) -> np.ndarray:
        values = np.full(len(largest), np.nan)
        np.fmax.at(values, of, own[name])
        return values

    def of_several(name: str) -> np.ndarray:
        return np.append(sums[name][several], np.zeros(len(single)))[largest]

    begins = np.cumsum(jobs) - jobs
    return pd.DataFrame(
        {
            "jobs": jobs,
            "gpu_hours": total("hours"),
            "usd": total("usd"),
            "flop": total("flop"),
            "tokens": total("tokens"),
            "accelerators": most("accelerators"),
            "ran_h": _summed(of, _ran_hours(own), len(largest)),
            "start": own["start"][begins],
            "end": own["end"][begins + jobs - 1],
            **{name: own[name][begins] for name in ("kind", "part", "row")},
            **{name: of_several(name) for name in ("lost_gpu_hours", "untold", "pause_h")},
        }
    )
