"""Encoders and decoders in the shape of BART, which read text or sound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from computebill.base.errors import RequestError

from . import attending, blocks
from .config import Config
from .operators import Architecture, Count, Heads, LayerKind, Layers, Operator, renamed
from .outputs import ANSWER, NONE, SEQUENCE, Outputs

if TYPE_CHECKING:
    from .recipes import Family


@dataclass(frozen=True)
class Pair:
    """How an encoder and its decoder differ from BART.

    Attributes:
        extra_positions: entries that the tables of positions have besides; None without tables.
        embedding_norm: whether embeddings are normed.
        final_norm: whether each stack's last output is normed.
        reads_sound: whether two convolutions make the encoder's inputs from a spectrum.
        key_bias: whether keys have a bias.
        frames: the field with the encoder's positions, where it is not the decoder's.
        length: the field with the decoder's positions.
    """

    extra_positions: int | None = 2
    embedding_norm: bool = True
    final_norm: bool = False
    reads_sound: bool = False
    key_bias: bool = True
    frames: str = "max_position_embeddings"
    length: str = "max_position_embeddings"

    @property
    def build(self) -> Callable[[Config, Family, str], Architecture]:
        """The function that makes an architecture from a configuration."""
        return partial(pair, self)


def pair(kind: Pair, config: Config, family: Family, model_type: str) -> Architecture:
    """Return the architecture of an encoder and a decoder; half of the tokens meet each."""
    hidden, vocabulary = config.size("d_model"), config.size("vocab_size")
    if config.purpose.name.endswith("ForCausalLM"):
        raise RequestError(
            config.file,
            f"architectures: got {config.purpose.name}; allowed: the encoder with its decoder",
        )
    encoder = config.size("encoder_layers")
    decoder = config.size("decoder_layers")
    half = 0.5
    ends = _outputs(config, hidden, vocabulary, half)
    norms = [blocks.norm("norm", hidden, "layer")] * (kind.embedding_norm + kind.final_norm) * 2
    return Architecture(
        model_type=model_type,
        counted_as=family.counted_as,
        hidden=hidden,
        layer_count=encoder + decoder,
        vocabulary=ends.width,
        sequence_length=config.size(kind.length),
        is_limit=kind.extra_positions is not None,
        stacks=2,
        kinds=(
            LayerKind(_layer(kind, config, hidden, "encoder"), Layers.between(0, encoder), half),
            LayerKind(
                _layer(kind, config, hidden, "decoder"),
                Layers.between(encoder, encoder + decoder),
                half,
            ),
        ),
        inputs=tuple(_inputs(kind, config, hidden, vocabulary, half)),
        outputs=(*norms, *ends.operators),
        notes=(
            "A token goes through the encoder or the decoder: FLOP per token are the mean of both, "
            "for targets as long as inputs.",
        ),
    )


def _inputs(
    kind: Pair, config: Config, hidden: Any, vocabulary: Any, uses: float
) -> list[Operator]:
    parts = [blocks.embedding("embedding", vocabulary, hidden)]
    if kind.extra_positions is not None:
        parts += [
            blocks.embedding("embedding", config.size(field) + kind.extra_positions, hidden, ways=1)
            for field in (kind.frames, kind.length)
        ]
    if kind.reads_sound:
        # The second takes every other frame: two of the first for one token.
        bins, kept = config.size("num_mel_bins"), blocks.BYTES
        parts += [
            Operator(
                "frames", 3 * bins, hidden, uses=2 * uses, vectors=hidden, kept=2 * kept * bins
            ),
            Operator(
                "frames", 3 * hidden, hidden, uses=uses, vectors=hidden, kept=2 * kept * hidden
            ),
        ]
    return parts


def _layer(kind: Pair, config: Config, hidden: Any, side: str) -> tuple[Operator, ...]:
    heads = config.size(f"{side}_attention_heads")
    if isinstance(hidden, int) and hidden % heads:
        raise config.fault(f"{side}_attention_heads", f"a divisor of d_model, {hidden}")
    each = Heads(heads, heads, hidden // heads)
    both_ways = _attention(kind, hidden, each, attending.BOTH_WAYS)
    norm = blocks.norm("norm", hidden, "layer")
    width = config.size(f"{side}_ffn_dim")
    feed_forward = blocks.mlp(hidden, width, gated=False, bias=True)
    if side == "encoder":
        return (norm, norm, *both_ways, *feed_forward)
    own = _attention(kind, hidden, each, attending.CAUSAL)
    return (norm, norm, norm, *own, *renamed(both_ways, "cross_"), *feed_forward)


def _attention(kind: Pair, hidden: Count, heads: Heads, mask: attending.Mask) -> list[Operator]:
    extras = attending.Extras(bias=True, out_bias=True, key_bias=kind.key_bias)
    return attending.attention(hidden, heads, extras, mask)


def _outputs(config: Config, hidden: Any, vocabulary: Any, uses: float) -> Outputs:
    purpose = config.purpose
    if purpose.kind == SEQUENCE:
        labels = purpose.labels
        first = blocks.column("logits", hidden, hidden, True, ways=1, uses=0)
        return Outputs([first, blocks.column("logits", hidden, labels, True, ways=1, uses=0)], 0)
    if purpose.kind == ANSWER:
        # A start and an end, however many labels the file has.
        return Outputs(blocks.head(hidden, 2, tied=False, bias=True, uses=uses), 2)
    if purpose.kind == NONE:
        return Outputs([], 0)
    if not config.flag("tie_word_embeddings"):
        raise config.fault("tie_word_embeddings", "true: one table for both stacks and the head")
    return Outputs(blocks.head(hidden, vocabulary, tied=True, uses=uses), vocabulary)
