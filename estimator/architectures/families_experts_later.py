"""Mixtures of experts since 2025."""

from __future__ import annotations

from . import particulars, sparse
from .families_common import BIASES_ON_REQUEST
from .families_experts import DEEPSEEK
from .recipes import (
    FULL,
    SLIDING,
    Family,
    SharedExperts,
    attention,
    dense_or,
    every,
    gains,
    latent,
    leading,
    mixture,
    mlp,
    plus,
    sparse_types,
    typed,
    windowed,
)

LATER_MIXTURES: dict[str, Family] = {
    "afmoe": Family(
        "Trinity",
        mixer=plus(
            attention(bias="attention_bias", out_bias="attention_bias", qk_norm=True),
            particulars.output_gate,
        ),
        feed_forward=dense_or(
            mixture(
                width="moe_intermediate_size",
                router_bias=True,
                shared=SharedExperts(number="num_shared_experts"),
            )
        ),
        mixers=every("global_attn_every_n_layers", FULL, SLIDING),
        feed_forwards=leading("num_dense_layers"),
        norms=4,
    ),
    "aria_text": Family(
        "Aria",
        mixer=BIASES_ON_REQUEST,
        feed_forward=mixture(
            shared=SharedExperts(number="moe_num_shared_experts", bias="mlp_bias")
        ),
        names={"num_experts": "moe_num_experts", "num_experts_per_tok": "moe_topk"},
    ),
    "dots1": Family(
        "dots.llm1",
        mixer=attention(bias="attention_bias", out_bias="attention_bias", qk_norm=True),
        feed_forward=dense_or(
            mixture(width="moe_intermediate_size", shared=SharedExperts(number="n_shared_experts"))
        ),
        mixers=typed(particulars.window_from),
        feed_forwards=leading("first_k_dense_replace"),
    ),
    "ernie4_5_moe": Family(
        "ERNIE 4.5 21B-A3B, 300B-A47B",
        mixer=attention(bias="use_bias", out_bias="use_bias"),
        feed_forward=dense_or(
            mixture(
                width="moe_intermediate_size",
                router_bias=True,
                shared=SharedExperts(bias="use_bias", number="moe_num_shared_experts"),
            ),
            mlp(bias="use_bias"),
        ),
        feed_forwards=particulars.ernie_layers,
        head_bias="use_bias",
        names={"num_experts": "moe_num_experts", "num_experts_per_tok": "moe_k"},
    ),
    "exaone_moe": Family(
        "K-EXAONE",
        mixer=attention(qk_norm=True),
        feed_forward=dense_or(
            mixture(
                width="moe_intermediate_size", shared=SharedExperts(number="num_shared_experts")
            )
        ),
        mixers=particulars.exaone4_window,
        feed_forwards=sparse_types(leading("first_k_dense_replace")),
    ),
    "flex_olmo": Family(
        "FlexOlmo",
        mixer=attention(bias="attention_bias", out_bias="attention_bias", qk_norm=("heads", True)),
        feed_forward=mixture(),
    ),
    "glm4_moe_lite": Family(
        "GLM-4.7-Flash",
        mixer=latent(),
        feed_forward=dense_or(
            mixture(width="moe_intermediate_size", shared=SharedExperts(number="n_shared_experts"))
        ),
        feed_forwards=sparse_types(leading("first_k_dense_replace")),
        defaults={"first_k_dense_replace": 1},
    ),
    "granitemoeshared": Family(
        "Granite MoE with a shared expert",
        mixer=BIASES_ON_REQUEST,
        feed_forward=mixture(shared=SharedExperts(width="shared_intermediate_size")),
    ),
    "granitemoe_swa": Family(
        "Granite MoE with windows",
        mixer=attention(bias="attention_bias", out_bias="attention_bias", sinks=True),
        feed_forward=mixture(shared=SharedExperts(width="shared_intermediate_size")),
        mixers=every(4, FULL, SLIDING, offset=0),
    ),
    "hunyuan_v1_moe": Family(
        "Hunyuan-A13B",
        mixer=attention(bias="attention_bias", out_bias="attention_bias", qk_norm=True),
        feed_forward=mixture(shared=SharedExperts(width="intermediate_size")),
    ),
    "hy_v3": Family(
        "Hy3",
        mixer=attention(bias="attention_bias", out_bias="attention_bias", qk_norm=True),
        feed_forward=dense_or(
            mixture(
                width="moe_intermediate_size",
                shared=SharedExperts(bias="mlp_bias", number="num_shared_experts", fewest=1),
            ),
            mlp(bias="mlp_bias"),
        ),
        feed_forwards=sparse_types(leading("first_k_dense_replace")),
        defaults={"first_k_dense_replace": 1},
    ),
    "mimo_v2_flash": Family(
        "MiMo-V2-Flash",
        mixer=particulars.mimo_attention,
        feed_forward=dense_or(mixture(width="moe_intermediate_size")),
        mixers=particulars.mimo_mixers,
        feed_forwards=sparse_types(particulars.mimo_feed_forwards),
    ),
    "minimax_m3_vl_text": Family(
        "MiniMax-M3",
        mixer=sparse.minimax_m3_attention,
        feed_forward=dense_or(
            mixture(shared=SharedExperts(width="shared_intermediate_size")),
            mlp(width="dense_intermediate_size"),
        ),
        mixers=sparse.minimax_m3_mixers,
        feed_forwards=sparse_types(particulars.moe_frequency),
    ),
    "phimoe": Family(
        "Phi-3.5-MoE, Phi-mini-MoE",
        mixer=BIASES_ON_REQUEST,
        feed_forward=mixture(),
        mixers=windowed,
        norm="layer",
        head_bias="lm_head_bias",
    ),
    "sarvam_moe": Family(
        "Sarvam-30B",
        mixer=attention(bias="attention_bias", qk_norm=("head", "use_qk_norm")),
        feed_forward=dense_or(
            mixture(
                width="moe_intermediate_size", shared=SharedExperts(number="num_shared_experts")
            )
        ),
        feed_forwards=leading("first_k_dense_replace"),
    ),
    "solar_open": Family(
        "Solar Open",
        mixer=attention(bias="attention_bias"),
        feed_forward=mixture(
            width="moe_intermediate_size", shared=SharedExperts(number="n_shared_experts")
        ),
    ),
    "deepseek_v32": Family(
        "DeepSeek-V3.2",
        mixer=plus(latent(window="index_topk"), sparse.lightning_indexer),
        feed_forward=DEEPSEEK.feed_forward,
        feed_forwards=sparse_types(leading("first_k_dense_replace")),
    ),
    "glm_moe_dsa": Family(
        "GLM-5",
        mixer=plus(latent(window="index_topk"), sparse.lightning_indexer),
        feed_forward=DEEPSEEK.feed_forward,
        mixers=sparse.glm_indexers,
        feed_forwards=sparse_types(leading("first_k_dense_replace")),
    ),
    "axk1": Family(
        "A.X K1",
        mixer=latent(),
        feed_forward=dense_or(
            plus(
                mixture(
                    width="moe_intermediate_size", shared=SharedExperts(number="n_shared_experts")
                ),
                gains("norm", "hidden_size"),
            )
        ),
        feed_forwards=sparse_types(leading("first_k_dense_replace")),
        defaults={"first_k_dense_replace": 1},
    ),
    "deepseek_v4": Family(
        "DeepSeek-V4",
        mixer=plus(sparse.deepseek_v4_attention, sparse.hyper_connections),
        feed_forward=mixture(
            width="moe_intermediate_size",
            shared=SharedExperts(width="moe_intermediate_size", bias="mlp_bias"),
        ),
        mixers=sparse.deepseek_v4_mixers,
        after=sparse.last_streams,
    ),
    "longcat_flash": Family(
        "LongCat-Flash",
        mixer=plus(latent(), latent(), mlp(width="ffn_hidden_size"), mlp(width="ffn_hidden_size")),
        feed_forward=particulars.longcat_experts,
        norms=4,
        names={"num_hidden_layers": "num_layers"},
        note=(
            "Experts that copy a token hold no matrices, as in checkpoints; the modules of "
            "transformers 5.24 have some for them."
        ),
    ),
}
