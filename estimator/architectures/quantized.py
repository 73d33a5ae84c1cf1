"""How a file says that its weights are stored in fewer bits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from computebill.base.errors import RequestError, shown

from .operators import Quantization

METHODS = {"fp8": 8, "fbgemm_fp8": 8, "mxfp4": 4, "bitnet": 2, "nvfp4": 4, "fp8_pb_wo": 8}
"""Bits of a weight, of methods and algorithms that have one number of them."""


def read_quantization(fields: Mapping[str, Any], file: str) -> Quantization | None:
    """Return what ``quantization_config`` says; None where there is none.

    Raises:
        RequestError: where it is no table.
    """
    given = fields.get("quantization_config")
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise RequestError(file, f"quantization_config: got {shown(given)}; allowed: a table")
    algorithm = str(given.get("quant_algo") or "").lower()
    method = str(given.get("quant_method") or algorithm or "not named").lower()
    return Quantization(method, _bits(given, algorithm or method))


def _bits(given: Mapping[str, Any], name: str) -> int | None:
    """Return bits of a weight, by the fields that the libraries write."""
    for field, bits in (("load_in_4bit", 4), ("_load_in_4bit", 4), ("load_in_8bit", 8)):
        if given.get(field) is True:
            return bits
    for field in ("bits", "w_bit", "weight_bits"):
        value = given.get(field)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    groups = given.get("config_groups")
    if isinstance(groups, Mapping):
        for group in groups.values():
            weights = group.get("weights") if isinstance(group, Mapping) else None
            if isinstance(weights, Mapping) and isinstance(weights.get("num_bits"), int):
                return int(weights["num_bits"])
    return METHODS.get(name)


def stored_note(found: Quantization | None) -> list[str]:
    """Return what to say of weights that are stored in fewer bits."""
    if found is None:
        return []
    bits = "" if found.bits is None else f", {found.bits} bits a weight"
    return [
        f"The file's weights are stored quantised ({found.method}{bits}): parameters are those of "
        "the model before."
    ]
