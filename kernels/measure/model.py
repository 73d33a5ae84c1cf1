"""A plain decoder of today's kind, to be timed: RMSNorm, rotary positions, SwiGLU.

References:
    Touvron et al. 2023, "LLaMA", arXiv 2302.13971, section 2.2.
    Ainslie et al. 2023, "GQA", arXiv 2305.13245 (grouped queries).
    Su et al. 2021, "RoFormer", arXiv 2104.09864 (rotary positions).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, scaled_dot_product_attention, silu

from computebill.kernels.flop import (
    BACKWARD_FLOP_PER_PARAMETER,
    FORWARD_FLOP_PER_PARAMETER,
    training_flop,
)

from .attention import BACKWARD_TIMES, AttentionShape

ROTARY_BASE = 10_000.0
NORM_EPS = 1e-6
STANDARD_DEVIATION = 0.02


@dataclass(frozen=True)
class Shape:
    """Sizes of a decoder.

    Attributes:
        hidden: size of a token's vector.
        layers: transformer blocks.
        heads: number of heads of queries.
        kv_heads: number of heads of keys and values; divides ``heads``.
        head_dim: size of a head; even.
        feed_forward: inner size of the feed-forward part.
        vocabulary: tokens.
        tied: the embedding is also the head.
    """

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    feed_forward: int
    vocabulary: int
    tied: bool = False

    @property
    def block_products(self) -> int:
        """Elements of all matrices of a block."""
        attention = 2 * self.hidden * self.head_dim * (self.heads + self.kv_heads)
        return attention + 3 * self.hidden * self.feed_forward

    @property
    def parameters(self) -> int:
        """Parameters of the decoder, embedding and norms included."""
        norms = (2 * self.layers + 1) * self.hidden
        embeddings = (1 if self.tied else 2) * self.vocabulary * self.hidden
        return self.layers * self.block_products + norms + embeddings

    def attention(self, batch: int, sequence: int) -> AttentionShape:
        """Sizes of the causal attention in one block."""
        return AttentionShape(batch, self.heads, self.kv_heads, sequence, self.head_dim)


def block_flop(shape: Shape, batch: int, sequence: int) -> tuple[float, float]:
    """Model FLOP of one block, forward and backward, of only the keys that the mask lets through.

    Args:
        shape: shape of the decoder.
        batch: sequences.
        sequence: tokens of each.
    """
    scores = shape.attention(batch, sequence).flop
    products = float(shape.block_products * batch * sequence)
    return (
        FORWARD_FLOP_PER_PARAMETER * products + scores,
        BACKWARD_FLOP_PER_PARAMETER * products + BACKWARD_TIMES * scores,
    )


def step_flop(shape: Shape, batch: int, sequence: int) -> dict[str, float]:
    """Model FLOP of a training step under each convention; see ``flop.Conventions``.

    Args:
        shape: shape of the decoder.
        batch: sequences.
        sequence: tokens of each.

    Returns:
        FLOP by ``6nd``, ``palm``, ``megatron`` and ``causal``.
    """
    tokens = torch.tensor(float(batch * sequence), dtype=torch.float64)
    products = shape.layers * shape.block_products + shape.vocabulary * shape.hidden
    attention = shape.attention(batch, sequence)
    passes = (1.0 + BACKWARD_TIMES) * shape.layers
    full, masked = passes * attention.flop_full, passes * attention.flop

    def trained(parameters: int) -> float:
        return float(training_flop(torch.tensor(float(parameters), dtype=torch.float64), tokens))

    return {
        "6nd": trained(shape.parameters),
        "palm": trained(shape.parameters) + full,
        "megatron": trained(products) + full,
        "causal": trained(products) + masked,
    }


def rotation(sequence: int, head_dim: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines of rotary positions, float32; each ``(sequence, head_dim)``.

    Args:
        sequence: positions.
        head_dim: size of a head; even.
        device: device of the result.
    """
    powers = torch.arange(0, head_dim, 2, device=device, dtype=torch.float32) / head_dim
    places = torch.arange(sequence, device=device, dtype=torch.float32)
    angles = torch.outer(places, ROTARY_BASE**-powers).repeat(1, 2)
    return angles.cos(), angles.sin()


def _rotate(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Turn the first half of each head against the second."""
    first, second = x.chunk(2, dim=-1)
    return x * cosines + torch.cat((-second, first), dim=-1) * sines


def _linear(inputs: int, outputs: int, source: torch.Generator) -> nn.Linear:
    """A product with weights drawn from ``source``: PyTorch's random state is left alone."""
    made = nn.Linear(inputs, outputs, bias=False, device="meta").to_empty(device=source.device)
    nn.init.normal_(made.weight, 0.0, STANDARD_DEVIATION, generator=source)
    return made


class TransformerBlock(nn.Module):
    """Attention and a feed-forward part, each after a norm and added to its input.

    Args:
        shape: its sizes.
        source: random source of its weights, which lie on its device.
    """

    def __init__(self, shape: Shape, source: torch.Generator) -> None:
        super().__init__()
        self.shape = shape
        hidden, wide = shape.hidden, shape.heads * shape.head_dim
        narrow = shape.kv_heads * shape.head_dim
        self.attention_norm = nn.RMSNorm(hidden, eps=NORM_EPS, device=source.device)
        self.query = _linear(hidden, wide, source)
        self.key = _linear(hidden, narrow, source)
        self.value = _linear(hidden, narrow, source)
        self.output = _linear(wide, hidden, source)
        self.feed_forward_norm = nn.RMSNorm(hidden, eps=NORM_EPS, device=source.device)
        self.gate = _linear(hidden, shape.feed_forward, source)
        self.up = _linear(hidden, shape.feed_forward, source)
        self.down = _linear(shape.feed_forward, hidden, source)

    def forward(self, x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
        """Compute the block.

        Args:
            x: ``(batch, sequence, hidden)``.
            cosines: see ``rotation``, in the dtype of the attention.
            sines: sines of the same angles.
        """
        x = x + self._attend(self.attention_norm(x), cosines, sines)
        normed = self.feed_forward_norm(x)
        fed: Tensor = self.down(silu(self.gate(normed)) * self.up(normed))
        return x + fed

    def _attend(self, x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
        shape = self.shape
        query, key, value = (
            product(x).unflatten(-1, (-1, shape.head_dim)).transpose(1, 2)
            for product in (self.query, self.key, self.value)
        )
        heads = scaled_dot_product_attention(
            _rotate(query, cosines, sines),
            _rotate(key, cosines, sines),
            value,
            is_causal=True,
            enable_gqa=shape.heads != shape.kv_heads,
        )
        out: Tensor = self.output(heads.transpose(1, 2).flatten(2))
        return out


class Decoder(nn.Module):
    """An embedding, blocks, a norm and a head.

    Args:
        shape: its sizes.
        sequence: longest sequence.
        source: random source of its weights, which lie on its device.
    """

    def __init__(self, shape: Shape, sequence: int, source: torch.Generator) -> None:
        super().__init__()
        device = source.device
        self.head = _linear(shape.hidden, shape.vocabulary, source)
        held = self.head if shape.tied else _linear(shape.hidden, shape.vocabulary, source)
        self.embedding = nn.Embedding(shape.vocabulary, shape.hidden, _weight=held.weight)
        self.embedding.weight = held.weight
        self.blocks = nn.ModuleList(TransformerBlock(shape, source) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.hidden, eps=NORM_EPS, device=device)
        cosines, sines = rotation(sequence, shape.head_dim, device)
        self.register_buffer("cosines", cosines, persistent=False)
        self.register_buffer("sines", sines, persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits ``(batch, sequence, vocabulary)`` of tokens ``(batch, sequence)``."""
        x = self.embedding(tokens)
        length = tokens.shape[1]
        cosines, sines = self.get_buffer("cosines")[:length], self.get_buffer("sines")[:length]
        for block in self.blocks:
            x = block(x, cosines, sines)
        logits: Tensor = self.head(self.norm(x))
        return logits

    def loss(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy of targets ``(batch, sequence)``, in float32.

        Args:
            tokens: ``(batch, sequence)``.
            targets: tokens that follow them, of the same shape.
        """
        logits = self(tokens).flatten(0, 1).float()
        return cross_entropy(logits, targets.flatten())
