"""What is no decoder, or more than one."""

from __future__ import annotations

from functools import partial

from .encoders import (
    Encoder,
    deberta_positions,
    disentangled,
    disentangled_attention,
    modernbert,
    tasks,
)
from .other_shapes import t5, vision_tower, vit
from .outputs import ANSWER, ENCODER_HEADS, LANGUAGE, NONE, PRETRAINED_HEADS, SEQUENCE
from .recipes import Family
from .seq2seq import Pair

PAIR_HEADS = frozenset({LANGUAGE, SEQUENCE, ANSWER, NONE})

OTHERS: dict[str, Family] = {
    "bert": Family(
        "BERT",
        norm="layer",
        heads=PRETRAINED_HEADS,
        build=Encoder().build,
        counted_as="BertForMaskedLM",
    ),
    "roberta": Family(
        "RoBERTa, XLM-R, CamemBERT",
        norm="layer",
        heads=ENCODER_HEADS,
        build=Encoder(dense_first=True).build,
        counted_as="RobertaForMaskedLM",
    ),
    "ernie": Family(
        "ERNIE 1 to 3",
        norm="layer",
        heads=PRETRAINED_HEADS,
        build=Encoder(before=tasks).build,
        counted_as="ErnieForMaskedLM",
    ),
    "distilbert": Family(
        "DistilBERT",
        norm="layer",
        heads=ENCODER_HEADS,
        build=Encoder(pooled=False, dense_first=True, segments=False, second_bias=False).build,
        counted_as="DistilBertForMaskedLM",
        names={"intermediate_size": "hidden_dim"},
    ),
    "electra": Family(
        "ELECTRA",
        norm="layer",
        heads=ENCODER_HEADS,
        build=Encoder(pooled=False, dense_first=True, narrow_head=True, second_bias=False).build,
        counted_as="ElectraForMaskedLM",
    ),
    "deberta-v2": Family(
        "DeBERTa-v2, v3",
        norm="layer",
        heads=ENCODER_HEADS,
        build=Encoder(
            pooled=False,
            dense_first=True,
            positions=deberta_positions,
            before=disentangled,
            layer=disentangled_attention,
        ).build,
        counted_as="DebertaV2ForMaskedLM",
    ),
    "albert": Family(
        "ALBERT",
        norm="layer",
        heads=PRETRAINED_HEADS,
        build=Encoder(narrow_head=True, shared=True).build,
        counted_as="AlbertForMaskedLM",
    ),
    "modernbert": Family(
        "ModernBERT",
        norm="gain",
        heads=ENCODER_HEADS,
        build=modernbert,
        counted_as="ModernBertForMaskedLM",
    ),
    "t5": Family(
        "T5, Flan-T5",
        heads=ENCODER_HEADS,
        build=t5,
        counted_as="T5ForConditionalGeneration",
        names={
            "hidden_size": "d_model",
            "num_hidden_layers": "num_layers",
            "num_attention_heads": "num_heads",
            "head_dim": "d_kv",
            "intermediate_size": "d_ff",
            "max_position_embeddings": "n_positions",
        },
    ),
    "vit": Family(
        "ViT",
        norm="layer",
        heads=frozenset({SEQUENCE, NONE}),
        build=vit,
        counted_as="ViTForImageClassification",
    ),
    "bart": Family(
        "BART",
        norm="layer",
        heads=PAIR_HEADS,
        build=Pair().build,
        counted_as="BartForConditionalGeneration",
        defaults={"num_labels": 3},
    ),
    "mbart": Family(
        "mBART, mBART-50",
        norm="layer",
        heads=PAIR_HEADS,
        build=Pair(final_norm=True).build,
        counted_as="MBartForConditionalGeneration",
    ),
    "whisper": Family(
        "Whisper",
        norm="layer",
        heads=frozenset({LANGUAGE, NONE}),
        build=Pair(
            extra_positions=0,
            embedding_norm=False,
            final_norm=True,
            reads_sound=True,
            key_bias=False,
            frames="max_source_positions",
            length="max_target_positions",
        ).build,
        counted_as="WhisperForConditionalGeneration",
    ),
    "clip_vision_model": Family(
        "CLIP, its image half",
        norm="layer",
        heads=frozenset({NONE}),
        build=vision_tower,
        counted_as="CLIPVisionModel",
    ),
    "siglip_vision_model": Family(
        "SigLIP, its image half",
        norm="layer",
        heads=frozenset({NONE}),
        build=partial(vision_tower, has_class=False),
        counted_as="SiglipVisionModel",
    ),
}
