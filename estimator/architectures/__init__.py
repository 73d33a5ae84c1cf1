"""Architectures: from a ``config.json`` to operators."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from computebill.base.errors import RequestError, shown

from .config import Config, read_config
from .families import FAMILIES, OTHER_NAMES
from .operators import Architecture
from .quantization import stored_weights

__all__ = ["Architecture", "read_architecture"]

INNER = ("text_config", "llm_config", "language_config", "text_model")
"""Keys under which a multimodal configuration keeps its language model."""


def read_architecture(source: str | Path | Mapping[str, Any]) -> Architecture:
    """Return the architecture that a ``config.json`` describes.

    Args:
        source: a file, a directory that holds ``config.json``, ``-`` for standard input, or the
            configuration itself. Of the latter, sizes may be tensors of one shape, to count many
            architectures at once.

    Raises:
        RequestError: naming the field, what was given and what is allowed.
    """
    if isinstance(source, Mapping):
        return _stored(source, "config")
    if not isinstance(source, str | Path):
        raise RequestError("config", f"got {shown(source)}; allowed: a path or a mapping")
    fields, name = read_config(source)
    return _stored(fields, name)


def _stored(fields: Mapping[str, Any], file: str) -> Architecture:
    """Return an architecture with what its weights are stored in."""
    return replace(_architecture(fields, file), stored=stored_weights(fields))


def _architecture(fields: Mapping[str, Any], file: str) -> Architecture:
    notes: list[str] = []
    key = "model_type"
    for inner in INNER:
        # A multimodal model's language model is the part that tokens meet.
        part = fields.get(inner)
        if isinstance(part, Mapping) and (
            "hidden_size" not in fields or _known(fields.get("model_type")) is None
        ):
            key = f"{inner}.model_type" if "model_type" in part else key
            fields = {"model_type": fields.get("model_type"), **part}
            notes.append("Only the language model is counted, not what reads images or sound.")
            break
    given = fields.get("model_type")
    model_type = _known(given)
    if model_type is None:
        raise RequestError(file, _unknown(key, given))
    family = FAMILIES[model_type]
    config = Config(fields, family.defaults, family.names, file)
    architecture = family.architecture(config, model_type)
    further = config.optional_size("num_nextn_predict_layers", least=0) or 0
    if further:
        notes.append(f"{further} layer(s) that predict further tokens (MTP) are not counted.")
    return replace(architecture, notes=(*architecture.notes, *notes), further=further)


def _known(given: object) -> str | None:
    """Return the table's name of a type; None where it has none."""
    if not isinstance(given, str):
        return None
    name = OTHER_NAMES.get(given, given)
    return name if name in FAMILIES else None


def _unknown(key: str, given: object) -> str:
    known = sorted(FAMILIES)
    totals = "; or give totals: computebill run --params 405B --tokens 15T …"
    if not isinstance(given, str):
        problem = f"{key} is missing" if given is None else f"{key}: got {shown(given)}"
        return f"{problem}; allowed: {', '.join(known)}{totals}"
    near = difflib.get_close_matches(given, [*known, *OTHER_NAMES], n=3, cutoff=0.4)
    hint = f"nearest: {', '.join(near)}" if near else f"allowed: {', '.join(known)}"
    return f"{key}: got {shown(given)}, which is not known; {hint}{totals}"
