from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from computebill.base.errors import RequestError
from computebill.sweep.spec import Group
from computebill.sweep.stopping import Fate, Lengths, fate_of, realised
from computebill.sweep.totals import LARGEST

BRACKETS = [
    {"count": 81, "rungs": 5},
    {"count": 27, "rungs": 4},
    {"count": 9, "rungs": 3},
    {"count": 6, "rungs": 2},
    {"count": 5, "rungs": 1},
]
"""Those of Hyperband's table 1 (R = 81, eta = 3)."""

HALVING = {"halving": {"eta": 3, "rungs": 5}}


def group(**given: Any) -> Group:
    return Group.model_validate({"name": "g", "params": 1e9, "tokens": 1e9, **given})


def fate(experiments: float = 1, **given: Any) -> Fate:
    return fate_of(group(**given), experiments, 0)


def pairs(of: Fate) -> list[tuple[float, float]]:
    return list(zip(of.progress.tolist(), of.weight.tolist(), strict=True))


def mean(of: Fate) -> float:
    return float(of.moments.mean)


def test_without_rules_every_experiment_takes_its_length() -> None:
    found = fate()
    assert pairs(found) == [(1.0, 1.0)]
    assert mean(found) == 1.0
    assert found.is_certain


def test_a_fraction_is_all_that_runs() -> None:
    found = fate(stop={"fraction": 0.3})
    assert mean(found) == pytest.approx(0.3)
    assert found.is_certain


def test_shares_that_are_killed_are_of_those_that_still_run() -> None:
    killed = [{"at": 0.1, "share": 0.5}, {"at": 0.5, "share": 0.4}]
    # Of a hundred: fifty at a tenth, twenty of the fifty others at the half, thirty to the end.
    assert pairs(fate(stop={"killed": killed})) == [
        (0.1, pytest.approx(0.5)),
        (0.5, pytest.approx(0.2)),
        (1.0, pytest.approx(0.3)),
    ]
    assert not fate(stop={"killed": killed}).is_certain


def test_failures_that_are_begun_again_take_longer_and_others_shorter() -> None:
    assert mean(fate(failures={"rate": 0.2})) == pytest.approx(1.1)
    assert mean(fate(failures={"rate": 0.2, "restarted": 0.0})) == pytest.approx(0.9)
    both = fate(failures={"rate": 0.2}, stop={"fraction": 0.5})
    assert mean(both) == pytest.approx(0.55)
    assert not both.is_certain


def budget(brackets: list[dict[str, int]], resumed: bool) -> float:
    """Lengths that brackets take, rung by rung."""
    total = 0.0
    for bracket in brackets:
        before = 0.0
        for rung in range(bracket["rungs"]):
            progress = 3.0 ** (rung + 1 - bracket["rungs"])
            total += (bracket["count"] // 3**rung) * (progress - before)
            before = progress if resumed else 0.0
    return total


@pytest.mark.parametrize("resumed", [True, False])
def test_halving_takes_its_budget(resumed: bool) -> None:
    found = fate(81, stop={"halving": {"eta": 3, "rungs": 5, "resumed": resumed}})
    assert mean(found) * 81 == pytest.approx(budget(BRACKETS[:1], resumed))


@pytest.mark.parametrize("resumed", [True, False])
def test_brackets_take_their_budget(resumed: bool) -> None:
    stop = {"halving": {"eta": 3, "brackets": BRACKETS, "resumed": resumed}}
    found = fate(128, stop=stop)
    assert mean(found) * 128 == pytest.approx(budget(BRACKETS, resumed))
    if not resumed:
        # Five R of the first bracket and the last, four of the second and fourth, three between.
        assert mean(found) * 128 == pytest.approx(21.0)


@given(st.integers(1, 10**6), st.floats(1.1, 100), st.integers(1, 12), st.booleans())
def test_every_experiment_ends_somewhere(count: int, eta: float, rungs: int, resumed: bool) -> None:
    found = fate(count, stop={"halving": {"eta": eta, "rungs": rungs, "resumed": resumed}})
    assert float(found.weight.sum()) == pytest.approx(1.0)
    assert float(found.weight.min()) >= 0.0
    assert (1.0 if resumed else rungs) >= float(found.progress.max()) * (1 - 1e-12)


@pytest.mark.parametrize("experiments", [127, 129, 1])
def test_brackets_have_to_add_up_to_the_experiments(experiments: int) -> None:
    given = group(stop={"halving": {"brackets": BRACKETS}})
    with pytest.raises(RequestError) as caught:
        fate_of(given, experiments, 3)
    assert caught.value.field == "groups[3].stop.halving.brackets"
    assert "128" in caught.value.problem
    assert str(experiments) in caught.value.problem


def found_shares(of: Fate, sizes: np.ndarray, draws: int) -> np.ndarray:
    """Shares that the code draws, as a part of these sizes asks for them."""
    ordered = np.sort(sizes)[::-1]
    generator = torch.Generator().manual_seed(1)
    z = torch.randn(draws, dtype=torch.float64, generator=generator)
    largest = torch.from_numpy(ordered[:LARGEST].copy())
    total, squares = float(sizes.sum()), float((sizes**2).sum())
    return realised(of, Lengths(largest, len(sizes), total, squares), z, generator).numpy()


def played(of: Fate, sizes: np.ndarray, draws: int) -> np.ndarray:
    """Shares where every experiment is drawn by itself."""
    random = np.random.default_rng(2)
    rate, restarted = float(of.rate), float(of.restarted)
    progress, weight = of.progress.numpy(), of.weight.numpy()
    found = []
    for _ in range(draws):
        ends = random.choice(progress, size=len(sizes), p=weight / weight.sum())
        fails = random.random(len(sizes)) < rate
        again = random.random(len(sizes)) < restarted
        lengths = np.where(fails, random.random(len(sizes)) + again, 1.0)
        found.append((sizes * ends * lengths).sum() / sizes.sum())
    return np.array(found)


KILLED = {"killed": [{"at": 0.05, "share": 0.6}, {"at": 0.3, "share": 0.5}]}
FEW_LARGE = np.concatenate([np.linspace(50, 400, 20), np.linspace(0.1, 3, 1000)])
SIZES = {
    "few large and many small": FEW_LARGE,
    "alike": np.full(500, 7.0),
    "all drawn by themselves": np.geomspace(1, 1000, 12),
    "one": np.array([3.0]),
}


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize(
    "rules",
    [
        {"stop": KILLED},
        {"failures": {"rate": 0.2, "restarted": 0.5}},
        {"stop": KILLED, "failures": {"rate": 0.1}},
    ],
    ids=["stopped", "failing", "both"],
)
def test_shares_are_spread_as_those_of_experiments_played_one_by_one(
    sizes: np.ndarray, rules: dict[str, Any]
) -> None:
    of = fate(len(sizes), **rules)
    ours, theirs = found_shares(of, sizes, 20_000), played(of, sizes, 4_000)
    error = theirs.std() / np.sqrt(len(theirs))
    assert ours.mean() == pytest.approx(theirs.mean(), abs=4 * error)
    assert ours.mean() == pytest.approx(mean(of), abs=4 * error)
    assert ours.std() == pytest.approx(theirs.std(), rel=0.06)


def test_a_few_small_experiments_beside_the_largest_keep_the_mean() -> None:
    # As rarely to their end as those of five rungs of halving.
    killed = [{"at": 3.0 ** (rung - 4), "share": 2 / 3} for rung in range(4)]
    of = fate(34, stop={"killed": killed})
    found = found_shares(of, np.ones(34), 100_000)
    assert found.mean() == pytest.approx(mean(of), rel=0.01)


@pytest.mark.parametrize(
    "sizes", [np.ones(81), np.geomspace(1, 100, 81)], ids=["alike", "of all sizes"]
)
def test_halving_stops_as_many_as_it_says_and_only_which_is_not_known(sizes: np.ndarray) -> None:
    of = fate(81, stop=HALVING)
    ends = np.repeat([1 / 81, 1 / 27, 1 / 9, 1 / 3, 1.0], [54, 18, 6, 2, 1])
    random = np.random.default_rng(0)
    theirs = np.array(
        [(sizes * random.permutation(ends)).sum() / sizes.sum() for _ in range(20_000)]
    )
    ours = found_shares(of, sizes, 20_000)
    assert ours.mean() == pytest.approx(theirs.mean(), rel=0.02)
    assert ours.std() == pytest.approx(theirs.std(), rel=0.06, abs=1e-6)


@pytest.mark.parametrize("rules", [{}, {"stop": {"fraction": 0.25}}])
def test_what_is_certain_is_the_same_in_every_draw(rules: dict[str, Any]) -> None:
    of = fate(len(FEW_LARGE), **rules)
    found = found_shares(of, FEW_LARGE, 1000)
    assert found.tolist() == [0.25 if rules else 1.0] * 1000


@given(st.integers(0, 2**31), st.sampled_from([0.0, 0.01, 0.3, 0.9]))
def test_no_share_is_below_nothing(seed: int, rate: float) -> None:
    of = fate(50, stop=KILLED, failures={"rate": rate})
    z = torch.linspace(-8, 8, 64, dtype=torch.float64)
    largest = torch.ones(32, dtype=torch.float64)
    sizes = Lengths(largest, 50.0, 50.0, 50.0)
    found = realised(of, sizes, z, torch.Generator().manual_seed(seed))
    assert float(found.min()) > 0
    assert torch.isfinite(found).all()
