"""What the modules and the configuration of an attention say: its heads, and who attends whom."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from torch import nn

from ..attending import Mask
from ..operators import UNLIMITED, Count

CROSS = re.compile(
    r"cross|enc_?attn|encoder_attn|encdec|encoder_decoder|(?<!r)xattn", re.IGNORECASE
)
"""Names of attention over another sequence's keys."""
TOP_OF_NAME = re.compile(r"Top(\d+)Router")
"""Names of classes that say how many experts a token meets."""
INDEXER = re.compile(r"indexer", re.IGNORECASE)
TOP_K = (
    "num_experts_per_tok",
    "moe_topk",
    "moe_k",
    "moe_top_k",
    "num_experts_per_token",
    "top_k",
    "topk",
    "num_selected_experts",
    "top_k_experts",
    "num_experts_top_k",
)
"""Names of the number of experts that a token meets."""


def owners(model: nn.Module, path: str) -> Iterator[nn.Module]:
    """Yield a module and those that hold it, from the inside."""
    parts = path.split(".") if path else []
    for size in range(len(parts), -1, -1):
        yield model.get_submodule(".".join(parts[:size]))


def told(config: Any, name: str) -> Any:
    """Return what a configuration says, or None: some raise where layers are of several kinds."""
    try:
        return getattr(config, name, None)
    except Exception:
        return None


def config_of(model: nn.Module, path: str) -> Any:
    """Return the configuration that the nearest module holds."""
    return next(each.config for each in owners(model, path) if hasattr(each, "config"))


def text_config(model: Any) -> Any:
    """Return the configuration of what reads text, or of the whole where nothing is apart."""
    config = model.config
    return config.get_text_config() if hasattr(config, "get_text_config") else config


def routed(model: nn.Module, path: str) -> int | None:
    """Return how many experts a token meets; None where nothing says it."""
    for each in (*owners(model, path), None):
        sources = [model.config] if each is None else [each, getattr(each, "config", None)]
        for source in sources:
            for name in TOP_K:
                value = told(source, name)
                if isinstance(value, list) and value:
                    value = value[0]
                if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                    return value
    kinds = (type(each).__name__ for owner in owners(model, path) for each in owner.children())
    return next((int(found[1]) for kind in kinds if (found := TOP_OF_NAME.search(kind))), None)


def mask_of(model: nn.Module, path: str, layer: int, *, two_ways: bool) -> Mask:
    """Return which keys the queries of a module attend.

    Args:
        model: the whole.
        path: name of the module that multiplies queries with keys.
        layer: number of its layer in its own stack.
        two_ways: whether the model reads a text in both directions.
    """
    config = config_of(model, path)
    if CROSS.search(path):
        return Mask(causal=False)
    given = next(
        (each.is_causal for each in owners(model, path) if hasattr(each, "is_causal")), True
    )
    causal = bool(given) and not two_ways
    window, chunked = _window(model, path, config, layer)
    return Mask(window, chunked, causal)


def _window(model: nn.Module, path: str, config: Any, layer: int) -> tuple[Count, bool]:
    """Return how many keys are attended at most, and whether within fixed chunks."""
    chosen = told(config, "index_topk")
    if isinstance(chosen, int) and not INDEXER.search(path):
        return chosen, False
    labels = told(config, "layer_types")
    label = labels[layer] if isinstance(labels, list) and layer < len(labels) else None
    if label == "chunked_attention":
        return told(config, "attention_chunk_size") or UNLIMITED, True
    if label in ("sliding_attention", "local_attention"):
        size = told(config, "sliding_window") or told(config, "local_attention")
        return size or UNLIMITED, False
    if label is not None or told(config, "use_sliding_window") is False:
        return UNLIMITED, False
    own = next(
        (each.sliding_window for each in owners(model, path) if hasattr(each, "sliding_window")),
        told(config, "sliding_window"),
    )
    return (own, False) if isinstance(own, int) and own > 0 else (UNLIMITED, False)
