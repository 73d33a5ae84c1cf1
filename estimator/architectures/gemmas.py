"""Gemma 3n and Gemma 4: layers that differ in their heads, and inputs of each layer's own.

Gemma 3n is a MatFormer with alternating updates (AltUp, arXiv 2301.13310) and a learned augmented
residual layer (LAuReL, arXiv 2411.07501).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, cast

from . import attending, blocks
from .config import Config
from .operators import Heads, Layers, Operator
from .recipes import FULL, SLIDING, every, grouped_labels, spread

BORROWED, KEYS = "borrowed", "keys"


class Kind(NamedTuple):
    """What a layer of Gemma 3n or 4 is, as its label says it.

    Attributes:
        mixer: full or sliding attention.
        values: where keys and values come from, as ``attending.Extras`` says it.
        kv_heads: heads of keys.
        width: width of a head.
        inner: width of the feed-forward block.
    """

    mixer: str
    values: str
    kv_heads: int
    width: int
    inner: int

    @property
    def label(self) -> str:
        """The kind as a layer's label."""
        return " ".join(str(each) for each in self)

    @classmethod
    def of(cls, label: str) -> Kind:
        """Return the kind that a label says."""
        mixer, values, *sizes = label.split()
        return cls(mixer, values, *(int(size) for size in sizes))


def layers(config: Config) -> list[tuple[str, Layers]]:
    """Return the layers of each kind."""
    count, gemma4 = config.whole_layers(), is_gemma4(config)
    mixers = spread(every("sliding_window_pattern", FULL, SLIDING)(config), count)
    if not all(mixer in (FULL, SLIDING) for mixer in mixers):
        raise config.fault("layer_types", f"a list of {FULL} and {SLIDING}")
    if gemma4:
        mixers[-1] = FULL
    shared = config.optional_size("num_kv_shared_layers", 0) or 0
    if shared > count:
        raise config.fault("num_kv_shared_layers", f"up to num_hidden_layers, {count}")
    found = []
    for layer, mixer in enumerate(mixers):
        borrowed = layer >= count - shared
        heads, values = _heads(config, layer, mixer)
        keys, width = cast("int", heads.keys), cast("int", heads.width)
        values = BORROWED if borrowed else values
        inner = _inner(config, layer, borrowed)
        found.append(Kind(mixer, values, keys, width, inner).label)
    return grouped_labels(found)


def is_gemma4(config: Config) -> bool:
    """Whether it is Gemma 4, whose layers of full attention have heads of their own."""
    return config.get("altup_num_inputs") is None


def _heads(config: Config, layer: int, mixer: str) -> tuple[Heads, str]:
    """Return a layer's heads, and where its values come from."""
    heads = config.heads()
    if mixer == SLIDING or not is_gemma4(config):
        return heads, "own"
    given = config.get("per_layer_config")
    keys_are_values = config.flag("attention_k_eq_v")
    width = config.optional_size("global_head_dim") or 512
    kv_heads = heads.keys
    if keys_are_values and config.get("num_global_key_value_heads") is not None:
        kv_heads = config.size("num_global_key_value_heads")
    if isinstance(given, Mapping):
        # Layers are written with as many digits as the last has.
        digits = len(str(config.whole_layers() - 1))
        own = given.get(str(layer).zfill(digits), given.get(str(layer), {}))
        if not isinstance(own, Mapping):
            raise config.fault("per_layer_config", "a table of tables")
        width, kv_heads = own.get("head_dim", heads.width), own.get("num_key_value_heads", kv_heads)
    if not isinstance(width, int) or not isinstance(kv_heads, int):
        raise config.fault("per_layer_config", "tables of head_dim and num_key_value_heads")
    return Heads(heads.queries, kv_heads, width), KEYS if keys_are_values else "own"


def _inner(config: Config, layer: int, borrowed: bool) -> int:
    """Return the width of a layer's feed-forward block."""
    given = config.get("intermediate_size")
    if isinstance(given, list):
        sizes = config.sizes("intermediate_size", config.whole_layers())
        return sizes[layer]
    inner = config.size("intermediate_size")
    return int(2 * inner if borrowed and config.flag("use_double_wide_mlp") else inner)


def attention(config: Config, label: str) -> list[Operator]:
    """Return a layer's attention, with queries and keys normed."""
    kind, bias = Kind.of(label), config.flag("attention_bias")
    heads = Heads(config.size("num_attention_heads"), kind.kv_heads, kind.width)
    extras = attending.Extras(bias, bias, qk_norm="head", values=kind.values)
    mask = attending.CAUSAL
    if kind.mixer == SLIDING:
        mask = attending.Mask(config.size("sliding_window"))
    parts = attending.attention(config.size("hidden_size"), heads, extras, mask)
    return [*parts, *_feed_forward(config, kind.inner), *_own_input(config)]


def _feed_forward(config: Config, inner: int) -> list[Operator]:
    """Return a layer's dense block, and the experts beside it."""
    hidden = config.size("hidden_size")
    parts = blocks.mlp(hidden, inner)
    if not config.flag("enable_moe_block"):
        return parts
    experts = blocks.Experts(config.size("num_experts"), config.size("top_k_experts"))
    return [
        *parts,
        *blocks.mixture(hidden, config.size("moe_intermediate_size"), experts),
        blocks.vector("router", hidden + experts.held),
        *[blocks.norm("norm", hidden, "rms")] * 3,
    ]


def _own_input(config: Config) -> list[Operator]:
    """Return what adds a token's embedding of this layer's own."""
    hidden = config.size("hidden_size")
    own = config.optional_size("hidden_size_per_layer_input", 0) or 0
    if not own:
        return []
    name = "layer_input"
    return [
        blocks.column(name, hidden, own, adapted="mlp", kept=2 * hidden, kept_split=4 * own),
        *blocks.row(name, own, hidden, adapted="mlp", kept_split=2 * own),
        blocks.norm("norm", hidden, "rms"),
    ]


def own_inputs(config: Config) -> list[Operator]:
    """Return the table of each layer's own embeddings, and what the token's make of them."""
    hidden, count = config.size("hidden_size"), config.whole_layers()
    own = config.optional_size("hidden_size_per_layer_input", 0) or 0
    if not own:
        return []
    wide = count * own
    return [
        blocks.embedding("embedding", config.size("vocab_size_per_layer_input"), wide),
        blocks.column("layer_input", hidden, wide, ways=1, kept=2 * hidden + 4 * wide),
        blocks.vector("layer_input", own),
    ]


def alternating(config: Config, label: str) -> list[Operator]:
    """Return what Gemma 3n adds to a layer: AltUp's router and coefficients, and LAuReL."""
    hidden, streams = config.size("hidden_size"), config.size("altup_num_inputs")
    rank = config.size("laurel_rank")
    return [
        blocks.column("altup", hidden, streams, ways=1, kept=2 * hidden * (streams + 1)),
        Operator("altup", streams, streams * streams, ways=1),
        Operator("altup", streams, streams, ways=1),
        blocks.vector("altup", 2 * hidden),
        blocks.column("laurel", hidden, rank, ways=1),
        blocks.column("laurel", rank, hidden, ways=1, kept=2 * rank),
        blocks.norm("norm", hidden, "rms"),
    ]


def streams(config: Config) -> list[Operator]:
    """Return the products that make Gemma 3n's other streams, or take them back."""
    hidden, count = config.size("hidden_size"), config.size("altup_num_inputs")
    return [
        Operator(
            "altup",
            hidden,
            hidden,
            copies=count - 1,
            uses=count - 1,
            ways=1,
            kept=2 * hidden * count,
        )
    ]
