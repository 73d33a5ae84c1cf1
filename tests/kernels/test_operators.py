from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ideal import HEAD_WEIGHTS, LAYER_WEIGHTS, MLP_WEIGHTS, mixture, model, tensor

from computebill.architectures.operators import Layers
from computebill.kernels.operators import (
    Groups,
    active_parameters,
    embedding_parameters,
    layers_before,
    layers_of,
    matrix,
    parameters,
)


@settings(max_examples=60)
@given(st.sets(st.integers(0, 30), min_size=1), st.integers(0, 31))
def test_layers_are_counted_as_one_by_one(indices: set[int], bound: int) -> None:
    parts = Layers.covering(sorted(indices))
    assert sorted(i for part in parts for i in part.indices()) == sorted(indices)
    groups = Groups(
        first=tensor([p.first for p in parts]),
        step=tensor([p.step for p in parts]),
        run=tensor([p.run for p in parts]),
        stop=tensor([p.stop for p in parts]),
        tokens=torch.ones(len(parts), dtype=torch.float64),
        place=torch.zeros(len(parts), dtype=torch.float64),
    )
    found = layers_before(groups, tensor(bound))
    assert found.tolist() == [sum(i < bound for i in part.indices()) for part in parts]


def test_llama_has_the_parameters_that_its_paper_tells() -> None:
    one = model()
    layers = layers_of(one.groups)
    assert layers.flatten().tolist() == [1, 32, 1]
    # Two norms a layer, one before the head; embedding and head are not tied.
    norms = 65 * 4096
    total = (parameters(one.operators).sum(1) * layers).sum()
    assert float(total) == 32 * LAYER_WEIGHTS + 2 * HEAD_WEIGHTS + norms == 8_030_261_248
    assert matrix(one.operators).sum(1).flatten().tolist() == [0, LAYER_WEIGHTS, HEAD_WEIGHTS]


def test_a_token_meets_the_experts_that_it_chose() -> None:
    two = mixture(chosen=2)
    unmet = parameters(two.operators) - active_parameters(two.operators)
    assert unmet.sum((1, 2)).tolist() == [0, 6 * MLP_WEIGHTS, 0]


def test_what_is_looked_up_is_the_embedding() -> None:
    found = embedding_parameters(model().operators).sum((1, 2))
    assert found.tolist() == [128256 * 4096, 0, 0]


def test_models_stand_beside_each_other_in_a_batch() -> None:
    small, large = model(), model(num_hidden_layers=40)
    groups = Groups(*(torch.cat(pair, -1) for pair in zip(small.groups, large.groups, strict=True)))
    assert layers_of(groups).tolist() == [[1, 1], [32, 40], [1, 1]]
