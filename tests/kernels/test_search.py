from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from ideal import setting, tensor

from computebill.kernels import search

points = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6)), max_size=30)


def beaten(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return other != one and all(b <= a for a, b in zip(one, other, strict=True))


@given(points)
def test_the_front_is_what_nothing_else_beats(found: list[tuple[int, int, int]]) -> None:
    table = torch.tensor(found, dtype=torch.float64).reshape(-1, 3)
    kept = search.front(table).tolist()
    expected = [
        not any(beaten(one, other) for other in found) and one not in found[:index]
        for index, one in enumerate(found)
    ]
    assert kept == expected


@given(points)
def test_the_front_of_two_is_that_of_pairs(found: list[tuple[int, int, int]]) -> None:
    first = torch.tensor([float(one[0]) if one[2] else math.inf for one in found])
    second = torch.tensor([float(one[1]) for one in found])
    places = search.front_of_two(first, second).tolist()
    real = [(one[0], one[1]) for one in found if one[2]]
    expected = sorted({one for one in real if not any(beaten(one, other) for other in real)})
    assert [(found[place][0], found[place][1]) for place in places] == expected


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.integers(1, 30))
def test_the_lowest_come_first_and_infinite_ones_last(values: list[float], count: int) -> None:
    grid = tensor([*values, math.inf]).reshape(1, -1)
    found, places = search.lowest(grid, count)
    assert found.tolist() == sorted([*values, math.inf])[:count]
    assert grid.reshape(-1)[places].tolist() == found.tolist()


def broken(**layout: float) -> set[str]:
    """Rules that a layout breaks, of a batch of 64 sequences of 4,096 tokens."""
    masks = search.legal_masks(setting(layout=layout).layout, tensor(4096.0))
    return {rule for rule, is_kept in masks.items() if not bool(is_kept)}


@pytest.mark.parametrize(
    ("layout", "rule"),
    [
        ({"data": 1.5, "context": 2}, "tp x pp x cp divides the accelerators"),
        ({"micro_batches": 10.5}, "dp x micro-batch divides the global batch"),
        (
            {"pipeline": 4, "virtual": 2, "micro_batches": 6},
            "pp divides the micro-batches of an interleaved schedule",
        ),
        (
            {"pipeline": 8, "schedule": 2, "micro_batches": 15},
            "dualpipe has 2 x pp micro-batches",
        ),
        ({"data": 4, "expert": 8}, "ep x etp divides tp x cp x dp"),
        ({"tensor": 3, "sequence_parallel": 1}, "tp divides the tokens of a rank"),
        ({"data": 8, "shards": 3}, "shards divide dp x cp"),
    ],
)
def test_each_rule_is_broken_by_what_breaks_it(layout: dict[str, float], rule: str) -> None:
    assert broken(**layout) == {rule}


@pytest.mark.parametrize(
    "layout",
    [
        {"data": 8},
        {"pipeline": 4, "virtual": 1, "micro_batches": 6},
        {"pipeline": 4, "virtual": 2, "micro_batches": 8},
        {"pipeline": 8, "schedule": 2, "micro_batches": 16},
        {"tensor": 2, "data": 4, "expert": 8},
        {"tensor": 3, "sequence_parallel": 0},
        {"data": 8, "context": 2, "shards": 16},
    ],
)
def test_what_obeys_every_rule_is_legal(layout: dict[str, float]) -> None:
    assert broken(**layout) == set()
