"""Configurations in other forms than config.json's."""

from __future__ import annotations

from typing import Any

import pytest

import computebill as cb
from computebill.architectures.plain import plain_parameters

LLAMA_3_8B = {
    "dim": 4096,
    "n_layers": 32,
    "n_heads": 32,
    "n_kv_heads": 8,
    "vocab_size": 128256,
    "multiple_of": 1024,
    "ffn_dim_multiplier": 1.3,
    "norm_eps": 1e-05,
    "rope_theta": 500000.0,
}
MAMBA_130M: dict[str, Any] = {"d_model": 768, "n_layer": 24, "vocab_size": 50277, "ssm_cfg": {}}
BERT: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 60,
}


def total(config: dict[str, Any]) -> int:
    return int(plain_parameters(cb.read_architecture(config)).total)


def refusal(config: dict[str, Any]) -> str:
    with pytest.raises(cb.RequestError) as caught:
        cb.read_architecture(config)
    return str(caught.value)


def test_metas_file_is_read_as_a_llama() -> None:
    # Llama 3 8B and Llama 2 7B, as published.
    assert total(LLAMA_3_8B) == 8_030_261_248
    llama_2 = {"dim": 4096, "multiple_of": 256, "n_heads": 32, "n_layers": 32, "vocab_size": -1}
    assert total(llama_2) == 6_738_415_616
    assert "32,000 is taken" in " ".join(cb.read_architecture(llama_2).notes)
    # Mistral 7B and Mixtral 8x7B, by Mistral's own file.
    mistral = {**LLAMA_3_8B, "vocab_size": 32000, "hidden_dim": 14336, "head_dim": 128}
    assert total(mistral) == 7_241_732_096
    moe = {"num_experts": 8, "num_experts_per_tok": 2}
    assert total({**mistral, "moe": moe}) == 46_702_792_704


def test_mambas_own_file_is_read() -> None:
    # Sizes of state-spaces/mamba-130m and mamba2-130m.
    assert total(MAMBA_130M) == 129_135_360
    second = {**MAMBA_130M, "ssm_cfg": {"layer": "Mamba2"}, "pad_vocab_size_multiple": 16}
    assert total(second) == 128_989_632


def test_a_class_says_a_type_that_is_left_out() -> None:
    config = {**BERT, "architectures": ["BertForMaskedLM"]}
    found = cb.read_architecture(config)
    assert found.model_type == "bert"
    assert "BertForMaskedLM is taken to be of type bert" in found.notes[0]
    assert total(config) == total({**BERT, "model_type": "bert"})


def test_llavas_own_files_hold_the_language_model() -> None:
    # The sizes of Vicuna 13B, as llava-v1.5-13b has them beside mm_vision_tower.
    own = {
        "model_type": "llava",
        "architectures": ["LlavaLlamaForCausalLM"],
        "hidden_size": 5120,
        "intermediate_size": 13824,
        "num_hidden_layers": 40,
        "num_attention_heads": 40,
        "num_key_value_heads": 40,
        "vocab_size": 32000,
        "mm_vision_tower": "openai/clip-vit-large-patch14-336",
    }
    found = cb.read_architecture(own)
    assert total(own) == 13_015_864_320
    assert found.counted_by == "alias"
    assert "Only the language model is counted" in " ".join(found.notes)
    assert "LlavaLlamaForCausalLM, its makers' code" in " ".join(found.notes)


MINICPM = {
    "model_type": "minicpm",
    "hidden_size": 2304,
    "intermediate_size": 5760,
    "num_hidden_layers": 40,
    "num_attention_heads": 36,
    "num_key_value_heads": 36,
    "vocab_size": 122753,
}
LING_LITE = {
    "model_type": "bailing_moe",
    "hidden_size": 2048,
    "intermediate_size": 1408,
    "moe_intermediate_size": 1408,
    "num_experts": 64,
    "num_experts_per_tok": 6,
    "num_shared_experts": 2,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 4,
    "vocab_size": 126464,
}
INTERNLM2 = {
    "model_type": "internlm2",
    "bias": False,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 92544,
}


@pytest.mark.parametrize(
    ("config", "billions"),
    [
        # As their makers state them: 2.4 B and 13.6 B beside the embedding; InternLM2-7B.
        (MINICPM, 2.442),
        ({**MINICPM, "num_experts": 8}, 13.59),
        (INTERNLM2, 7.738 - 0.379),
        # Ling-lite 1.5: 16.8 B with its table of 126,464 x 2,048.
        (LING_LITE, 16.801 - 0.259),
    ],
)
def test_types_of_their_makers_code(config: dict[str, Any], billions: float) -> None:
    counts = plain_parameters(cb.read_architecture(config))
    assert counts.total - counts.embedding == pytest.approx(billions * 1e9, rel=1e-3)


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (LLAMA_3_8B | {"dim": "wide"}, "dim: got 'wide'; allowed: a whole number"),
        (LLAMA_3_8B | {"dim": None}, "dim is missing"),
        (LLAMA_3_8B | {"ffn_dim_multiplier": "1.3"}, "ffn_dim_multiplier: got '1.3'"),
        (LLAMA_3_8B | {"multiple_of": 0}, "multiple_of: got 0"),
        (LLAMA_3_8B | {"n_kv_heads": 5}, "num_key_value_heads: got 5"),
        (MAMBA_130M | {"ssm_cfg": 3}, "ssm_cfg: got 3; allowed: a table"),
        (MAMBA_130M | {"attn_layer_idx": [3]}, "attn_layer_idx: got [3]; allowed: none"),
        (MAMBA_130M | {"ssm_cfg": {"expand": "x"}}, "expand: got 'x'"),
    ],
)
def test_other_forms_that_cannot_be(config: dict[str, Any], problem: str) -> None:
    assert problem in refusal(config)
