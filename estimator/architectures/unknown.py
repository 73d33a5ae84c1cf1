"""Refusals of what no entry counts, with what helps."""

from __future__ import annotations

import difflib
import importlib.util
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from computebill.base.errors import shown

from .families import FAMILIES
from .types import aliases, type_of_class
from .unread import SHAPING

TOTALS = "or give totals: computebill run --params 405B --tokens 15T …"
MODULES = "with the extra `models` installed, types that transformers knows are counted as well"
OWN_CODE = "the code that its auto_map names is never run"
DIFFUSERS = (
    "a model of diffusers is read from the config.json of its transformer or unet folder, which "
    "has a _class_name"
)
OF_DIFFUSERS = re.compile(r"(flux|qwen[-_]?image|ltx|wan)", re.IGNORECASE)
"""How types of models begin that ``diffusers`` has."""


def unknown_type(
    fields: Mapping[str, Any],
    key: str,
    given: object,
    is_whole: Callable[[Mapping[str, Any], str], bool],
) -> str:
    """Return the problem of a type that is not known.

    Args:
        fields: the configuration.
        key: what its type's field is called.
        given: the type.
        is_whole: whether a configuration can be counted as a type, with no field left over.
    """
    if not isinstance(given, str):
        problem = f"{key} is missing" if given is None else f"{key}: got {shown(given)}"
        allowed = f"one of {len(FAMILIES) + len(aliases())} types, such as llama, qwen3 or bert"
        allowed = f"{allowed} (docs: architectures)"
        return "; ".join((problem, f"allowed: {allowed}", *further_ways(fields), TOTALS))
    parts = [f"{key}: got {shown(given)}, which is not known"]
    near = [name for name in _candidates(fields, given) if is_whole(fields, name)]
    if near:
        parts.append(f"nearest: {near[0]}, which has every field that this one has")
    else:
        shaping = sorted(name for name in SHAPING & fields.keys() if fields[name])
        if shaping:
            parts.append(f"fields that change its shape: {', '.join(shaping[:8])}")
    return "; ".join((*parts, *further_ways(fields), TOTALS))


def further_ways(fields: Mapping[str, Any]) -> list[str]:
    """Return what else to say of a file: whose it is, or what would read it."""
    if OF_DIFFUSERS.match(str(fields.get("model_type"))):
        return [DIFFUSERS]
    own = [OWN_CODE] if fields.get("auto_map") else []
    return [*own, MODULES] if importlib.util.find_spec("transformers") is None else own


def _candidates(fields: Mapping[str, Any], given: str) -> Iterable[str]:
    """Return types whose names are close, or that the file's class names."""
    named = fields.get("architectures")
    found = []
    if isinstance(named, list) and named and isinstance(named[0], str):
        found.append(type_of_class(named[0]))
    close = difflib.get_close_matches(given, [*FAMILIES, *aliases()], n=3, cutoff=0.4)
    return [name for name in dict.fromkeys((*found, *close)) if name]
