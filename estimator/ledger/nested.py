"""Nested records as columns: one a path, and all of them as a text that rules look at."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from typing import Any

import pyarrow as pa

from .formats import formats, plain, words

MOST_ITEMS = 4
"""Items of a list of objects that are looked at, besides its last."""
MOST_KEYS = 400
LONGEST = 300
"""Letters of a value that rules look at."""
DEEPEST = 12
CONFIG = "computebill configuration"
"""Heading of the column of all keys and values."""


@cache
def _wanted() -> frozenset[str]:
    """Return headings that any form has, and last parts of keys that trackers have."""
    told = {
        plain(name)
        for form in formats().values()
        for field in form.fields
        for name in form.headings(field)
    }
    told |= {each for form in formats().values() for group in form.needs for each in group}
    return frozenset(told | {key for keys in words("keys").values() for key in keys})


def flattened(table: pa.Table) -> pa.Table:
    """Return records of JSON with a column for each path that a form or a tracker may mean."""
    rows = [dict(_paths(row)) for row in table.to_pylist()]
    names = dict.fromkeys(name for row in rows for name in row)
    kept = [name for name in names if _is_wanted(name)]
    columns = {name: pa.array([row.get(name) for row in rows], pa.string()) for name in kept}
    columns[CONFIG] = pa.array([_text(row) for row in rows], pa.string())
    return pa.table(columns)


def last_part(name: str) -> str:
    """Return the last part of a path, as keys are compared by."""
    return plain(re.split(r"[./]", name.rstrip("./"))[-1])


def _is_wanted(name: str) -> bool:
    return plain(name) in _wanted() or last_part(name) in _wanted() or "resourceUsage" in name


def _text(row: dict[str, str]) -> str:
    lines = []
    for number, (key, value) in enumerate(row.items()):
        if number == MOST_KEYS:
            break
        lines.append(f"{key}={' '.join(value[:LONGEST].split())}")
    return "\n".join(lines)


def _paths(row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key, cell in row.items():
        opened = _opened(cell)
        if isinstance(opened, dict | list):
            yield key, ""  # that it is there tells the form
        yield from _inside(key, opened, 0)


def _opened(cell: Any) -> Any:
    """Return what a cell's text of JSON holds; the text where it is none."""
    if isinstance(cell, str) and cell[:1] in ("{", "["):
        try:
            return json.loads(cell, parse_float=str, parse_int=str, parse_constant=str)
        except (ValueError, RecursionError):
            return cell
    return cell


def _inside(path: str, value: Any, depth: int) -> Iterator[tuple[str, str]]:
    if value is None or depth > DEEPEST:
        return
    if isinstance(value, dict):
        if set(value) <= {"value", "desc"} and "value" in value:  # Weights & Biases wraps each
            yield from _inside(path, value["value"], depth + 1)
            return
        for key, inner in value.items():
            yield from _inside(f"{path}.{key}", inner, depth + 1)
    elif isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        yield from _conditions(path, value)
        yield from _pairs(path, value)
        yield from _total(path, value)
        for place, inner in enumerate(value[:MOST_ITEMS]):
            yield from _inside(f"{path}.{place}", inner, depth + 1)
        yield from _inside(f"{path}.last", value[-1], depth + 1)
    elif isinstance(value, list):
        yield path, ", ".join(map(str, value))
    else:
        yield path, str(value)


def _conditions(path: str, listed: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield when conditions of a cluster's object came true, and the last one that is."""
    true = [
        (str(each["lastTransitionTime"]), str(each["type"]))
        for each in listed
        if "lastTransitionTime" in each and each.get("status") in ("True", True)
    ]
    for moment, kind in true:
        yield f"{path}.when.{kind}", moment
    if true:
        yield f"{path}.state", max(true)[1]


def _total(path: str, listed: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield the sum of a list's amounts, as of a charge's credits."""
    if all("amount" in each for each in listed):
        with suppress(TypeError, ValueError):
            yield f"{path}.amount", repr(sum(float(each["amount"]) for each in listed))


def _pairs(path: str, listed: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield what a list of keys and values says, as MLflow and Google have them."""
    for each in listed:
        if set(each) == {"key", "value"}:
            yield f"{path}.{each['key']}", str(each["value"])
