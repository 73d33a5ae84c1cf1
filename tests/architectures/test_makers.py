"""Types that only their makers' own code builds have the parameters that makers state."""

from __future__ import annotations

from typing import Any

import pytest

import computebill as cb
from computebill.architectures.plain import plain_parameters

OWN_CODE = {"auto_map": {"AutoConfig": "configuration_own.Own"}}
"""As all of these files have it; a field that is not understood is refused beside it."""


def rwkv7(layers: int, hidden: int, ranks: tuple[int, int, int]) -> dict[str, Any]:
    """Return a file of flash-linear-attention; ranks of decay and rates, values, gate."""
    rates, values, gate = ranks
    return {
        "model_type": "rwkv7",
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "hidden_ratio": 4.0,
        "head_dim": 64,
        "num_heads": 32,
        "value_dim": [hidden] * layers,
        "decay_low_rank_dim": rates,
        "a_low_rank_dim": rates,
        "v_low_rank_dim": values,
        "gate_low_rank_dim": gate,
        "norm_bias": True,
        "vocab_size": 65536,
    }


def rwkv6(layers: int, hidden: int) -> dict[str, Any]:
    return {
        "model_type": "rwkv6",
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "attention_hidden_size": hidden,
        "head_size": 64,
        "vocab_size": 65536,
    }


QUERIES = [12, 12, 12, 12, 12, 16, 16, 16, 16, 16, 16, 16, 20, 20, 20, 20]
WIDENED = [
    0.5, 0.73, 0.97, 1.2, 1.43, 1.67, 1.9, 2.13, 2.37, 2.6, 2.83, 3.07, 3.3, 3.53, 3.77, 4.0,
]  # fmt: skip
OPENELM_270M = {
    "model_type": "openelm",
    "model_dim": 1280,
    "num_transformer_layers": 16,
    "head_dim": 64,
    "num_query_heads": QUERIES,
    "num_kv_heads": [each // 4 for each in QUERIES],
    "num_gqa_groups": 4,
    "ffn_multipliers": WIDENED,
    "ffn_dim_divisor": 256,
    "ffn_with_glu": True,
    "normalize_qk_projections": True,
    "share_input_output_layers": True,
    "vocab_size": 32000,
}
MOLMO_7B_D = {
    "model_type": "molmo",
    "hidden_size": 3584,
    "intermediate_size": 37888,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "vocab_size": 152064,
    "embedding_size": 152064,
    "qkv_bias": True,
    "attention_layer_norm": False,
    "weight_tying": False,
}


@pytest.mark.parametrize(
    ("config", "parameters"),
    [
        # RWKV-7's paper (arXiv 2503.14456), its table of models.
        (rwkv7(12, 768, (64, 32, 128)), 191_034_624),
        (rwkv7(24, 1024, (64, 32, 128)), 450_767_872),
        (rwkv7(24, 2048, (96, 64, 256)), 1_527_404_544),
        (rwkv7(32, 2560, (96, 64, 320)), 2_947_735_040),
        # RWKV-6's paper (arXiv 2404.05892): 13 D^2 L + 464 D L + 4 D + 2 D V.
        (rwkv6(24, 2048), 13 * 2048**2 * 24 + 464 * 2048 * 24 + (4 + 2 * 65536) * 2048),
        (rwkv6(32, 2560), 13 * 2560**2 * 32 + 464 * 2560 * 32 + (4 + 2 * 65536) * 2560),
        # OpenELM-270M's card: 0.27 B, the sum of its file's tensors.
        (OPENELM_270M, 271_527_168),
        # Qwen2-7B's, with 128 rows more for images.
        (MOLMO_7B_D, 7_615_616_512 + 128 * 3584),
    ],
)
def test_parameters_are_exactly_those_stated(config: dict[str, Any], parameters: int) -> None:
    assert plain_parameters(cb.read_architecture({**config, **OWN_CODE})).total == parameters


ARCTIC = {
    "model_type": "arctic",
    "hidden_size": 7168,
    "intermediate_size": 4864,
    "num_hidden_layers": 35,
    "num_attention_heads": 56,
    "num_key_value_heads": 8,
    "num_local_experts": 128,
    "num_experts_per_tok": 2,
    "moe_layer_frequency": 1,
    "parallel_attn_mlp_res": True,
    "use_residual": True,
    "vocab_size": 32000,
}
GROK_1 = {
    "model_type": "grok-1",
    "hidden_size": 6144,
    "intermediate_size": 32768,
    "num_hidden_layers": 64,
    "num_attention_heads": 48,
    "num_key_value_heads": 8,
    "num_experts": 8,
    "num_experts_per_tok": 2,
    "vocab_size": 131072,
}
GROK_2 = {
    **GROK_1,
    "model_type": "git",
    "architectures": ["Grok1ForCausalLM"],
    "hidden_size": 8192,
    "moe_intermediate_size": 16384,
    "num_attention_heads": 64,
    "residual_moe": True,
    "tie_word_embeddings": False,
}
STEP_3 = {
    "model_type": "step3_vl",
    "architectures": ["Step3VLForConditionalGeneration"],
    "vision_config": {"model_type": "step_vision_encoder", "hidden_size": 1792},
    "text_config": {
        "model_type": "step3_text",
        "hidden_size": 7168,
        "intermediate_size": 18432,
        "num_hidden_layers": 61,
        "num_attention_heads": 64,
        "num_attention_groups": 1,
        "head_dim": 256,
        "share_q_dim": 2048,
        "moe_num_experts": 48,
        "moe_top_k": 3,
        "moe_intermediate_size": 5120,
        "share_expert_dim": 5120,
        "moe_layers_enum": ",".join(str(layer) for layer in range(4, 60)),
        "vocab_size": 128815,
    },
}
JAIS_13B = {
    "model_type": "jais",
    "n_embd": 5120,
    "n_layer": 40,
    "n_head": 40,
    "n_inner": 13653,
    "vocab_size": 84992,
    "activation_function": "swiglu",
    "position_embedding_type": "alibi",
}
TELECHAT_7B = {
    "model_type": "telechat",
    "hidden_size": 4096,
    "n_layer": 30,
    "n_head": 32,
    "ffn_hidden_size": 12288,
    "vocab_size": 160256,
}
CODESHELL_7B = {
    "model_type": "codeshell",
    "n_embd": 4096,
    "n_layer": 42,
    "n_head": 32,
    "n_inner": 16384,
    "group_query_attention": True,
    "num_query_groups": 8,
    "position_embedding_type": "rope",
    "vocab_size": 70144,
}


@pytest.mark.parametrize(
    ("config", "total", "active"),
    [  # billions, to the digits that makers state; None where they state none
        (ARCTIC, 480, 17),
        (GROK_1, 314, None),
        (GROK_2, 270, 115),
        (STEP_3, 316, 38),
        (JAIS_13B, 13.0, None),
        (TELECHAT_7B, 7.2, None),
        (CODESHELL_7B, 7.6, None),  # not checked against its maker
    ],
)
def test_parameters_are_those_stated(
    config: dict[str, Any], total: float, active: float | None
) -> None:
    found = plain_parameters(cb.read_architecture({**config, **OWN_CODE}))
    assert found.total == pytest.approx(total * 1e9, rel=0.02)
    if active is not None:
        assert float(found.active) == pytest.approx(active * 1e9, rel=0.03)


MINICPM_V = {
    "model_type": "minicpmv",
    "architectures": ["MiniCPMV"],
    "version": 2.6,
    "vision_config": {"model_type": "siglip", "hidden_size": 1152, "num_hidden_layers": 27},
    "query_num": 64,
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "vocab_size": 151666,
    "tie_word_embeddings": False,
}


def test_minicpm_v_says_by_its_version_what_its_language_model_is() -> None:
    found = cb.read_architecture({**MINICPM_V, **OWN_CODE})
    # Qwen2-7B with 398 rows less at both ends.
    assert plain_parameters(found).total == 7_615_616_512 - 2 * 398 * 3584
    assert "Only the language model is counted" in " ".join(found.notes)


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({**MINICPM_V, "version": 9}, "version: got 9; allowed: 2.5 (a llama), 2.6 (a qwen2)"),
        ({**ARCTIC, "use_residual": False}, "use_residual: got False; allowed: as parallel_attn"),
        ({**JAIS_13B, "position_embedding_type": "learned"}, "got 'learned'; allowed: alibi"),
        ({**OPENELM_270M, "num_kv_heads": [5] * 16}, "num_kv_heads: got [5"),
        ({**OPENELM_270M, "ffn_multipliers": [0.5, 4.0]}, "allowed: a list of 16 numbers above 0"),
        ({**rwkv6(24, 2048), "head_size": None}, "head_size is missing"),
        ({**rwkv7(12, 768, (64, 32, 128)), "attn": {"layers": [3]}}, "attn: got"),
        ({**rwkv7(12, 768, (64, 32, 128)), "value_dim": 64}, "value_dim: got 64; allowed: 768"),
        ({**TELECHAT_7B, "embed_layernorm": True}, "embed_layernorm: got True; allowed: false"),
    ],
)
def test_what_their_code_would_make_otherwise_is_refused(
    config: dict[str, Any], problem: str
) -> None:
    with pytest.raises(cb.RequestError) as error:
        cb.read_architecture(config)
    assert problem in str(error.value)
