from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from known import GPT3
from torch import Tensor

import computebill as cb
from computebill.architectures.columns import columns
from computebill.architectures.counting import count_flop, count_parameters
from computebill.architectures.operators import Beside
from computebill.kernels import flop


def tensor(value: object) -> Tensor:
    return torch.as_tensor(value, dtype=torch.float64)


def attended(sequence: int, window: float, causal: bool, chunked: bool) -> float:
    """Walk through every query, and count its keys."""
    if not causal and chunked:
        return window  # of a sequence of their own
    total = 0
    for query in range(sequence):
        first = 0
        if window < sequence and causal:
            first = (
                query // int(window) * int(window) if chunked else max(0, query - int(window) + 1)
            )
        total += query + 1 - first if causal else int(min(window, sequence))
    return total / sequence


@given(
    st.integers(1, 60),
    st.one_of(st.just(float("inf")), st.integers(1, 80).map(float)),
    st.booleans(),
    st.booleans(),
)
def test_attended_keys_are_those_of_a_walk_through_the_mask(
    sequence: int, window: float, causal: bool, chunked: bool
) -> None:
    found = flop.attended_keys(
        tensor(sequence), tensor(window), tensor(float(causal)), tensor(float(chunked))
    )
    assert float(found) == pytest.approx(attended(sequence, window, causal, chunked), rel=1e-12)


LLAMA_7B = {
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "vocab_size": 32000,
}


def counted(config: dict[str, Any], sequence: int, **options: Any) -> Any:
    return count_flop(
        columns(cb.read_architecture(config), **options.pop("columns", {})), sequence, **options
    )


def test_megatron_is_the_formula_of_its_paper() -> None:
    # Narayanan et al. 2021, section 3.5, without the factor 4/3 of recomputation:
    # 72 B s l h^2 (1 + s / 6h + V / 12lh).
    s, layers, h, v = 2048, 96, 12288, 51200
    published = 72 * layers * h**2 * (1 + s / (6 * h) + v / (12 * layers * h))
    found = float(counted(GPT3, s).conventions["megatron"])
    assert found == pytest.approx(published, rel=1e-12)


def test_full_recomputation_is_a_third_more_but_for_the_logits() -> None:
    # The same section: 96 B s l h^2 (1 + s / 6h + V / 16lh), every key counted.
    s, layers, h, v = 2048, 96, 12288, 51200
    found = counted(GPT3, s, recompute="full")
    masked_half = 12 * layers * h * s * 2 / 3  # forward twice and backward, of half the keys
    published = 96 * layers * h**2 * (1 + s / (6 * h) + v / (16 * layers * h))
    assert float(found.hardware) == pytest.approx(published - masked_half, rel=1e-3)


def test_palm_is_the_formula_of_its_paper() -> None:
    # Chowdhery et al. 2022, appendix B: 6N + 12 L H Q T.
    n = float(count_parameters(columns(cb.read_architecture(LLAMA_7B))).total)
    found = float(counted(LLAMA_7B, 4096).conventions["palm"])
    assert found == 6 * n + 12 * 32 * 32 * 128 * 4096


def test_causal_is_megatron_less_the_keys_behind_the_mask() -> None:
    s = 4096
    found = counted(LLAMA_7B, s).conventions
    behind = (s - (s + 1) / 2) * 12 * 32 * 4096
    assert float(found["megatron"] - found["causal"]) == pytest.approx(behind)


def test_what_has_to_be_computed_is_the_causal_convention() -> None:
    found = counted(LLAMA_7B, 2048)
    assert float(found.forward + found.backward) == float(found.conventions["causal"])
    parts = sum(float(a + b) for a, b in found.by_operator.values())
    assert parts == pytest.approx(float(found.conventions["causal"]), rel=1e-12)


@pytest.mark.parametrize("mode", ["none", "selective", "operators", "full"])
def test_recomputation_repeats_what_it_says(mode: str) -> None:
    s = 2048
    found = counted(LLAMA_7B, s, recompute=mode)
    h, f = 4096, 11008
    scores = 4 * h * (s + 1) / 2
    products = 2 * (4 * h * h + 3 * h * f)
    # In the order q, k, v, output, up, gate, down, every second is computed again.
    second = 2 * (h * h + h * h + h * f)
    repeated = {"none": 0, "selective": scores, "operators": second, "full": products + scores}
    assert float(found.recomputed) == pytest.approx(32 * repeated[mode])


def test_selective_recomputation_is_counted_once_a_layer() -> None:
    few = counted(LLAMA_7B | {"num_hidden_layers": 1}, 2048, recompute="selective")
    many = counted(LLAMA_7B, 2048, recompute="selective")
    assert float(many.recomputed) == 32 * float(few.recomputed)


def test_frozen_weights_take_no_gradient_of_their_own() -> None:
    trained, frozen = (counted(LLAMA_7B, 1024, adapter_rank=rank) for rank in (0, 8))
    adapted = counted(
        LLAMA_7B, 1024, adapter_rank=8, columns={"beside": Beside(frozenset({"attention"}))}
    )
    products = 2 * (32 * (4 * 4096**2 + 3 * 4096 * 11008) + 4096 * 32000)
    assert float(trained.backward - frozen.backward) == products
    adapters = 32 * 4 * 2 * 8 * (4096 + 4096)
    assert float(adapted.forward - frozen.forward) == adapters
    assert float(adapted.backward - frozen.backward) == 2 * adapters
    # A third less of 6nd, as fine-tuning pages count it.
    ratio = frozen.conventions["6nd"] / trained.conventions["6nd"]
    assert float(ratio) == pytest.approx(2 / 3)


def test_a_mixture_counts_the_experts_that_a_token_meets() -> None:
    config = LLAMA_7B | {"model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": 2}
    found = counted(config, 1024).by_operator
    assert float(found["experts"][0]) == 32 * 2 * 2 * 3 * 4096 * 11008
    assert float(found["router"][0]) == 32 * 2 * 4096 * 8


def test_a_window_bounds_attention() -> None:
    windowed = LLAMA_7B | {"model_type": "mistral", "sliding_window": 1024}
    near = counted(windowed, 1024).by_operator["attention_scores"][0]
    assert float(near) == float(counted(LLAMA_7B, 1024).by_operator["attention_scores"][0])
    far = float(counted(windowed, 1 << 20).by_operator["attention_scores"][0])
    assert far == pytest.approx(32 * 4 * 4096 * 1024, rel=1e-3)


def test_tokens_of_an_encoder_decoder_meet_one_of_its_halves() -> None:
    # Brown et al. 2020, table D.1: T5-11B, 3 FLOP a parameter and token in place of 6.
    t5 = {
        "model_type": "t5",
        "d_model": 1024,
        "d_kv": 128,
        "d_ff": 65536,
        "num_layers": 24,
        "num_heads": 128,
        "vocab_size": 32128,
    }
    batch = columns(cb.read_architecture(t5))
    total = float(count_parameters(batch).total)
    found = count_flop(batch, 512)
    assert float(found.conventions["megatron"]) / total == pytest.approx(3.0, rel=0.15)
