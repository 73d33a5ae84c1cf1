"""Sparse attention: what chooses the keys that a query attends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from . import attending, blocks
from .config import Config
from .operators import Operator
from .recipes import FULL, SLIDING, grouped_labels

WITH, SHARED = "full", "shared"
SPARSE_LABEL = "minimax_m3_sparse"


def lightning_indexer(config: Config, label: str) -> list[Operator]:
    """DeepSeek-V3.2: heads that score every key for the main attention to take the best of."""
    if label == SHARED:
        return []
    return attending.indexer(
        config.size("hidden_size"),
        config.size("q_lora_rank"),
        config.size("index_n_heads"),
        config.size("index_head_dim"),
    )


def glm_indexers(config: Config) -> Any:
    """GLM-5: layers that choose keys, and those that take the choice of one before them."""
    count, labels = config.whole_layers(), config.get("indexer_types")
    pattern = config.get("index_topk_pattern")
    if labels is None and isinstance(pattern, str | list):
        letters = {"F": WITH, "S": SHARED}
        labels = [letters.get(each, "") for each in pattern if isinstance(each, str)]
    if labels is None:
        each = max(config.optional_size("index_topk_freq", 0) or 1, 1)
        offset = config.get("index_skip_topk_offset")
        offset = 2 if offset is None else config.size("index_skip_topk_offset", 0)
        labels = [SHARED if max(layer - offset + 1, 0) % each else WITH for layer in range(count)]
    return grouped_labels(_checked(config, "indexer_types", labels, (WITH, SHARED)))


def _checked(config: Config, name: str, labels: Any, allowed: tuple[str, ...]) -> list[str]:
    """Return a label for each layer, each one that is allowed."""
    count = config.whole_layers()
    is_list = isinstance(labels, list) and len(labels) == count
    if not is_list or not all(isinstance(each, str) and each in allowed for each in labels):
        raise config.fault(name, f"a list of {count}, of {', '.join(allowed)}")
    return [str(each) for each in labels]


def minimax_m3_mixers(config: Config) -> Any:
    """MiniMax-M3: which layers attend chosen blocks of keys."""
    labels = config.get("layer_types")
    given = config.get("sparse_attention_config")
    if labels is None and isinstance(given, dict) and "sparse_attention_freq" in given:
        switches = config.switches("sparse_attention_config.sparse_attention_freq")
        labels = [SPARSE_LABEL if each else FULL for each in switches]
    if labels is None:
        labels = [FULL] * config.whole_layers()
    return grouped_labels(_checked(config, "layer_types", labels, (FULL, SPARSE_LABEL)))


INDEX_NAMES = {
    "index_n_heads": "sparse_attention_config.sparse_num_index_heads",
    "index_head_dim": "sparse_attention_config.sparse_index_dim",
    "index_block_size": "sparse_attention_config.sparse_block_size",
    "index_topk_blocks": "sparse_attention_config.sparse_topk_blocks",
}
"""MiniMax-M3's names in its file of what chooses blocks of keys."""


def minimax_m3_attention(config: Config, label: str) -> list[Operator]:
    """MiniMax-M3: normed heads; heads of an index choose blocks of keys."""
    hidden, extras = config.size("hidden_size"), attending.Extras(qk_norm="head")
    if label == FULL:
        return attending.attention(hidden, config.heads(), extras)

    def index(name: str) -> Any:
        return config.size(INDEX_NAMES[name] if config.get(INDEX_NAMES[name]) else name)

    heads, width = index("index_n_heads"), index("index_head_dim")
    keys = index("index_block_size") * index("index_topk_blocks")
    return [
        *attending.attention(hidden, config.heads(), extras, attending.Mask(keys)),
        blocks.column("indexer", hidden, heads * width, ways=1),
        blocks.column("indexer", hidden, width, ways=1),
        blocks.vector("indexer", 2 * width),
        Operator("indexer", per_key=heads * width, ways=1, heads=heads),
    ]


RATES = {"compressed_sparse_attention": 4, "heavily_compressed_attention": 128}
"""DeepSeek-V4's kinds of compressed attention, and how many tokens become one key."""

HASHED = "hash_moe"


def deepseek_v4_mixers(config: Config) -> Any:
    """DeepSeek-V4: how each layer's keys are compressed."""
    if config.get("n_shared_experts") != 1:
        raise config.fault("n_shared_experts", "1")
    count, labels, given = (
        config.whole_layers(),
        config.get("layer_types"),
        config.get("compress_ratios"),
    )
    if labels is None and given is not None:
        kinds = {rate: label for label, rate in RATES.items()} | {0: SLIDING}
        is_list = isinstance(given, list) and len(given) >= count
        if not is_list or not all(type(each) is int and each in kinds for each in given):
            raise config.fault("compress_ratios", f"a list of at least {count}, of 0, 4 and 128")
        # Its file goes on to the layers that predict further tokens.
        labels = [kinds[rate] for rate in given[:count]]
    if labels is None:
        sparse, heavy = RATES
        labels = [sparse if layer % 2 and layer > 1 else heavy for layer in range(count)]
    return grouped_labels(_checked(config, "layer_types", labels, (SLIDING, *RATES)))


def deepseek_v4_attention(config: Config, label: str) -> list[Operator]:
    """DeepSeek-V4: one head of keys for all, compressed; an output in groups of low rank.

    A query attends a window, and besides the compressed keys before it, of which sparse layers
    take the best.
    """
    hidden, heads, width = (
        config.size("hidden_size"),
        config.size("num_attention_heads"),
        config.size("head_dim"),
    )
    rank, groups, narrow = (
        config.size("q_lora_rank"),
        config.size("o_groups"),
        config.size("o_lora_rank"),
    )
    name, out = "attention_qkv", "attention_output"
    if heads * width % groups:
        raise config.fault("o_groups", f"a divisor of heads x head_dim, {heads * width}")
    window = attending.Mask(config.size("sliding_window"))
    parts = [
        blocks.column(name, hidden, rank, ways=1, adapted="attention", kept=2 * hidden),
        blocks.norm(name, rank, "rms"),
        blocks.column(name, rank, heads * width, ways=heads, adapted="attention", kept=2 * rank),
        blocks.column(name, hidden, width, ways=1, adapted="attention", kept_split=2 * width),
        blocks.norm(name, width, "rms"),
        attending.scores(heads, width, width, window, heads),
        # Each group of heads goes to a low rank of its own.
        Operator(out, heads * width // groups, narrow, copies=groups, uses=groups, ways=groups),
        blocks.column(out, groups * narrow, hidden, ways=1, kept=2 * groups * narrow),
    ]
    if label == SLIDING:
        return parts
    given = config.get("compress_rates")
    rates = given if isinstance(given, dict) else RATES
    rate = rates.get(label, RATES[label])
    if not isinstance(rate, int) or rate < 1:
        raise config.fault("compress_rates", "whole numbers above 0")
    overlap = 2 if label == "compressed_sparse_attention" else 1
    parts += _compressor(hidden, width, rate, overlap)
    keys = attending.scores(heads, width, width)
    if overlap == 1:
        return [*parts, replace(keys, per_key=keys.per_key / rate, kept_split=0, heads=0)]
    index, inner = config.size("index_n_heads"), config.size("index_head_dim")
    chosen = attending.Mask(rate * config.size("index_topk"))
    best = attending.scores(heads, width, width, chosen)
    return [
        *parts,
        replace(best, per_key=best.per_key / rate, kept_split=0, heads=0),
        *_compressor(hidden, inner, rate, overlap),
        blocks.column("indexer", rank, index * inner, ways=1),
        blocks.column("indexer", hidden, index, ways=1),
        Operator("indexer", per_key=index * inner / rate, ways=1),
    ]


def _compressor(hidden: Any, width: Any, rate: int, overlap: int) -> list[Operator]:
    """Return what makes one key of several tokens': values, gates, and places among them."""
    name = "compressor"
    return [
        *[blocks.column(name, hidden, overlap * width, ways=1, kept_split=2 * overlap * width)] * 2,
        blocks.vector(name, rate * overlap * width),
        blocks.norm(name, width, "rms"),
    ]


def hyper_connections(config: Config, label: str) -> list[Operator]:
    """DeepSeek-V4: what mixes a layer's streams, before attention and before the experts."""
    hidden, streams = config.size("hidden_size"), config.size("hc_mult")
    mixes = (2 + streams) * streams
    mix = Operator("streams", streams * hidden, mixes, vectors=mixes + 3, ways=1)
    return [replace(mix, kept=2 * streams * hidden)] * 2


def last_streams(config: Config) -> list[Operator]:
    """DeepSeek-V4: what makes one stream of several before the head."""
    hidden, streams = config.size("hidden_size"), config.size("hc_mult")
    return [Operator("streams", streams * hidden, streams, vectors=streams + 1, ways=1)]
