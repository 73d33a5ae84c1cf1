"""Decoders that a search put together: each layer's attention and feed-forward block by itself.

Puzzle (arXiv 2411.19146) leaves parts of a Llama out, puts a matrix in their place, or gives them
other widths; ``block_configs`` says what each layer has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import attending, blocks
from .config import Config
from .operators import Heads, Layers, Operator
from .recipes import grouped_labels

NOTHING, MATRIX = "nothing", "matrix"
STEP = 256
"""What a feed-forward block's width is rounded up to a multiple of."""


def _parts(config: Config, part: str) -> list[Mapping[str, Any]]:
    """Return what ``block_configs`` says of one half of each layer."""
    given, count = config.get("block_configs"), config.whole_layers()
    is_list = isinstance(given, list) and len(given) == count
    if not is_list or not all(
        isinstance(each, Mapping) and isinstance(each.get(part), Mapping) for each in given
    ):
        raise config.fault("block_configs", f"a list of {count} tables of attention and ffn")
    return [each[part] for each in given]


def _replaced(part: Mapping[str, Any]) -> str:
    """Return what stands in place of a half of a layer; nothing where it is there."""
    if part.get("no_op"):
        return NOTHING
    return MATRIX if part.get("replace_with_linear") else ""


def attentions(config: Config) -> list[tuple[str, Layers]]:
    """Return the layers by how many heads of queries share one of keys."""
    labels = []
    for part in _parts(config, "attention"):
        shared = part.get("n_heads_in_group")
        label = _replaced(part)
        if not label and (type(shared) is not int or not 0 < shared <= 10**6):
            raise config.fault("block_configs", "n_heads_in_group: a whole number from 1")
        labels.append(label or str(shared))
    return grouped_labels(labels)


def attention(config: Config, label: str) -> list[Operator]:
    """Return a layer's attention with its norm, or what stands in its place."""
    hidden, heads = config.size("hidden_size"), config.size("num_attention_heads")
    if label in (NOTHING, MATRIX):
        return _in_place(hidden, label)
    if heads % int(label):
        raise config.fault("block_configs", f"n_heads_in_group: a divisor of {heads}")
    width = config.heads(grouped=False).width
    biased = config.flag("attention_bias")
    extras = attending.Extras(biased, biased)
    own = attending.attention(hidden, Heads(heads, heads // int(label), width), extras)
    return [blocks.norm("norm", hidden, "rms"), *own]


def feed_forwards(config: Config) -> list[tuple[str, Layers]]:
    """Return the layers by the width of their feed-forward block."""
    hidden, labels = config.size("hidden_size"), []
    for part in _parts(config, "ffn"):
        factor, label = part.get("ffn_mult"), _replaced(part)
        if label:
            labels.append(label)
            continue
        if isinstance(factor, bool) or not isinstance(factor, int | float) or not 0 < factor < 1000:
            raise config.fault("block_configs", "ffn_mult: a number above 0")
        labels.append(str(STEP * -(-int(2 * factor * hidden / 3) // STEP)))
    return grouped_labels(labels)


def feed_forward(config: Config, label: str) -> list[Operator]:
    """Return a layer's feed-forward block with its norm, or what stands in its place."""
    hidden = config.size("hidden_size")
    if label in (NOTHING, MATRIX):
        return _in_place(hidden, label)
    own = blocks.mlp(hidden, int(label), bias=config.flag("mlp_bias"))
    return [blocks.norm("norm", hidden, "rms"), *own]


def _in_place(hidden: Any, label: str) -> list[Operator]:
    if label == NOTHING:
        return []
    matrix = blocks.column("mlp", hidden, hidden, adapted="mlp", kept=blocks.BYTES * hidden)
    return [blocks.norm("norm", hidden, "rms"), matrix]
