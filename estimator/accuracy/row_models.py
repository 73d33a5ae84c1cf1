"""Architectures of measured rows: a row's columns as the ``config.json`` that they are."""

from __future__ import annotations

from typing import Any

from computebill.architectures import Architecture, read_architecture
from computebill.architectures.recipes import FULL, SLIDING

from .cells import Cells, UnusableError, flag, layer_count, optional, whole

USUAL_VOCABULARY = 50304
"""Entries of the output where a row does not say: GPT-2's, padded."""

OWN_FIELDS = {
    "kv_lora_rank": "kv_lora_rank",
    "qk_nope_head_dim": "qk_nope_head_dim",
    "qk_rope_head_dim": "qk_rope_head_dim",
    "v_head_dim": "v_head_dim",
    "shared_experts": "n_shared_experts",
    "dense_layers": "first_k_dense_replace",
    "mtp_layers": "num_nextn_predict_layers",
}
"""Columns, and the field of ``config.json`` that each is."""


def row_architecture(cells: Cells) -> Architecture:
    """Return the model of a row.

    Raises:
        UnusableError: where a cell cannot be what it says.
        RequestError: naming the field that contradicts the rest.
    """
    heads, hidden = whole(cells, "n_heads"), whole(cells, "hidden")
    width = whole(cells, "ffn_hidden")
    config: dict[str, Any] = {
        "model_type": cells.get("model_type") or _nearest_type(cells),
        "num_hidden_layers": layer_count(cells),
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "num_key_value_heads": whole(cells, "n_kv_heads", heads),
        "intermediate_size": width,
        "vocab_size": whole(cells, "vocab", USUAL_VOCABULARY),
        # A table of positions is as long as what it was trained on.
        "max_position_embeddings": whole(cells, "seq_len"),
        "tie_word_embeddings": bool(flag(cells, "tied")),
        **_attention(cells),
    }
    if has_experts(cells):
        config |= _experts(cells, width)
    if _is_latent(cells):
        config["num_key_value_heads"] = heads
    else:
        config["head_dim"] = whole(cells, "head_dim", max(1, hidden // heads))
    return read_architecture(config)


def _nearest_type(cells: Cells) -> str:
    """Return the family that has what a row's columns tell, whatever its makers call it."""
    windowed = "window" in cells.get("attention", "") or bool(optional(cells, "window"))
    if has_experts(cells):
        if _is_latent(cells):
            return "deepseek_v3"
        if optional(cells, "shared_experts"):
            return "qwen2_moe"
        if optional(cells, "dense_layers"):
            return "glm4_moe"
        return "gpt_oss" if windowed or flag(cells, "sinks") else "mixtral"
    if windowed:
        return "olmo3" if optional(cells, "full_every") else "mistral"
    return "nemotron" if flag(cells, "gated_mlp") is False else "llama"


def has_experts(cells: Cells) -> bool:
    """Return whether a row's model is a mixture of experts."""
    return (optional(cells, "n_experts") or 0) > 1


def _is_latent(cells: Cells) -> bool:
    return cells.get("attention") == "latent" or "kv_lora_rank" in cells


def _attention(cells: Cells) -> dict[str, Any]:
    """Fields of attention that stand in a row: latent sizes, and which layers have a window."""
    found: dict[str, Any] = {
        field: whole(cells, column, least=0)
        for column, field in OWN_FIELDS.items()
        if column in cells
    }
    if "q_lora_rank" in cells:
        found["q_lora_rank"] = whole(cells, "q_lora_rank", least=0) or None
    if "window" in cells:
        window = whole(cells, "window", least=0)
        found["sliding_window"] = window or None
        every = 1 if not window else whole(cells, "full_every", 0, least=0)
        if every:
            count = layer_count(cells)
            found["layer_types"] = [
                FULL if (layer + 1) % every == 0 else SLIDING for layer in range(count)
            ]
    return found


def _experts(cells: Cells, width: int) -> dict[str, Any]:
    """Fields of a mixture of experts, those beside the routed ones among them."""
    shared = whole(cells, "shared_experts", 0, least=0)
    shared_width = whole(cells, "shared_ffn_hidden", width) * shared
    if shared and "kv_lora_rank" in cells and shared_width % width:
        raise UnusableError(
            f"shared_ffn_hidden: got {cells['shared_ffn_hidden']}; allowed with latent attention: "
            f"a multiple of {width}"
        )
    found: dict[str, Any] = {
        "num_local_experts": whole(cells, "n_experts"),
        "num_experts_per_tok": whole(cells, "experts_per_token"),
        "moe_intermediate_size": width,
        "shared_expert_intermediate_size": shared_width,
        "mlp_only_layers": list(range(whole(cells, "dense_layers", 0, least=0))),
        "qkv_bias": False,
    }
    if shared or "dense_layers" in cells:
        found["n_shared_experts"] = shared_width // width
    if "dense_ffn_hidden" in cells:
        found["intermediate_size"] = whole(cells, "dense_ffn_hidden")
        found["intermediate_size_mlp"] = found["intermediate_size"]
    return found
