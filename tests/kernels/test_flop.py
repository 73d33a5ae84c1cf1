from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from computebill.kernels import flop


def tensor(value: object) -> Tensor:
    return torch.as_tensor(value, dtype=torch.float64)


PUBLISHED = [
    # Model, active parameters, tokens, FLOP as published, how far its rounding reaches.
    # Brown et al. 2020, arXiv 2005.14165, table D.1.
    ("GPT-3 Small", 125e6, 300e9, 2.25e20, 0.005),
    ("GPT-3 Medium", 356e6, 300e9, 6.41e20, 0.005),
    ("GPT-3 Large", 760e6, 300e9, 1.37e21, 0.005),
    ("GPT-3 XL", 1320e6, 300e9, 2.38e21, 0.005),
    ("GPT-3 2.7B", 2650e6, 300e9, 4.77e21, 0.005),
    ("GPT-3 6.7B", 6660e6, 300e9, 1.20e22, 0.005),
    ("GPT-3 13B", 12850e6, 300e9, 2.31e22, 0.005),
    ("GPT-3 175B", 174600e6, 300e9, 3.14e23, 0.005),
    # Grattafiori et al. 2024, arXiv 2407.21783.
    ("Llama 3.1 405B", 405e9, 15.6e12, 3.8e25, 0.01),
    # Hoffmann et al. 2022, arXiv 2203.15556: Gopher's budget, attention and embeddings counted.
    ("Chinchilla", 70e9, 1.4e12, 5.76e23, 0.03),
]


@pytest.mark.parametrize(("model", "params", "tokens", "expected", "tolerance"), PUBLISHED)
def test_published_figures(
    model: str, params: float, tokens: float, expected: float, tolerance: float
) -> None:
    found = float(flop.training_flop(tensor(params), tensor(tokens)))
    assert found == pytest.approx(expected, rel=tolerance), model


def test_models_broadcast_against_draws() -> None:
    params, tokens = tensor([[1e9], [2e9]]), tensor([1e12, 2e12, 3e12])
    found = flop.training_flop(params, tokens)
    assert found.tolist() == [[6e21, 12e21, 18e21], [12e21, 24e21, 36e21]]


@given(
    params=st.floats(1e3, 1e15), tokens=st.floats(1e3, 1e15), factor=st.sampled_from([0.5, 2, 8])
)
def test_flop_grow_with_either(params: float, tokens: float, factor: float) -> None:
    base = flop.training_flop(tensor(params), tensor(tokens))
    assert flop.training_flop(tensor(params * factor), tensor(tokens)) == base * factor
    assert flop.training_flop(tensor(params), tensor(tokens * factor)) == base * factor


def test_forward_and_backward_are_one_third_and_two() -> None:
    assert flop.BACKWARD_FLOP_PER_PARAMETER == 2 * flop.FORWARD_FLOP_PER_PARAMETER
    one = tensor(1.0)
    assert float(flop.training_flop(one, one)) == 6.0
