from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from sweeping import RUNS, experiments, priced

import computebill as cb
from computebill.sweep.counts import count_for, training_seconds


def test_small_runs_and_many_gpus_reach_less() -> None:
    def reached(**fields: Any) -> float:
        return priced({**RUNS, **fields}).groups[0].mfu

    assert reached(params="20M") < 0.5 * reached(params="1B")
    assert reached(count=512, global_batch=512) < reached(count=64, global_batch=512)


def test_experiments_without_a_count_keep_most_of_their_speed() -> None:
    free = priced(_without_count("70B", "2T"))
    fixed = priced(RUNS | {"params": "70B", "tokens": "2T", "count": 256})
    ratio = free.rows["gpu_hours"].p50 / fixed.rows["gpu_hours"].p50
    assert 0.9 < ratio < 1 / 0.65
    # Small ones with few sequences a step take fewer than a node.
    assert priced(_without_count("160M", "10M")).experiments == 1
    with pytest.raises(cb.RequestError, match=r"within_hours: got 0\.1; the soonest"):
        priced(_without_count("7B", "20B") | {"within_hours": 0.1})
    assert priced(_without_count("1B", "20B"), cluster={"gpus": 4}).schedule is not None


def _without_count(params: str, tokens: str) -> dict[str, Any]:
    return {"name": "one", "accelerator": "h100", "params": params, "tokens": tokens}


def test_the_batch_that_nobody_says_is_the_step_laws() -> None:
    # Li et al. 2025, arXiv:2503.04715: 0.58 D^0.571 tokens, of 4,096 a sequence.
    usual = round(0.58 * (20e9) ** 0.571 / 4096)
    free, fixed = (
        priced(RUNS | batch).rows["gpu_hours"].p50 for batch in ({}, {"global_batch": usual})
    )
    assert free == pytest.approx(fixed, rel=5e-3)


def test_hours_take_the_fewest_powers_of_two_that_end_in_time() -> None:
    of, workshop = experiments(gpu_hours=1, count=1)
    hours = torch.tensor([1.0, 48 * 8, 48 * 8 + 1, 48 * 100, 1e9]).double()
    of = replace(of, cell=replace(of.cell, apart={}), columns={"": torch.zeros_like(hours)})
    assert count_for(workshop, of, hours * 3600).tolist() == [8, 8, 16, 128, 8192]
    given = replace(of, cell=replace(of.cell, apart={"count": 24}))
    assert count_for(workshop, given, hours * 3600).tolist() == [24] * 5


def test_what_is_waited_for_alone_is_what_it_is_among_others() -> None:
    rows = {"params": [1e8, 1e9, 3e10], "tokens": [1e9, 3e11, 6e11]}
    together, workshop = experiments(rows)
    together = replace(together, cell=replace(together.cell, apart={}))
    flop, none = 6 * together.active * together.tokens, together.full(0.0)
    seconds, count = training_seconds(workshop, together, together.tokens, flop, none)
    assert len(set(count.tolist())) > 1
    for i in range(3):
        alone = replace(
            together,
            columns={name: column[i : i + 1] for name, column in together.columns.items()},
            params=together.params[i : i + 1],
            active=together.active[i : i + 1],
        )
        found = training_seconds(workshop, alone, alone.tokens, flop[i : i + 1], none[i : i + 1])
        expected = [float(seconds[i]), float(count[i])]
        assert [float(each) for each in found] == pytest.approx(expected, rel=1e-12)


def test_a_utilisation_that_is_given_needs_no_layout() -> None:
    of, workshop = experiments({"params": [1e9]}, tokens=2e10, mfu=0.4)
    flop = 6 * of.active * of.tokens
    seconds, count = training_seconds(workshop, of, of.tokens, flop, of.full(0.0))
    assert float(seconds) == pytest.approx(1.2e20 / 989.4e12, rel=1e-3)  # the group's mfu divides
    assert count.tolist() == [8]


def test_a_layout_that_does_not_fit_is_told_with_its_size() -> None:
    with pytest.raises(cb.RequestError, match=r"count: no common layout of 7e\+10 parameters"):
        priced(RUNS | {"params": "70B", "count": 1})
