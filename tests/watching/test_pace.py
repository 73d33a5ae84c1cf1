from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from computebill.watching.pace import FEWEST_BATCHES, MOST_BATCHES, Pace, _student


@pytest.mark.parametrize("freedom", [7, 10, 15, 31])
def test_students_t_is_scipys(freedom: int) -> None:
    assert _student(freedom) == pytest.approx(stats.t.ppf(0.95, freedom), rel=2e-4)


@given(st.lists(st.tuples(st.floats(1, 1e6), st.floats(0.01, 100)), min_size=1, max_size=300))
def test_the_middle_is_all_time_over_all_tokens(updates: list[tuple[float, float]]) -> None:
    pace = Pace()
    for tokens, seconds in updates:
        pace.add(tokens, seconds)
    left = pace.left(1e7)
    assert left is not None
    rate = math.fsum(b for _, b in updates) / math.fsum(a for a, _ in updates)
    assert left.p50 == pytest.approx(rate * 1e7)
    if left.p5 is not None and left.p95 is not None:
        assert 0 <= left.p5 <= left.p50 <= left.p95


def test_memory_does_not_grow_with_a_run() -> None:
    pace = Pace()
    for _ in range(100_000):
        pace.add(1.0, 1.0)
    batches = pace.state()["batches"]
    assert isinstance(batches, list)
    assert len(batches) < MOST_BATCHES


def test_without_tokens_nothing_is_told_and_with_few_no_interval() -> None:
    pace = Pace()
    assert pace.left(10) is None
    for _ in range(FEWEST_BATCHES - 1):
        pace.add(1.0, 2.0)
    assert pace.left(10) == (None, 20.0, None)
    pace.add(1.0, 2.0)
    assert pace.left(10) == (20.0, 20.0, 20.0)
    assert pace.left(0) == (0.0, 0.0, 0.0)


def updates_of(
    rng: random.Random, count: int, checkpoint: float = 0.0, stalls: float = 0.0
) -> list[float]:
    """Seconds of updates: correlated noise, a checkpoint every 25, and a share of long stalls."""
    noise, found = 0.0, []
    for i in range(count):
        noise = 0.9 * noise + rng.gauss(0, 0.03)
        stall = rng.expovariate(1 / 30) if rng.random() < stalls else 0.0
        found.append(math.exp(noise) + stall + checkpoint * (i % 25 == 24))
    return found


@pytest.mark.parametrize(
    ("checkpoint", "stalls", "least", "most"),
    [(0.0, 0.0, 0.80, 0.96), (5.0, 0.0, 0.86, 1.0), (5.0, 0.01, 0.80, 0.96)],
)
def test_the_interval_holds_what_came_nine_times_in_ten(
    checkpoint: float, stalls: float, least: float, most: float
) -> None:
    """400 runs of 400 updates whose other 400 are foretold.

    A batch that a checkpoint falls into or not is wider than the sum, which has all of them; of
    rare stalls a run has seen four.
    """
    rng = random.Random(7)
    held = 0
    for _ in range(400):
        seconds = updates_of(rng, 800, checkpoint, stalls)
        pace = Pace()
        for each in seconds[:400]:
            pace.add(1.0, each)
        left = pace.left(400.0)
        assert left is not None
        assert left.p5 is not None
        assert left.p95 is not None
        held += left.p5 <= math.fsum(seconds[400:]) <= left.p95
    assert least <= held / 400 <= most


def test_the_interval_narrows_as_a_run_ends() -> None:
    pace, rng, widths = Pace(), random.Random(3), []
    for i, each in enumerate(updates_of(rng, 1000)):
        pace.add(1.0, each)
        if i in (100, 500, 900):
            left = pace.left(1000.0 - i)
            assert left is not None
            assert left.p95 is not None
            widths.append(left.p95 - left.p50)
    assert all(later < sooner for sooner, later in pairwise(widths))


def test_a_pace_is_made_again_from_its_state() -> None:
    pace = Pace()
    for i in range(137):
        pace.add(1.0 + i % 3, 2.0 + i % 5)
    again = Pace(**pace.state())  # type: ignore[arg-type]
    assert again.left(1e3) == pace.left(1e3)
