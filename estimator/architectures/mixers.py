"""State spaces and linear attention by the names of single configurations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import attending, blocks, recurrences
from .config import Config
from .operators import Count, Layers, Operator
from .recipes import DENSE, FULL, LINEAR, SPARSE, SharedExperts, grouped_labels, mixture, mlp, typed


def mamba1(config: Config, label: str) -> list[Operator]:
    """A Mamba mixer by the names of its own configuration."""
    hidden = config.size("hidden_size")
    inner = config.optional_size("intermediate_size")
    if inner is None:
        inner = config.size("expand") * hidden
    rank = config.get("time_step_rank")
    rank = -(-hidden // 16) if rank in (None, "auto") else config.size("time_step_rank")
    space = recurrences.StateSpace(
        inner,
        config.size("state_size"),
        config.size("conv_kernel"),
        bias=config.flag("use_bias"),
        conv_bias=config.flag("use_conv_bias"),
        normed=False,
    )
    return recurrences.mamba1(hidden, space, rank)


def granite_mamba(config: Config, label: str) -> list[Operator]:
    """A Mamba-2 mixer by Granite 4's names, which are Bamba's."""
    hidden, heads = config.size("hidden_size"), config.size("mamba_n_heads")
    space = recurrences.StateSpace(
        config.size("mamba_expand") * hidden,
        config.size("mamba_d_state"),
        config.size("mamba_d_conv"),
        bias=config.flag("mamba_proj_bias"),
        conv_bias=config.flag("mamba_conv_bias"),
    )
    _check_heads(config, "mamba_n_heads", heads, space.inner)
    return recurrences.mamba2(hidden, space, heads, config.size("mamba_n_groups"))


def granite_feed_forward(config: Config, label: str) -> list[Operator]:
    """Granite 4: a mixture of experts, where there are some, and a block that all tokens share."""
    shared = blocks.mlp(config.size("hidden_size"), config.size("shared_intermediate_size"))
    if not config.get("num_experts"):
        return shared
    return mixture(shared=SharedExperts(width="shared_intermediate_size"))(config, label)


def falcon_h1(config: Config, label: str) -> list[Operator]:
    """Falcon-H1: attention and a Mamba-2 mixer side by side."""
    hidden, heads = config.size("hidden_size"), config.size("mamba_n_heads")
    inner = config.optional_size("mamba_d_ssm")
    if inner is None:
        inner = config.size("mamba_expand") * hidden
    _check_heads(config, "mamba_n_heads", heads, inner)
    space = recurrences.StateSpace(
        inner,
        config.size("mamba_d_state"),
        config.size("mamba_d_conv"),
        bias=config.flag("mamba_proj_bias"),
        conv_bias=config.flag("mamba_conv_bias"),
        out_bias=config.flag("projectors_bias"),
        normed=config.flag("mamba_rms_norm"),
    )
    biases = config.flag("attention_bias")
    return [
        *attending.attention(hidden, config.heads(), attending.Extras(biases, biases)),
        *recurrences.mamba2(hidden, space, heads, config.size("mamba_n_groups")),
    ]


def _check_heads(config: Config, name: str, heads: Count, inner: Count) -> None:
    if isinstance(inner, int) and isinstance(heads, int) and inner % heads:
        raise config.fault(name, f"a divisor of the scan's width, {inner}")


KINDS = {"M": LINEAR, "E": "moe", "*": FULL, "-": "mlp"}
"""Nemotron-H's letters for kinds of layers."""


def nemotron_layers(config: Config) -> list[tuple[str, Layers]]:
    """Nemotron-H: what each layer is, as a list of names or a word of letters."""
    labels, pattern = config.get("layer_types"), config.get("hybrid_override_pattern")
    if labels is None and pattern is None and config.is_inner:
        labels = [LINEAR, "moe", FULL, "mlp"]
    if labels is None and isinstance(pattern, str):
        labels = [KINDS.get(letter, letter) for letter in pattern]
    if not isinstance(labels, list) or not labels:
        raise config.fault("layers_block_type", "a list, or hybrid_override_pattern")
    same = {"attention": FULL, "mamba": LINEAR}
    named = [same.get(label, label) if isinstance(label, str) else "" for label in labels]
    if set(named) - set(KINDS.values()):
        raise config.fault("layers_block_type", f"a list of {', '.join(KINDS.values())}")
    return grouped_labels(named)


def nemotron_count(config: Config) -> int:
    """Nemotron-H: as many layers as are listed, whatever another field says."""
    return sum(len(layers.indices()) for _, layers in nemotron_layers(config))


def nemotron_mixer(config: Config, label: str) -> list[Operator]:
    """Nemotron-H: a layer is one of a scan, attention, a dense block, a mixture of experts."""
    hidden = config.size("hidden_size")
    if label == FULL:
        return attending.attention(hidden, config.heads())
    if label == "mlp":
        return mlp(gated=False, bias="mlp_bias")(config, label)
    if label == "moe":
        return _nemotron_experts(config, hidden)
    heads = config.size("mamba_num_heads")
    space = recurrences.StateSpace(
        heads * config.size("mamba_head_dim"),
        config.size("ssm_state_size"),
        config.size("conv_kernel"),
        bias=config.flag("use_bias"),
        conv_bias=config.flag("use_conv_bias"),
    )
    return recurrences.mamba2(hidden, space, heads, config.size("n_groups"))


def _nemotron_experts(config: Config, hidden: Any) -> list[Operator]:
    """Experts of two matrices, over the stream or over a narrower latent of it."""
    bias, latent = config.flag("mlp_bias"), config.optional_size("moe_latent_size")
    narrow = hidden if latent is None else latent
    experts = blocks.Experts(config.size("num_experts"), config.size("num_experts_per_tok"))
    width, shared = "moe_intermediate_size", "moe_shared_expert_intermediate_size"
    parts = [
        blocks.column("router", hidden, experts.held, ways=1, kept=4 * experts.held),
        *blocks.mlp(narrow, config.size(width), gated=False, name="experts", experts=experts),
        *blocks.mlp(hidden, config.size(shared), gated=False, bias=bias, name="shared_experts"),
    ]
    if latent is not None:
        parts += [
            blocks.column("experts_latent", hidden, latent, bias, ways=1, adapted="mlp"),
            blocks.column(
                "experts_latent",
                latent,
                hidden,
                bias,
                ways=1,
                adapted="mlp",
                kept=blocks.BYTES * latent,
            ),
        ]
    return parts


def lfm2_mixers(config: Config) -> list[tuple[str, Layers]]:
    """LFM2: attention in the layers that are listed, short convolutions in all others."""
    listed = config.get("full_attn_idxs")
    chosen: Sequence[int] = range(config.whole_layers())
    if listed is not None:
        chosen = config.indices("full_attn_idxs", config.whole_layers())
    return typed(lambda _, layer: FULL if layer in chosen else "conv")(config)


def lfm2_convolution(config: Config, label: str) -> list[Operator]:
    """LFM2's short convolution by its own names."""
    return recurrences.short_convolution(
        config.size("hidden_size"), config.size("conv_L_cache"), config.flag("conv_bias")
    )


def lfm2_feed_forward(config: Config, label: str) -> list[Operator]:
    """LFM2: two thirds of the width in the file, times a factor, rounded up."""
    width = config.size("block_ff_dim" if "block_ff_dim" in config.fields else "intermediate_size")
    if config.flag("block_auto_adjust_ff_dim"):
        factor = config.get("block_ffn_dim_multiplier")
        width = int(2 * width / 3)
        if factor is not None:
            if not isinstance(factor, int | float) or not 0 < factor < 1000:
                raise config.fault("block_ffn_dim_multiplier", "a number above 0")
            step = config.size("block_multiple_of")
            width = step * -(-int(factor * width) // step)
    return blocks.mlp(config.size("hidden_size"), width)


def kimi_mixers(config: Config) -> list[tuple[str, Layers]]:
    """Kimi Linear: lists of layers, counted from 1, of full attention and of its own."""
    name = "linear_attn_config.full_attn_layers"
    full = config.get(name)
    if config.get("layer_types") is None and full is not None:
        count = config.whole_layers()
        chosen = set(config.indices(name, count + 1))
        return grouped_labels([FULL if layer + 1 in chosen else LINEAR for layer in range(count)])
    return typed(lambda _, layer: FULL if layer and layer % 4 == 0 else LINEAR)(config)


KIMI_NAMES = {
    "linear_num_heads": "linear_attn_config.num_heads",
    "linear_head_dim": "linear_attn_config.head_dim",
    "linear_conv_kernel_dim": "linear_attn_config.short_conv_kernel_size",
}


def kimi_delta(config: Config, label: str) -> list[Operator]:
    """Kimi Delta Attention by Kimi Linear's names."""

    def size(name: str) -> Any:
        inside = KIMI_NAMES[name]
        return config.size(name if config.get(inside) is None else inside)

    return recurrences.kimi_delta(
        config.size("hidden_size"),
        size("linear_num_heads"),
        size("linear_head_dim"),
        size("linear_conv_kernel_dim"),
    )


def griffin_mixers(config: Config) -> list[tuple[str, Layers]]:
    """RecurrentGemma: a short list of kinds, repeated."""
    count, kinds = config.whole_layers(), config.get("block_types")
    known = {"recurrent": LINEAR, "attention": FULL}
    is_list = isinstance(kinds, list) and kinds and all(str(each) in known for each in kinds)
    if not is_list:
        raise config.fault("block_types", "a list of recurrent and attention")
    return grouped_labels([known[str(kinds[layer % len(kinds)])] for layer in range(count)])


def griffin_attention(config: Config, label: str) -> list[Operator]:
    """RecurrentGemma's attention over a window; its output has a bias."""
    extras = attending.Extras(bias=config.flag("attention_bias"), out_bias=True)
    mask = attending.Mask(config.size("attention_window_size"))
    return attending.attention(config.size("hidden_size"), config.heads(), extras, mask)


def griffin_recurrence(config: Config, label: str) -> list[Operator]:
    """RecurrentGemma's linear recurrence by its own names."""
    width = config.optional_size("lru_width")
    heads = config.size("num_attention_heads")
    hidden = config.size("hidden_size")
    width = hidden if width is None else width
    if width % heads:
        raise config.fault("num_attention_heads", f"a divisor of lru_width, {width}")
    return recurrences.linear_recurrence(hidden, width, heads, config.size("conv1d_width"))


def griffin_feed_forward(config: Config, label: str) -> list[Operator]:
    """RecurrentGemma: half of the width in the file, with biases."""
    width = config.size("intermediate_size") // 2
    return blocks.mlp(config.size("hidden_size"), width, bias=True)


def rwkv_first_norm(config: Config) -> list[Operator]:
    """The norm of embeddings that stands before RWKV's layers, of every version."""
    return [blocks.norm("norm", config.size("hidden_size"), "layer")]


def rwkv4(config: Config, label: str) -> list[Operator]:
    """RWKV-4's time mixing by its own names."""
    hidden = config.size("hidden_size")
    width = config.optional_size("attention_hidden_size")
    return recurrences.rwkv4(hidden, hidden if width is None else width)


def rwkv4_channels(config: Config, label: str) -> list[Operator]:
    """RWKV-4's channel mixing by its own names."""
    hidden = config.size("hidden_size")
    width = config.optional_size("intermediate_size")
    return recurrences.rwkv4_channels(hidden, 4 * hidden if width is None else width)


def linear_sparse(config: Config) -> list[tuple[str, Layers]]:
    """Kimi Linear: dense layers, then mixtures, whose number an older field gives."""
    first = config.get("first_k_dense_replace")
    first = 1 if first is None else config.size("first_k_dense_replace", 0)
    return grouped_labels(
        [DENSE if layer < first else SPARSE for layer in range(config.whole_layers())]
    )


def olmo_mixers(config: Config) -> list[tuple[str, Layers]]:
    """OLMo Hybrid: full attention in every fourth layer, or in the last of fewer."""
    last = config.whole_layers() - 1
    return typed(lambda _, layer: FULL if layer % 4 == 3 or layer == last < 3 else LINEAR)(config)


def rwkv5(config: Config, label: str) -> list[Operator]:
    """RWKV-5's time mixing by its own names."""
    hidden, width = config.size("hidden_size"), config.optional_size("attention_hidden_size")
    return recurrences.rwkv5(hidden, width or hidden, config.size("head_size"))


def rwkv5_channels(config: Config, label: str) -> list[Operator]:
    """RWKV-5's channel mixing: three and a half times the hidden size, in steps of 32."""
    hidden, width = config.size("hidden_size"), config.optional_size("intermediate_size")
    return recurrences.rwkv4_channels(hidden, width or 7 * hidden // 2 // 32 * 32)
