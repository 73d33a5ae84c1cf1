"""Encoders in the shape of BERT: norms after each half, a head that transforms first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from . import attending, blocks
from .config import Config
from .operators import Architecture, Count, LayerKind, Layers, Operator
from .outputs import LANGUAGE, NONE, PRETRAINING, SEQUENCE, Outputs

if TYPE_CHECKING:
    from .recipes import Family


@dataclass(frozen=True)
class Encoder:
    """How an encoder differs from BERT.

    Attributes:
        pooled: whether the model alone, and its classifier of sequences, has a pooler.
        dense_first: whether its classifier of sequences has a product of its own before.
        segments: whether it has a table of segments.
        positions: entries of its table of positions; None where it has none.
        before: what else comes before the first layer.
        layer: what else each layer has.
        narrow_head: whether the head's first product goes to the embedding's width.
        embedding_norm: whether embeddings are normed.
        final_norm: whether the last layer's output is normed.
        shared: whether all layers have the same parameters.
        second_bias: whether a head that is not tied has a bias of its class beside its product's.
    """

    pooled: bool = True
    dense_first: bool = False
    segments: bool = True
    positions: Callable[[Config], Any] | None = lambda config: config.size(
        "max_position_embeddings"
    )
    before: Callable[[Config], list[Operator]] = lambda config: []
    layer: Callable[[Config], list[Operator]] = lambda config: []
    narrow_head: bool = False
    embedding_norm: bool = True
    final_norm: bool = False
    shared: bool = False
    second_bias: bool = True

    @property
    def build(self) -> Callable[[Config, Family, str], Architecture]:
        """The function that makes an architecture from a configuration."""
        return partial(encoder, self)


def encoder(kind: Encoder, config: Config, family: Family, model_type: str) -> Architecture:
    """Return the architecture of an encoder."""
    hidden, vocabulary = config.size("hidden_size"), config.size("vocab_size")
    if config.flag("is_decoder") or config.flag("add_cross_attention"):
        raise config.fault("is_decoder", "false, with add_cross_attention")
    entries = None if kind.positions is None else kind.positions(config)
    width = config.optional_size("embedding_size")
    width = hidden if width is None else width
    ends = _outputs(kind, config, hidden, width, vocabulary)
    count = config.layers()
    return Architecture(
        model_type=model_type,
        counted_as=family.counted_as,
        hidden=hidden,
        layer_count=count,
        vocabulary=ends.width,
        sequence_length=config.size("max_position_embeddings"),
        is_limit=entries is not None,
        kinds=tuple(_layers(kind, config, hidden, count)),
        inputs=tuple(_inputs(kind, config, width, entries)),
        outputs=(
            *([blocks.norm("norm", hidden, "layer")] * kind.final_norm),
            *ends.operators,
        ),
    )


def _inputs(kind: Encoder, config: Config, width: Count, entries: Any) -> list[Operator]:
    hidden = config.size("hidden_size")
    parts = [blocks.embedding("embedding", config.size("vocab_size"), width)]
    if entries is not None:
        parts.append(blocks.embedding("embedding", entries, width, ways=1))
    if kind.segments and config.size("type_vocab_size", 0):
        parts.append(blocks.embedding("embedding", config.size("type_vocab_size"), width, ways=1))
    if kind.embedding_norm:
        parts.append(blocks.norm("norm", width, "layer"))
    if isinstance(hidden, int) and hidden != width:
        parts.append(blocks.column("embedding", width, hidden, True, ways=1, kept=2 * width))
    return parts + kind.before(config)


def _layers(kind: Encoder, config: Config, hidden: Count, count: Any) -> list[LayerKind]:
    layer = (
        *attending.attention(
            hidden, config.heads().ungrouped, attending.BIASES, attending.BOTH_WAYS
        ),
        *blocks.mlp(hidden, config.size("intermediate_size"), gated=False, bias=True),
        *[blocks.norm("norm", hidden, "layer")] * 2,
        *kind.layer(config),
    )
    if not kind.shared:
        return [LayerKind(layer, Layers.between(0, count))]
    for name in ("inner_group_num", "num_hidden_groups"):
        if config.size(name) != 1:
            raise config.fault(name, "1: other groupings of shared layers are not counted")
    again = tuple(blocks.of_another(each) for each in layer)
    return [LayerKind(layer, Layers.between(0, 1)), LayerKind(again, Layers.between(1, count))]


def _outputs(
    kind: Encoder, config: Config, hidden: Count, width: Count, vocabulary: Count
) -> Outputs:
    purpose, once = config.purpose, 1 / config.size("max_position_embeddings")
    pooler = blocks.column("pooler", hidden, hidden, True, ways=1, uses=once)
    if purpose.kind == NONE:
        return Outputs([pooler] * kind.pooled, 0)
    if purpose.kind in (LANGUAGE, PRETRAINING):
        inner = width if kind.narrow_head else hidden
        tied = config.flag("tie_word_embeddings")
        parts = [
            blocks.column("logits", hidden, inner, True, ways=1, kept=2 * hidden),
            blocks.norm("norm", inner, "layer"),
            *blocks.head(inner, vocabulary, tied=tied, bias=True),
        ]
        if kind.second_bias and not tied:
            parts.append(Operator("logits", vectors=vocabulary))
        if purpose.kind == PRETRAINING:
            pair = Operator("logits", hidden, 2, uses=once, vectors=2)
            parts += [pooler, pair]
        return Outputs(parts, vocabulary)
    if purpose.kind == SEQUENCE:
        first = [pooler] * (kind.pooled or kind.dense_first)
        labels = purpose.labels
        return Outputs([*first, Operator("logits", hidden, labels, uses=once, vectors=labels)], 0)
    labels = purpose.labels
    return Outputs(blocks.head(hidden, labels, tied=False, bias=True), labels)


def disentangled(config: Config) -> list[Operator]:
    """DeBERTa-v2: a table of relative positions, normed, and a convolution beside a layer."""
    hidden, parts = config.size("hidden_size"), []
    if config.flag("relative_attention"):
        entries = 2 * _relative_reach(config)
        parts.append(blocks.embedding("embedding", entries, hidden, ways=1))
    if "layer_norm" in str(config.get("norm_rel_ebd") or "none").lower():
        parts.append(blocks.norm("norm", hidden, "layer"))
    kernel = config.optional_size("conv_kernel_size", 0)
    if kernel:
        groups = config.optional_size("conv_groups") or 1
        parts.append(Operator("convolution", kernel * hidden // groups, hidden, vectors=hidden))
        parts.append(blocks.norm("norm", hidden, "layer"))
    return parts


def tasks(config: Config) -> list[Operator]:
    """ERNIE: a table of tasks, where it is switched on."""
    if not config.flag("use_task_id"):
        return []
    entries = config.size("task_type_vocab_size")
    return [blocks.embedding("embedding", entries, config.size("hidden_size"), ways=1)]


def _relative_reach(config: Config) -> Any:
    """DeBERTa-v2: positions to each side that the table has."""
    buckets = config.get("position_buckets")
    if isinstance(buckets, int) and buckets > 0:
        return config.size("position_buckets")
    reach = config.get("max_relative_positions")
    if isinstance(reach, int) and reach > 0:
        return config.size("max_relative_positions")
    return config.size("max_position_embeddings")


def deberta_positions(config: Config) -> Any:
    """DeBERTa-v2: a table of positions where inputs are biased by them."""
    return config.size("max_position_embeddings") if config.flag("position_biased_input") else None


def disentangled_attention(config: Config) -> list[Operator]:
    """DeBERTa-v2: products of positions, where queries' and keys' are not used for them."""
    if not config.flag("relative_attention"):
        return []
    if not config.flag("share_att_key"):
        raise config.fault("share_att_key", "true, where relative_attention is")
    return []


def modernbert(config: Config, family: Family, model_type: str) -> Architecture:
    """ModernBERT (arXiv 2412.13663): gated blocks, rotary positions, windows in most layers."""
    hidden, vocabulary = config.size("hidden_size"), config.size("vocab_size")
    norm = blocks.norm("norm", hidden, "layer" if config.flag("norm_bias") else "gain")
    biased = config.flag("attention_bias")
    extras = attending.Extras(biased, biased)
    count, ends = config.whole_layers(), _modernbert_outputs(config, hidden, vocabulary, norm)
    width, mlp_bias = config.size("intermediate_size"), config.flag("mlp_bias")
    feed_forward = (norm, *blocks.mlp(hidden, width, bias=mlp_bias))
    attention = tuple(attending.attention(hidden, config.heads(), extras, attending.BOTH_WAYS))
    # The first layer's input is normed already.
    kinds = [
        LayerKind((*attention, *feed_forward), Layers.between(0, 1)),
        LayerKind((norm, *attention, *feed_forward), Layers.between(1, count)),
    ]
    return Architecture(
        model_type=model_type,
        counted_as=family.counted_as,
        hidden=hidden,
        layer_count=count,
        vocabulary=ends.width,
        sequence_length=config.size("max_position_embeddings"),
        kinds=tuple(kinds[: 1 if count == 1 else 2]),
        inputs=(blocks.embedding("embedding", vocabulary, hidden), norm),
        outputs=(norm, *ends.operators),
        notes=("Attention is counted over the whole sequence; most layers have a window.",),
    )


def _modernbert_outputs(
    config: Config, hidden: Count, vocabulary: Count, norm: Operator
) -> Outputs:
    """Return a head: a product and a norm, then the logits."""
    purpose, tied = config.purpose, config.flag("tie_word_embeddings")
    if purpose.kind == NONE:
        return Outputs([], 0)
    biased = config.flag("classifier_bias")
    first = [blocks.column("logits", hidden, hidden, biased, ways=1, kept=2 * hidden), norm]
    if purpose.kind in (LANGUAGE, PRETRAINING):
        bias = config.flag("decoder_bias")
        return Outputs([*first, *blocks.head(hidden, vocabulary, tied=tied, bias=bias)], vocabulary)
    labels = purpose.labels
    count = 0 if purpose.kind == SEQUENCE else labels
    return Outputs([*first, *blocks.head(hidden, labels, tied=False, bias=True)], count)
