"""The table of architectures: one entry a ``model_type``.

An entry says where it differs from a Llama: root-mean-square norms before attention and before a
gated feed-forward block, no biases, separate embeddings and head. Its defaults are those that
``transformers`` fills in for fields that makers leave out of ``config.json``; sizes that define
a model have none, and must be there.
"""

from __future__ import annotations

from . import particulars
from .other_shapes import bert, t5, vit
from .recipes import (
    DENSE,
    FULL,
    LINEAR,
    SLIDING,
    SPARSE,
    Family,
    attention,
    by_label,
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

GPT2_NAMES = {
    "hidden_size": "n_embd",
    "num_hidden_layers": "n_layer",
    "num_attention_heads": "n_head",
    "intermediate_size": "n_inner",
    "max_position_embeddings": "n_positions",
}
MPT_NAMES = {
    "hidden_size": "d_model",
    "num_hidden_layers": "n_layers",
    "num_attention_heads": "n_heads",
    "max_position_embeddings": "max_seq_len",
}
TIED = {"tie_word_embeddings": True}
FOUR_TIMES = mlp(gated=False, bias=True, ratio=4)
ALL_BIASES = attention(bias=True, out_bias=True, grouped=False)
BIASES_ON_REQUEST = attention(bias="attention_bias", out_bias="attention_bias")
DEEPSEEK = Family(
    "DeepSeek-V3, R1, V3.1",
    mixer=latent(),
    feed_forward=dense_or(mixture(width="moe_intermediate_size", shared_count="n_shared_experts")),
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

FAMILIES: dict[str, Family] = {
    "gpt2": Family(
        "GPT-2",
        mixer=ALL_BIASES,
        positions=lambda config: config.size("max_position_embeddings"),
        names=GPT2_NAMES,
        defaults={**TIED, "max_position_embeddings": 1024},
        feed_forward=FOUR_TIMES,
        norm="layer",
    ),
    "gpt_neox": Family(
        "GPT-NeoX-20B, Pythia",
        mixer=attention(bias="attention_bias", out_bias="attention_bias", grouped=False),
        feed_forward=mlp(gated=False, bias=True),
        norm="layer",
        defaults={"attention_bias": True},
    ),
    "gptj": Family(
        "GPT-J-6B",
        mixer=attention(grouped=False),
        norms=1,
        head_bias=True,
        names=GPT2_NAMES,
        feed_forward=FOUR_TIMES,
        norm="layer",
    ),
    "opt": Family(
        "OPT",
        mixer=attention(bias="enable_bias", out_bias="enable_bias", grouped=False),
        feed_forward=mlp(gated=False, bias="enable_bias"),
        norm="layer",
        positions=particulars.opt_positions,
        final_norm=particulars.opt_has_final_norm,
        names={"intermediate_size": "ffn_dim", "embedding_size": "word_embed_proj_dim"},
        defaults={
            **TIED,
            "do_layer_norm_before": True,
            "enable_bias": True,
            "max_position_embeddings": 2048,
        },
    ),
    "bloom": Family(
        "BLOOM",
        mixer=ALL_BIASES,
        embedding_norm=True,
        names={
            "num_hidden_layers": "n_layer",
            "num_attention_heads": "n_head",
            "max_position_embeddings": "seq_length",
        },
        defaults=TIED,
        feed_forward=FOUR_TIMES,
        norm="layer",
    ),
    "mpt": Family(
        "MPT",
        mixer=attention(grouped=False),
        feed_forward=mlp(gated=False, ratio=4),
        norm="gain",
        names=MPT_NAMES,
        defaults=TIED,
    ),
    "falcon": Family(
        "Falcon",
        mixer=particulars.falcon_attention,
        feed_forward=mlp(gated=False, bias="bias", width="ffn_hidden_size", ratio=4),
        norm="layer",
        norms=particulars.falcon_norms,
        defaults={**TIED, "multi_query": True, "parallel_attn": True},
    ),
    "llama": Family(
        "Llama 1 to 3.3, Yi, SmolLM2",
        mixer=BIASES_ON_REQUEST,
        feed_forward=mlp(bias="mlp_bias"),
    ),
    "mistral": Family(
        "Mistral, Codestral",
        mixers=windowed,
        defaults={"num_key_value_heads": 8, "sliding_window": 4096},
    ),
    "mixtral": Family(
        "Mixtral",
        feed_forward=mixture(),
        mixers=windowed,
        defaults={"num_key_value_heads": 8, "num_experts": 8, "num_experts_per_tok": 2},
    ),
    "qwen2": Family(
        "Qwen 1.5, 2, 2.5",
        mixer=attention(bias=True),
        mixers=typed(particulars.qwen_window),
        defaults={"max_window_layers": 28, "num_key_value_heads": 32},
    ),
    "qwen2_moe": Family(
        "Qwen 1.5 and 2 MoE",
        mixer=attention(bias="qkv_bias"),
        feed_forward=dense_or(
            mixture(
                width="moe_intermediate_size",
                shared_width="shared_expert_intermediate_size",
                shared_gate=True,
            )
        ),
        mixers=typed(particulars.qwen2_moe_window),
        feed_forwards=sparse_step,
        defaults={
            "qkv_bias": True,
            "decoder_sparse_step": 1,
            "max_window_layers": 28,
            "num_key_value_heads": 16,
        },
    ),
    "qwen3": Family(
        "Qwen3",
        mixer=attention(bias="attention_bias", out_bias="attention_bias", qk_norm=True),
        mixers=typed(particulars.qwen_window),
        defaults={"head_dim": 128, "max_window_layers": 28, "num_key_value_heads": 32},
    ),
    "qwen3_moe": Family(
        "Qwen3 MoE",
        mixer=attention(bias="attention_bias", out_bias="attention_bias", qk_norm=True),
        feed_forward=dense_or(mixture(width="moe_intermediate_size")),
        mixers=particulars.qwen3_moe_window,
        feed_forwards=sparse_step,
        defaults={"decoder_sparse_step": 1, "num_key_value_heads": 4},
    ),
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
    "gemma": Family(
        "Gemma 1",
        mixer=BIASES_ON_REQUEST,
        defaults={**TIED, "head_dim": 256, "num_key_value_heads": 16},
    ),
    "gemma2": Family(
        "Gemma 2",
        mixer=BIASES_ON_REQUEST,
        mixers=every(2, FULL, SLIDING),
        norms=4,
        defaults={**TIED, "head_dim": 256, "num_key_value_heads": 4, "sliding_window": 4096},
    ),
    "gemma3_text": Family(
        "Gemma 3",
        mixer=attention(bias="attention_bias", out_bias="attention_bias", qk_norm=True),
        mixers=every("sliding_window_pattern", FULL, SLIDING),
        norms=4,
        defaults={
            **TIED,
            "head_dim": 256,
            "sliding_window": 4096,
            "sliding_window_pattern": 6,
            # Its makers leave these out.
            "vocab_size": 262208,
            "num_attention_heads": 8,
            "num_key_value_heads": 4,
        },
    ),
    "phi3": Family("Phi-3, Phi-3.5, Phi-4", mixers=windowed),
    "olmo": Family("OLMo 1", mixer=BIASES_ON_REQUEST, norm="none"),
    "olmo2": Family(
        "OLMo 2",
        mixer=attention(bias="attention_bias", out_bias="attention_bias", qk_norm=("heads", True)),
    ),
    "olmo3": Family(
        "OLMo 3",
        mixer=attention(bias="attention_bias", out_bias="attention_bias", qk_norm=("heads", True)),
        mixers=every(4, FULL, SLIDING),
        defaults={"sliding_window": 4096},
    ),
    "olmoe": Family(
        "OLMoE",
        mixer=attention(bias="attention_bias", out_bias="attention_bias", qk_norm=("heads", True)),
        feed_forward=mixture(),
        defaults={"num_experts": 64, "num_experts_per_tok": 8},
    ),
    "granite": Family(
        "Granite 3",
        mixer=BIASES_ON_REQUEST,
        feed_forward=mlp(bias="mlp_bias"),
    ),
    "granitemoe": Family(
        "Granite 3 MoE",
        mixer=BIASES_ON_REQUEST,
        feed_forward=mixture(),
        defaults={"num_experts": 8, "num_experts_per_tok": 2},
    ),
    "cohere2": Family(
        "Command R7B, Command A",
        mixer=BIASES_ON_REQUEST,
        mixers=every("sliding_window_pattern", FULL, SLIDING),
        norm="gain",
        norms=1,
        defaults={**TIED, "sliding_window": 4096, "sliding_window_pattern": 4},
    ),
    "stablelm": Family(
        "StableLM 2, StableLM 3B",
        mixer=attention(bias="use_qkv_bias", qk_norm=("heads", "qk_layernorm")),
        norm="layer",
        norms=lambda config: 1 if config.flag("use_parallel_residual") else 2,
        defaults={"num_key_value_heads": 32},
    ),
    "starcoder2": Family(
        "StarCoder2",
        mixer=attention(bias="use_bias", out_bias="use_bias"),
        feed_forward=mlp(gated=False, bias="use_bias"),
        mixers=windowed,
        norm="layer",
        defaults={**TIED, "use_bias": True, "num_key_value_heads": 2},
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
    "deepseek_v2": Family(
        "DeepSeek-V2, V2-Lite",
        mixer=latent(),
        feed_forward=dense_or(
            mixture(width="moe_intermediate_size", shared_count="n_shared_experts"),
            mlp(bias="mlp_bias"),
        ),
        feed_forwards=leading("first_k_dense_replace"),
        defaults={**DEEPSEEK.defaults, "first_k_dense_replace": 0, "n_shared_experts": 2},
    ),
    "deepseek_v3": DEEPSEEK,
    "glm4": Family(
        "GLM-4-0414",
        mixer=attention(bias="attention_bias"),
        norms=4,
        defaults={"attention_bias": True, "head_dim": 128, "num_key_value_heads": 2},
    ),
    "glm4_moe": Family(
        "GLM-4.5, GLM-4.6",
        mixer=attention(bias="attention_bias", qk_norm=("head", "use_qk_norm")),
        feed_forward=dense_or(
            mixture(width="moe_intermediate_size", shared_count="n_shared_experts")
        ),
        feed_forwards=leading("first_k_dense_replace"),
        defaults={"n_shared_experts": 1, "first_k_dense_replace": 1, "num_key_value_heads": 8},
    ),
    "gpt_oss": Family(
        "gpt-oss",
        mixer=attention(bias="attention_bias", out_bias="attention_bias", sinks=True),
        feed_forward=mixture(bias=True, router_bias=True),
        mixers=every(2, FULL, SLIDING),
        defaults={
            "attention_bias": True,
            "head_dim": 64,
            "num_key_value_heads": 8,
            "sliding_window": 128,
            "num_experts": 128,
            "num_experts_per_tok": 4,
        },
    ),
    "minimax": Family(
        "MiniMax-Text-01, M1",
        mixer=by_label({FULL: attention(), LINEAR: particulars.lightning}),
        feed_forward=mixture(),
        mixers=every(2, FULL, LINEAR, offset=0),
        defaults={"num_key_value_heads": 8, "num_experts": 8, "num_experts_per_tok": 2},
    ),
    "minimax_m2": Family(
        "MiniMax-M2",
        mixer=attention(qk_norm=("heads", True)),
        feed_forward=mixture(),
        defaults={
            "head_dim": 128,
            "num_key_value_heads": 8,
            "num_experts": 256,
            "num_experts_per_tok": 8,
        },
    ),
    "llama4_text": Family(
        "Llama 4 Scout, Maverick",
        mixer=BIASES_ON_REQUEST,
        feed_forward=dense_or(
            mixture(shared_width="intermediate_size"), mlp(width="intermediate_size_mlp")
        ),
        mixers=typed(particulars.llama4_mixer),
        feed_forwards=listed("moe_layers", "interleave_moe_layer_step"),
        defaults={
            "head_dim": 128,
            "num_key_value_heads": 8,
            "attention_chunk_size": 8192,
            "no_rope_layer_interval": 4,
            "interleave_moe_layer_step": 1,
            "num_experts": 16,
            "num_experts_per_tok": 1,
        },
    ),
    "nemotron": Family(
        "Nemotron-4, Minitron",
        mixer=BIASES_ON_REQUEST,
        feed_forward=mlp(gated=False, bias="mlp_bias"),
        norm="layer",
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
    "bert": Family(
        "BERT",
        norm="layer",
        build=bert,
        counted_as="BertForMaskedLM",
        defaults={**TIED, "type_vocab_size": 2, "max_position_embeddings": 512},
    ),
    "t5": Family(
        "T5, Flan-T5",
        build=t5,
        counted_as="T5ForConditionalGeneration",
        names={
            "hidden_size": "d_model",
            "num_hidden_layers": "num_layers",
            "num_attention_heads": "num_heads",
            "head_dim": "d_kv",
            "intermediate_size": "d_ff",
            "max_position_embeddings": "n_positions",
        },
        defaults={
            "relative_attention_num_buckets": 32,
            "feed_forward_proj": "relu",
            "head_dim": 64,
        },
    ),
    "vit": Family(
        "ViT",
        norm="layer",
        build=vit,
        counted_as="ViTForImageClassification",
        defaults={"image_size": 224, "patch_size": 16, "num_channels": 3, "qkv_bias": True},
    ),
}
"""Family of each ``model_type``: the recipes by which it is counted."""
