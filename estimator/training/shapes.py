"""Shapes of models of which only the size is known: width, depth, heads.

A transformer of the Llama family, its width some 128 times its depth, as Llama 3 8B (4096 and 32),
405B (16384 and 126) and OLMo 2 7B and 13B (4096, 5120 and 32, 40) have it; a vocabulary of 32,768,
tied below a width of 2048.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from computebill.architectures import Architecture, read_architecture
from computebill.architectures.columns import columns
from computebill.architectures.counting import count_parameters

ASPECT = 128
"""Width over depth."""

VOCABULARY = 32768
TIED_BELOW = 2048
KEY_HEADS = 8
GROUPED_FROM = 1024
"""Width from which keys have fewer heads: 8, or as many as divide the others, as in Llama 3 and
Qwen 2.5 (28 heads, 4 of keys, of 7 B)."""

OFF = 0.12
"""What an aspect of e times the usual counts as, of a size e times the wanted one."""

DEPTHS = (2, 6, *range(4, 200, 4))
"""Multiples of four, that pipelines can divide, and two for the smallest."""


class Shape(NamedTuple):
    """A model's width and depth."""

    depth: int
    width: int

    @property
    def head(self) -> int:
        """Width of an attention head."""
        return 64 if self.width < 1024 else 128

    @property
    def key_heads(self) -> int:
        """Heads of keys and values."""
        heads = self.width // self.head
        return heads if self.width < GROUPED_FROM else math.gcd(heads, KEY_HEADS)

    @property
    def feed_forward(self) -> int:
        """Width of the feed-forward layer: 8/3 of the width, up to a multiple of 256."""
        return -(-8 * self.width // 3 // 256) * 256

    @property
    def tied(self) -> bool:
        """Whether the output shares the embedding's table."""
        return self.width < TIED_BELOW

    @property
    def params(self) -> float:
        """Parameters but for the norms' (under 0.1 %)."""
        attention = 2.0 * self.width * (self.width + self.key_heads * self.head)
        tables = VOCABULARY * self.width * (1 if self.tied else 2)
        return self.depth * (attention + 3.0 * self.width * self.feed_forward) + tables

    def config(self) -> dict[str, object]:
        """Return it as a configuration."""
        return {
            "model_type": "llama",
            "hidden_size": self.width,
            "num_hidden_layers": self.depth,
            "num_attention_heads": self.width // self.head,
            "num_key_value_heads": self.key_heads,
            "intermediate_size": self.feed_forward,
            "vocab_size": VOCABULARY,
            "tie_word_embeddings": self.tied,
        }


@lru_cache(maxsize=1)
def _candidates() -> list[tuple[float, float, Shape]]:
    """Logarithm of the size, what its aspect counts as off, and the shape, near published ones."""
    shapes = (Shape(depth, width) for depth in DEPTHS for width in _widths())
    aspects = ((shape.width / (ASPECT * shape.depth), shape) for shape in shapes)
    return [
        (math.log(shape.params), OFF * abs(math.log(aspect)), shape)
        for aspect, shape in aspects
        if 0.4 < aspect < 2.5
    ]


def _widths() -> list[int]:
    narrow = list(range(64, 1024, 64))
    middle = list(range(1024, 4096, 256))
    return narrow + middle + list(range(4096, 40960, 1024))


@lru_cache(maxsize=4096)
def shape_of(params: float) -> Shape:
    """Return the shape of about so many parameters: near in size first, then in aspect."""
    wanted = math.log(params)

    return min(_candidates(), key=lambda each: abs(each[0] - wanted) + each[1])[2]


@lru_cache(maxsize=4096)
def architecture_of(shape: Shape) -> tuple[Architecture, float]:
    """Return a shape's architecture and its parameters, counted."""
    architecture = read_architecture(shape.config())
    return architecture, float(count_parameters(columns(architecture)).total)


def transformer_params(width: Tensor, depth: Tensor, vocabulary: Tensor) -> Tensor:
    r"""Parameters of a width and depth: :math:`12 L h^2 + V h`.

    Kaplan et al. 2020, arXiv:2001.08361, table 1, with the tied embedding.
    """
    return 12.0 * depth * width**2 + torch.where(vocabulary.isnan(), 0.0, vocabulary) * width
