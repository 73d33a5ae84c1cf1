"""Tables of jobs as people keep them, jobs of clusters that are no Slurm, and sums by state."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa

from . import cells
from .cells import Words
from .devices import find_device
from .draft import Draft, Part
from .formats import plain, state_of
from .rows import Rows
from .trackers import config_of, tell_flop

TRACKED = ("first_step", "last_step", "tokens", "flop")
"""Fields that a list of tracked runs has, and no list of jobs."""

ROUNDED = 0.005
"""How far the shares of all states may be from 1 together."""

PODS = re.compile(r"podsetassignments_\d+_resourceusage_(?:nvidia|amd|google|habana)_com_\w+")
STATE_TIME = re.compile(r"(complete|completed|cancel|cancelled|fail|failed|timeout)_gpu_time")


def read_plain(rows: Rows) -> Draft:
    """Read a table of jobs; headings such as ``a100_80gb`` are counts of that accelerator."""
    draft = rows.draft()
    if any(rows.has(name) for name in TRACKED):
        draft.record = "tracker"
        draft.config = config_of(rows)
        tell_flop(draft)
    _take_parts(rows, draft)
    return draft


def _take_parts(rows: Rows, draft: Draft) -> None:
    """Take columns whose heading is an accelerator's name; the most of each row come first."""
    used = {column.heading for column in rows.reading.columns.values()}
    names = [
        name
        for name in rows.table.column_names
        if name not in used
        and re.search(r"[a-z]\d", name.lower())
        and find_device(name, rows.reading.profiles).profile
    ]
    if not names or rows.has("accelerators"):
        return
    counts = np.array([np.nan_to_num(cells.read_numbers(rows.table[name])) for name in names])
    order = np.argsort(-counts, axis=0, kind="stable")
    for place in range(len(names)):
        count = np.take_along_axis(counts, order, axis=0)[place]
        if place and not (count > 0).any():
            break
        device = Words(np.where(count > 0, order[place], -1).astype(np.int32), names)
        if place:
            draft.parts.append(Part(device, count))
        else:
            draft.numbers["accelerators"], draft.words["device"] = count, device


def read_cluster(rows: Rows) -> Draft:
    """Read jobs of Kubernetes, Kueue or Ray."""
    draft = rows.draft()
    pods = [name for name in rows.table.column_names if PODS.search(plain(name))]
    if pods:
        counts = [np.nan_to_num(cells.read_numbers(rows.table[name])) for name in pods]
        draft.numbers["accelerators"] = np.sum(counts, axis=0)
    draft.config = config_of(rows)
    return draft


def read_sums(rows: Rows) -> Draft:
    """Read sums of accelerator time by final state: a row of each, for each state."""
    states = [
        (name, found[1])
        for name in rows.table.column_names
        if (found := STATE_TIME.fullmatch(plain(name)))
    ]
    source = np.repeat(np.arange(rows.count), len(states))
    draft = Draft(len(source), "report", pa.nulls(len(source), pa.string()))
    draft.source = source
    clusters = rows.words("cluster")
    draft.words["cluster"] = Words(clusters.codes[source], clusters.values)
    draft.words["project"] = draft.words["cluster"]
    told = [state_of(word, {}) or word for _, word in states]
    draft.words["state"] = Words(np.tile(np.arange(len(states)), rows.count).astype(np.int32), told)
    seconds = [cells.read_numbers(rows.table[name]) for name, _ in states]
    draft.numbers["gpu_hours"] = np.stack(seconds, axis=1).ravel() / cells.SECONDS["h"]
    jobs = rows.numbers("jobs")
    rates = np.stack([_rates(rows, word) for _, word in states], axis=1)
    # Rates are rounded; all jobs ended in some state.
    whole = rates.sum(axis=1, keepdims=True)
    is_all = np.abs(whole - 1.0) < ROUNDED
    draft.numbers["jobs"] = np.nan_to_num(
        (np.where(is_all, rates / np.where(is_all, whole, 1.0), rates) * jobs[:, None]).ravel()
    )
    draft.numbers["elapsed_s"] = np.zeros(draft.rows)
    draft.numbers["accelerators"] = np.full(draft.rows, np.nan)
    draft.reject(np.isnan(draft.numbers["gpu_hours"]), "tells no accelerator time")
    return draft


def _rates(rows: Rows, word: str) -> np.ndarray:
    """Return the share of jobs that ended in a state."""
    for name in rows.table.column_names:
        if plain(name) == f"{word}_rate_gpu":
            return cells.read_numbers(rows.table[name])
    return np.zeros(rows.count)
