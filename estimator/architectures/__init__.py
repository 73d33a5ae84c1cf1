"""Architectures: from a ``config.json`` to operators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from computebill.base.errors import RequestError, shown

from .config import Config
from .families import FAMILIES
from .forms import as_config
from .operators import Architecture
from .outputs import read_purpose, unknown_purpose
from .quantized import read_quantization, stored_note
from .sources import find_source
from .types import UNDECLARED, aliases, type_fields
from .unknown import unknown_type

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
    found = find_source(source)
    return replace(_architecture(found.fields, found.name), adapter=found.adapter)


def _architecture(fields: Mapping[str, Any], file: str) -> Architecture:
    fields, read = as_config(fields, file)
    quantization = read_quantization(fields, file)
    found = _by_type(fields, file)
    notes = (*found.notes, *read, *stored_note(quantization))
    return replace(found, quantization=quantization, notes=notes)


def _by_type(fields: Mapping[str, Any], file: str) -> Architecture:
    part, key, notes = _language_model(fields)
    is_inner = part is not fields
    given = part.get("model_type")
    if not isinstance(given, str) or _family_name(given) is None:
        found = _from_modules(fields, file)
        if found is None:
            raise RequestError(file, unknown_type(part, key, given))
        return replace(found, counted_by="modules")
    return _counted(part, given, file, notes, is_inner=is_inner)


def _language_model(fields: Mapping[str, Any]) -> tuple[Mapping[str, Any], str, list[str]]:
    """Return the fields of the part that tokens meet, what its type's key is, and what to say."""
    for inner in INNER:
        part = fields.get(inner)
        given = fields.get("model_type")
        if isinstance(part, Mapping) and (
            "hidden_size" not in fields or not isinstance(given, str) or _family_name(given) is None
        ):
            key = f"{inner}.model_type" if "model_type" in part else "model_type"
            above = {name: fields[name] for name in SHARED if name in fields}
            outer = {name: fields.get(name) for name in PURPOSE}
            part = {"model_type": given, **above, **part, **outer}
            return (
                part,
                key,
                ["Only the language model is counted, not what reads images or sound."],
            )
    return fields, "model_type", []


LANGUAGE_ONLY = "Only the language model is counted, not what reads images or sound."

PURPOSE = ("architectures", "id2label", "num_labels")
"""Fields that say what a model is for: of a multimodal one, those of the whole."""

SHARED = ("tie_word_embeddings",)
"""Fields of a multimodal configuration that its language model takes where it has none."""


def _counted(
    fields: Mapping[str, Any], given: str, file: str, notes: list[str], *, is_inner: bool
) -> Architecture:
    """Count by the entry of a type, or of the type whose shape it has."""
    alias = aliases().get(given)
    purpose = read_purpose(fields, file)
    model_type = alias.family if alias else given
    family = FAMILIES[model_type]
    inner = (alias.language_model if alias else None) or given
    if inner != given and not is_inner:
        notes.append(LANGUAGE_ONLY)
    config = Config(
        fields,
        file,
        names={**family.names, **(alias.names if alias else {})},
        defaults={**family.defaults, **(alias.defaults if alias else {})},
        declared=type_fields(inner) or type_fields(model_type) or UNDECLARED,
        purpose=purpose,
        is_inner=is_inner,
    )
    architecture = replace(
        family.architecture(config, model_type),
        counted_by="alias" if alias else "family",
        title=family.title,
    )
    notes += unknown_purpose(purpose)
    further = config.optional_size("num_nextn_predict_layers", least=0) or 0
    if further:
        notes.append(f"{further} layer(s) that predict further tokens (MTP) are not counted.")
    if config.assumed:
        taken = ", ".join(f"{name} {value}" for name, value in config.assumed.items())
        notes.append(f"What the file leaves out is as {given} declares it: {taken}.")
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


def _family_name(given: str) -> str | None:
    """Return the type whose entry counts a type; None where none does."""
    alias = aliases().get(given)
    name = alias.family if alias else given
    return name if name in FAMILIES else None
