"""Restarts: jobs of one name or checkpoint folder, one after the other, are one run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .cells import NO_TIME, Words
from .rules import Chains

MOST = 1 << 20
"""Jobs that are put in order together; of more, a share at a time."""
KEPT = 2000
"""Runs that are told, the largest."""
TOLERANCE = 60
"""Seconds by which a restart may begin before the job before has ended."""

COLUMNS = {
    "key": np.int64,
    "base": np.int64,
    "start": np.int64,
    "end": np.int64,
    "hours": np.float64,
    "accelerators": np.float64,
    "usd": np.float64,
    "flop": np.float64,
    "tokens": np.float64,
    "first_step": np.float64,
    "last_step": np.float64,
    "kind": np.int8,
    "is_done": np.bool_,
    "part": np.int32,
    "row": np.int32,
}
ROW = np.dtype(list(COLUMNS.items()))
"""What is kept of a job: whose restart it may be, its time, and what it took."""
CHAINED = ("key", "base", "start", "end", "hours", "accelerators", "kind", "is_done")
"""Columns that tell whether a job goes on with another; the others are of few jobs."""


def keys_of(words: Mapping[str, Words], rows: int) -> np.ndarray:
    """Return a hash of each job's checkpoint folder, or of its user, project and name."""
    found = np.zeros(rows, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for name in ("cluster", "user", "project", "name"):
            found = found * np.uint64(0x9E3779B97F4A7C15) + _hashed(words[name])
    folder = words["checkpoint"]
    return np.where(folder.codes >= 0, _hashed(folder), found).view(np.int64)


def _hashed(words: Words) -> np.ndarray:
    texts = np.array([*words.values, ""], dtype=object)
    return np.asarray(pd.util.hash_array(texts, categorize=False)[words.codes])


class Spill:
    """Jobs of batches on disk, by the share that their key falls in."""

    def __init__(self, folder: Path, rows: int) -> None:
        self._files = [folder / f"share-{n}.bin" for n in range(max(1, -(-rows // MOST)))]
        for path in self._files:
            path.write_bytes(b"")

    def add(self, rows: np.ndarray) -> None:
        """Take in jobs."""
        shares = len(self._files)
        for share, path in enumerate(self._files):
            chosen = rows if shares == 1 else rows[rows["key"] % shares == share]
            with path.open("ab") as file:
                file.write(chosen.tobytes())

    def shares(self) -> Iterator[np.ndarray]:
        """Yield all jobs, those of a key together."""
        for path in self._files:
            yield np.fromfile(path, dtype=ROW)


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
    for rows in spill.shares():
        if len(rows):
            _add(found, rows, chains, no_chain)
    return found


def _add(found: Runs, rows: np.ndarray, chains: Chains, no_chain: np.ndarray) -> None:
    order = np.lexsort((rows["start"], rows["key"]))
    # A column at a time: fields of a row lie too far apart to be gone through together.
    jobs = {name: rows[name][order] for name in CHAINED}
    pause, goes_on = _goes_on(jobs, chains, no_chain)
    begins = np.append(True, ~goes_on)
    run = np.cumsum(begins) - 1
    number = int(run[-1]) + 1
    # Restarts are few: what is only of them is not worked out of all jobs.
    at = np.flatnonzero(goes_on)
    lost, is_told = _lost(rows[order[at]], rows[order[at + 1]], chains)
    of = run[at]
    sums = {
        "jobs": np.bincount(run, minlength=number),
        "gpu_hours": np.bincount(run, jobs["hours"], minlength=number),
        "lost_gpu_hours": _summed(of, lost, number),
        "untold": _summed(of, ~is_told, number),
        "pause_h": _summed(of, np.maximum(0.0, pause[at]) / 3600.0, number),
    }
    several = np.flatnonzero(sums["jobs"] > 1)
    found.runs += number
    found.chains += len(several)
    found.restarts += len(at)
    found.hours += float(sums["gpu_hours"][several].sum())
    found.lost += float(lost.sum())
    found.untold += int((~is_told).sum())
    whole = several[sums["untold"][several] == 0]
    found.told_hours += float(sums["gpu_hours"][whole].sum())
    found.pause_h += float(sums["pause_h"].sum())
    found.ran_h += float(_ran_hours(rows[order[np.union1d(at, at + 1)]]).sum())
    frame = _largest(rows, order, sums, run)
    both = pd.concat([found.largest, frame], ignore_index=True)
    found.largest = both.nlargest(KEPT, "gpu_hours").reset_index(drop=True)


def _goes_on(
    jobs: Mapping[str, np.ndarray], chains: Chains, no_chain: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
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


def _ran_hours(rows: np.ndarray) -> np.ndarray:
    """Return the time that each job ran [h]."""
    is_known = (rows["start"] != NO_TIME) & (rows["end"] != NO_TIME)
    return np.asarray(np.where(is_known, rows["end"] - rows["start"], 0) / 3600.0)


def _summed(of: np.ndarray, values: np.ndarray, number: int) -> np.ndarray:
    """Return sums of values by what they are of, 0 of none."""
    return np.bincount(of, values, minlength=number).astype(float)


def _lost(before: np.ndarray, after: np.ndarray, chains: Chains) -> tuple[np.ndarray, np.ndarray]:
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


def _largest(
    rows: np.ndarray, order: np.ndarray, sums: Mapping[str, np.ndarray], run: np.ndarray
) -> pd.DataFrame:
    """Return a row of sums for each of the largest runs.

    Args:
        rows: jobs.
        order: that puts those of a run together.
        sums: of each run.
        run: of each job, in that order.
    """
    chosen = pd.Series(sums["gpu_hours"]).nlargest(KEPT).index.to_numpy()
    place = np.full(len(sums["jobs"]), -1)
    place[chosen] = np.arange(len(chosen))
    kept = np.flatnonzero(place[run] >= 0)
    of, own = place[run[kept]], rows[order[kept]]
    number = len(chosen)

    def total(name: str) -> np.ndarray:
        known = np.bincount(of, ~np.isnan(own[name]), minlength=number)
        return np.where(known > 0, _summed(of, np.nan_to_num(own[name]), number), np.nan)

    def most(name: str) -> np.ndarray:
        values = np.full(number, np.nan)
        np.fmax.at(values, of, own[name])
        return values

    first = np.searchsorted(run, chosen)
    begins, ends = rows[order[first]], rows[order[first + sums["jobs"][chosen] - 1]]
    return pd.DataFrame(
        {
            "jobs": sums["jobs"][chosen],
            "gpu_hours": total("hours"),
            "usd": total("usd"),
            "flop": total("flop"),
            "tokens": total("tokens"),
            "accelerators": most("accelerators"),
            "ran_h": _summed(of, _ran_hours(own), number),
            "start": begins["start"],
            "end": ends["end"],
            **{name: begins[name] for name in ("kind", "part", "row")},
            **{name: sums[name][chosen] for name in ("lost_gpu_hours", "untold", "pause_h")},
        }
    )
