"""Restarts, beside a plain loop over jobs in order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from computebill.ledger import chains
from computebill.ledger.cells import NO_TIME, may_be_twice
from computebill.ledger.chains import Chains, Jobs, Runs, Spill, find_runs

NO_CHAIN = np.array([False, False, True])
HOUR = 3600


def made(rng: np.random.Generator, rows: int) -> dict[str, np.ndarray]:
    """Return jobs of few keys, some of none, that often follow each other."""
    start = rng.integers(0, 40, rows) * HOUR
    end = start + rng.integers(0, 5, rows) * HOUR
    start[rng.random(rows) < 0.1] = NO_TIME
    return {
        "key": rng.choice([0, -5, 7, 8, 2**40, -(2**62)], rows),
        "base": rng.choice([0, 0, 3], rows),
        "start": start,
        "end": end,
        "hours": rng.integers(1, 2**20, rows) * 0.5,
        "accelerators": rng.choice([8.0, 16.0], rows),
        "kind": rng.integers(0, 3, rows).astype(np.int8),
        "is_done": rng.random(rows) < 0.3,
        "row": np.arange(rows, dtype=np.int32),
        "part": np.zeros(rows, dtype=np.int32),
    }


def runs_in_a_loop(jobs: Jobs, gap: float) -> list[list[int]]:
    """Return the rows of each run, by definition."""
    rows = sorted(range(len(jobs["key"])), key=lambda row: (jobs["key"][row], jobs["start"][row]))
    found: list[list[int]] = []
    for row in rows:
        before = found[-1][-1] if found else None
        if before is not None and goes_on(jobs, before, row, gap):
            found[-1].append(row)
        else:
            found.append([row])
    return found


def goes_on(jobs: Jobs, one: int, other: int, gap: float) -> bool:
    key, base, start, end = (jobs[name] for name in ("key", "base", "start", "end"))
    if key[one] != key[other] or key[one] == 0 or start[one] == NO_TIME:
        return False
    is_array = base[one] == base[other] != 0
    return bool(
        -60 <= start[other] - end[one] <= gap * HOUR
        and jobs["accelerators"][one] == jobs["accelerators"][other]
        and (not jobs["is_done"][one] or is_array)
        and not NO_CHAIN[jobs["kind"][one]]
        and not NO_CHAIN[jobs["kind"][other]]
    )


def found_runs(folder: Path, batches: list[dict[str, np.ndarray]], gap: float) -> Runs:
    for path in folder.glob("share-*"):
        path.unlink()
    spill = Spill(folder, sum(len(jobs["key"]) for jobs in batches))
    for jobs in batches:
        spill.add(jobs)
    return find_runs(spill, Chains(gap_hours=gap), NO_CHAIN)


@pytest.mark.parametrize("most", [1 << 20, 10])
def test_runs_are_those_of_a_loop(
    most: int, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("spill")
    monkeypatch.setattr(chains, "MOST", most)

    @given(st.integers(0, 2**32 - 1), st.integers(1, 60))
    @settings(max_examples=40, deadline=None)
    def check(seed: int, rows: int) -> None:
        jobs = made(np.random.default_rng(seed), rows)
        cut = rows // 2
        halves = [{name: values[part] for name, values in jobs.items()} for part in _parts(cut)]
        found = found_runs(folder, halves, 3.0)
        known = runs_in_a_loop(jobs, 3.0)
        several = [run for run in known if len(run) > 1]
        assert (found.runs, found.chains) == (len(known), len(several))
        assert found.restarts == rows - len(known)
        assert found.hours == sum(jobs["hours"][row] for run in several for row in run)
        told = sorted(zip(found.largest["gpu_hours"], found.largest["jobs"], strict=True))
        hours = [sum(jobs["hours"][row] for row in run) for run in known]
        assert told == sorted(zip(hours, map(len, known), strict=True))

    check()


@pytest.mark.parametrize("shift", [0, 40, 55])
@pytest.mark.parametrize("rows", [0, 1, 2, 3, 50, 4000])
def test_what_shares_a_key_is_put_in_order(rows: int, shift: int) -> None:
    """Keys of which many begin or end alike, beside a sort by key, start and row."""
    rng = np.random.default_rng(rows + shift)
    keys = rng.integers(-rows - 1, rows + 1, rows) << shift
    start = np.where(rng.random(rows) < 0.1, NO_TIME, 1_700_000_000 + rng.integers(0, 20, rows))
    _, of, times = np.unique(keys, return_inverse=True, return_counts=True)
    is_shared = (times[of] > 1) & (keys != 0)
    known = [row for row in range(rows) if is_shared[row]]
    order, alone = chains._in_order(keys, start)
    assert order.tolist() == sorted(known, key=lambda row: (keys[row], start[row], row))
    assert alone.tolist() == np.flatnonzero(~is_shared).tolist()


def _parts(cut: int) -> tuple[slice, slice]:
    return slice(None, cut), slice(cut, None)


def test_only_the_largest_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chains, "KEPT", 5)
    jobs = made(np.random.default_rng(3), 400)
    found = found_runs(tmp_path, [jobs], 3.0)
    hours = [sum(jobs["hours"][row] for row in run) for run in runs_in_a_loop(jobs, 3.0)]
    assert found.largest["gpu_hours"].tolist() == sorted(hours, reverse=True)[:5]


def test_what_a_batch_does_not_tell_is_nothing(tmp_path: Path) -> None:
    one, other = (
        {**made(np.random.default_rng(seed), 5), "key": np.arange(5) + 1} for seed in (4, 5)
    )
    other["tokens"] = np.arange(5.0)
    found = found_runs(tmp_path, [one, other, one], 3.0).largest
    tokens = np.isfinite(found["tokens"])
    assert tokens.sum() == 5
    assert found["tokens"][tokens].sum() == 10.0


@given(st.lists(st.integers(-50, 50), max_size=60))
def test_all_that_equal_another_may_be_twice(keys: list[int]) -> None:
    found = may_be_twice(np.array(keys, dtype=np.int64) << 20)
    assert all(found[place] for place, key in enumerate(keys) if keys.count(key) > 1)
