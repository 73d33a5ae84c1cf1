"""Jobs of all parts put together: each once, joined, of a kind, summed, restarts as one run."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from computebill.batches.working import in_order

from .billed import Billed
from .cells import NO_TIME, Words
from .chains import Jobs, Runs, Spill, find_runs, keys_of
from .counters import parts_of_runs
from .cube import Cells, Cube, Measured, cells_of, waits_of
from .groups import added, groups_of
from .joining import (
    GIVEN,
    Trackers,
    column_of,
    moments_in,
    numbers_in,
    taken_words,
    words_in,
)
from .rules import TEXTS, Rules, rules_of
from .schema import IDLE, JOBS, KINDS, MEASURES, UNKNOWN
from .twice import find_twice
from .work import Store

NEEDED = [name for name in JOBS.names if name not in ("identity", "config", "line", "file")]
MOST_TRACKERS = 100_000
"""Rows of trackers that a result has."""
TWICE = "rows that another row tells too"
APART = "billed machines that no job names as its own; the bill and the jobs are both counted"
NO_RESTART = ("interactive", IDLE, "inference", "data generation", "evaluation")
"""Kinds whose jobs follow each other without being restarts."""

ARRAY = re.compile(r"[_\[].*$")


class Part(NamedTuple):
    """A part of jobs.

    Attributes:
        name: its name.
        record: what its rows are.
        rows: how many.
        file: place of its file.
        ids: its first and last id, where ids are numbers each above the one before.
    """

    name: str
    record: str
    rows: int
    file: int
    ids: Sequence[int] | None = None


class Summed(NamedTuple):
    """What came of a part: sums, waits, and what may be restarts."""

    cells: Cells
    waits: np.ndarray
    rows: Jobs
    groups: pd.DataFrame
    named: np.ndarray


class Late(NamedTuple):
    """A row that turned out to be of no use when all records were there."""

    file: int
    line: int
    reason: str


@dataclass
class Gathered:
    """What all jobs are.

    Attributes:
        cube: sums.
        trackers: rows of trackers, with their kind.
        joined: rows that tell the same job as another, by how that was found.
        remarks: rows by what to know of them.
        late: rows that are of no use after all.
        billed: what a bill says of a scheduler's hours.
        groups: jobs and hours of what no rule names, by project, partition and name, where asked.
        named: rows that each rule names, ``(rules,)``.
    """

    cube: Cube = field(default_factory=Cube)
    trackers: pd.DataFrame = field(default_factory=pd.DataFrame)
    joined: Counter[str] = field(default_factory=Counter)
    remarks: Counter[str] = field(default_factory=Counter)
    late: list[Late] = field(default_factory=list)
    billed: Billed = field(default_factory=Billed)
    groups: pd.DataFrame = field(default_factory=pd.DataFrame)
    named: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))


class Gathering:
    """Puts the jobs of parts together."""

    def __init__(
        self, store: Store, parts: Sequence[Part], rules: Rules, spill: Path, *, has_groups: bool
    ) -> None:
        self._store = store
        self._has_groups = has_groups
        self._parts = list(parts)
        self._rules = rules
        rows = sum(part.rows for part in parts)
        self._spill = Spill(spill, rows)
        # A file may well charge the same twice: one bill alone is not looked through.
        alone = len({part.file for part in parts if part.record == "bill"}) < 2
        looked = [part.name for part in parts if not (alone and part.record == "bill")]
        self._twice = {} if _ascend(parts) else find_twice(store, looked)
        self._rest = JOBS.empty_table()
        self._needs_config = any(rule.config for rule in rules.rule)
        self.found = Gathered(named=np.zeros(len(rules.rule), dtype=np.int64))
        twice = sum(map(len, self._twice.values()))
        if twice:
            self.found.joined[TWICE] = twice

    def gather(self) -> Gathered:
        """Return what they are."""
        of = {record: [part for part in self._parts if part.record == record] for record in ORDER}
        billed = self.found.billed
        if of["scheduler"] or of["tracker"]:
            for part in of["bill"]:
                billed.note_hosts(self._read(part, ["host", "accelerator", "gpu_hours"]))
        trackers = self._trackers(of["tracker"])
        joins = trackers if trackers is not None and of["scheduler"] else None
        self._sum(of["scheduler"], joins)
        if trackers is not None:
            if joins is not None:
                self.found.joined.update(joins.told)
                self._tell_untracked(joins)
            self._sum_trackers(trackers)
        self._sum(of["report"], None)
        self._sum(of["bill"], None)
        if billed.charges:
            self.found.cube.add(billed.idle_cells())
        if billed.hosts and not billed.rows:
            self.found.remarks[APART] = len(billed.hosts)
        return self.found

    def find_runs(self) -> Runs:
        """Return jobs with their restarts as one, once all were gathered."""
        no_chain = np.array([kind in NO_RESTART for kind in KINDS])
        found = find_runs(self._spill, self._rules.chains, no_chain)
        if len(found.largest):
            found.largest = self._named(found.largest)
        return found

    def _read(self, part: Part, columns: Sequence[str] | None = None) -> pa.Table:
        """Return a part's jobs, those that are there twice left out."""
        table = self._store.read(part.name, columns)
        losers = self._twice.get(part.name)
        if losers is None:
            return table
        kept = np.ones(len(table), dtype=bool)
        kept[losers] = False
        return table.filter(pa.array(kept))

    def _trackers(self, parts: Sequence[Part]) -> Trackers | None:
        if not parts:
            return None
        tables = [self._read(part).cast(JOBS) for part in parts]
        table, told = parts_of_runs(pa.concat_tables(tables), self._rules.chains)
        self.found.remarks.update(told)
        return Trackers(table)

    def _tell_untracked(self, trackers: Trackers) -> None:
        rest = int((~trackers.owner).sum())
        if rest:
            told = "tracked run that is no scheduler's job; it is counted by itself"
            self.found.remarks[told] += rest

    def _sum(self, parts: Sequence[Part], trackers: Trackers | None) -> None:
        """Sum the jobs of parts; in their order where trackers are looked for."""
        columns = [*NEEDED, "config"] if self._needs_config else NEEDED
        numbers = {part.name: number for number, part in enumerate(self._parts)}

        def summed(part: Part) -> Summed:
            return self._summed(self._read(part, columns), numbers[part.name], trackers)

        results = in_order(summed, parts) if trackers is None else map(summed, parts)
        for each in results:
            self._take(each)

    def _take(self, summed: Summed) -> None:
        self.found.cube.add(summed.cells)
        self.found.cube.waits += summed.waits
        self._spill.add(summed.rows)
        self.found.named += summed.named
        if self._has_groups:
            self.found.groups = added(self.found.groups, summed.groups)

    def _sum_trackers(self, trackers: Trackers) -> None:
        """Sum tracked runs that are no scheduler's job, and refuse those that tell no hours."""
        table = trackers.table
        hours, flop = numbers_in(table, "gpu_hours"), numbers_in(table, "flop")
        is_empty = np.isnan(hours) & np.isnan(flop) & ~trackers.owner
        reason = "tells no number of accelerators, and is no job of a scheduler"
        files, lines = (column_of(table, name).to_numpy() for name in ("file", "line"))
        self.found.late = [
            Late(int(files[row]), int(lines[row]), reason) for row in np.flatnonzero(is_empty)
        ]
        only_flop = np.isnan(hours) & ~np.isnan(flop) & ~trackers.owner
        if only_flop.any():
            told = "tells no hours; its FLOP alone are counted"
            self.found.remarks[told] += int(only_flop.sum())
        rest = table.filter(pa.array(~trackers.owner & ~is_empty))
        self._rest = rest
        if len(rest):
            self._take(self._summed(rest, -1, None))
        kept = table.filter(pa.array(~is_empty)).slice(0, MOST_TRACKERS)
        frame = kept.to_pandas()
        kinds, _ = self._kinds(kept, {name: words_in(kept, name) for name in TEXTS})
        self.found.trackers = frame.assign(kind=np.array(KINDS, dtype=object)[kinds])

    def _kinds(self, jobs: pa.Table, words: Mapping[str, Words]) -> tuple[np.ndarray, np.ndarray]:
        """Return the place of each job's kind among `KINDS`, and how many each rule names."""
        config = column_of(jobs, "config") if "config" in jobs.column_names else None
        hours = numbers_in(jobs, "elapsed_s") / 3600.0
        rules = self._rules.rule
        which = rules_of(rules, words, config, numbers_in(jobs, "accelerators"), hours)
        places = [*(KINDS.index(rule.kind) for rule in rules), KINDS.index(UNKNOWN)]
        kinds = np.array(places, dtype=np.int8)[which]
        is_idle = words["state"].told(lambda state: state == IDLE, False).astype(bool)
        if is_idle.any():
            kinds[is_idle] = KINDS.index(IDLE)
        return kinds, np.bincount(which + 1, minlength=len(rules) + 1)[1:]

    def _summed(self, jobs: pa.Table, part: int, trackers: Trackers | None) -> Summed:
        """Return the sums of jobs, what their tracked runs tell among them."""
        words = {name: words_in(jobs, name) for name in (*TEXTS, "accelerator")}
        numbers = {name: numbers_in(jobs, name) for name in NUMBERS if _tells(jobs, name)}
        if trackers is not None:
            jobs = self._with_runs(jobs, words, numbers, trackers)
        billed = self.found.billed
        record = words["record"].values[0] if words["record"].values else ""
        if record in RAN and billed.hosts:
            words["accelerator"] = billed.filled(words["accelerator"], words["host"])
        kinds, named = self._kinds(jobs, words)
        accelerators = numbers.get("accelerators", np.full(len(jobs), np.nan))
        start, end = moments_in(jobs, "start"), moments_in(jobs, "end")
        measures = _measures(numbers, moments_in(jobs, "submit"), start)
        measured = Measured(words, kinds, accelerators, start, end, measures)
        if record == "bill" and billed.hosts:
            cells = billed.without_known(measured, words["host"])
        else:
            cells = cells_of(measured)
        if record in RAN and billed.hosts:
            billed.note_jobs(measured, words["host"])
        known = np.flatnonzero(measures["waited"]) if "waited" in measures else np.zeros(0, int)
        waits = waits_of(accelerators[known], measures.get("wait_s", start)[known])
        rows = _restartable(jobs, measured, numbers, part) if record in RAN else {}
        groups = groups_of(measured) if self._has_groups else pd.DataFrame()
        return Summed(cells, waits, rows, groups, named)

    def _with_runs(
        self,
        jobs: pa.Table,
        words: dict[str, Words],
        numbers: dict[str, np.ndarray],
        trackers: Trackers,
    ) -> pa.Table:
        """Return jobs with what their tracked runs tell; words and numbers are changed."""
        runs = trackers.join(jobs)
        is_run = runs >= 0
        for name in GIVEN:
            told = numbers_in(trackers.table, name)[runs]
            own = numbers.get(name, np.full(len(jobs), np.nan))
            numbers[name] = np.where(np.isnan(own) & is_run, told, own)
        for name in ("tags", "checkpoint", "user", "project"):
            words[name] = taken_words(words[name], words_in(trackers.table, name), runs)
        config = column_of(trackers.table, "config").take(pa.array(runs, mask=~is_run))
        if "config" in jobs.column_names:
            place = jobs.schema.get_field_index("config")
            own = pc.coalesce(column_of(jobs, "config"), config)
            return jobs.set_column(place, "config", own)
        return jobs.append_column("config", config)

    def _named(self, runs: pd.DataFrame) -> pd.DataFrame:
        """Return the largest runs with what their first job is called."""
        names = ("name", "user", "project", "partition", "state", "accelerator", "job")
        found = {name: np.full(len(runs), None, dtype=object) for name in names}
        parts = runs["part"].to_numpy(int)
        for number in np.unique(parts).tolist():
            at = np.flatnonzero(parts == number)
            rows = runs["row"].to_numpy(int)[at]
            table = self._first_jobs(number, names).take(pa.array(rows))
            for name in names:
                found[name][at] = table[name].cast(pa.string()).to_pylist()
        kinds = np.array(KINDS, dtype=object)[runs["kind"].to_numpy()]
        named = runs.assign(**found, kind=kinds)
        for name in ("start", "end"):
            named[name] = _moments(named[name].to_numpy())
        return named.drop(columns=["part", "row"])

    def _first_jobs(self, number: int, names: Sequence[str]) -> pa.Table:
        if number >= 0:
            return self._read(self._parts[number], names)
        return self._rest.select(names)


def _ascend(parts: Sequence[Part]) -> bool:
    """Whether all parts' ids, one part after the other, are each above the one before."""
    ends = [part.ids for part in parts]
    known = [each for each in ends if each is not None]
    return len(known) == len(ends) and all(
        one[1] < other[0] for one, other in itertools.pairwise(known)
    )


RAN = ("scheduler", "tracker")
"""Records of what ran."""
ORDER = ("scheduler", "tracker", "report", "bill")
NUMBERS = (
    *("jobs", "accelerators", "gpu_hours", "usd", "energy_j"),
    *GIVEN,
)


def _moments(seconds: np.ndarray) -> np.ndarray:
    return np.where(seconds == NO_TIME, NO_TIME, seconds).astype("datetime64[s]")


def _tells(jobs: pa.Table, name: str) -> bool:
    """Whether some row has a number in a column."""
    return bool(jobs[name].null_count < len(jobs))


def _measures(
    numbers: Mapping[str, np.ndarray], submit: np.ndarray, start: np.ndarray
) -> dict[str, np.ndarray]:
    """Return what is summed of each job; what no job tells is left out."""
    hours = np.nan_to_num(numbers.get("gpu_hours", np.zeros(len(start))))
    found = {"jobs": np.nan_to_num(numbers.get("jobs", np.zeros(len(start)))), "gpu_hours": hours}
    of_hours = {"usd": "usd_hours", "energy_j": "energy_hours", "flop": "flop_hours"}
    for name in of_hours.keys() & numbers.keys():
        is_told = ~np.isnan(numbers[name])
        found[name] = np.where(is_told, numbers[name], 0.0)
        found[of_hours[name]] = np.where(is_told, hours, 0.0)
    is_known = (submit != NO_TIME) & (start != NO_TIME) & (found["jobs"] > 0)
    if is_known.any():
        found["wait_s"] = np.where(is_known, start - np.where(is_known, submit, start), 0.0)
        found["waited"] = is_known.astype(float)
    return {name: found[name] for name in MEASURES if name in found}


def _restartable(
    jobs: pa.Table, measured: Measured, numbers: Mapping[str, np.ndarray], part: int
) -> Jobs:
    """Return what is kept of jobs that took hours, or FLOP."""
    words, hours = measured.words, measured.measures["gpu_hours"]
    is_kept = hours > 0
    if "flop" in numbers:
        is_kept |= measured.measures["flop"] > 0
    is_done = words["state"].told(lambda state: state == "completed", False).astype(bool)
    has_name = (words["name"].codes >= 0) | (words["checkpoint"].codes >= 0)
    found = {
        "key": np.where(has_name, keys_of(words, len(jobs)), 0),
        "base": _arrays(column_of(jobs, "job")),
        "start": measured.start,
        "end": measured.end,
        "hours": hours,
        "kind": measured.kind,
        "is_done": is_done,
        "row": np.arange(len(jobs), dtype=np.int32),
        "part": np.full(len(jobs), part, dtype=np.int32),
        **{name: numbers[name] for name in TAKEN if name in numbers},
    }
    kept = np.flatnonzero(is_kept)
    whole = len(kept) == len(jobs)
    return {
        name: values if whole else values[kept]
        for name, values in found.items()
        if values is not None
    }


TAKEN = ("accelerators", "usd", "flop", "tokens", "first_step", "last_step")
"""Numbers of a job that its run has too."""


def _arrays(ids: pa.Array) -> np.ndarray | None:
    """Return a number for each array that a job is a task of, 0 for a job of its own.

    None where no job is a task.
    """
    is_task = pc.greater_equal(pc.find_substring(ids, "_"), 0).fill_null(False)
    if not pc.any(is_task, min_count=0).as_py():
        return None
    tasks = np.asarray(is_task.to_numpy(zero_copy_only=False), dtype=bool)
    found = np.zeros(len(ids), dtype=np.int64)
    own = pc.replace_substring_regex(ids.filter(pa.array(tasks)), ARRAY.pattern, "")
    texts = own.to_numpy(zero_copy_only=False)
    found[tasks] = pd.util.hash_array(texts, categorize=False).view(np.int64)
    return found
