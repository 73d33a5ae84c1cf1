from __future__ import annotations

import math

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM

from computebill.training.shapes import architecture_of, shape_of, transformer_params

SIZES = st.floats(7, 12).map(lambda power: 10.0**power)


@given(SIZES)
@example(1.5e7)
@example(2.4e7)
@example(10.0**8.34375)
def test_a_shape_has_about_the_parameters_that_were_asked_for(params: float) -> None:
    _, counted = architecture_of(shape_of(params))
    assert abs(counted / params - 1) <= (0.09 if params > 5e8 else 0.14)


@given(SIZES)
def test_heads_divide_the_width_and_each_other(params: float) -> None:
    shape = shape_of(params)
    heads = shape.width // shape.head
    assert heads * shape.head == shape.width
    assert heads % shape.key_heads == 0
    assert shape.depth % 4 == 0 or shape.depth in (2, 6)


@given(SIZES, st.floats(1.3, 100))
def test_a_larger_model_has_no_fewer_parameters(params: float, times: float) -> None:
    small, large = (architecture_of(shape_of(each))[1] for each in (params, params * times))
    assert small <= large


@pytest.mark.parametrize("params", [1e7, 3e8, 8e9, 4e11])
def test_parameters_are_those_of_the_module(params: float) -> None:
    shape = shape_of(params)
    config = {key: value for key, value in shape.config().items() if key != "model_type"}
    with torch.device("meta"):
        module = LlamaForCausalLM(LlamaConfig(**config))
    assert architecture_of(shape)[1] == sum(each.numel() for each in module.parameters())


@pytest.mark.parametrize(
    ("params", "depth", "width"),
    # Their published configurations: OLMo 2 1B and 7B, Llama 3 8B, OLMo 2 13B, Llama 3 70B, 405B.
    [
        (1.5e9, 16, 2048),
        (7.3e9, 32, 4096),
        (8.0e9, 32, 4096),
        (13.7e9, 40, 5120),
        (70.6e9, 80, 8192),
        (405e9, 126, 16384),
    ],
)
def test_known_models_have_nearly_the_shape_that_their_size_gets(
    params: float, depth: int, width: int
) -> None:
    found = shape_of(params)
    # Vocabularies and widths of the feed-forward layers differ: depth or width makes up for it.
    assert abs(math.log(found.width / width)) <= math.log(1.35)
    assert abs(math.log(found.depth / depth)) <= math.log(1.5)


@pytest.mark.parametrize(
    ("layers", "width", "params"),
    # Brown et al. 2020, table 2.1: GPT-3 XL, 13B and 175B, a vocabulary of 50,257.
    [(24, 2048, 1.3e9), (40, 5140, 13e9), (96, 12288, 175e9)],
)
def test_a_width_and_depth_have_the_parameters_of_gpt_3(
    layers: int, width: int, params: float
) -> None:
    given = (torch.tensor(float(value)) for value in (width, layers, 50257))
    assert float(transformer_params(*given)) == pytest.approx(params, rel=0.02)


def test_without_a_vocabulary_there_is_no_table_of_it() -> None:
    width, depth = torch.tensor([128.0]), torch.tensor([4.0])
    none, some = (
        float(transformer_params(width, depth, torch.tensor([value])))
        for value in (math.nan, 1000.0)
    )
    assert some - none == 128_000
