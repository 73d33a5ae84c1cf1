"""Pipelines of ``diffusers``: the part of a ``model_index.json`` that is trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from computebill.base.errors import RequestError, shown

TRAINED = ("transformer", "unet", "prior", "decoder")
"""Parts of a pipeline that are trained, the first that it has."""
CONFIG = "config.json"


def is_pipeline(fields: Mapping[str, Any]) -> bool:
    """Whether a file is the index of a pipeline: parts, each a library and a class."""
    return "_class_name" in fields and any(_is_part(each) for each in fields.values())


def trained_part(fields: Mapping[str, Any], name: str) -> tuple[Path, str]:
    """Return the configuration of the part of a pipeline that is trained, and what to say of it.

    Args:
        fields: content of its ``model_index.json``.
        name: path of that file.

    Raises:
        RequestError: where it has no such part, or that is not beside it.
    """
    parts = [key for key, each in fields.items() if _is_part(each)]
    part = next((each for each in TRAINED if each in parts), None)
    pipeline = shown(fields["_class_name"])
    if part is None:
        allowed = f"one with a {', '.join(TRAINED[:-1])} or {TRAINED[-1]}"
        raise RequestError(name, f"is the index of a {pipeline}; allowed: {allowed}")
    path = Path(name).parent / part / CONFIG
    if not path.is_file():
        raise RequestError(
            name, f"is the index of a {pipeline}; give {part}/{CONFIG}, which is not beside it"
        )
    rest = [each for each in parts if each not in (part, "scheduler")]
    told = f"{part} of a {pipeline} is counted"
    return path, f"The {told}; what else it holds is not: {', '.join(rest)}." if rest else told


def _is_part(value: object) -> bool:
    """Whether a value names a library and a class of it."""
    return (
        isinstance(value, list) and len(value) == 2 and all(isinstance(each, str) for each in value)
    )
