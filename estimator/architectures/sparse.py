"""Sparse attention: what chooses the keys that a query attends."""

from __future__ import annotations

from typing import Any

from . import attending, blocks
from .config import Config
from .operators import Operator
from .recipes import FULL, grouped_labels

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
    if labels is None and pattern is not None:
        letters = {"F": WITH, "S": SHARED}
        labels = [letters.get(each, each) for each in pattern]
    if labels is None:
        each = max(config.optional_size("index_topk_freq", 0) or 1, 1)
        offset = config.get("index_skip_topk_offset")
        offset = 2 if offset is None else config.size("index_skip_topk_offset", 0)
        labels = [SHARED if max(layer - offset + 1, 0) % each else WITH for layer in range(count)]
    if len(labels) != count or not all(label in (WITH, SHARED) for label in labels):
        raise config.fault("indexer_types", f"a list of {count}, each {WITH} or {SHARED}")
    return grouped_labels(labels)


def minimax_m3_mixers(config: Config) -> Any:
    """MiniMax-M3: which layers attend chosen blocks of keys."""
    labels = config.get("layer_types")
    given = config.get("sparse_attention_config")
    if labels is None and isinstance(given, dict) and "sparse_attention_freq" in given:
        switches = config.switches("sparse_attention_config.sparse_attention_freq")
        labels = [SPARSE_LABEL if each else FULL for each in switches]
    if labels is None:
        labels = [FULL] * config.whole_layers()
    count = config.whole_layers()
    if len(labels) != count or not all(each in (FULL, SPARSE_LABEL) for each in labels):
        raise config.fault("layer_types", f"a list of {count}, each {FULL} or {SPARSE_LABEL}")
    return grouped_labels(labels)


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
