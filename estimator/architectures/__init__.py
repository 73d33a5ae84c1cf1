"""Architectures: from a ``config.json`` to operators."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from computebill.base.errors import RequestError, shown

from .config import Config, read_config
from .families import FAMILIES, OTHER_NAMES
from .operators import Architecture

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
        return _architecture(source, "config")
    if not isinstance(source, str | Path):
        raise RequestError("config", f"got {shown(source)}; allowed: a path or a mapping")
    fields, name = read_config(source)
    return _architecture(fields, name)


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
        found = _from_modules(fields, file)
        if found is None:
            raise RequestError(file, _unknown(key, given))
        return replace(found, counted_by="modules", notes=(*found.notes, *notes))
    family = FAMILIES[model_type]
    config = Config(fields, family.defaults, family.names, file)
    architecture = replace(
        family.architecture(config, model_type),
        counted_by="family" if given == model_type else "alias",
        title=family.title,
    )
    further = config.optional_size("num_nextn_predict_layers", least=0) or 0
    if further:
        notes.append(f"{further} layer(s) that predict further tokens (MTP) are not counted.")
    return replace(architecture, notes=(*architecture.notes, *notes), further=further)


def _from_modules(fields: Mapping[str, Any], file: str) -> Architecture | None:
    """Count a type that the table lacks from a library's own modules.

    Returns:
        None where no library that is installed knows it.
    """
    if find_spec("computebill.architectures.modules") is None:
        return None
    read = import_module("computebill.architectures.modules").read_modules
    return cast("Architecture | None", read(fields, file))


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
