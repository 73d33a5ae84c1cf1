"""Changes of a file's data by path, as a flag gives them: ``assumptions.price=2.5..4``.

A path goes by keys, and in a list by the name of one of its tables or by its number:
``runs.GPT-4.5.days``, ``reported[0].periods[0].amount``. Names may have dots and spaces.
"""

from __future__ import annotations

import tomllib
import types
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel

from .errors import RequestError, shown

FLAG = "--set"
NAMES = ("name", "item", "period")
"""Keys that a table of a list is called by."""
MOST_TOLD = 12
NEAR = 0.5
"""How alike two spellings are at least, of 1, that one is told for the other."""


class Change(NamedTuple):
    """One change.

    Attributes:
        path: to what is changed.
        value: as TOML has it, or the text that a flag reads.
    """

    path: str
    value: Any


class Changed(NamedTuple):
    """What was changed.

    Attributes:
        key: of its table.
        tables: that hold it, the innermost last.
    """

    key: str
    tables: list[dict[str, Any]]


class Place(NamedTuple):
    """What a path has led to so far.

    Attributes:
        value: of the data; None where there is nothing yet.
        kind: annotation of it; None where the format does not say.
    """

    value: Any
    kind: Any


def read_change(text: str) -> Change:
    """Read ``PATH=VALUE``; a value that is no TOML is a text, as flags have: ``2.5..4``, ``70B``.

    Raises:
        RequestError: where one of the two is missing.
    """
    path, _, value = (part.strip() for part in text.partition("="))
    if not path or not value:
        raise RequestError(
            FLAG, f"got {shown(text)}; allowed: PATH=VALUE, as assumptions.price=2.5..4"
        )
    try:
        read = tomllib.loads(f"value = {value}")
    except (tomllib.TOMLDecodeError, ValueError, RecursionError):
        return Change(path, value)
    # A day stays as it is written: files have periods as texts.
    is_plain = len(read) == 1 and isinstance(read["value"], str | bool | int | float | dict | list)
    return Change(path, read["value"] if is_plain else value)


def set_in(data: dict[str, Any], change: Change, model: type[BaseModel]) -> Changed:
    """Make a change in a file's data, in place.

    A number with its source, ``{ value, source }``, keeps its table where only the number is given.

    Args:
        data: the file's.
        change: what is changed.
        model: class of the file.

    Raises:
        RequestError: where a part of the path is none, with what is nearest and what is allowed.
    """
    place, rest = Place(data, model), change.path
    tables: list[dict[str, Any]] = []
    while True:
        key, rest = _first(place, rest, change.path)
        if isinstance(place.value, dict):
            tables.append(place.value)
        inner = _inner(place, key)
        if not rest:
            break
        if inner.value is None and _is_table(inner.kind):
            place.value[key] = {}
            inner = inner._replace(value=place.value[key])
        if not isinstance(inner.value, dict | list):
            _refuse(change.path, rest, [], f"{shown(key)} has no parts")
        place = inner
    is_noted = isinstance(inner.value, dict) and "value" in inner.value
    is_noted |= _is_table(inner.kind) and "value" in getattr(inner.kind, "model_fields", ())
    if is_noted and not isinstance(change.value, dict):
        table = {**(inner.value or {}), "value": change.value}
        place.value[key] = table
        return Changed("value", [*tables, table])
    place.value[key] = change.value
    return Changed(str(key), tables)


def _first(place: Place, rest: str, path: str) -> tuple[Any, str]:
    """Return the first key of what is left of a path, and what is left after it."""
    if isinstance(place.value, list):
        known: dict[str, Any] = {str(i): i for i in range(len(place.value))}
        for i, each in enumerate(place.value):
            names = [each[name] for name in NAMES if name in each] if isinstance(each, dict) else []
            known |= {str(name): i for name in names[:1]}
    else:
        fields = getattr(place.kind, "model_fields", {})
        known = {str(key): key for key in (*fields, *place.value)}
    text = rest.removeprefix("[").replace("]", "", 1) if rest.startswith("[") else rest
    quoted = text[:1] in ("'", '"') and text[:1] in text[1:]
    if quoted:
        name, _, text = text[1:].partition(text[0])
        found = [name] if name in known else []
        text = name + text
    else:
        found = [
            name for name in known if text == name or text.startswith((f"{name}.", f"{name}["))
        ]
    if found:
        name = max(found, key=len)
        return known[name], text[len(name) :].removeprefix(".")
    if isinstance(place.value, dict) and not _is_closed(place.kind):
        name, _, after = text.partition(".")
        return name, after
    _refuse(path, text, list(known), "is not known")
    raise AssertionError  # refused above


def _refuse(path: str, rest: str, known: Sequence[str], problem: str) -> None:
    wrong = rest.partition(".")[0].partition("[")[0]
    near = get_close_matches(wrong, known, 1, NEAR) or get_close_matches(rest, known, 1, NEAR)
    names = [name for name in known if not name.isdigit()] or list(known)
    allowed = ", ".join(names[:MOST_TOLD]) + (", …" if len(names) > MOST_TOLD else "")
    told = f"{shown(wrong)} {problem}" if known else problem
    told += f"; nearest: {near[0]}" if near else ""
    raise RequestError(FLAG, f"{path}: {told}" + (f"; allowed: {allowed}" if known else ""))


def _inner(place: Place, key: Any) -> Place:
    """Return what a key leads to."""
    kind = place.kind
    if isinstance(place.value, list):
        arguments = get_args(kind)
        return Place(place.value[key], _plain(arguments[0]) if arguments else None)
    value = place.value.get(key)
    if get_origin(kind) is dict:
        return Place(value, _plain(get_args(kind)[1]))
    field = getattr(kind, "model_fields", {}).get(key)
    return Place(value, None if field is None else _plain(field.annotation))


def _plain(annotation: Any) -> Any:
    """Return an annotation without what may be added to it: None, or a check."""
    if get_origin(annotation) is Annotated:
        return _plain(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        parts = [_plain(each) for each in get_args(annotation) if each is not type(None)]
        return next((each for each in parts if _is_table(each)), parts[0])
    return annotation


def _is_table(kind: Any) -> bool:
    return get_origin(kind) is dict or (isinstance(kind, type) and issubclass(kind, BaseModel))


def _is_closed(kind: Any) -> bool:
    """Whether a table takes no keys but those that its class names."""
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return False
    return kind.model_config.get("extra") == "forbid"
