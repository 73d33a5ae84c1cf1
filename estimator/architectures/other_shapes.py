"""Architectures that are neither decoders nor encoders in the shape of BERT: T5, ViT."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from . import attending, blocks
from .config import Config
from .operators import Architecture, Count, LayerKind, Layers, Operator, renamed
from .outputs import ANSWER, NONE, SEQUENCE, Outputs

if TYPE_CHECKING:
    from .recipes import Family


def t5(config: Config, family: Family, model_type: str) -> Architecture:
    """An encoder and a decoder; half of the tokens go through each."""
    hidden, vocabulary = config.size("hidden_size"), config.size("vocab_size")
    heads = config.heads().ungrouped
    encoder, width = config.layers(), config.size("intermediate_size")
    decoder = encoder
    if config.get("num_decoder_layers") is not None:
        decoder = config.size("num_decoder_layers")
    gated = str(config.get("feed_forward_proj")).startswith("gated")
    if config.get("is_gated_act") is not None:
        gated = config.flag("is_gated_act")

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
    encoding = LayerKind((norm, norm, *both_ways, *feed_forward), Layers.between(0, encoder))
    if config.purpose.is_encoder:
        return _t5_encoder(config, family, model_type, encoding, (table, norm))
    half = 0.5
    outputs, count = _t5_outputs(config, hidden, vocabulary, half)
    return Architecture(
        model_type=model_type,
        counted_as=family.counted_as,
        hidden=hidden,
        layer_count=encoder + decoder,
        vocabulary=count,
        sequence_length=None,
        stacks=2,
        kinds=(
            replace(encoding, tokens=half),
            LayerKind(
                (norm, norm, norm, *own, *cross, *feed_forward),
                Layers.between(encoder, encoder + decoder),
                half,
            ),
        ),
        inputs=(blocks.embedding("embedding", vocabulary, hidden), table, table),
        outputs=(norm, norm, *outputs),
        notes=tuple(notes),
    )


def _t5_encoder(
    config: Config,
    family: Family,
    model_type: str,
    layers: LayerKind,
    ends: tuple[Operator, Operator],
) -> Architecture:
    """The encoder of a T5 alone, with a classifier of tokens where one is named."""
    hidden, (table, norm) = config.size("hidden_size"), ends
    labels = 0 if config.purpose.kind == NONE else config.purpose.labels
    outputs = blocks.head(hidden, labels, tied=False, bias=True) if labels else []
    return Architecture(
        model_type=model_type,
        counted_as="T5EncoderModel",
        hidden=hidden,
        layer_count=config.layers(),
        vocabulary=labels,
        sequence_length=None,
        kinds=(layers,),
        inputs=(blocks.embedding("embedding", config.size("vocab_size"), hidden), table),
        outputs=(norm, *outputs),
        notes=("Only the encoder is counted, as architectures says.",),
    )


def _t5_outputs(config: Config, hidden: Count, vocabulary: Count, uses: float) -> Outputs:
    """The head of a T5 with its decoder."""
    purpose = config.purpose
    if purpose.kind == SEQUENCE:
        first = blocks.column("logits", hidden, hidden, True, ways=1, uses=0)
        last = blocks.column("logits", hidden, purpose.labels, True, ways=1, uses=0)
        return Outputs([first, last], 0)
    if purpose.kind == ANSWER:
        labels = purpose.labels
        return Outputs(blocks.head(hidden, labels, tied=False, bias=True, uses=uses), labels)
    if purpose.kind == NONE:
        return Outputs([], 0)
    return Outputs(blocks.head(hidden, vocabulary, tied=True, uses=uses), vocabulary)


def vit(config: Config, family: Family, model_type: str) -> Architecture:
    """An encoder of image patches, with a token and a head for the class."""
    hidden, patch = config.size("hidden_size"), config.size("patch_size")
    heads = config.heads().ungrouped
    patches = config.divided("image_size", "patch_size") ** 2
    tokens = patches + 1
    classes = hidden if config.purpose.kind == NONE else config.purpose.labels
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
            # Once an image, whatever its patches: the head, or the model's own pooler.
            Operator("logits", hidden, classes, uses=1 / tokens, vectors=classes),
        ),
        notes=(f"A token is one of an image's {tokens}: its patches, and one for the class.",),
    )


def vision_tower(
    config: Config, family: Family, model_type: str, *, has_class: bool = True
) -> Architecture:
    """The image half of CLIP (a token for the class, norms at both ends) or of SigLIP."""
    hidden, patch = config.size("hidden_size"), config.size("patch_size")
    heads, width = config.heads().ungrouped, config.size("intermediate_size")
    patches = config.divided("image_size", "patch_size") ** 2
    tokens, norm = patches + has_class, blocks.norm("norm", hidden, "layer")
    attention = attending.attention(hidden, heads, attending.BIASES, attending.BOTH_WAYS)
    mlp = blocks.mlp(hidden, width, gated=False, bias=True)
    pixels = config.size("num_channels") * patch * patch
    ends: list[Operator] = [norm]
    if has_class:
        ends += [norm, blocks.vector("embedding", hidden)]
    elif config.get("vision_use_head") is not False:
        ends += [blocks.vector("pooler", hidden), norm]
        ends += [_once(each, 1 / tokens) for each in (*attention, *mlp)]
    return Architecture(
        model_type=model_type,
        counted_as=family.counted_as,
        hidden=hidden,
        layer_count=config.layers(),
        vocabulary=0,
        sequence_length=tokens,
        is_limit=True,
        kinds=(LayerKind((norm, norm, *attention, *mlp), Layers.between(0, config.layers())),),
        inputs=(
            Operator(
                "patches",
                pixels,
                hidden,
                uses=patches / tokens,
                vectors=0 if has_class else hidden,
                kept=2 * pixels,
            ),
            blocks.embedding("embedding", tokens, hidden, ways=1),
        ),
        outputs=tuple(ends),
        notes=(f"A token is one of an image's {tokens}.",),
    )


def _once(operator: Operator, share: float) -> Operator:
    """An operator of a pooler, whose one query an image attends all patches.

    Keys and values are made of each patch; all else is an image's, a share of it a patch's.
    """
    if operator.module in ("k_proj", "v_proj"):
        return replace(operator, name="pooler")
    # Each patch is met by that query: two FLOP for each element of key and value.
    met = 2 * operator.per_key
    return replace(operator, uses=share, per_key=0, per_token=met, name="pooler")
