"""Decoders with state spaces or linear attention."""

from __future__ import annotations

from . import particulars
from .families_common import BIASES_ON_REQUEST
from .recipes import (
    DENSE,
    FULL,
    LINEAR,
    SPARSE,
    Family,
    SharedExperts,
    attention,
    by_label,
    dense_or,
    every,
    mixture,
    mlp,
    sparse_step,
    typed,
)

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
                shared=SharedExperts(width="shared_expert_intermediate_size", is_weighted=True),
            )
        ),
        mixers=every("full_attention_interval", FULL, LINEAR),
        feed_forwards=sparse_step,
        defaults={"full_attention_interval": 4},
    ),
    "minimax": Family(
        "MiniMax-Text-01, M1",
        mixer=by_label({FULL: attention(), LINEAR: particulars.lightning}),
        feed_forward=mixture(),
        mixers=every(2, FULL, LINEAR, offset=0),
    ),
    "mamba2": Family(
        "Mamba-2, Codestral Mamba",
        mixer=particulars.mamba2,
        feed_forward=None,
        norms=1,
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
    ),
    "jamba": Family(
        "Jamba",
        mixer=by_label({FULL: attention(), LINEAR: particulars.jamba_mamba}),
        feed_forward=particulars.jamba_feed_forward,
        mixers=every("attn_layer_period", FULL, LINEAR, offset="attn_layer_offset"),
        feed_forwards=every("expert_layer_period", SPARSE, DENSE, offset="expert_layer_offset"),
    ),
}
