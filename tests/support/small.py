"""Random small configurations of every architecture, as their ``config.json`` would say it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

Draw = Callable[[st.SearchStrategy[Any]], Any]
Config = dict[str, Any]

FLAG = st.booleans()
LABELS = ["full_attention", "sliding_attention"]


def decoder(draw: Draw) -> Config:
    """Sizes by the names that most types use."""
    kv_heads = draw(st.sampled_from([1, 2, 3]))
    heads = kv_heads * draw(st.sampled_from([1, 2, 4]))
    head_dim = draw(st.sampled_from([8, 16]))
    return {
        "hidden_size": heads * head_dim,
        "num_hidden_layers": draw(st.integers(1, 6)),
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "intermediate_size": draw(st.integers(8, 40)),
        "vocab_size": draw(st.integers(16, 80)),
        "tie_word_embeddings": draw(FLAG),
        "max_position_embeddings": draw(st.integers(32, 64)),
        "pad_token_id": 0,
    }


def renamed(config: Config, names: dict[str, str]) -> Config:
    return {names[key]: config[key] for key in names}


def gpt2(draw: Draw) -> Config:
    names = {
        "hidden_size": "n_embd",
        "num_hidden_layers": "n_layer",
        "num_attention_heads": "n_head",
        "vocab_size": "vocab_size",
        "max_position_embeddings": "n_positions",
        "tie_word_embeddings": "tie_word_embeddings",
    }
    return renamed(decoder(draw), names) | {"n_inner": draw(st.sampled_from([None, 24]))}


def gptj(draw: Draw) -> Config:
    return gpt2(draw) | {"rotary_dim": 4, "tie_word_embeddings": False}


def gpt_neox(draw: Draw) -> Config:
    return decoder(draw) | {
        "attention_bias": draw(FLAG),
        "use_parallel_residual": draw(FLAG),
        "rotary_pct": 1.0,
    }


def opt(draw: Draw) -> Config:
    config = decoder(draw)
    before = draw(FLAG)
    return config | {
        "ffn_dim": config["intermediate_size"],
        "word_embed_proj_dim": draw(st.sampled_from([config["hidden_size"], 12])),
        "do_layer_norm_before": before,
        "enable_bias": draw(FLAG),
    }


def bloom(draw: Draw) -> Config:
    config = decoder(draw)
    names = {
        "hidden_size": "hidden_size",
        "num_hidden_layers": "n_layer",
        "num_attention_heads": "n_head",
        "vocab_size": "vocab_size",
        "tie_word_embeddings": "tie_word_embeddings",
    }
    return renamed(config, names)


MPT = {
    "hidden_size": "d_model",
    "num_hidden_layers": "n_layers",
    "num_attention_heads": "n_heads",
    "vocab_size": "vocab_size",
    "max_position_embeddings": "max_seq_len",
    "tie_word_embeddings": "tie_word_embeddings",
}


def mpt(draw: Draw) -> Config:
    return renamed(decoder(draw), MPT)


def dbrx(draw: Draw) -> Config:
    config = decoder(draw)
    experts = draw(st.integers(1, 6))
    return renamed(config, MPT) | {
        "tie_word_embeddings": False,
        "attn_config": {
            "kv_n_heads": config["num_key_value_heads"],
            "rope_theta": 1e4,
            "clip_qkv": 8,
        },
        "ffn_config": {
            "hidden_size": config["hidden_size"],
            "ffn_hidden_size": config["intermediate_size"],
            "moe_num_experts": experts,
            "moe_top_k": draw(st.integers(1, experts)),
        },
    }


def falcon(draw: Draw) -> Config:
    config = decoder(draw)
    parallel, new = draw(FLAG), draw(FLAG)
    extra = {
        "multi_query": draw(FLAG),
        "new_decoder_architecture": new,
        # The module takes fewer only with the new architecture.
        "num_kv_heads": config["num_key_value_heads" if new else "num_attention_heads"],
        "parallel_attn": parallel or new,
        "bias": draw(FLAG),
        "alibi": draw(FLAG),
        "ffn_hidden_size": config["intermediate_size"],
    }
    if new:
        extra["num_ln_in_parallel_attn"] = draw(st.sampled_from([None, 1, 2]))
    return config | extra


def with_flags(*flags: str) -> Callable[[Draw], Config]:
    def make(draw: Draw) -> Config:
        return decoder(draw) | {flag: draw(FLAG) for flag in flags}

    return make


def with_head_dim(*flags: str) -> Callable[[Draw], Config]:
    def make(draw: Draw) -> Config:
        dims = st.sampled_from([4, 8, 12])
        return decoder(draw) | {"head_dim": draw(dims)} | {flag: draw(FLAG) for flag in flags}

    return make


def windowed(draw: Draw) -> Config:
    return decoder(draw) | {"sliding_window": draw(st.sampled_from([None, 4, 16]))}


def layered(make: Callable[[Draw], Config], labels: list[str]) -> Callable[[Draw], Config]:
    """With or without a list of what each layer is."""

    def layers(draw: Draw) -> Config:
        config = make(draw) | {"sliding_window": draw(st.integers(2, 16))}
        if draw(FLAG):
            count = config["num_hidden_layers"]
            each = st.sampled_from(labels)
            config["layer_types"] = draw(st.lists(each, min_size=count, max_size=count))
        return config

    return layers


def qwen(make: Callable[[Draw], Config]) -> Callable[[Draw], Config]:
    def layers(draw: Draw) -> Config:
        return make(draw) | {
            "use_sliding_window": draw(FLAG),
            "sliding_window": 4,
            "max_window_layers": draw(st.integers(0, 4)),
        }

    return layers


def routed(draw: Draw, experts: str = "num_local_experts") -> Config:
    count = draw(st.sampled_from([1, 2, 4, 8]))
    return {experts: count, "num_experts_per_tok": draw(st.integers(1, count))}


def mixture(*flags: str, experts: str = "num_local_experts", head_dim: bool = False) -> Any:
    def make(draw: Draw) -> Config:
        base = (with_head_dim if head_dim else with_flags)(*flags)(draw)
        return base | routed(draw, experts)

    return make


def qwen_moe(*flags: str, shared: bool) -> Callable[[Draw], Config]:
    def make(draw: Draw) -> Config:
        config = with_flags(*flags)(draw) | routed(draw, "num_experts")
        layers = st.integers(0, config["num_hidden_layers"] - 1)
        config |= {
            "moe_intermediate_size": draw(st.integers(4, 12)),
            "decoder_sparse_step": draw(st.integers(1, 3)),
            "mlp_only_layers": draw(st.lists(layers, max_size=2)),
        }
        if shared:
            config["shared_expert_intermediate_size"] = draw(st.integers(4, 12))
        return config

    return make


def qwen3_next(draw: Draw) -> Config:
    heads = draw(st.sampled_from([1, 2]))
    config = qwen_moe("attention_bias", shared=True)(draw) | {
        "head_dim": 8,
        "linear_num_key_heads": heads,
        "linear_num_value_heads": heads * draw(st.sampled_from([1, 2])),
        "linear_key_head_dim": draw(st.sampled_from([4, 8])),
        "linear_value_head_dim": draw(st.sampled_from([4, 8])),
        "linear_conv_kernel_dim": draw(st.integers(2, 4)),
    }
    return layered(lambda _: config, ["full_attention", "linear_attention"])(draw)


def delta_net(draw: Draw) -> Config:
    """Sizes of layers of a gated delta rule, some of them attention."""
    heads = draw(st.sampled_from([1, 2]))
    config = decoder(draw) | {
        "attention_bias": draw(FLAG),
        "linear_num_key_heads": heads,
        "linear_num_value_heads": heads,
        "linear_key_head_dim": draw(st.sampled_from([4, 8])),
        "linear_value_head_dim": draw(st.sampled_from([4, 8])),
        "linear_conv_kernel_dim": draw(st.integers(2, 4)),
    }
    kinds = st.sampled_from(["full_attention", "linear_attention"])
    rest = draw(st.lists(kinds, max_size=4))  # one of each there has to be
    labels = ["linear_attention", *rest, "full_attention"]
    return config | {"num_hidden_layers": len(labels), "layer_types": labels}


def qwen3_5(draw: Draw) -> Config:
    return delta_net(draw) | {"head_dim": 8}


def differential(draw: Draw) -> Config:
    config = with_flags("attention_bias")(draw)
    heads = 2 * config["num_attention_heads"]
    return config | {
        "num_attention_heads": heads,
        "num_key_value_heads": 2 * config["num_key_value_heads"],
        "hidden_size": 2 * config["hidden_size"],
    }


def deepseek(draw: Draw) -> Config:
    count = draw(st.sampled_from([8, 16]))
    config = decoder(draw)
    return config | {
        "num_key_value_heads": config["num_attention_heads"],
        "n_routed_experts": count,
        "num_experts_per_tok": draw(st.integers(1, 4)),
        "n_group": 2,
        "topk_group": 1,
        "n_shared_experts": draw(st.integers(1, 3)),
        "moe_intermediate_size": draw(st.integers(4, 12)),
        "first_k_dense_replace": draw(st.integers(0, 4)),
        "q_lora_rank": draw(st.sampled_from([None, 6, 12])),
        "kv_lora_rank": draw(st.sampled_from([6, 12])),
        "qk_rope_head_dim": draw(st.sampled_from([2, 4])),
        "qk_nope_head_dim": draw(st.sampled_from([4, 8])),
        "v_head_dim": draw(st.sampled_from([4, 8])),
        "attention_bias": draw(FLAG),
    }


def glm4_moe(draw: Draw) -> Config:
    config = with_head_dim("attention_bias", "use_qk_norm")(draw)
    return config | {
        "n_routed_experts": draw(st.sampled_from([4, 8])),
        "num_experts_per_tok": draw(st.integers(1, 4)),
        "n_shared_experts": draw(st.integers(1, 2)),
        "moe_intermediate_size": draw(st.integers(4, 12)),
        "first_k_dense_replace": draw(st.integers(0, 4)),
    }


def gpt_oss(draw: Draw) -> Config:
    return layered(mixture("attention_bias", head_dim=True), LABELS)(draw)


def minimax(draw: Draw) -> Config:
    make = mixture(head_dim=True)
    config = layered(make, ["full_attention", "linear_attention"])(draw)
    return config | {"block_size": 8}


def llama4_text(draw: Draw) -> Config:
    config = mixture("attention_bias", head_dim=True)(draw)
    layers = config["num_hidden_layers"]
    config |= {
        "intermediate_size_mlp": draw(st.integers(8, 40)),
        "attention_chunk_size": draw(st.integers(2, 16)),
        "interleave_moe_layer_step": draw(st.integers(1, 3)),
    }
    if draw(FLAG):
        config["moe_layers"] = draw(st.lists(st.integers(0, layers - 1), max_size=3))
    if draw(FLAG):
        one = st.sampled_from([0, 1])
        config["no_rope_layers"] = draw(st.lists(one, min_size=layers, max_size=layers))
    return config


def mamba2(draw: Draw) -> Config:
    groups, head_dim = draw(st.sampled_from([1, 2])), draw(st.sampled_from([4, 8]))
    hidden = draw(st.sampled_from([16, 32]))
    return {
        "hidden_size": hidden,
        "num_hidden_layers": draw(st.integers(1, 4)),
        "vocab_size": draw(st.integers(16, 80)),
        "expand": 2,
        "head_dim": head_dim,
        "num_heads": 2 * hidden // head_dim,
        "n_groups": groups,
        "state_size": draw(st.sampled_from([4, 8])),
        "conv_kernel": draw(st.integers(2, 4)),
        "chunk_size": 8,
        "use_bias": draw(FLAG),
        "use_conv_bias": draw(FLAG),
        "tie_word_embeddings": draw(FLAG),
    }


def bamba(draw: Draw) -> Config:
    config = with_flags("attention_bias", "mlp_bias", "mamba_proj_bias", "mamba_conv_bias")(draw)
    layers = st.integers(0, config["num_hidden_layers"] - 1)
    return config | {
        "attn_layer_indices": draw(st.lists(layers, max_size=3, unique=True)),
        "mamba_n_heads": 4,
        "mamba_d_head": config["hidden_size"] // 2,
        "mamba_d_state": draw(st.sampled_from([4, 8])),
        "mamba_n_groups": draw(st.sampled_from([1, 2])),
        "mamba_d_conv": draw(st.integers(2, 4)),
        "mamba_chunk_size": 8,
    }


def jamba(draw: Draw) -> Config:
    config = decoder(draw) | routed(draw, "num_experts")
    period, every = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    return config | {
        "attn_layer_period": period,
        "attn_layer_offset": draw(st.integers(0, period - 1)),
        "expert_layer_period": every,
        "expert_layer_offset": draw(st.integers(0, every - 1)),
        "mamba_d_state": draw(st.sampled_from([4, 8])),
        "mamba_d_conv": draw(st.integers(2, 4)),
        "mamba_dt_rank": draw(st.sampled_from(["auto", 3])),
        "mamba_proj_bias": draw(FLAG),
        "mamba_conv_bias": draw(FLAG),
        "use_mamba_kernels": False,
    }


def bert(draw: Draw) -> Config:
    config = decoder(draw)
    return config | {"type_vocab_size": draw(st.integers(1, 3)), "tie_word_embeddings": True}


def t5(draw: Draw) -> Config:
    names = {
        "hidden_size": "d_model",
        "num_hidden_layers": "num_layers",
        "num_attention_heads": "num_heads",
        "intermediate_size": "d_ff",
        "vocab_size": "vocab_size",
    }
    return renamed(decoder(draw), names) | {
        "d_kv": draw(st.sampled_from([4, 8])),
        "num_decoder_layers": draw(st.sampled_from([None, 1, 3])),
        "feed_forward_proj": draw(st.sampled_from(["relu", "gated-gelu", "gelu"])),
        "relative_attention_num_buckets": 8,
        "decoder_start_token_id": 0,
        "pad_token_id": 0,
    }


def vit(draw: Draw) -> Config:
    config = decoder(draw)
    patch, labels = draw(st.sampled_from([4, 8])), draw(st.integers(1, 5))
    keys = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    return {key: config[key] for key in keys} | {
        "patch_size": patch,
        "image_size": patch * draw(st.integers(1, 3)),
        "num_channels": draw(st.sampled_from([1, 3])),
        "qkv_bias": draw(FLAG),
        "id2label": {str(n): f"LABEL_{n}" for n in range(labels)},
    }


BIAS = "attention_bias"
SMALL: dict[str, Callable[[Draw], Config]] = {
    "gpt2": gpt2,
    "gpt_neox": gpt_neox,
    "gptj": gptj,
    "opt": opt,
    "bloom": bloom,
    "mpt": mpt,
    "falcon": falcon,
    "llama": with_head_dim(BIAS, "mlp_bias"),
    "mistral": windowed,
    "mixtral": mixture(),
    "qwen2": qwen(decoder),
    "qwen2_moe": qwen(qwen_moe("qkv_bias", shared=True)),
    "qwen3": qwen(with_head_dim(BIAS)),
    "qwen3_moe": qwen_moe(BIAS, shared=False),
    "qwen3_next": qwen3_next,
    "qwen3_5_text": qwen3_5,
    "olmo_hybrid": delta_net,
    "diffllama": differential,
    "gemma": with_head_dim(BIAS),
    "gemma2": layered(with_head_dim(BIAS), LABELS),
    "gemma3_text": layered(with_head_dim(BIAS), LABELS),
    "phi3": windowed,
    "olmo": with_flags(BIAS),
    "olmo2": with_flags(BIAS),
    "olmo3": layered(with_flags(BIAS), LABELS),
    "olmoe": mixture(BIAS, experts="num_experts"),
    "granite": with_flags(BIAS, "mlp_bias"),
    "granitemoe": mixture(BIAS),
    "cohere2": layered(with_flags(BIAS), LABELS),
    "stablelm": with_flags("use_qkv_bias", "qk_layernorm", "use_parallel_residual"),
    "starcoder2": with_flags("use_bias"),
    "dbrx": dbrx,
    "deepseek_v2": deepseek,
    "deepseek_v3": deepseek,
    "glm4": with_head_dim(BIAS),
    "glm4_moe": glm4_moe,
    "gpt_oss": gpt_oss,
    "minimax": minimax,
    "minimax_m2": mixture(head_dim=True),
    "llama4_text": llama4_text,
    "nemotron": with_flags(BIAS, "mlp_bias"),
    "mamba2": mamba2,
    "bamba": bamba,
    "jamba": jamba,
    "bert": bert,
    "t5": t5,
    "vit": vit,
}
"""One maker of small configurations a ``model_type``."""


def small_config(model_type: str) -> st.SearchStrategy[Config]:
    """Random small configurations of one type, each as its ``config.json``."""

    @st.composite
    def build(draw: Draw) -> Config:
        return {"model_type": model_type, **SMALL[model_type](draw)}

    return build()
