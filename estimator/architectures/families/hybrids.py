"""Decoders with state spaces or linear attention."""

from __future__ import annotations

from .. import particulars
from ..recipes import (
    DENSE,
    FULL,
    LINEAR,
    SPARSE,
    Family,
    attention,
    by_label,
    dense_or,
    every,
    mixture,
    mlp,
    sparse_step,
    typed,
)
from .common import BIASES_ON_REQUEST

HYBRIDS: dict[str, Family] = {
    "qwen3_next": Family(
        "Qwen3-Next",
        mixer=by_label(
            {
                FULL: attention(
                    bias="attention_bias", out_bias="attention_bias", qk_norm=True, gated=True
                ),
                LINEAR: particulars.delta_net,
            }
        ),
        feed_forward=dense_or(
            mixture(
                width="moe_intermediate_size",
                shared_width="shared_expert_intermediate_size",
                shared_gate=True,
            )
        ),
        mixers=every("full_attention_interval", FULL, LINEAR),
        feed_forwards=sparse_step,
        defaults={
            "full_attention_interval": 4,
            "num_key_value_heads": 2,
            "decoder_sparse_step": 1,
            "head_dim": 256,
            "linear_conv_kernel_dim": 4,
            "linear_key_head_dim": 128,
            "linear_value_head_dim": 128,
            "linear_num_key_heads": 16,
            "linear_num_value_heads": 32,
        },
    ),
    "minimax": Family(
        "MiniMax-Text-01, M1",
        mixer=by_label({FULL: attention(), LINEAR: particulars.lightning}),
        feed_forward=mixture(),
        mixers=every(2, FULL, LINEAR, offset=0),
        defaults={"num_key_value_heads": 8, "num_experts": 8, "num_experts_per_tok": 2},
    ),
    "mamba2": Family(
        "Mamba-2, Codestral Mamba",
        mixer=particulars.mamba2,
        feed_forward=None,
        norms=1,
        defaults={
            "expand": 2,
            "conv_kernel": 4,
            "n_groups": 8,
            "state_size": 128,
            "head_dim": 64,
            "num_heads": 128,
            "use_conv_bias": True,
        },
    ),
    "bamba": Family(
        "Bamba",
        mixer=by_label(
            {
                FULL: BIASES_ON_REQUEST,
                LINEAR: particulars.bamba_mamba,
            }
        ),
        feed_forward=mlp(bias="mlp_bias"),
        mixers=typed(particulars.bamba_mixer),
        defaults={
            "mamba_expand": 2,
            "mamba_d_conv": 4,
            "mamba_n_groups": 1,
            "mamba_d_state": 256,
            "mamba_n_heads": 128,
            "mamba_conv_bias": True,
            "num_key_value_heads": 8,
        },
    ),
    "jamba": Family(
        "Jamba",
        mixer=by_label({FULL: attention(), LINEAR: particulars.jamba_mamba}),
        feed_forward=particulars.jamba_feed_forward,
        mixers=every("attn_layer_period", FULL, LINEAR, offset="attn_layer_offset"),
        feed_forwards=every("expert_layer_period", SPARSE, DENSE, offset="expert_layer_offset"),
        defaults={
            "attn_layer_period": 8,
            "attn_layer_offset": 4,
            "expert_layer_period": 2,
            "expert_layer_offset": 1,
            "mamba_expand": 2,
            "mamba_d_state": 16,
            "mamba_d_conv": 4,
            "mamba_dt_rank": "auto",
            "mamba_conv_bias": True,
            "num_key_value_heads": 8,
            "num_experts": 16,
            "num_experts_per_tok": 2,
        },
    ),
}
