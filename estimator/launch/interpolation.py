"""Values that name other values of the same file, as OmegaConf's do: ``${model.hidden_size}``."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from .entries import Entry, Source
from .marks import HOLE, hole

REFERENCE = re.compile(r"\$\{([^${}]*)\}")
PATH = re.compile(r"\.*[\w/\-]+(?:\.[\w\-]+|\[\d+\])*")
DEEPEST = 12
MOST = 400
"""References of a value that are followed; a value that names itself is stopped there."""

Numbers = list[float]
OPERATIONS: Mapping[str, Callable[[Numbers], float]] = {
    "multiply": math.prod,
    "mul": math.prod,
    "add": sum,
    "sum": sum,
    "subtract": lambda each: each[0] - sum(each[1:]),
    "divide": lambda each: each[0] / math.prod(each[1:]),
    "div": lambda each: each[0] / math.prod(each[1:]),
    "int_div": lambda each: each[0] // math.prod(each[1:]),
    "max": max,
    "min": min,
}
"""Resolvers that recipes register; of all others nothing is known."""


def resolved(source: Source) -> Source:
    """Return a file's settings with what they name of each other in place.

    What is left unknown stands as a hole in the value: another file's name, a resolver, a
    variable of the environment without a default.
    """
    values = {each.key: each.value for each in source.entries}
    return replace(source, entries=[_resolved(each, values) for each in source.entries])


def _resolved(entry: Entry, values: Mapping[str, Any]) -> Entry:
    value = entry.value
    if isinstance(value, tuple):
        parts = tuple(
            _followed(each, entry.key, values) if isinstance(each, str) else each for each in value
        )
        return replace(entry, value=parts)
    if isinstance(value, str) and "${" in value:
        return replace(entry, value=_followed(value, entry.key, values))
    return entry


def _followed(text: str, key: str, values: Mapping[str, Any]) -> Any:
    for _ in range(DEEPEST):
        whole = REFERENCE.fullmatch(text)
        if whole:
            found = _named(whole.group(1), key, values)
            if not isinstance(found, str) or "${" not in found:
                return found
            text = found
            continue
        changed, count = REFERENCE.subn(
            lambda match: str(_named(match.group(1), key, values)), text, count=MOST
        )
        if not count:
            return text
        text = changed
        if len(text) > 10_000:
            break
    return hole(text, 0)


def _named(inner: str, key: str, values: Mapping[str, Any]) -> Any:
    """Return what a reference stands for."""
    name, colon, rest = inner.partition(":")
    if not colon:
        path = _path(inner.strip(), key) if PATH.fullmatch(inner.strip()) else ""
        # A file of a larger configuration names itself by its place there: training.model.….
        found = values.get(path, values.get(path.partition(".")[2]))
        return hole(inner, 0) if found is None else found
    if HOLE.search(inner):
        return hole(inner, 0)
    if name in OPERATIONS:
        try:
            found = OPERATIONS[name]([float(part) for part in rest.split(",")])
        except (ValueError, ZeroDivisionError, OverflowError):
            return hole(inner, 0)
        return int(found) if found % 1 == 0 else found
    if name == "oc.env":
        variable, comma, default = rest.partition(",")
        return default.strip() if comma else hole(variable, 0)
    return rest if name.isupper() else hole(inner, 0)


def _path(name: str, key: str) -> str:
    """Return the path that a reference names; one dot before it is the table it stands in."""
    dots = len(name) - len(name.lstrip("."))
    if not dots:
        return name.replace("-", "_")
    tables = key.split(".")[:-dots]
    return ".".join([*tables, name[dots:]]).replace("-", "_")
