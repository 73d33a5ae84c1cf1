"""Fields that change a shape are read, told or refused, and never passed over."""

from __future__ import annotations

from typing import Any

import pytest

import computebill as cb

LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 256,
}


def notes(config: dict[str, Any]) -> str:
    return " ".join(cb.read_architecture(config).notes)


def test_a_field_of_another_type_is_told() -> None:
    assert "llama has no such fields: num_experts 8" in notes({**LLAMA, "num_experts": 8})
    both = notes({**LLAMA, "kv_lora_rank": 16, "v_head_dim": 8})
    assert "kv_lora_rank 16, v_head_dim 8" in both


@pytest.mark.parametrize("value", [None, 0, 1, False, []])
def test_a_field_that_says_nothing_is_not(value: Any) -> None:
    assert notes({**LLAMA, "num_experts": value}) == ""


def test_fields_of_ones_own_type_are_read() -> None:
    assert notes({**LLAMA, "head_dim": 8, "mlp_bias": True, "rope_theta": 1e4}) == ""


def test_a_file_with_code_of_its_own_for_them_is_refused() -> None:
    own = {**LLAMA, "auto_map": {"AutoModelForCausalLM": "modeling_own.OwnForCausalLM"}}
    assert notes(own) == ""
    with pytest.raises(cb.RequestError, match=r"num_experts: change the shape.*never run"):
        cb.read_architecture({**own, "num_experts": 8})
