"""Small decoders whose training steps are timed, and the cases that predict them.

Sizes follow a device: a width is chosen such that a middling decoder's step takes a quarter of a
second at the device's best rate. Those that are fitted and those that are predicted differ in
width, depth, sequence, batch and vocabulary; a few of the latter lie outside of the former's range.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from computebill.architectures import read_architecture
from computebill.hardware.accelerators import Accelerator
from computebill.kernels.measure.model import Shape
from computebill.kernels.measure.step import TrainingStep
from computebill.training.cases import Case
from computebill.training.layout import Layout

STEP_SECONDS = 0.25
"""Time that a middling decoder's step should take at the best rate [s]."""

NARROWEST, WIDEST = 128, 2048
FLOP_PER_WIDTH_CUBED = 1920.0
"""FLOP of a middling decoder's step over the cube of its width: 4 blocks and a vocabulary of 32
times the width, on 4 tokens for each unit of it."""

STATE_BYTES = 24.0
"""Memory of a parameter while it is trained in 32 bits, copies included [B]."""


@dataclass(frozen=True)
class Sizes:
    """A decoder to be timed.

    Attributes:
        shape: shape of the decoder.
        batch: sequences.
        sequence: tokens of each.
    """

    shape: Shape
    batch: int
    sequence: int

    @property
    def name(self) -> str:
        """Name for people: width, depth, and the step's tokens."""
        return f"{self.shape.hidden} x {self.shape.layers}, {self.batch} x {self.sequence}"


# Width, blocks, queries of a key, feed-forward over width, vocabulary and tokens over the unit,
# sequences.
_Row = tuple[float, int, int, float, float, float, int]

FITTED: tuple[_Row, ...] = (
    (1.0, 4, 1, 3.0, 32, 4, 4),
    (1.0, 2, 1, 4.0, 8, 4, 1),
    (0.5, 8, 2, 3.0, 32, 2, 4),
    (2.0, 2, 1, 2.5, 16, 2, 2),
    (0.5, 4, 1, 3.5, 64, 8, 16),
    (1.0, 8, 4, 3.0, 16, 1, 1),
    (1.5, 3, 1, 3.0, 8, 8, 2),
    (0.5, 2, 1, 4.0, 16, 16, 2),
)
"""Decoders that efficiencies are fitted to; the first ones go first where time is short."""

PREDICTED: tuple[_Row, ...] = (
    (0.75, 4, 1, 3.0, 24, 4, 2),
    (0.75, 6, 3, 3.0, 48, 2, 4),
    (0.75, 2, 1, 2.5, 12, 8, 8),
    (1.25, 4, 1, 3.0, 16, 2, 1),
    (1.25, 2, 5, 3.5, 40, 3, 6),
    (1.25, 6, 1, 2.5, 8, 4, 4),
    (1.0, 3, 2, 3.5, 24, 6, 3),
    (1.0, 6, 1, 2.5, 48, 2, 2),
    (1.0, 10, 1, 3.0, 12, 1, 2),
    (0.5, 6, 1, 3.0, 24, 6, 6),
    (0.5, 3, 1, 2.5, 40, 12, 3),
    (1.5, 2, 2, 3.0, 24, 3, 3),
    (1.75, 3, 1, 2.5, 12, 2, 4),
    (2.5, 2, 1, 3.0, 8, 1, 1),
)
"""Decoders that are predicted and then run."""


def unit_width(flop_per_s: float, memory_bytes: float | None) -> int:
    """Return the width that the others are multiples of, a power of two.

    Args:
        flop_per_s: speed that a large product reaches [FLOP/s].
        memory_bytes: free memory [B]; None where it is not told.
    """
    wide = (flop_per_s * STEP_SECONDS / FLOP_PER_WIDTH_CUBED) ** (1 / 3)
    if memory_bytes is not None:
        # The largest has about 200 parameters for each square of the width.
        wide = min(wide, math.sqrt(memory_bytes / 2 / (200 * STATE_BYTES)))
    chosen: int = 2 ** math.floor(math.log2(max(wide, 1.0)))
    return min(max(chosen, NARROWEST), WIDEST)


def decoder(row: _Row, unit: int) -> Sizes:
    """Return a decoder of one of the tables.

    Args:
        row: entry of ``FITTED`` or ``PREDICTED``.
        unit: see ``unit_width``.
    """
    width, layers, queries, feed_forward, vocabulary, tokens, batch = row
    hidden = round(width * unit / 64) * 64
    head = 64 if unit < 1024 or hidden % 128 else 128
    heads = hidden // head
    kept = heads // queries if heads % queries == 0 else heads
    shape = Shape(
        hidden=hidden,
        layers=layers,
        heads=heads,
        kv_heads=max(kept, 1),
        head_dim=head,
        feed_forward=round(feed_forward * hidden / 64) * 64,
        vocabulary=round(vocabulary * unit),
    )
    return Sizes(shape, batch, max(round(tokens * unit / batch / 16) * 16, 16))


def step_case(step: TrainingStep | Sizes, accelerator: Accelerator, precision: str) -> Case:
    """Return the case that predicts a step on one device, eager or compiled.

    Args:
        step: training step that was measured, or is to be.
        accelerator: the device's profile.
        precision: precision of matrix products.
    """
    shape = step.shape
    architecture = read_architecture(
        {
            "model_type": "llama",
            "num_hidden_layers": shape.layers,
            "hidden_size": shape.hidden,
            "num_attention_heads": shape.heads,
            "num_key_value_heads": shape.kv_heads,
            "head_dim": shape.head_dim,
            "intermediate_size": shape.feed_forward,
            "vocab_size": shape.vocabulary,
            "tie_word_embeddings": shape.tied,
        }
    )
    is_compiled = isinstance(step, TrainingStep) and step.compiled
    layout = Layout(
        micro_batch=step.batch,
        micro_batches=1,
        zero=0,
        kernels="fused" if is_compiled else "eager",
    )
    return Case(
        architecture=architecture,
        layout=layout,
        accelerator=accelerator,
        precision=precision,
        sequence=step.sequence,
        software="eager",
    )
