"""Sums of jobs, beside a plain loop over them."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from computebill.ledger import cube
from computebill.ledger.cells import NO_TIME, Words
from computebill.ledger.cube import WAIT_BINS, Cells, Cube, Measured, cells_of, size_of, waits_of
from computebill.ledger.schema import BY, KINDS, SIZE_ENDS, SIZES, UNKNOWN

WORDS = ("record", "state", "project", "user", "accelerator")
FIRST = int(dt.datetime(2023, 11, 20, tzinfo=dt.UTC).timestamp())
DAY = 86400

Sums = dict[tuple[str, ...], list[float]]


def made(rng: np.random.Generator, rows: int) -> Measured:
    """Return jobs of few texts, a tenth without a start, some of several months."""
    words = {
        name: Words(
            rng.integers(-1, number, rows).astype(np.int32),
            [f"{name}{each}" for each in rng.permutation(number)],
        )
        for name, number in zip(WORDS, (1, 3, 4, 5, 2), strict=True)
    }
    start = FIRST + rng.integers(0, 60 * DAY, rows)
    end = start + (rng.exponential(20, rows) ** 2 * 3600).astype(np.int64)
    end[rng.random(rows) < 0.1] = NO_TIME
    start[rng.random(rows) < 0.1] = NO_TIME
    hours = rng.integers(0, 1000, rows).astype(float)
    return Measured(
        words,
        rng.integers(0, len(KINDS), rows).astype(np.int8),
        rng.choice([np.nan, 0.0, 0.5, 1.0, 8.0, 9.0, 64.0, 4096.0, 4096.5, 1e6], rows),
        start,
        end,
        {"jobs": np.ones(rows), "gpu_hours": hours, "usd": hours * 2.0},
    )


def summed_in_a_loop(jobs: Measured) -> Sums:
    """Return jobs, hours and dollars by texts, a job at a time, a month at a time."""
    found: Sums = defaultdict(lambda: [0.0, 0.0, 0.0])
    for row in range(len(jobs.kind)):
        texts = {
            name: words.values[words.codes[row]] if words.codes[row] >= 0 else UNKNOWN
            for name, words in jobs.words.items()
        }
        number, hours = jobs.accelerators[row], jobs.measures["gpu_hours"][row]
        texts["size"] = SIZES[sum(number > end for end in SIZE_ENDS)]
        if np.isnan(number):
            texts["size"] = "unknown" if hours else "none"
        texts["kind"] = KINDS[jobs.kind[row]]
        start, end = int(jobs.start[row]), int(jobs.end[row])
        for place, (month, share) in enumerate(months(start, end)):
            cell = found[tuple({**texts, "month": month}[name] for name in BY)]
            cell[0] += jobs.measures["jobs"][row] if place == 0 else 0.0
            cell[1] += jobs.measures["gpu_hours"][row] * share
            cell[2] += jobs.measures["usd"][row] * share
    return found


def months(start: int, end: int) -> list[tuple[str, float]]:
    """Return the months of a job, and the share of its time in each."""
    if start == NO_TIME:
        return [("not told", 1.0)]
    begin = dt.datetime.fromtimestamp(start, dt.UTC)
    if end in (NO_TIME, start):
        return [(f"{begin:%Y-%m}", 1.0)]
    found = []
    first = begin.replace(day=1, hour=0, minute=0, second=0)
    while first.timestamp() < end:
        after = (first + dt.timedelta(days=32)).replace(day=1)
        inside = min(after.timestamp(), end) - max(first.timestamp(), start)
        found.append((f"{first:%Y-%m}", inside / (end - start)))
        first = after
    return found


def as_sums(cells: Cells) -> Sums:
    """Return cells by their texts."""
    frame = cells.frame()
    assert not frame.duplicated(list(BY)).any()
    sums = frame[["jobs", "gpu_hours", "usd"]].to_numpy().tolist()
    return dict(zip(frame[list(BY)].itertuples(index=False, name=None), sums, strict=True))


def assert_same(found: Sums, known: Sums) -> None:
    assert found.keys() == known.keys()
    for texts, sums in known.items():
        assert found[texts] == pytest.approx(sums, rel=1e-12, abs=1e-9)


@given(st.integers(0, 2**32 - 1), st.integers(1, 80))
@settings(max_examples=40, deadline=None)
def test_a_batch_is_summed_as_a_loop_sums_it(seed: int, rows: int) -> None:
    jobs = made(np.random.default_rng(seed), rows)
    assert_same(as_sums(cells_of(jobs)), summed_in_a_loop(jobs))


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 30), min_size=1, max_size=6))
@settings(max_examples=30, deadline=None)
def test_batches_of_other_texts_are_added_up(seed: int, sizes: list[int]) -> None:
    rng = np.random.default_rng(seed)
    batches = [made(rng, rows) for rows in sizes]
    whole, known = Cube(), defaultdict(lambda: [0.0, 0.0, 0.0])
    for jobs in batches:
        whole.add(cells_of(jobs))
        for texts, sums in summed_in_a_loop(jobs).items():
            known[texts] = [one + other for one, other in zip(known[texts], sums, strict=True)]
    assert_same(as_sums(whole.cells()), known)


def test_keys_that_one_number_cannot_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = made(np.random.default_rng(1), 200)
    known = summed_in_a_loop(jobs)
    # As if texts were so many: keys are made smaller on the way.
    monkeypatch.setattr(cube, "WIDEST", 50)
    assert_same(as_sums(cells_of(jobs)), known)


def test_persons_of_the_fewest_hours_are_taken_together(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = made(np.random.default_rng(2), 300)
    whole = Cube()
    whole.add(cells_of(jobs))
    hours = whole.cells().frame().groupby("user")["gpu_hours"].sum().sort_values()
    monkeypatch.setattr(cube, "MOST", 10)
    monkeypatch.setattr(cube, "KEPT_NAMES", 2)
    cut = whole.cells().frame()
    assert whole.is_cut
    told = cut.groupby("user")["gpu_hours"].sum()
    assert set(told.index) == {*hours.index[-2:], "(others)"}
    assert told["(others)"] == pytest.approx(hours.iloc[:-2].sum(), rel=1e-12)
    assert cut["gpu_hours"].sum() == pytest.approx(hours.sum(), rel=1e-12)


@given(st.lists(st.one_of(st.integers(0, 10**6), st.floats(0, 1e9)), min_size=1, max_size=20))
def test_waits_are_counted_in_the_first_bin_that_holds_them(waits: list[float]) -> None:
    counts = waits_of(np.full(len(waits), 8.0), np.array(waits, dtype=float))
    known = np.zeros(len(WAIT_BINS))
    for wait in waits:
        known[next((n for n, end in enumerate(WAIT_BINS) if wait <= end), -1)] += 1
    assert counts[SIZES.index("2–8")].tolist() == known.tolist()


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_sizes(number: float) -> None:
    known = 0 if np.isnan(number) else sum(number > end for end in SIZE_ENDS)
    assert size_of(np.array([number])).tolist() == [known]
