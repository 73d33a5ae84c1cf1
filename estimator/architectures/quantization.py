"""What a configuration says its weights are stored in: ``quantization_config``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FOUR_BITS = 4
WORDS = ("mxfp4", "nvfp4", "fp8", "gptq", "awq")
"""Kinds of quantisation that are named in a method, or in a format."""


def stored_weights(config: Mapping[str, Any]) -> str:
    """Return what weights are stored in: ``nf4``, ``int8``, ``fp8``, …; nothing where in 16 bits.

    Args:
        config: a ``config.json``; a multimodal one may keep it with its language model.

    References:
        transformers' documentation, quantisation: the fields of each method.
    """
    parts = (config, *(each for each in config.values() if isinstance(each, Mapping)))
    found = (each.get("quantization_config") for each in parts)
    told = next((each for each in found if isinstance(each, Mapping)), None)
    return "" if told is None else _stored(told)


def _stored(told: Mapping[str, Any]) -> str:
    if told.get("load_in_4bit"):
        return "nf4" if told.get("bnb_4bit_use_double_quant") else "nf4-single"
    if told.get("load_in_8bit"):
        return "int8"
    keys = ("quant_method", "format", "quant_algo", "fmt")
    words = " ".join(str(told.get(key, "")) for key in keys).lower()
    word = next((each for each in WORDS if each in words), "")
    if word in ("gptq", "awq") or not word:
        return {FOUR_BITS: "gptq", 2 * FOUR_BITS: "int8"}.get(_bits(told, word), "")
    return word


def _bits(told: Mapping[str, Any], word: str) -> int:
    """Bits of a whole number, as a method or a group of compressed-tensors says it; 0 for none."""
    groups = told.get("config_groups")
    for each in groups.values() if isinstance(groups, Mapping) else ():
        weights = each.get("weights") if isinstance(each, Mapping) else None
        if isinstance(weights, Mapping) and weights.get("type") == "int":
            told = {"bits": weights.get("num_bits")}
    bits = told.get("bits", told.get("w_bit", FOUR_BITS if word else 0))
    return bits if isinstance(bits, int) else 0
