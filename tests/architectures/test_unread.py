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
    assert notes(own) == (
        "The file names code of its own (auto_map), which is never run: counted as llama."
    )
    with pytest.raises(cb.RequestError, match=r"num_experts: change the shape.*never run"):
        cb.read_architecture({**own, "num_experts": 8})


def test_a_type_that_is_code_alone_says_that_none_is_run() -> None:
    own = {"model_type": "own", "auto_map": {"AutoModel": "modeling_own.Own"}, "hidden_size": 64}
    with pytest.raises(cb.RequestError, match="the code that its auto_map names is never run"):
        cb.read_architecture(own)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("qk_norm", True),
        ("attention_bias_q", True),
        ("head_dim_v", 96),
        ("mtp_num_layers", 3),
        ("ffn_hidden_sizes", [64, 128]),
        ("num_hash_layers", 3),
    ],
)
def test_a_field_whose_name_tells_of_a_shape_is_told(field: str, value: Any) -> None:
    assert f"llama has no such fields: {field} {value}" in notes({**LLAMA, field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rms_norm_eps", 1e-5),
        ("rope_dim", 32),
        ("max_window_layers", 28),
        ("norm_topk_prob", True),
        ("attention_dropout_prob", 0),
        ("num_layers_note", "two"),
        # Said again: the layers, the hidden size.
        ("decoder_layers", 2),
        ("embedding_hidden_dim", 64),
    ],
)
def test_a_field_that_tells_of_none_or_says_it_again_is_not(field: str, value: Any) -> None:
    assert notes({**LLAMA, field: value}) == ""


@pytest.mark.parametrize(
    ("field", "key"),
    [
        ("n_layer", "num_hidden_layers"),
        ("n_layers", "num_hidden_layers"),
        ("d_model", "hidden_size"),
        ("n_head", "num_attention_heads"),
        ("ffn_dim", "intermediate_size"),
    ],
)
def test_two_names_of_a_size_with_other_values_are_refused(field: str, key: str) -> None:
    value = LLAMA[key]
    assert cb.read_architecture({**LLAMA, field: value}).notes == ()
    told = f"{field}: got {value + 4} beside {key} {value}; allowed: one of the two"
    with pytest.raises(cb.RequestError, match=told):
        cb.read_architecture({**LLAMA, field: value + 4})


def test_a_types_own_name_beside_the_usual_one_is_refused() -> None:
    gpt2 = {"model_type": "gpt2", "n_embd": 64, "n_layer": 2, "n_head": 4, "vocab_size": 100}
    gpt2 |= {"n_positions": 64}
    assert cb.read_architecture({**gpt2, "num_hidden_layers": 2}).layer_count == 2
    told = "num_hidden_layers: got 3 beside n_layer 2"
    with pytest.raises(cb.RequestError, match=told):
        cb.read_architecture({**gpt2, "num_hidden_layers": 3})


def test_a_tower_that_a_type_does_not_have_is_told() -> None:
    vision = {"hidden_size": 32, "image_size": 32, "patch_size": 8}
    assert "Not counted, as llama has no such part: vision_config." in notes(
        {**LLAMA, "vision_config": vision}
    )
