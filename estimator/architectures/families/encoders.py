"""What is no decoder, or more than one."""

from __future__ import annotations

from ..other_shapes import bert, t5, vit
from ..recipes import Family
from .common import TIED

OTHERS: dict[str, Family] = {
    "bert": Family(
        "BERT",
        norm="layer",
        build=bert,
        counted_as="BertForMaskedLM",
        defaults={**TIED, "type_vocab_size": 2, "max_position_embeddings": 512},
    ),
    "t5": Family(
        "T5, Flan-T5",
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
        defaults={
            "relative_attention_num_buckets": 32,
            "feed_forward_proj": "relu",
            "head_dim": 64,
        },
    ),
    "vit": Family(
        "ViT",
        norm="layer",
        build=vit,
        counted_as="ViTForImageClassification",
        defaults={"image_size": 224, "patch_size": 16, "num_channels": 3, "qkv_bias": True},
    ),
}
