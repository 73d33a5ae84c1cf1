"""Files as they come: other forms of a configuration, made into the fields of ``config.json``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from computebill.base.errors import RequestError, shown

from .config import LARGEST_SIZE
from .types import type_of_class

META_VOCABULARY = 32_000
"""Entries of Llama's first tokenizer, whose number Meta's files leave to it."""

MAMBA_STEPS = 8
"""Entries that Mamba's vocabulary is padded to a multiple of, where its file does not say."""


def as_config(fields: Mapping[str, Any], file: str) -> tuple[Mapping[str, Any], list[str]]:
    """Return a configuration in the form of ``config.json``, and what was read into it.

    Raises:
        RequestError: where a field of another form cannot be.
    """
    if "model_type" in fields:
        return _as_own_code(fields, file)
    for is_form, read in FORMS:
        if is_form(fields):
            return read(fields, file)
    named = fields.get("architectures")
    if isinstance(named, list) and named and isinstance(named[0], str):
        found = type_of_class(named[0])
        if found is not None:
            note = f"model_type is missing; {named[0]} is taken to be of type {found}."
            return {**fields, "model_type": found}, [note]
    return fields, []


CLASSES = {
    ("llava", "LlavaLlamaForCausalLM"): "llava_llama",
    ("llava", "LlavaMistralForCausalLM"): "llava_mistral",
    ("llava", "LlavaQwenForCausalLM"): "llava_qwen",
    ("git", "Grok1ForCausalLM"): "grok-1",
}
"""Types, by the class beside them, that only makers' own code has under a name of another type."""

MINICPM_VERSIONS = {"2.5": "llama", "2.6": "qwen2", "4": "llama", "4.0": "llama", "4.5": "qwen3"}
"""Language models of MiniCPM-V and MiniCPM-o, by what their files call their version."""


def _as_own_code(fields: Mapping[str, Any], file: str) -> tuple[Mapping[str, Any], list[str]]:
    """Return a file of makers' own code under the type of its language model, or as it is."""
    given, named = fields.get("model_type"), fields.get("architectures")
    name = str(named[0]) if isinstance(named, list) and named else ""
    found = None
    if "text_config" not in fields and isinstance(given, str):
        is_minicpm = given in ("minicpmv", "minicpmo") and "hidden_size" in fields
        found = _minicpm(fields, file) if is_minicpm else CLASSES.get((given, name))
    if found is None:
        return fields, []
    told = f"{name}, " if name else ""
    return {**fields, "model_type": found}, [
        f"Read as the file of {told}its makers' code: {found}."
    ]


def _minicpm(fields: Mapping[str, Any], file: str) -> str:
    """Return the type of a MiniCPM-V's language model.

    Raises:
        RequestError: where the file does not tell.
    """
    given = fields.get("version")
    if given is None and "scale_emb" in fields:
        return "minicpmv_minicpm"
    known = MINICPM_VERSIONS.get(str(given))
    if known is None:
        told = "is missing" if given is None else f"got {shown(given)}"
        joint = " " if given is None else ": "
        allowed = ", ".join(f"{name} (a {each})" for name, each in MINICPM_VERSIONS.items())
        problem = f"version{joint}{told}; allowed: {allowed}, which says what language model it has"
        raise RequestError(file, problem)
    return f"minicpmv_{known}"


def _size(fields: Mapping[str, Any], name: str, file: str, default: int | None = None) -> int:
    value = fields.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LARGEST_SIZE:
        given = "is missing" if value is None else f"got {shown(value)}"
        allowed = f"a whole number from 1 to {LARGEST_SIZE}"
        joint = " " if value is None else ": "
        raise RequestError(file, f"{name}{joint}{given}; allowed: {allowed}")
    return value


def _is_meta(fields: Mapping[str, Any]) -> bool:
    return {"dim", "n_layers", "n_heads"} <= fields.keys()


def _meta(fields: Mapping[str, Any], file: str) -> tuple[Mapping[str, Any], list[str]]:
    """Meta's and Mistral's ``params.json``: Llama's sizes by their own names."""
    dim, heads = _size(fields, "dim", file), _size(fields, "n_heads", file)
    notes = ["Read as params.json: a Llama by Meta's or Mistral's own names, its head not tied."]
    vocabulary = fields.get("vocab_size")
    if vocabulary in (None, -1):
        vocabulary = META_VOCABULARY
        notes.append(f"vocab_size is left to the tokenizer: Llama's {META_VOCABULARY:,} is taken.")
    width = fields.get("hidden_dim")
    if width is None:
        width = _meta_width(fields, dim, file)
    config = {
        "model_type": "llama",
        "hidden_size": dim,
        "num_hidden_layers": _size(fields, "n_layers", file),
        "num_attention_heads": heads,
        "num_key_value_heads": fields.get("n_kv_heads") or heads,
        "intermediate_size": width,
        "vocab_size": vocabulary,
        "tie_word_embeddings": False,
    }
    if fields.get("head_dim") is not None:
        config["head_dim"] = fields["head_dim"]
    mixture = fields.get("moe")
    if isinstance(mixture, Mapping):
        config |= {"model_type": "mixtral", **mixture}
    return config, notes


def _meta_width(fields: Mapping[str, Any], dim: int, file: str) -> int:
    """Two thirds of four times the width, times a factor, rounded up (Llama's ``model.py``)."""
    factor = fields.get("ffn_dim_multiplier")
    step = _size(fields, "multiple_of", file, 256)
    width = 2 * 4 * dim // 3
    if factor is not None:
        if isinstance(factor, bool) or not isinstance(factor, int | float) or not 0 < factor < 100:
            given = f"ffn_dim_multiplier: got {shown(factor)}; allowed: a number above 0, below 100"
            raise RequestError(file, given)
        width = int(factor * width)
    return step * -(-width // step)


def _is_mamba(fields: Mapping[str, Any]) -> bool:
    return {"d_model", "ssm_cfg"} <= fields.keys()


def _mamba(fields: Mapping[str, Any], file: str) -> tuple[Mapping[str, Any], list[str]]:
    """The ``config.json`` of Mamba's own code: ``d_model``, ``n_layer``, ``ssm_cfg``."""
    scan = fields.get("ssm_cfg") or {}
    if not isinstance(scan, Mapping):
        raise RequestError(file, f"ssm_cfg: got {shown(scan)}; allowed: a table")
    for name in ("attn_layer_idx", "d_intermediate"):
        if fields.get(name):
            given = shown(fields[name])
            raise RequestError(file, f"{name}: got {given}; allowed: none: only scans are counted")
    hidden = _size(fields, "d_model", file)
    step = _size(fields, "pad_vocab_size_multiple", file, MAMBA_STEPS)
    second = scan.get("layer", "Mamba1") == "Mamba2"
    config: dict[str, Any] = {
        "model_type": "mamba2" if second else "mamba",
        "hidden_size": hidden,
        "num_hidden_layers": _size(fields, "n_layer", file),
        "vocab_size": step * -(-_size(fields, "vocab_size", file) // step),
        "tie_word_embeddings": fields.get("tie_embeddings", True),
        "expand": scan.get("expand", 2),
        "conv_kernel": scan.get("d_conv", 4),
        "state_size": scan.get("d_state", 128 if second else 16),
    }
    if second:
        width = _size(scan, "headdim", file, 64)
        config |= {
            "head_dim": width,
            "num_heads": config["expand"] * hidden // width,
            "n_groups": scan.get("ngroups", 1),
        }
    return config, ["Read as the file of Mamba's own code: d_model, n_layer, ssm_cfg."]


FORMS: tuple[
    tuple[
        Callable[[Mapping[str, Any]], bool],
        Callable[[Mapping[str, Any], str], tuple[Mapping[str, Any], list[str]]],
    ],
    ...,
] = ((_is_meta, _meta), (_is_mamba, _mamba))
"""Other forms of a configuration: what tells each, and what reads it."""
