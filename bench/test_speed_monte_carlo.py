from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import ours
import plain
import pytest
from timing import Compare, best_seconds

DRAWS = 50_000
SEEDS = 40
BATCHES = 20
NAMES = ("p5", "p50", "p95")


def plain_totals(name: str, ranges: plain.Ranges, draws: int, seed: int) -> np.ndarray:
    spec = plain.programme(name)
    sampled = plain.monte_carlo(spec, ranges, np.random.default_rng(seed), draws)
    return np.percentile(sampled.final, plain.PERCENTILES)


def our_totals(bill: ours.CompiledProgramme, draws: int, seed: int) -> np.ndarray:
    final = ours.monte_carlo(bill, draws, seed)[-2]
    return np.array([final.p5, final.p50, final.p95])


def assert_same_distribution(bill: ours.CompiledProgramme, sampled: plain.Sampled) -> None:
    """Every figure of the two agrees within five standard errors of the plain one."""
    found = ours.monte_carlo(bill, DRAWS)
    rows = [*sampled.costs.values(), sampled.final, sampled.share]
    for distribution, row in zip(found, rows, strict=True):
        batches = np.percentile(row.reshape(BATCHES, -1), plain.PERCENTILES, axis=1)
        error = batches.std(axis=1, ddof=1) / math.sqrt(BATCHES)
        expected = np.percentile(row, plain.PERCENTILES)
        values = np.array([distribution.p5, distribution.p50, distribution.p95])
        assert (np.abs(values - expected) <= 5 * error + 1e-9 * expected).all()


@pytest.mark.parametrize("name", ["minimax-2025", "zai-2025"])
def test_monte_carlo(name: str, compare: Compare) -> None:
    bill = ours.compiled(name)
    spec, ranges = plain.programme(name), ours.ranges(bill)
    assert_same_distribution(bill, plain.monte_carlo(spec, ranges, np.random.default_rng(0), DRAWS))

    def the_plain_way() -> None:
        plain.monte_carlo(spec, ranges, np.random.default_rng(0), DRAWS).percentiles()

    compare(
        f"{name}, {DRAWS:,} draws, percentiles of {len(spec.runs)} runs and the total",
        the_plain_way,
        partial(ours.monte_carlo, bill, DRAWS),
        plain_rounds=10,
        rounds=20,
    )


def test_error_for_the_time(note: Callable[[str], None]) -> None:
    """How many plain draws it would take to be as sure as ours, and how long they would take."""
    name = "minimax-2025"
    bill = ours.compiled(name)
    spec, ranges = plain.programme(name), ours.ranges(bill)

    def the_plain_way() -> None:
        plain.monte_carlo(spec, ranges, np.random.default_rng(0), DRAWS).percentiles()

    plain_seconds = best_seconds(the_plain_way, 10)
    at_random = np.array([plain_totals(name, ranges, DRAWS, seed) for seed in range(SEEDS)])
    plain_error = at_random.std(axis=0, ddof=1)
    for draws in (DRAWS, 2**16, 2**17):
        seconds = best_seconds(partial(ours.monte_carlo, bill, draws), 10)
        values = np.array([our_totals(bill, draws, seed) for seed in range(SEEDS)])
        error = values.std(axis=0, ddof=1)
        assert (np.abs(values.mean(axis=0) - at_random.mean(axis=0)) < plain_error).all()
        needed = DRAWS * (plain_error / error) ** 2
        faster = needed / DRAWS * plain_seconds / seconds
        stated = np.mean(
            [ours.monte_carlo(bill, draws, seed)[-2].errors[:3] for seed in range(SEEDS)], axis=0
        )
        middle = values.mean(axis=0)
        for i, level in enumerate(NAMES):
            note(
                f"{name}, {level} of the total, {draws:,} draws of ours: standard error "
                f"{error[i] / middle[i]:.3%} (stated {stated[i] / middle[i]:.3%}); plain at "
                f"{DRAWS:,}: {plain_error[i] / middle[i]:.3%}; to be as sure, plain needs "
                f"{needed[i]:,.0f} draws, and ours is {faster[i]:.3g} times faster"
            )
