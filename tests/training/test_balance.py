"""Layers dealt out by their work, against every way to deal them out."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known import DEEPSEEK_LIKE, LLAMA_8B

import computebill as cb
from computebill.training.balance import Work, balanced, busiest, work_of


def busy(work: Work, dealt: tuple[int, ...]) -> float:
    """Work of the busiest chunk."""
    cuts = [0, *itertools.accumulate(dealt)]
    parts = [sum(work.layers[start:stop]) for start, stop in itertools.pairwise(cuts)]
    return max([*parts[:-1], parts[-1] + work.head])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([1.0, 2.0, 3.5]), min_size=1, max_size=7),
    st.sampled_from([0.0, 1.5, 7.0]),
    st.data(),
)
def test_no_deal_has_less_work_on_its_busiest_chunk(
    layers: list[float], head: float, data: st.DataObject
) -> None:
    chunks = data.draw(st.integers(1, min(4, len(layers))))
    work = Work(tuple(layers), head)
    found = balanced(work, chunks)
    every = (
        each
        for each in itertools.product(range(len(layers) + 1), repeat=chunks)
        if sum(each) == len(layers) and all(each[:-1])
    )
    assert sum(found) == len(layers)
    assert busy(work, found) == pytest.approx(min(busy(work, each) for each in every))


def test_work_is_the_forward_pass_of_each_layer() -> None:
    work = work_of(cb.read_architecture(LLAMA_8B), 4096)
    # 2 FLOP a parameter, and 4 d for each of the keys that causal attention meets on average.
    weights = 4096 * (4096 + 2 * 1024) + 4096 * 4096 + 3 * 4096 * 14336
    assert work.layers == pytest.approx([2 * weights + 4 * 4096 * (4096 + 1) / 2] * 32, rel=1e-3)
    assert work.head == 2 * 4096 * 128256
    leading = work_of(cb.read_architecture(DEEPSEEK_LIKE), 4096).layers
    assert len(set(leading[:3])) == len(set(leading[3:])) == 1
    # 512 wide and dense, or 4 of 64 each, another that all tokens meet, and a router of 16.
    assert leading[0] - leading[3] == pytest.approx(6 * 256 * (512 - 5 * 64) - 2 * 256 * 16)


def test_a_stage_that_another_has_all_of_is_never_slower() -> None:
    stages = [(3.0, 1.0), (0.0, 4.0), (0.0, 4.0), (0.0, 3.0), (2.0, 2.0)]
    assert busiest(stages) == [0, 1, 4]
