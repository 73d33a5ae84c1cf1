"""Decoders with mixtures of experts."""

from __future__ import annotations

from . import particulars
from .families_common import BIASES_ON_REQUEST, MPT_NAMES
from .recipes import (
    FULL,
    SLIDING,
    Family,
    SharedExperts,
    attention,
    dense_or,
    every,
    latent,
    leading,
    listed,
    mixture,
    mlp,
    sparse_step,
    typed,
    windowed,
)

DEEPSEEK = Family(
    "DeepSeek-V3, R1, V3.1",
    mixer=latent(),
    feed_forward=dense_or(
        mixture(width="moe_intermediate_size", shared=SharedExperts(number="n_shared_experts"))
    ),
    feed_forwards=leading("first_k_dense_replace"),
    defaults={
        "q_lora_rank": 1536,
        "kv_lora_rank": 512,
        "qk_rope_head_dim": 64,
        "qk_nope_head_dim": 128,
        "v_head_dim": 128,
        "first_k_dense_replace": 3,
        "n_shared_experts": 1,
    },
)

MIXTURES: dict[str, Family] = {
    "mixtral": Family(
        "Mixtral",
        feed_forward=mixture(),
        mixers=windowed,
    ),
    "qwen2_moe": Family(
        "Qwen 1.5 and 2 MoE",
        mixer=attention(bias="qkv_bias"),
        feed_forward=dense_or(
            mixture(
                width="moe_intermediate_size",
                shared=SharedExperts(width="shared_expert_intermediate_size", is_weighted=True),
            )
        ),
        mixers=typed(particulars.qwen2_moe_window),
        feed_forwards=sparse_step,
    ),
    "qwen3_moe": Family(
        "Qwen3 MoE",
        mixer=attention(bias="attention_bias", out_bias="attention_bias", qk_norm=True),
        feed_forward=dense_or(mixture(width="moe_intermediate_size")),
        mixers=particulars.qwen3_moe_window,
        feed_forwards=sparse_step,
    ),
    "olmoe": Family(
        "OLMoE",
        mixer=attention(bias="attention_bias", out_bias="attention_bias", qk_norm=("heads", True)),
        feed_forward=mixture(),
    ),
    "granitemoe": Family(
        "Granite 3 MoE",
        mixer=BIASES_ON_REQUEST,
        feed_forward=mixture(),
    ),
    "dbrx": Family(
        "DBRX",
        feed_forward=mixture(width="ffn_config.ffn_hidden_size"),
        norm="gain",
        names={
            **MPT_NAMES,
            "num_key_value_heads": "attn_config.kv_n_heads",
            "num_experts": "ffn_config.moe_num_experts",
            "num_experts_per_tok": "ffn_config.moe_top_k",
        },
    ),
    "glm4_moe": Family(
        "GLM-4.5, GLM-4.6",
        mixer=attention(bias="attention_bias", qk_norm=("head", "use_qk_norm")),
        feed_forward=dense_or(
            mixture(width="moe_intermediate_size", shared=SharedExperts(number="n_shared_experts"))
        ),
        feed_forwards=leading("first_k_dense_replace"),
    ),
    "gpt_oss": Family(
        "gpt-oss",
        mixer=attention(bias="attention_bias", out_bias="attention_bias", sinks=True),
        feed_forward=mixture(bias=True, router_bias=True),
        mixers=every(2, FULL, SLIDING),
    ),
    "minimax_m2": Family(
        "MiniMax-M2",
        mixer=attention(qk_norm=("heads", True)),
        feed_forward=mixture(),
    ),
    "llama4_text": Family(
        "Llama 4 Scout, Maverick",
        mixer=BIASES_ON_REQUEST,
        feed_forward=dense_or(
            mixture(shared=SharedExperts(width="intermediate_size")),
            mlp(width="intermediate_size_mlp"),
        ),
        mixers=typed(particulars.llama4_mixer),
        feed_forwards=listed("moe_layers", "interleave_moe_layer_step"),
        defaults={"attention_chunk_size": 8192},
    ),
    "deepseek_v2": Family(
        "DeepSeek-V2, V2-Lite",
        mixer=latent(),
        feed_forward=dense_or(
            mixture(width="moe_intermediate_size", shared=SharedExperts(number="n_shared_experts")),
            mlp(bias="mlp_bias"),
        ),
        feed_forwards=leading("first_k_dense_replace"),
        defaults={**DEEPSEEK.defaults},
    ),
    "deepseek_v3": DEEPSEEK,
}
