from __future__ import annotations

import math

import pytest
from sweeping import HOURS, RUNS, grid, priced

import computebill as cb
from computebill.sweep.priced import described_by


def test_a_budget_pays_for_a_part() -> None:
    found = priced(HOURS | {"repeats": 10}, budget=1000)
    assert found.fitting is not None
    assert found.fitting.odds == 0.0
    assert found.fitting.part == pytest.approx(0.5)
    assert found.fitting.experiments == pytest.approx(5)
    rich = priced(HOURS | {"repeats": 10}, budget=2001)
    assert rich.fitting is not None
    assert rich.fitting.odds == 1.0
    assert priced(HOURS, budget="2k").fitting == priced(HOURS, budget=2000).fitting
    for wrong in (-1, 0, math.nan, math.inf, "much"):
        with pytest.raises(cb.RequestError, match="budget: got"):
            priced(HOURS, budget=wrong)


def test_what_a_budget_pays_for_of_one_size_alone() -> None:
    found = priced(grid(["100M", "3B"], [20]), budget=100)
    assert found.fitting is not None
    small, large = found.fitting.by_size
    for (low, high, count), size in zip((small, large), found.sizes, strict=True):
        assert (low, high) == (size.low, size.high)
        assert count * size.cost_usd / size.experiments == pytest.approx(100)
    assert small[2] > 100 * large[2]
    told = found.fitting.to_dict()
    assert told["experiments_that_fit"] == math.floor(found.fitting.experiments)
    assert [each["experiments"] for each in told["by_size"]] == [int(small[2]), int(large[2])]


def test_what_is_not_known_is_null() -> None:
    found = priced(HOURS)
    (group,), (size,) = found.groups, found.sizes
    assert math.isnan(group.mfu)
    assert group.to_dict()["mfu"] is None
    assert group.to_dict()["flop"] is None
    assert size.to_dict()["params_from"] is None
    assert size.to_dict()["cost_usd"] == pytest.approx(200)


def test_shares_of_groups_add_up_to_all() -> None:
    found = priced(HOURS, HOURS | {"name": "two", "repeats": 3})
    assert [group.share for group in found.groups] == pytest.approx([0.25, 0.75])
    assert [group.experiments for group in found.groups] == [1, 3]


def test_what_groups_and_the_final_run_are_described_by() -> None:
    group = RUNS | {"source": "k", "note": "a guess"}
    spec = cb.load_sweep(
        {
            "groups": [group],
            "sources": {"k": {"title": "A paper"}},
            "final": {"params": "70B", "tokens": "2T", "count": 512},
        }
    )
    found = {each.name: each for each in described_by(spec)}
    assert found["runs: tokens"].value == "20B"
    assert found["runs: tokens"].source == "A paper; a guess"
    assert found["final run: params"].value == "70B"
    assert "runs: note" not in found
