"""What single architectures do in their own way; the table says which."""

from __future__ import annotations

from typing import Any

from . import attending, recurrences
from .config import Config
from .operators import Count, Heads, Operator
from .recipes import CHUNKED, DENSE, FULL, LINEAR, SLIDING, dense_or, mixture, uniform, windowed


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


def lightning(config: Config, label: str) -> list[Operator]:
    """Lightning attention by MiniMax's names."""
    heads = config.heads()
    return recurrences.lightning_attention(config.size("hidden_size"), heads.queries, heads.width)
