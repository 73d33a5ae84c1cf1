"""What adapters are put beside, by the names that people and peft have for it."""

from __future__ import annotations

from typing import Any

from computebill.architectures.beside import EMBEDDING, HEAD
from computebill.base.errors import shown

from .recipes import MODULES

ADAPTED = ("attention", "mlp", "experts")
"""Parts of a layer that low-rank adapters are put beside."""

LORA: dict[str, Any] = {"lora_rank": 16}
"""What ``lora`` stands for."""

LORA_SOURCE = "TRL's default, lora_r"

QLORA: dict[str, Any] = {
    "weights": "nf4",
    "optimizer": "paged-adamw-8bit",
    "recompute": "full",
    **LORA,
}
"""What ``qlora`` stands for; layers are computed again, as its authors' script does by default
(``gradient_checkpointing``, github.com/artidoro/qlora), and as peft prepares such a model."""

QLORA_SOURCE = f"QLoRA: Dettmers et al. 2023, arXiv:2305.14314; its rank: {LORA_SOURCE}"
QLORA_RECOMPUTES = "QLoRA's script: gradient_checkpointing is on (github.com/artidoro/qlora)"

TARGETS = {*ADAPTED, *MODULES, *(part for names in MODULES.values() for part in names)} | {
    "q_a_proj",
    "q_b_proj",
    "kv_a_proj_with_mqa",
    "kv_b_proj",
}
"""What adapters may be put beside, by part of a layer or by peft's names."""

FUSED = frozenset(("q_proj", "k_proj", "v_proj")), frozenset(("gate_proj", "up_proj"))
"""Products that are one matrix of a model where one name stands for all of them."""

SAVED = {
    **dict.fromkeys(("lm_head", "embed_out", "output_layer", "score", "classifier"), HEAD),
    **dict.fromkeys(("embed_tokens", "wte", "word_embeddings", "tok_embeddings"), EMBEDDING),
}
"""Modules of which peft trains a copy beside adapters (``modules_to_save``)."""


def listed(value: object) -> object:
    """Read ``q_proj,v_proj`` as two."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(","))
    return value


def known_targets(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return names of what adapters are put beside, all of them known.

    Raises:
        ValueError: naming one that is not.
    """
    return _known(names, TARGETS)


def known_saved(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return names of modules of which a copy is trained, all of them known.

    Raises:
        ValueError: naming one that is not.
    """
    return _known(names, set(SAVED))


def _known(names: tuple[str, ...], known: set[str]) -> tuple[str, ...]:
    for name in names:
        if name not in known:
            raise ValueError(f"got {shown(name)}; allowed: {', '.join(sorted(known))}")
    return names


def products_of(name: str) -> tuple[str, ...]:
    """Return what a name stands for, by the names of Llama's products; itself included."""
    return (name, *MODULES.get(name, ()))
