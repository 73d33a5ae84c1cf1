"""A model told by its sizes, as Megatron-LM tells one, in the fields of a ``config.json``."""

from __future__ import annotations

import re
from typing import Any

from computebill.base.errors import RequestError

from .record import Launch

NEEDED = ("layers", "hidden", "heads")
"""Sizes without which there is no model."""

VOCABULARIES = {
    "gpt2bpetokenizer": 50_257,
    "llama2tokenizer": 32_000,
    "bertwordpiecelowercase": 30_522,
    "bertwordpiececase": 28_996,
}
"""Entries of tokenizers that Megatron-LM names by their kind."""

PATTERN = re.compile(r"\[([01](?:,[01])*)\](?:\*(\d{1,4}))?")


def has_shape(launch: Launch) -> bool:
    """Whether launch files tell a model by its sizes."""
    return all(launch.get(name) for name in NEEDED)


def vocabulary(launch: Launch) -> int | None:
    """Return the entries of the vocabulary, as given or by the kind of tokenizer; else None."""
    given = launch.get("vocabulary") or VOCABULARIES.get(str(launch.get("tokenizer_kind")).lower())
    return None if given is None else int(given)


def padded(launch: Launch, entries: int, tp: int) -> int:
    """Return the entries of a vocabulary as it is padded for tensor parallel ranks."""
    step = int(launch.get("vocabulary_multiple") or 1) * tp
    return step * -(-entries // step)


def shaped_config(launch: Launch, entries: int) -> dict[str, Any]:
    """Return the fields of a ``config.json`` of the model's shape.

    Args:
        launch: that tells its sizes.
        entries: of the vocabulary, padded.

    Raises:
        RequestError: where no family that is counted has its shape.
    """
    hidden, heads = int(launch.get("hidden")), int(launch.get("heads"))
    if not launch.get("head_dim") and hidden % heads:
        raise RequestError(
            launch.facts["heads"].said.told,
            f"got {heads}; allowed: a divisor of the hidden size, {hidden}, where no size of a "
            "head is given",
        )
    kv_heads = launch.get("kv_heads") if launch.get("is_grouped", True) else None
    common = {
        "hidden_size": hidden,
        "num_hidden_layers": int(launch.get("layers")),
        "num_attention_heads": heads,
        "num_key_value_heads": int(kv_heads or heads),
        "head_dim": int(launch.get("head_dim") or hidden // heads),
        "intermediate_size": _width(launch, hidden),
        "vocab_size": entries,
        "tie_word_embeddings": bool(launch.get("is_tied", False)),
        "max_position_embeddings": int(
            launch.get("max_positions") or launch.get("sequence_length") or 4096
        ),
    }
    if launch.get("experts"):
        return {**common, **_experts(launch, common)}
    return {**common, **_dense(launch, common)}


def _width(launch: Launch, hidden: int) -> int:
    """Megatron-LM's width where none is given: two thirds of four times, in steps of 64."""
    given = launch.get("ffn")
    if given:
        return int(given)
    return int(4 * hidden * 2 / 3 / 64) * 64 if launch.get("is_gated") else 4 * hidden


def _dense(launch: Launch, common: dict[str, Any]) -> dict[str, Any]:
    if launch.get("is_latent"):
        raise RequestError(
            launch.files[0],
            "multi-latent attention without experts is not counted; give --model, a config.json",
        )
    is_rotary = launch.get("positions") in ("rope", "yarn", "mrope", "none")
    if launch.get("is_gated"):
        if launch.get("has_qk_norm"):
            return {"model_type": "qwen3"}
        if launch.get("has_qkv_bias") or launch.get("has_bias"):
            return {"model_type": "qwen2"}
        window = launch.get("window")
        if window:
            return {"model_type": "mistral", "sliding_window": window}
        return {"model_type": "llama", "attention_bias": False}
    if launch.get("activation") == "relu2":
        return {"model_type": "nemotron"}
    if is_rotary or common["num_key_value_heads"] != common["num_attention_heads"]:
        return {"model_type": "starcoder2", "use_bias": bool(launch.get("has_bias"))}
    return {
        "model_type": "gpt2",
        "n_embd": common["hidden_size"],
        "n_layer": common["num_hidden_layers"],
        "n_head": common["num_attention_heads"],
        "n_inner": common["intermediate_size"],
        "n_positions": common["max_position_embeddings"],
    }


def _experts(launch: Launch, common: dict[str, Any]) -> dict[str, Any]:
    if not launch.get("is_gated"):
        raise RequestError(
            launch.files[0],
            "experts that are not gated are not counted; give --model, a config.json",
        )
    width = int(launch.get("expert_ffn") or common["intermediate_size"])
    shared = int(launch.get("shared_ffn") or 0)
    if shared % width:
        raise RequestError(
            launch.files[0],
            f"got shared experts {shared} wide; allowed: a multiple of an expert's width, {width}",
        )
    routed = {
        "n_routed_experts": int(launch.get("experts")),
        "num_experts_per_tok": int(launch.get("experts_met") or 2),
        "moe_intermediate_size": width,
        "n_shared_experts": shared // width,
        "first_k_dense_replace": _dense_layers(launch, common["num_hidden_layers"]),
    }
    further = launch.get("mtp_layers")
    if further:
        routed["num_nextn_predict_layers"] = int(further)
    if launch.get("is_latent"):
        return {"model_type": "deepseek_v3", **routed, **_latent(launch)}
    return {
        "model_type": "glm4_moe",
        **routed,
        "use_qk_norm": bool(launch.get("has_qk_norm")),
        "attention_bias": bool(launch.get("has_qkv_bias") or launch.get("has_bias")),
    }


def _latent(launch: Launch) -> dict[str, Any]:
    """Ranks and widths of multi-latent attention, Megatron-LM's where none are given."""
    return {
        "q_lora_rank": launch.get("q_rank"),
        "kv_lora_rank": int(launch.get("kv_rank") or 32),
        "qk_nope_head_dim": int(launch.get("nope_dim") or 128),
        "qk_rope_head_dim": int(launch.get("rope_dim") or 64),
        "v_head_dim": int(launch.get("value_dim") or 128),
    }


def _dense_layers(launch: Launch, layers: int) -> int:
    """Return the first layers that have no experts, of ``[0]*3+[1]*58`` or 1.

    Raises:
        RequestError: where layers with and without experts take turns.
    """
    given = launch.get("expert_layers")
    if given is None or str(given).strip() == "1":
        return 0
    kinds = "".join(
        match.group(1).replace(",", "") * int(match.group(2) or 1)
        for match in PATTERN.finditer(str(given).replace(" ", ""))
    )
    dense = len(kinds) - len(kinds.lstrip("0"))
    if "0" in kinds[dense:] or len(kinds) != layers:
        raise RequestError(
            launch.facts["expert_layers"].said.told,
            f"got {given}; allowed: layers without experts first, then {layers} in all; or give "
            "--model, a config.json",
        )
    return dense
