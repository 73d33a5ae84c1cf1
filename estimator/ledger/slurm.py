"""Slurm's own records: ``sacct -P`` with its steps and trackable resources, and ``sreport -P``."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from computebill.batches.columns import arrow_column

from .draft import Draft, Part
from .formats import plain
from .rows import Rows

GPU = re.compile(r"gres/gpu(?::([^=,]+))?=(\d+(?:\.\d+)?)(?![^,])")
ANY_GPU = re.compile(r"gres/gpu[:=]")
GRES = re.compile(r"(?:gres:)?gpu(?::([a-z][^:,()]*))?:(\d+)", re.I)
ENERGY = re.compile(r"(?:^|,)energy=(\d+(?:\.\d+)?)([KMGT]?)")
SCALES = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
SLICE = re.compile(r"^\d+g\.\d+gb")

JOB = "jobid"


class Allocated(NamedTuple):
    """What a job was given.

    Attributes:
        types: accelerators by type, the most first; the type is empty where none is told.
        energy: that it took [J]; NaN where none is told.
    """

    types: tuple[tuple[str, float], ...] = ()
    energy: float = np.nan


@lru_cache(maxsize=1 << 16)
def allocated(text: str) -> Allocated:
    """Read ``billing=320,cpu=320,gres/gpu=8,gres/gpu:h100=8``: eight, told twice.

    What is no count is none that is known.
    """
    found = GPU.findall(text)
    if len(found) < len(ANY_GPU.findall(text)):
        return Allocated((("", np.nan),))
    typed: dict[str, float] = {}
    for kind, count in found:
        if kind:
            typed[kind] = typed.get(kind, 0.0) + float(count)
    total = sum(float(count) for kind, count in found if not kind)
    rest = total - sum(typed.values())
    if rest > 0 or not typed:
        typed[""] = rest if typed else total
    types = tuple(sorted(typed.items(), key=lambda each: -each[1]))
    energy = ENERGY.search(text)
    joules = float(energy[1]) * SCALES[energy[2]] if energy else np.nan
    return Allocated(types, joules if joules > 0 else np.nan)


@lru_cache(maxsize=1 << 16)
def generic(text: str) -> Allocated:
    """Read ``gpu:a100:4``, of a node."""
    found = GRES.findall(text)
    typed: dict[str, float] = {}
    for kind, count in found:
        typed[kind] = typed.get(kind, 0.0) + float(count)
    types = tuple(sorted(typed.items(), key=lambda each: -each[1])) or (("", 0.0),)
    return Allocated(types)


def last_of_job(table: pa.Table) -> int:
    """Return the number of last rows that belong together: the last job's, with its steps."""
    headings = [name for name in table.column_names if plain(name) == JOB]
    if not headings:
        return 0
    ids = arrow_column(table[headings[0]])
    is_job = pc.less(pc.find_substring(ids, "."), 0).fill_null(True)
    rows = np.flatnonzero(is_job.to_numpy(zero_copy_only=False))
    # A batch that is all one job's is not held back.
    return len(table) - int(rows[-1]) if len(rows) and rows[-1] else 0


def read_sacct(rows: Rows) -> Draft:
    """Read rows of ``sacct``; steps add to their job, and are no jobs themselves."""
    draft = rows.draft()
    ids = draft.job
    _take_allocated(rows, draft)
    is_step = pc.greater_equal(pc.find_substring(ids, "."), 0).fill_null(False)
    steps = np.asarray(is_step.to_numpy(zero_copy_only=False), dtype=bool)
    if steps.any():
        _join_steps(draft, steps)
    draft.reject(~_valid(ids), "has no JobID")
    states = draft.text("state")
    waits = states.told(lambda state: state == "pending", False).astype(bool)
    draft.remark(waits & ~steps, "has not begun; no hours")
    return draft


def _valid(ids: pa.Array) -> np.ndarray:
    return np.asarray(pc.is_valid(ids).to_numpy(zero_copy_only=False), dtype=bool)


def _take_allocated(rows: Rows, draft: Draft) -> None:
    """Take the accelerators and the energy of each job."""
    if rows.has("tres"):
        words, read, each = rows.words("tres"), allocated, np.ones(draft.rows)
    elif rows.has("gres"):
        nodes = draft.number("nodes")
        words, read, each = rows.words("gres"), generic, np.where(np.isnan(nodes), 1.0, nodes)
    else:
        return
    found = [read(text) for text in words.values]
    most = max((len(one.types) for one in found), default=1)
    for place in range(most):
        types = {text: _at(read(text), place) for text in words.values}
        named = {text: kind or None for text, (kind, _) in types.items()}
        number = {text: count for text, (_, count) in types.items()}
        counts, names = words.told(number.__getitem__, 0.0) * each, words.mapped(named.__getitem__)
        if place == 0:
            draft.numbers["accelerators"] = counts
            draft.words["device"] = names
        else:
            draft.parts.append(Part(names, counts))
    energy = words.told(lambda text: read(text).energy, np.nan)
    known = draft.number("energy_j")
    draft.numbers["energy_j"] = np.where(np.isnan(known), energy, known)
    sliced = draft.words["device"].told(lambda text: SLICE.match(text) is not None, False)
    draft.remark(sliced.astype(bool), "has slices of an accelerator; each counts as a whole one")


def _at(found: Allocated, place: int) -> tuple[str, float]:
    return found.types[place] if place < len(found.types) else ("", 0.0)


def _join_steps(draft: Draft, steps: np.ndarray) -> None:
    """Give jobs what only their steps tell; steps repeat their job's time."""
    places = np.arange(draft.rows)
    owners = np.maximum.accumulate(np.where(steps, 0, places))
    at = np.flatnonzero(steps)
    names = pc.replace_substring_regex(draft.job.take(pa.array(at)), r"\..*$", "")
    near = pc.equal(names, draft.job.take(pa.array(owners[at]))).fill_null(False)
    near = np.asarray(near.to_numpy(zero_copy_only=False), dtype=bool)
    if not near.all():
        jobs = np.flatnonzero(~steps)
        found = pc.index_in(names, draft.job.take(pa.array(jobs))).fill_null(-1)
        found = found.to_numpy(zero_copy_only=False)
        owner = np.where(found >= 0, jobs[found] if len(jobs) else 0, -1)
        owners[at] = np.where(near, owners[at], owner)
    orphans = np.zeros(draft.rows, dtype=bool)
    orphans[at[owners[at] < 0]] = True
    draft.reject(orphans, "is a step of a job whose row is not there")
    kept = at[owners[at] >= 0]
    energy, most = draft.number("energy_j"), np.full(draft.rows, -np.inf)
    np.fmax.at(most, owners[kept], energy[kept])
    draft.numbers["energy_j"] = np.where(
        np.isnan(energy) & np.isfinite(most) & ~steps, most, energy
    )
    draft.joined = steps & ~orphans
    draft.owners = owners


def read_sreport(rows: Rows) -> Draft:
    """Read rows of ``sreport``: hours of accounts and persons, in the unit that its title tells."""
    draft = rows.draft()
    draft.numbers["jobs"] = np.zeros(draft.rows)
    draft.numbers["elapsed_s"] = np.zeros(draft.rows)
    names = rows.words("tres_name")
    if rows.has("tres_name"):
        others = ~names.told(lambda text: text.lower().startswith("gres/gpu"), True).astype(bool)
        draft.reject(others, "is of another resource than gres/gpu")
        typed = names.told(lambda text: ":" in text, False).astype(bool)
        plain_too = names.told(lambda text: text.lower() == "gres/gpu", False).astype(bool).any()
        if plain_too:
            draft.reject(typed, "is a part of the row of all gres/gpu")
        draft.words["device"] = names.mapped(lambda text: text.partition(":")[2] or None)
    else:
        everything = np.ones(draft.rows, dtype=bool)
        draft.reject(everything, "tells no resource; ask sreport for --tres=gres/gpu")
    users = draft.text("user").codes
    if (users >= 0).any():
        draft.reject(users < 0, "is a sum of other rows")
    draft.numbers["accelerators"] = np.full(draft.rows, np.nan)
    draft.reject(np.isnan(draft.number("gpu_hours")), "tells no accelerator time")
    return draft
