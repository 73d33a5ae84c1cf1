"""Tokens of runs that were restarted: each part's own, or counted on from the run's first start."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from .cells import as_numbers
from .chains import TOLERANCE, keys_of
from .joining import moments_in, numbers_in, words_in
from .rules import Chains
from .schema import JOBS
from .trackers import FLOP_PER_TOKEN

COUNTERS = ("tokens", "flop")
BY_STEPS, BY_HOURS = 0.05, 0.3
"""How far tokens a step, or an hour, may differ between the parts of a run, as a logarithm."""
CLEARLY = 2.0
"""Times that the other reading has to fit worse."""

COUNTED_ON = "its tokens or FLOP count on from the run before; the difference is taken"
OWN = "its tokens or FLOP are taken as those of its own part of a run that was restarted"
UNCLEAR = "tells not whether its tokens or FLOP count on from the run before; hours tell its FLOP"
UNCLEAR_KEPT = "tells not whether its tokens or FLOP count on from the run before; taken as its own"
LATER = (
    "began at a later step, and no record tells of those before; its tokens are taken as its own"
)


def parts_of_runs(table: pa.Table, chains: Chains) -> tuple[pa.Table, Counter[str]]:
    """Return tracked runs with counters that count on across restarts taken as differences.

    The parts of one run follow each other under one name or checkpoint folder. Where they tell
    steps, tokens a step are the same in all of them: over each part's steps where tokens are its
    own, over all steps up to its end where they count on. Where they tell no steps, tokens an hour
    are: of each part, or of what it has more than the one before. What fits neither, or both, has
    its FLOP from its hours, whose utilisation is wide.

    Args:
        table: tracked runs, as `schema.JOBS` has them.
        chains: what rules say of restarts.

    Returns:
        The runs, and how many were taken for what.
    """
    held = {name: numbers_in(table, name).copy() for name in (*COUNTERS, "params", "gpu_hours")}
    first, last = (np.nan_to_num(numbers_in(table, f"{name}_step")) for name in ("first", "last"))
    made = FLOP_PER_TOKEN * held["params"] * held["tokens"]
    is_made = np.isclose(held["flop"], made, rtol=1e-9)
    own_flop = np.where(is_made, np.nan, held["flop"])
    hours = numbers_in(table, "elapsed_s") / 3600.0
    taken = np.full(len(table), "", dtype=object)
    is_chained = np.zeros(len(table), dtype=bool)
    for rows in _parts(table, chains, first, last):
        is_chained[rows] = True
        for name, values in (("tokens", held["tokens"]), ("flop", own_flop)):
            at = rows[values[rows] > 0]
            if len(at) < 2:
                continue
            told, shares = read_counter(values[at], first[at], last[at], hours[at])
            held[name][at] *= shares
            if name == "tokens":
                held["flop"][at] *= np.where(is_made[at], shares, 1.0)
            if told == UNCLEAR:
                has_hours = ~np.isnan(held["gpu_hours"][at])
                held["flop"][at[has_hours]] = np.nan
                taken[at] = np.where(has_hours, UNCLEAR, UNCLEAR_KEPT)
            elif told:
                taken[at] = told
    is_later = ~is_chained & (first > 0) & (held["tokens"] > 0)
    taken[is_later] = LATER
    for name in COUNTERS:
        place = JOBS.get_field_index(name)
        table = table.set_column(place, JOBS.field(name), as_numbers(held[name]))
    return table, Counter(text for text in taken.tolist() if text)


def read_counter(
    values: np.ndarray, first: np.ndarray, last: np.ndarray, hours: np.ndarray
) -> tuple[str, np.ndarray]:
    """Return how a counter of a run's parts is to be read, and the share that is each part's own.

    Args:
        values: of each part, at its end, above 0.
        first: step that each began at, 0 where it is not told.
        last: step that each ended at.
        hours: that each took; NaN where it is not told.
    """
    nothing = np.ones(len(values))
    steps = last - first
    if (steps > 0).all() and (first > 0).any():
        limit, shares = BY_STEPS, steps / last
        alone, counted = values / steps, values / last
    else:
        limit = BY_HOURS
        further = np.diff(values, prepend=0.0)
        shares = further / values
        alone, counted = values / hours, further / hours
    own, on = _spread(alone), _spread(counted)
    if on <= limit and on * CLEARLY < own:
        return COUNTED_ON, shares
    if own <= limit and (own * CLEARLY < on or np.allclose(shares, 1.0, rtol=limit)):
        return OWN, nothing
    return UNCLEAR, nothing


def _spread(rates: np.ndarray) -> float:
    """Return how far rates differ, as a logarithm; infinite where one is none."""
    if not (rates > 0).all() or not np.isfinite(rates).all():
        return np.inf
    return float(np.log(rates.max() / rates.min()))


def _parts(
    table: pa.Table, chains: Chains, first: np.ndarray, last: np.ndarray
) -> Iterator[np.ndarray]:
    """Yield the rows of each run of several parts, in their order."""
    names = ("cluster", "user", "project", "name", "checkpoint", "state")
    words = {name: words_in(table, name) for name in names}
    keys = keys_of(words, len(table))
    has_key = (words["name"].codes >= 0) | (words["checkpoint"].codes >= 0)
    start, end = moments_in(table, "start"), moments_in(table, "end")
    is_known = has_key & ~np.isnan(numbers_in(table, "elapsed_s")) & (start > 0) & (end > 0)
    order = np.flatnonzero(is_known)
    order = order[np.lexsort((start[order], keys[order]))]
    if len(order) < 2:
        return
    before, after = order[:-1], order[1:]
    is_done = words["state"].told(lambda state: state == "completed", False).astype(bool)
    size = numbers_in(table, "accelerators")
    pause = start[after] - end[before]
    goes_on = ~is_done[before] & (pause <= chains.gap_hours * 3600.0)
    goes_on &= (size[before] == size[after]) | np.isnan(size[before])
    # Steps that go on tell it, too, whatever the state before and the pause.
    goes_on |= (first[after] > 0) & (first[after] <= last[before])
    goes_on &= (keys[before] == keys[after]) & (pause >= -TOLERANCE)
    runs = np.split(order, np.flatnonzero(~goes_on) + 1)
    yield from (run for run in runs if len(run) > 1)
