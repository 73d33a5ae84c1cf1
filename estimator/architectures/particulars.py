"""What single architectures do in their own way; the table says which."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from . import attending, blocks, recurrences
from .config import Config
from .operators import Count, Heads, Layers, Operator
from .recipes import (
    CHUNKED,
    DENSE,
    FULL,
    LINEAR,
    SLIDING,
    SPARSE,
    attention,
    dense_or,
    every,
    grouped_labels,
    latent,
    mixture,
    typed,
    uniform,
    windowed,
)


def falcon_attention(config: Config, label: str) -> list[Operator]:
    """Falcon: one head of keys and values for all, for groups, or for each."""
    heads, hidden = config.size("num_attention_heads"), config.size("hidden_size")
    kv_heads = 1 if config.flag("multi_query") else heads
    if config.flag("new_decoder_architecture"):
        kv_heads = config.size("num_kv_heads") if config.get("num_kv_heads") else heads
        if heads % kv_heads:
            raise config.fault("num_kv_heads", f"a divisor of num_attention_heads, {heads}")
    head_dim = config.divided("hidden_size", "num_attention_heads")
    bias = config.flag("bias")
    extras = attending.Extras(bias=bias, out_bias=bias)
    return attending.attention(hidden, Heads(heads, kv_heads, head_dim), extras)


def falcon_norms(config: Config) -> int:
    """Falcon: attention and feed-forward side by side share a norm, or have one each."""
    if not config.flag("parallel_attn"):
        return 2
    separate = config.get("num_ln_in_parallel_attn")
    if separate is None:
        separate = 2 if config.flag("new_decoder_architecture") else 1
    return 2 if separate == 2 and config.flag("new_decoder_architecture") else 1


def opt_positions(config: Config) -> Any:
    """OPT: a position table with two entries for padding."""
    if config.get("layer_norm_elementwise_affine") is False:
        raise config.fault("layer_norm_elementwise_affine", "true")
    return config.size("max_position_embeddings") + 2


def opt_has_final_norm(config: Config) -> bool:
    """OPT: the final norm came with norms before each half."""
    return config.flag("do_layer_norm_before") and not config.flag("_remove_final_layer_norm")


def qwen_window(config: Config, layer: int) -> str:
    """Qwen 2 and 3: the last layers have a window, where it is switched on."""
    windowed_here = config.flag("use_sliding_window") and config.get("sliding_window") is not None
    return SLIDING if windowed_here and layer >= config.size("max_window_layers", 0) else FULL


def qwen2_moe_window(config: Config, layer: int) -> str:
    """Qwen MoE: every other one of the first layers has a window, where switched on."""
    if not config.flag("use_sliding_window") or layer >= config.size("max_window_layers", 0):
        return FULL
    return FULL if (layer + 1) % 2 == 0 else SLIDING


def qwen3_moe_window(config: Config) -> Any:
    """Qwen3 MoE: all layers have the window, where it is switched on."""
    return windowed(config) if config.flag("use_sliding_window") else uniform(FULL)(config)


def llama4_mixer(config: Config, layer: int) -> str:
    """Llama 4: layers with rotary positions attend within chunks."""
    given = config.get("no_rope_layers")
    if not given:
        return CHUNKED if (layer + 1) % config.size("no_rope_layer_interval") else FULL
    if not isinstance(given, list) or len(given) <= layer:
        raise config.fault("no_rope_layers", "a list of one number a layer")
    return CHUNKED if given[layer] else FULL


def mamba2(config: Config, label: str) -> list[Operator]:
    """A Mamba-2 mixer by the names of its own configuration."""
    hidden, expand = config.size("hidden_size"), config.size("expand")
    heads, head_dim = config.size("num_heads"), config.size("head_dim")
    inner = expand * hidden
    if isinstance(inner, int) and inner != heads * head_dim:
        raise config.fault("num_heads", f"expand x hidden_size / head_dim, {inner / head_dim:g}")
    space = recurrences.StateSpace(
        inner,
        config.size("state_size"),
        config.size("conv_kernel"),
        bias=config.flag("use_bias"),
        conv_bias=config.flag("use_conv_bias"),
    )
    return recurrences.mamba2(hidden, space, heads, config.size("n_groups"))


def bamba_mixer(config: Config, layer: int) -> str:
    """Bamba: attention in the layers that are listed."""
    return FULL if layer in config.indices("attn_layer_indices", config.layers()) else LINEAR


def bamba_mamba(config: Config, label: str) -> list[Operator]:
    """A Mamba-2 mixer by Bamba's names."""
    hidden, heads = config.size("hidden_size"), config.size("mamba_n_heads")
    inner = config.size("mamba_expand") * hidden
    if isinstance(inner, int) and inner % heads:
        raise config.fault("mamba_n_heads", f"a divisor of mamba_expand x hidden_size, {inner}")
    return recurrences.mamba2(
        hidden, _mamba_space(config, inner), heads, config.size("mamba_n_groups")
    )


def jamba_mamba(config: Config, label: str) -> list[Operator]:
    """A Mamba mixer by Jamba's names."""
    hidden = config.size("hidden_size")
    rank = (
        -(-hidden // 16) if config.get("mamba_dt_rank") == "auto" else config.size("mamba_dt_rank")
    )
    inner = config.size("mamba_expand") * hidden
    return recurrences.mamba1(hidden, _mamba_space(config, inner), rank)


def _mamba_space(config: Config, inner: Count) -> recurrences.StateSpace:
    """Return a scan by the names that Bamba and Jamba share."""
    return recurrences.StateSpace(
        inner,
        config.size("mamba_d_state"),
        config.size("mamba_d_conv"),
        bias=config.flag("mamba_proj_bias"),
        conv_bias=config.flag("mamba_conv_bias"),
    )


def jamba_feed_forward(config: Config, label: str) -> list[Operator]:
    """Jamba: a mixture of one expert is a dense block."""
    alone = config.get("num_experts") == 1
    return dense_or(mixture())(config, DENSE if alone else label)


def delta_net(config: Config, label: str) -> list[Operator]:
    """A gated delta rule mixer by Qwen3-Next's names."""
    return recurrences.delta_net(
        config.size("hidden_size"),
        config.size("linear_num_key_heads"),
        config.size("linear_num_value_heads"),
        config.size("linear_key_head_dim"),
        config.size("linear_value_head_dim"),
        config.size("linear_conv_kernel_dim"),
    )


def olmo_delta_net(config: Config, label: str) -> list[Operator]:
    """OLMo Hybrid: as Qwen3-Next's, with sizes that follow attention's where they are left out."""
    hidden = config.size("hidden_size")

    def size(name: str, otherwise: Any) -> Any:
        return otherwise if config.get(name) is None else config.size(name)

    k_heads = size("linear_num_key_heads", config.size("num_attention_heads"))
    k_width = size("linear_key_head_dim", 3 * hidden // (4 * k_heads))
    return recurrences.delta_net(
        hidden,
        k_heads,
        size("linear_num_value_heads", config.size("num_attention_heads")),
        k_width,
        size("linear_value_head_dim", 2 * k_width),
        config.size("linear_conv_kernel_dim"),
    )


def lightning(config: Config, label: str) -> list[Operator]:
    """Lightning attention by MiniMax's names."""
    heads = config.heads()
    return recurrences.lightning_attention(config.size("hidden_size"), heads.queries, heads.width)


def xielu(config: Config, label: str) -> list[Operator]:
    """Apertus: two parameters of its activation function."""
    return [blocks.vector("mlp", 2)] if config.get("hidden_act") == "xielu" else []


def differential(config: Config, label: str) -> list[Operator]:
    """DiffLlama: vectors that weigh the second softmax, and values of two heads for each."""
    heads = config.heads()
    more = Operator("attention_scores", per_key=heads.queries * heads.width, ways=heads.queries)
    return [blocks.vector("attention_qkv", 4 * heads.width), more]


def exaone4_window(config: Config) -> Any:
    """EXAONE 4: every so many layers attend everything, where a window is given."""
    pattern = config.get("sliding_window_pattern")
    if config.get("sliding_window") is None and config.get("layer_types") is None:
        return uniform(FULL)(config)
    if isinstance(pattern, str) and pattern:  # one letter a layer of the period: L local, G global
        return typed(lambda _, layer: FULL if pattern[layer % len(pattern)] == "G" else SLIDING)(
            config
        )
    return every("sliding_window_pattern", FULL, SLIDING)(config)


def _check_alone(config: Config) -> None:
    """Refuse a decoder that attends an encoder as well."""
    if config.flag("add_cross_attention"):
        raise config.fault("add_cross_attention", "false: a decoder without an encoder")


def gpt2_attention(config: Config, label: str) -> list[Operator]:
    """GPT-2: biases on all products, as many heads of keys and values as of queries."""
    _check_alone(config)
    heads = config.heads(grouped=False)
    return attending.attention(config.size("hidden_size"), heads, attending.BIASES)


def bigcode_attention(config: Config, label: str) -> list[Operator]:
    """GPT-BigCode: one head of keys and values for all, or one for each."""
    _check_alone(config)
    heads = config.heads(grouped=False)
    if config.flag("multi_query"):
        heads = heads._replace(keys=1)
    return attending.attention(config.size("hidden_size"), heads, attending.BIASES)


def neo_window(config: Config) -> Any:
    """GPT-Neo: kinds of attention, each list repeated so many times."""
    given = config.get("attention_types")
    if given is None:
        given = [[["global", "local"], 12]]
    try:
        labels = [label for kinds, times in given for label in kinds * times]
    except (TypeError, ValueError):
        raise config.fault("attention_types", "lists of kinds, each with how often") from None
    if len(labels) != config.layers() or not all(each in ("global", "local") for each in labels):
        raise config.fault("attention_types", f"{config.layers()} of global and local")
    return grouped_labels([FULL if each == "global" else SLIDING for each in labels])


def smollm_window(config: Config, layer: int) -> str:
    """SmolLM3: layers with rotary positions have a window, where it is switched on."""
    if not config.flag("use_sliding_window") or config.get("sliding_window") is None:
        return FULL
    given = config.get("no_rope_layers")
    if isinstance(given, list) and len(given) > layer:
        return SLIDING if given[layer] else FULL
    return SLIDING if (layer + 1) % config.size("no_rope_layer_interval") else FULL


def window_from(config: Config, layer: int) -> str:
    """dots.llm1: layers from one on have a window, where one is given."""
    windowed_here = config.get("sliding_window") is not None
    return SLIDING if windowed_here and layer >= config.size("max_window_layers", 0) else FULL


def ernie_layers(config: Config) -> Any:
    """ERNIE 4.5: one mixture of experts in each step, between a first layer and a last."""
    count, step = config.whole_layers(), config.size("moe_layer_interval")
    first = config.size("moe_layer_start_index", 0)
    last = config.get("moe_layer_end_index")
    last = count - 1 if last in (None, -1) else config.size("moe_layer_end_index", 0)
    return grouped_labels(
        [
            SPARSE if (layer + 1) % step == 0 and first <= layer <= last else DENSE
            for layer in range(count)
        ]
    )


def mimo_mixers(config: Config) -> Any:
    """MiMo-V2: a pattern of windows; else every sixth layer, and the first, has none."""
    pattern = config.get("hybrid_layer_pattern")
    if config.get("layer_types") is None and pattern is not None:
        return grouped_labels(
            [SLIDING if each else FULL for each in config.switches("hybrid_layer_pattern")]
        )
    return typed(lambda _, layer: FULL if not layer or (layer + 1) % 6 == 0 else SLIDING)(config)


def mimo_attention(config: Config, label: str) -> list[Operator]:
    """MiMo-V2: values narrower than keys; twice the heads of keys, and sinks, with a window."""
    sliding, heads = label == SLIDING, config.heads()
    for own, general in (("swa_head_dim", "head_dim"), ("swa_v_head_dim", "v_head_dim")):
        if config.get(own) is not None and config.get(own) != config.get(general):
            raise config.fault(own, f"as {general}, {config.get(general)}")
    keys = heads.keys
    if sliding:
        keys = config.optional_size("swa_num_key_value_heads") or 2 * keys
    heads = heads._replace(keys=keys, value_width=config.size("v_head_dim"))
    extras = attending.Extras(bias=config.flag("attention_bias"), sinks=sliding)
    mask = attending.Mask(config.size("sliding_window")) if sliding else attending.CAUSAL
    return attending.attention(config.size("hidden_size"), heads, extras, mask)


def mimo_feed_forwards(config: Config) -> Any:
    """MiMo-V2: a list of which layers are mixtures; else all but the first."""
    given = config.get("moe_layer_freq")
    if given is None:
        labels = [SPARSE if layer else DENSE for layer in range(config.whole_layers())]
    else:
        labels = [SPARSE if each else DENSE for each in config.switches("moe_layer_freq")]
    return grouped_labels(labels)


def moe_frequency(config: Config) -> Any:
    """MiniMax-M3: a list of which layers are mixtures; else all."""
    for same in ("moe_intermediate_size",):
        if config.get(same) not in (None, config.get("intermediate_size")):
            raise config.fault(same, f"as intermediate_size, {config.get('intermediate_size')}")
    first = config.get("first_k_dense_replace")
    given = config.get("moe_layer_freq")
    if first is not None and (not isinstance(given, list) or any(given[:first])):
        raise config.fault("first_k_dense_replace", "as moe_layer_freq has it")
    if config.get("moe_layer_freq") is None:
        return uniform(SPARSE)(config)
    return mimo_feed_forwards(config)


def output_gate(config: Config, label: str) -> list[Operator]:
    """Trinity: a matrix of its own for the gate of attention's output."""
    hidden, heads = config.size("hidden_size"), config.heads()
    wide = heads.queries * heads.width
    return [
        blocks.column(
            "attention_qkv",
            hidden,
            wide,
            ways=heads.queries,
            adapted="attention",
            kept_split=2 * blocks.BYTES * wide,
        )
    ]


def chatglm_attention(config: Config, label: str) -> list[Operator]:
    """ChatGLM2: groups of keys where they are switched on; a bias for queries, keys and values."""
    heads = config.heads(grouped=False)
    if config.flag("multi_query_attention"):
        heads = heads._replace(keys=config.size("multi_query_group_num"))
    all_biased = config.flag("add_bias_linear")
    extras = attending.Extras(config.flag("add_qkv_bias") or all_biased, all_biased)
    return attending.attention(config.size("hidden_size"), heads, extras)


def qwen1_feed_forward(config: Config, label: str) -> list[Operator]:
    """Qwen 1: half of the width in the file."""
    if config.get("no_bias") is False:
        raise config.fault("no_bias", "true")
    return blocks.mlp(config.size("hidden_size"), config.size("intermediate_size") // 2)


def deepseek_attention(config: Config, label: str) -> list[Operator]:
    """DeepSeekMoE: heads of their own, or latent ones where a file of a later model has them."""
    if config.get("kv_lora_rank") and config.get("use_mla") is not False:
        return latent()(config, label)
    return attention(bias="attention_bias", out_bias="attention_bias")(config, label)


def longcat_experts(config: Config, label: str) -> list[Operator]:
    """LongCat-Flash: experts beside the layer's two halves; some hold nothing and copy a token.

    A token meets as many of those as of the others, each as likely. The modules of transformers
    5.24 hold matrices for them that no checkpoint has; they are not counted.
    """
    hidden, width = config.size("hidden_size"), config.size("expert_ffn_hidden_size")
    held, nothing = config.size("num_experts"), config.optional_size("zero_expert_num", 0) or 0
    met = config.size("moe_topk") * held / (held + nothing)
    return [
        blocks.column("router", hidden, held + nothing, ways=1, kept=4 * (held + nothing)),
        *blocks.mlp(hidden, width, name="experts", experts=blocks.Experts(held, met)),
    ]


def mllama_layers(config: Config) -> Any:
    """Llama 3.2 Vision: layers that attend what is read of images, among those of a Llama."""
    count = config.whole_layers()
    crossing: Any = range(3, min(count, 40), 5)
    if config.get("cross_attention_layers") is not None:
        crossing = config.indices("cross_attention_layers", count)
    return grouped_labels([CROSS if layer in crossing else FULL for layer in range(count)])


CROSS = "cross_attention"


def mllama_attention(config: Config, label: str) -> list[Operator]:
    """Llama 3.2 Vision: keys and values of images are not a token's; heads are normed."""
    hidden, heads = config.size("hidden_size"), config.heads()
    if label == FULL:
        return attending.attention(hidden, heads)
    parts = attending.attention(hidden, heads, attending.Extras(qk_norm="head"))
    of_images = (*parts[1:3], *(each for each in parts if each.per_key))
    kept = [each for each in parts if each not in of_images]
    return [
        *kept,
        *(replace(each, uses=0, kept_split=0) for each in parts[1:3]),
        blocks.vector("attention_output", 2),
    ]


def mllama_entries(config: Config) -> list[Operator]:
    """Llama 3.2 Vision: eight entries of the embedding that the head does not have."""
    return [blocks.embedding("embedding", 8, config.size("hidden_size"))]


def mixture_where_experts(config: Config) -> list[tuple[str, Layers]]:
    """Mixtures of experts in every layer of a model that has experts, else dense blocks."""
    experts = config.size("num_experts", 0)
    return uniform(SPARSE if experts else DENSE)(config)
