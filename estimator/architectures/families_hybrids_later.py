"""Hybrids since 2025, and state spaces that later releases took up."""

from __future__ import annotations

from . import mixers, particulars
from .families_common import BIASES_ON_REQUEST
from .families_hybrids import HYBRIDS
from .recipes import (
    FULL,
    LINEAR,
    Family,
    SharedExperts,
    attention,
    by_label,
    dense_or,
    every,
    latent,
    leading,
    mixture,
    mlp,
    sparse_types,
)

LATER_HYBRIDS: dict[str, Family] = {
    "qwen3_5_text": Family(
        "Qwen3.5, Qwen3.6",
        mixer=HYBRIDS["qwen3_next"].mixer,
        mixers=every("full_attention_interval", FULL, LINEAR),
        defaults={"full_attention_interval": 4},
    ),
    "olmo_hybrid": Family(
        "OLMo Hybrid",
        mixer=by_label(
            {
                FULL: attention(
                    bias="attention_bias", out_bias="attention_bias", qk_norm=("heads", True)
                ),
                LINEAR: particulars.olmo_delta_net,
            }
        ),
        mixers=mixers.olmo_mixers,
    ),
    "granitemoehybrid": Family(
        "Granite 4",
        mixer=by_label({FULL: BIASES_ON_REQUEST, LINEAR: mixers.granite_mamba}),
        feed_forward=mixers.granite_feed_forward,
        mixers=every(1, LINEAR, LINEAR),
    ),
    "falcon_h1": Family("Falcon-H1", mixer=mixers.falcon_h1, feed_forward=mlp(bias="mlp_bias")),
    "nemotron_h": Family(
        "Nemotron-H, Nemotron 3",
        mixer=mixers.nemotron_mixer,
        mixers=mixers.nemotron_layers,
        layer_count=mixers.nemotron_count,
        feed_forward=None,
        norms=1,
        can_tie=False,
    ),
    "mamba": Family("Mamba", mixer=mixers.mamba1, feed_forward=None, norms=1),
    "falcon_mamba": Family("Falcon Mamba", mixer=mixers.mamba1, feed_forward=None, norms=1),
    "lfm2": Family(
        "LFM2",
        mixer=by_label({FULL: attention(qk_norm=True), "conv": mixers.lfm2_convolution}),
        mixers=mixers.lfm2_mixers,
        feed_forward=mixers.lfm2_feed_forward,
        names={"tie_word_embeddings": "tie_embedding"},
    ),
    "lfm2_moe": Family(
        "LFM2 MoE",
        mixer=by_label({FULL: attention(qk_norm=True), "conv": mixers.lfm2_convolution}),
        mixers=mixers.lfm2_mixers,
        feed_forward=dense_or(mixture(width="moe_intermediate_size")),
        feed_forwards=leading("num_dense_layers"),
        names={"tie_word_embeddings": "tie_embedding"},
    ),
    "kimi_linear": Family(
        "Kimi Linear",
        mixer=by_label({FULL: latent(), LINEAR: mixers.kimi_delta}),
        feed_forward=dense_or(
            mixture(
                width="moe_intermediate_size", shared=SharedExperts(number="num_shared_experts")
            )
        ),
        mixers=mixers.kimi_mixers,
        feed_forwards=sparse_types(mixers.linear_sparse),
        names={"num_experts_per_tok": "num_experts_per_token"},
        can_tie=False,
    ),
    "recurrent_gemma": Family(
        "RecurrentGemma",
        mixer=by_label({FULL: mixers.griffin_attention, LINEAR: mixers.griffin_recurrence}),
        feed_forward=mixers.griffin_feed_forward,
        mixers=mixers.griffin_mixers,
    ),
    "rwkv": Family(
        "RWKV-4",
        mixer=mixers.rwkv4,
        feed_forward=mixers.rwkv4_channels,
        norm="layer",
        before=mixers.rwkv_first_norm,
    ),
}
