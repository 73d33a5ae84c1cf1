"""Types that only their makers' own code builds; none of it is run.

Counts were held against the parameters that the makers state (to the digits that they state), not
against modules.
"""

from __future__ import annotations

from . import blocks, mixers, particulars, searched
from .recipes import Family, SharedExperts, attention, dense_or, leading, mixture, mlp

MAKERS: dict[str, Family] = {
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
    "deepseek": Family(
        "DeepSeekMoE",
        mixer=particulars.deepseek_attention,
        feed_forward=dense_or(
            mixture(width="moe_intermediate_size", shared=SharedExperts(number="n_shared_experts"))
        ),
        feed_forwards=leading("first_k_dense_replace"),
    ),
    "internlm": Family("InternLM", mixer=attention(bias="bias", out_bias="bias", grouped=False)),
    "internlm2": Family(
        "InternLM2, InternLM2.5",
        mixer=attention(bias="bias", out_bias="bias"),
        defaults={"bias": True},
    ),
    "minicpm": Family(
        "MiniCPM-1B, 2B, MoE-8x2B",
        feed_forward=dense_or(mixture()),
        feed_forwards=particulars.mixture_where_experts,
        defaults={"tie_word_embeddings": True, "num_experts": 0, "num_experts_per_tok": 2},
    ),
    "nemotron-nas": Family(
        "Llama-Nemotron Super and Ultra (NAS)",
        mixer=searched.attention,
        feed_forward=searched.feed_forward,
        mixers=searched.attentions,
        feed_forwards=searched.feed_forwards,
        norms=0,
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
        before=lambda config: [blocks.norm("norm", config.size("hidden_size"), "layer")],
        can_tie=False,
    ),
}
