"""Architectures: from a ``config.json`` to operators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from computebill.base.errors import RequestError, shown

from .entries import LANGUAGE_ONLY, counted, family_name, is_whole
from .forms import as_config
from .operators import Architecture
from .quantization import stored_weights
from .sources import find_source
from .unknown import unknown_type
from .weights import read_weights

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
    counted_alone = read_weights(source)
    if counted_alone is not None:
        return counted_alone
    found = find_source(source)
    return replace(_architecture(found.fields, found.name), adapter=found.adapter)


def _architecture(fields: Mapping[str, Any], file: str) -> Architecture:
    fields, read = as_config(fields, file)
    found, stored = _by_type(fields, file), stored_weights(fields)
    if not stored and fields.get("quantization_config") is not None:
        read = [*read, UNREAD_WEIGHTS]
    return replace(found, stored=stored, notes=(*found.notes, *read))


UNREAD_WEIGHTS = (
    "What its quantization_config says is not understood: memory is of weights in 16 bits."
)


def _by_type(fields: Mapping[str, Any], file: str) -> Architecture:
    part, key, notes = _language_model(fields)
    is_inner = part is not fields
    given = part.get("model_type")
    if not isinstance(given, str) or family_name(given) is None:
        found = _from_modules(fields, file)
        if found is None:
            raise RequestError(file, unknown_type(part, key, given, is_whole))
        return replace(found, counted_by="modules")
    return counted(part, given, file, notes, is_inner=is_inner)


def _language_model(fields: Mapping[str, Any]) -> tuple[Mapping[str, Any], str, list[str]]:
    """Return the fields of the part that tokens meet, what its type's key is, and what to say."""
    for inner in INNER:
        part = fields.get(inner)
        given = fields.get("model_type")
        if isinstance(part, Mapping) and (
            "hidden_size" not in fields or not isinstance(given, str) or family_name(given) is None
        ):
            key = f"{inner}.model_type" if "model_type" in part else "model_type"
            above = {name: fields[name] for name in SHARED if name in fields}
            outer = {name: fields.get(name) for name in PURPOSE}
            part = {"model_type": given, **above, **part, **outer}
            return part, key, [LANGUAGE_ONLY]
    return fields, "model_type", []


PURPOSE = ("architectures", "id2label", "num_labels")
"""Fields that say what a model is for: of a multimodal one, those of the whole."""

SHARED = ("tie_word_embeddings",)
"""Fields of a multimodal configuration that its language model takes where it has none."""


def _from_modules(fields: Mapping[str, Any], file: str) -> Architecture | None:
    """Count a type that the table lacks from a library's own modules.

    Returns:
        None where no library that is installed knows it.
    """
    if find_spec("computebill.architectures.modules") is None:
        return None
    read = import_module("computebill.architectures.modules").read_modules
    return cast("Architecture | None", read(fields, file))
