"""Types that only their makers' own code builds; none of it is run.

Counts were held against the parameters that the makers state (to the digits that they state), not
against modules.
"""

from __future__ import annotations

from . import makers, mixers, particulars, searched
from .recipes import Family, SharedExperts, attention, dense_or, leading, mixture, mlp

GPT2_NAMES = {
    "hidden_size": "n_embd",
    "num_hidden_layers": "n_layer",
    "num_attention_heads": "n_head",
    "intermediate_size": "n_inner",
    "max_position_embeddings": "n_positions",
}
"""GPT-2's names of sizes."""

MAKERS: dict[str, Family] = {
    "arctic": Family(
        "Snowflake Arctic",
        mixer=attention(bias="attention_bias", out_bias="attention_bias"),
        feed_forward=makers.arctic_feed_forward,
        feed_forwards=makers.arctic_layers,
    ),
    "baichuan": Family("Baichuan 1 and 2", mixer=attention(grouped=False)),
    "bailing_moe": Family(
        "Ling-lite, Ling-mini 2.0",
        mixer=attention(bias="use_qkv_bias", out_bias="use_bias", qk_norm=("head", "use_qk_norm")),
        feed_forward=dense_or(
            mixture(
                width="moe_intermediate_size", shared=SharedExperts(number="num_shared_experts")
            )
        ),
        feed_forwards=leading("first_k_dense_replace"),
        defaults={"first_k_dense_replace": 0},
    ),
    "chatglm": Family(
        "ChatGLM2, ChatGLM3",
        mixer=particulars.chatglm_attention,
        feed_forward=mlp(width="ffn_hidden_size", bias="add_bias_linear"),
        names={
            "num_hidden_layers": "num_layers",
            "vocab_size": "padded_vocab_size",
            "max_position_embeddings": "seq_length",
            "head_dim": "kv_channels",
        },
    ),
    "codeshell": Family(
        "CodeShell-7B",
        mixer=makers.code_shell_attention,
        feed_forward=mlp(gated=False, bias=True, ratio=4),
        norm="layer",
        names=GPT2_NAMES,
        defaults={"tie_word_embeddings": True},
    ),
    "deepseek": Family(
        "DeepSeekMoE",
        mixer=particulars.deepseek_attention,
        feed_forward=dense_or(
            mixture(width="moe_intermediate_size", shared=SharedExperts(number="n_shared_experts"))
        ),
        feed_forwards=leading("first_k_dense_replace"),
    ),
    "grok-1": Family(
        "Grok-1, Grok-2",
        feed_forward=makers.grok_feed_forward,
        norms=4,
        defaults={"tie_word_embeddings": True},
    ),
    "internlm": Family("InternLM", mixer=attention(bias="bias", out_bias="bias", grouped=False)),
    "internlm2": Family(
        "InternLM2, InternLM2.5",
        mixer=attention(bias="bias", out_bias="bias"),
        defaults={"bias": True},
    ),
    "jais": Family(
        "Jais-13B, Jais-30B",
        mixer=attention(bias=True, out_bias=True, grouped=False),
        feed_forward=makers.swish_pair,
        norm="layer",
        names=GPT2_NAMES,
        defaults={"tie_word_embeddings": True},
    ),
    "minicpm": Family(
        "MiniCPM-1B, 2B, MoE-8x2B",
        feed_forward=dense_or(mixture()),
        feed_forwards=particulars.mixture_where_experts,
        defaults={"tie_word_embeddings": True, "num_experts": 0, "num_experts_per_tok": 2},
    ),
    "molmo": Family(
        "Molmo-7B, Molmo-72B, its language model",
        mixer=attention(bias="qkv_bias", qk_norm=("heads", "attention_layer_norm")),
        feed_forward=makers.half_width,
        before=makers.molmo_rows,
        names={"vocab_size": "embedding_size"},
        defaults={"additional_vocab_size": 128},
        note="What reads images is not counted: the file does not say its sizes.",
    ),
    "nemotron-nas": Family(
        "Llama-Nemotron Super and Ultra (NAS)",
        mixer=searched.attention,
        feed_forward=searched.feed_forward,
        mixers=searched.attentions,
        feed_forwards=searched.feed_forwards,
        norms=0,
    ),
    "openelm": Family(
        "OpenELM",
        mixer=makers.elm_attention,
        feed_forward=makers.elm_feed_forward,
        mixers=makers.elm_attentions,
        feed_forwards=makers.elm_feed_forwards,
        names={
            "hidden_size": "model_dim",
            "num_hidden_layers": "num_transformer_layers",
            "max_position_embeddings": "max_context_length",
            "tie_word_embeddings": "share_input_output_layers",
        },
    ),
    "orion": Family("Orion", norm="layer"),
    "qwen": Family(
        "Qwen 1",
        mixer=attention(bias=True, grouped=False),
        feed_forward=particulars.qwen1_feed_forward,
        names={"head_dim": "kv_channels"},
    ),
    "rwkv5": Family(
        "RWKV-5 (Eagle)",
        mixer=mixers.rwkv5,
        feed_forward=mixers.rwkv5_channels,
        norm="layer",
        before=mixers.rwkv_first_norm,
        can_tie=False,
    ),
    "rwkv6": Family(
        "RWKV-6 (Finch)",
        mixer=makers.rwkv6,
        feed_forward=mixers.rwkv5_channels,
        norm="layer",
        before=mixers.rwkv_first_norm,
        can_tie=False,
    ),
    "rwkv7": Family(
        "RWKV-7 (Goose)",
        mixer=makers.rwkv7,
        feed_forward=makers.rwkv7_channels,
        mixers=makers.rwkv7_layers,
        norm="layer",
        before=mixers.rwkv_first_norm,
        can_tie=False,
    ),
    "step3_text": Family(
        "Step-3, its language model",
        mixer=makers.step_attention,
        feed_forward=dense_or(makers.STEP_MIXTURE),
        feed_forwards=makers.step_layers,
        names={
            "num_experts": "moe_num_experts",
            "num_experts_per_tok": "moe_top_k",
            "max_position_embeddings": "max_position_embedding",
        },
    ),
    "telechat": Family(
        "TeleChat, TeleChat2",
        mixer=attention(out_bias=True),
        feed_forward=makers.biased_down,
        names={
            "num_hidden_layers": "n_layer",
            "num_attention_heads": "n_head",
            "intermediate_size": "ffn_hidden_size",
            "max_position_embeddings": "seq_length",
        },
        defaults={"tie_word_embeddings": True},
    ),
}
