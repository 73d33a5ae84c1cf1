from __future__ import annotations

import math
import random
import statistics

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate
from torch import Tensor

from computebill.kernels import outcomes

HYPERBAND = {
    4: [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
    3: [(27, 3), (9, 9), (3, 27), (1, 81)],
    2: [(9, 9), (3, 27), (1, 81)],
    1: [(6, 27), (2, 81)],
    0: [(5, 81)],
}
"""Experiments and resource of each rung: Li et al. 2018, table 1 (R = 81, eta = 3)."""

LAST_BELOW_ONE = math.nextafter(1.0, 0.0)


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def scalar(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def points(count: int, seed: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random(count))


@st.composite
def endings(draw: st.DrawFn) -> tuple[list[float], list[float]]:
    """Where experiments end, and the share that does."""
    count = draw(st.integers(1, 6))
    progress = draw(st.lists(st.floats(0.01, 1), min_size=count, max_size=count))
    parts = draw(st.lists(st.integers(0, 9), min_size=count, max_size=count).filter(any))
    return progress, [part / sum(parts) for part in parts]


@pytest.mark.parametrize("bracket", HYPERBAND)
def test_rungs_are_those_that_hyperband_prints(bracket: int) -> None:
    rows = HYPERBAND[bracket]
    counts = outcomes.halving_counts(rows[0][0], 3, bracket + 1)
    progress = outcomes.halving_progress(3, bracket + 1)
    assert counts == [count for count, _ in rows]
    assert progress == pytest.approx([resource / 81 for _, resource in rows], rel=1e-12)
    assert progress[-1] == 1.0


@given(st.integers(1, 10**6), st.integers(2, 10), st.integers(1, 8))
def test_each_rung_keeps_one_in_eta_of_those_that_began(count: int, eta: int, rungs: int) -> None:
    found = outcomes.halving_counts(count, eta, rungs)
    assert found == [max(1, count // eta**rung) for rung in range(rungs)]


@given(endings())
def test_moments_of_stopping_are_those_of_a_weighted_sample(
    ends: tuple[list[float], list[float]],
) -> None:
    mean, variance = outcomes.stopped_moments(tensor(*ends[0]), tensor(*ends[1]))
    centre = np.average(ends[0], weights=ends[1])
    assert float(mean) == pytest.approx(centre)
    spread = np.average((np.array(ends[0]) - centre) ** 2, weights=ends[1])
    assert float(variance) == pytest.approx(spread, abs=1e-12)


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, LAST_BELOW_ONE])
@pytest.mark.parametrize("restarted", [0.0, 0.3, 1.0])
def test_moments_of_failures_are_integrals_over_where_one_fails(
    rate: float, restarted: float
) -> None:
    def moment(power: int) -> float:
        again = integrate.quad(lambda place: (1 + place) ** power, 0, 1)[0]
        lost = integrate.quad(lambda place: place**power, 0, 1)[0]
        return 1 - rate + rate * (restarted * again + (1 - restarted) * lost)

    mean, variance = outcomes.failure_moments(scalar(rate), scalar(restarted))
    assert float(mean) == pytest.approx(moment(1))
    assert float(variance) == pytest.approx(moment(2) - moment(1) ** 2, abs=1e-12)


def test_moments_of_both_are_those_of_experiments_played_one_by_one() -> None:
    ends, shares, rate, restarted = (0.1, 0.4, 1.0), (0.5, 0.3, 0.2), 0.2, 0.7
    draws = random.Random(0)
    lengths = []
    for _ in range(200_000):
        stopped = draws.choices(ends, shares)[0]
        length = 1.0
        if draws.random() < rate:
            length = draws.random() + (1.0 if draws.random() < restarted else 0.0)
        lengths.append(stopped * length)
    mean, variance = outcomes.product_moments(
        outcomes.stopped_moments(tensor(*ends), tensor(*shares)),
        outcomes.failure_moments(scalar(rate), scalar(restarted)),
    )
    assert float(mean) == pytest.approx(statistics.fmean(lengths), rel=0.01)
    assert float(variance) == pytest.approx(statistics.pvariance(lengths), rel=0.02)


@given(
    st.lists(st.floats(0, 3), min_size=1, max_size=5),
    st.lists(st.floats(0, 3), min_size=1, max_size=5),
)
def test_a_product_has_the_moments_of_all_pairs(one: list[float], other: list[float]) -> None:
    def moments(values: np.ndarray) -> outcomes.Moments:
        return outcomes.Moments(scalar(float(values.mean())), scalar(float(values.var())))

    mean, variance = outcomes.product_moments(moments(np.array(one)), moments(np.array(other)))
    pairs = np.outer(one, other)
    assert float(mean) == pytest.approx(pairs.mean(), abs=1e-9)
    assert float(variance) == pytest.approx(pairs.var(), abs=1e-9)


@given(endings())
def test_drawn_progress_comes_as_often_as_its_weight(
    ends: tuple[list[float], list[float]],
) -> None:
    # Evenly spread points: each end's share is right but for one point at either edge.
    count = 4096
    even = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    drawn = outcomes.stopped_progress(even, tensor(*ends[0]), tensor(*ends[1]))
    for value in set(ends[0]):
        weight = sum(part for end, part in zip(*ends, strict=True) if end == value)
        share = float((drawn == value).double().mean())
        assert share == pytest.approx(weight, abs=2 * len(ends[0]) / count)


def test_extreme_points_draw_the_first_and_the_last_end_that_has_weight() -> None:
    edges = tensor(0.0, LAST_BELOW_ONE)
    progress = tensor(0.1, 0.2, 0.7, 1.0)
    assert outcomes.stopped_progress(edges, progress, tensor(0.25, 0.25, 0.25, 0.25)).tolist() == [
        0.1,
        1.0,
    ]
    none_first = outcomes.stopped_progress(edges, progress, tensor(0.0, 0.5, 0.5, 0.0))
    assert none_first.tolist() == [0.2, 0.7]


@pytest.mark.parametrize(("rate", "restarted"), [(0.05, 1.0), (0.3, 0.4), (LAST_BELOW_ONE, 0.5)])
def test_drawn_lengths_have_the_moments(rate: float, restarted: float) -> None:
    count = 400_000
    drawn = outcomes.failed_length(points(count, 1), scalar(rate), scalar(restarted))
    mean, variance = outcomes.failure_moments(scalar(rate), scalar(restarted))
    error = math.sqrt(float(variance) / count)
    assert float(drawn.mean()) == pytest.approx(float(mean), abs=4 * error)
    assert float(drawn.var()) == pytest.approx(float(variance), rel=0.02)


@pytest.mark.parametrize(("rate", "restarted"), [(0.1, 1.0), (0.3, 0.4), (0.5, 0.0), (1.0, 0.7)])
def test_drawn_lengths_are_uniform_on_either_stretch(rate: float, restarted: float) -> None:
    # Evenly spread points: as many lengths below each value as have that probability.
    count = 100_000
    even = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    drawn = outcomes.failed_length(even, scalar(rate), scalar(restarted)).sort().values
    for length in (0.0, 0.25, 0.9, 1.0, 1.25, 1.9, 2.0):
        lost, again = rate * (1.0 - restarted), rate * restarted
        below = lost * min(length, 1.0) + again * max(0.0, length - 1.0)
        share = float(torch.searchsorted(drawn, length, right=False)) / count
        whole = 1.0 - rate if length > 1.0 else 0.0
        assert share == pytest.approx(below + whole, abs=3 / count)


def test_where_nothing_fails_every_length_is_whole() -> None:
    drawn = outcomes.failed_length(points(1000, 1), scalar(0.0), scalar(1.0))
    assert drawn.tolist() == [1.0] * 1000
    mean, variance = outcomes.failure_moments(scalar(0.0), scalar(1.0))
    assert (float(mean), float(variance)) == (1.0, 0.0)


def test_where_all_fail_none_has_its_plain_length() -> None:
    place = points(1000, 2)
    given = (place, scalar(1.0))
    assert torch.equal(outcomes.failed_length(*given, scalar(1.0)), place + 1.0)
    assert torch.equal(outcomes.failed_length(*given, scalar(0.0)), place)


def test_extreme_points_fail_at_once_or_not_at_all() -> None:
    edges = tensor(0.0, LAST_BELOW_ONE)
    for restarted, first in ((1.0, 1.0), (0.4, 1.0), (0.0, 0.0)):
        drawn = outcomes.failed_length(edges, scalar(0.3), scalar(restarted))
        assert drawn.tolist() == [first, 1.0]
