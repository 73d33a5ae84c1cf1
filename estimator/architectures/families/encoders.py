"""What is no decoder, or more than one."""

from __future__ import annotations

from ..other_shapes import bert, t5, vit
from ..recipes import Family

OTHERS: dict[str, Family] = {
    "bert": Family(
        "BERT",
        norm="layer",
        build=bert,
        counted_as="BertForMaskedLM",
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
    ),
    "vit": Family(
        "ViT",
        norm="layer",
        build=vit,
        counted_as="ViTForImageClassification",
    ),
}
