"""Architectures that are not decoders: BERT, T5, ViT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import attending, blocks
from .config import Config
from .operators import Architecture, LayerKind, Layers, Operator, renamed

if TYPE_CHECKING:
    from .recipes import Family


def bert(config: Config, family: Family, model_type: str) -> Architecture:
    """An encoder: norms after each half, learned positions, a head that transforms first."""
    hidden, vocabulary = config.size("hidden_size"), config.size("vocab_size")
    heads = config.heads().ungrouped
    positions = config.size("max_position_embeddings")
    layer = [
        *attending.attention(hidden, heads, attending.BIASES, attending.BOTH_WAYS),
        *blocks.mlp(hidden, config.size("intermediate_size"), gated=False, bias=True),
        *[blocks.norm("norm", hidden, "layer")] * 2,
    ]
    return Architecture(
        model_type=model_type,
        counted_as=family.counted_as,
        hidden=hidden,
        layer_count=config.layers(),
        vocabulary=vocabulary,
        sequence_length=positions,
        is_limit=True,
        kinds=(LayerKind(tuple(layer), Layers.between(0, config.layers())),),
        inputs=(
            blocks.embedding("embedding", vocabulary, hidden),
            blocks.embedding("embedding", positions, hidden, ways=1),
            blocks.embedding("embedding", config.size("type_vocab_size"), hidden, ways=1),
            blocks.norm("norm", hidden, "layer"),
        ),
        outputs=(
            blocks.column("logits", hidden, hidden, True, ways=1, kept=2 * hidden),
            blocks.norm("norm", hidden, "layer"),
            *blocks.head(hidden, vocabulary, tied=config.flag("tie_word_embeddings"), bias=True),
        ),
    )


def t5(config: Config, family: Family, model_type: str) -> Architecture:
    """An encoder and a decoder; half of the tokens go through each."""
    hidden, vocabulary = config.size("hidden_size"), config.size("vocab_size")
    heads = config.heads().ungrouped
    encoder, width = config.layers(), config.size("intermediate_size")
    decoder = encoder
    if config.get("num_decoder_layers") is not None:
        decoder = config.size("num_decoder_layers")
    gated = str(config.get("feed_forward_proj")).startswith("gated")

    norm = blocks.norm("norm", hidden, "rms")
    feed_forward = blocks.mlp(hidden, width, gated=gated)
    own = attending.attention(hidden, heads)
    both_ways = attending.attention(hidden, heads, mask=attending.BOTH_WAYS)
    cross = renamed(both_ways, "cross_")
    notes = [
        "A token goes through the encoder or the decoder: FLOP per token are the mean of both, "
        "for targets as long as inputs.",
    ]
    if config.get("tie_word_embeddings") is False:
        notes.append(
            "Counted with a tied head, as transformers 5 builds it; checkpoints hold a head of "
            f"{hidden * vocabulary:,} more."
        )
    # The first layer of each stack holds the table of relative positions for all of them.
    buckets = config.size("relative_attention_num_buckets")
    table = blocks.embedding("embedding", buckets, heads.queries)
    half = 0.5
    return Architecture(
        model_type=model_type,
        counted_as=family.counted_as,
        hidden=hidden,
        layer_count=encoder + decoder,
        vocabulary=vocabulary,
        sequence_length=None,
        stacks=2,
        kinds=(
            LayerKind(
                (norm, norm, *both_ways, *feed_forward),
                Layers.between(0, encoder),
                half,
            ),
            LayerKind(
                (norm, norm, norm, *own, *cross, *feed_forward),
                Layers.between(encoder, encoder + decoder),
                half,
            ),
        ),
        inputs=(blocks.embedding("embedding", vocabulary, hidden), table, table),
        outputs=(norm, norm, *blocks.head(hidden, vocabulary, tied=True, uses=half)),
        notes=tuple(notes),
    )


def vit(config: Config, family: Family, model_type: str) -> Architecture:
    """An encoder of image patches, with a token and a head for the class."""
    hidden, patch = config.size("hidden_size"), config.size("patch_size")
    heads = config.heads().ungrouped
    patches = config.divided("image_size", "patch_size") ** 2
    tokens = patches + 1
    labels = config.get("id2label")
    classes = len(labels) if isinstance(labels, dict) else 2
    if config.get("num_labels") is not None:
        classes = config.size("num_labels")
    extras = attending.Extras(bias=config.flag("qkv_bias"), out_bias=True)
    layer = [
        *[blocks.norm("norm", hidden, "layer")] * 2,
        *attending.attention(hidden, heads, extras, attending.BOTH_WAYS),
        *blocks.mlp(hidden, config.size("intermediate_size"), gated=False, bias=True),
    ]
    return Architecture(
        model_type=model_type,
        counted_as=family.counted_as,
        hidden=hidden,
        layer_count=config.layers(),
        vocabulary=0,
        sequence_length=tokens,
        is_limit=True,
        kinds=(LayerKind(tuple(layer), Layers.between(0, config.layers())),),
        inputs=(
            Operator(
                "patches",
                config.size("num_channels") * patch * patch,
                hidden,
                uses=patches / tokens,
                vectors=hidden,
                kept=2 * config.size("num_channels") * patch * patch,
            ),
            blocks.embedding("embedding", tokens, hidden, ways=1),
            blocks.vector("embedding", hidden),
        ),
        outputs=(
            blocks.norm("norm", hidden, "layer"),
            # Once an image, whatever its patches.
            Operator("logits", hidden, classes, uses=1 / tokens, vectors=classes),
        ),
        notes=(f"A token is one of an image's {tokens}: its patches, and one for the class.",),
    )
