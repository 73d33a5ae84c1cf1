"""What is wrong with a spec, field by field: its path, what was given, what is allowed."""

from __future__ import annotations

import inspect
import types
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from .errors import shown

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

SECTION = "Attributes:"


def mistakes_in(
    error: ValidationError, model: type[BaseModel], name: str, flags: Collection[str] = ()
) -> Iterator[tuple[str, str]]:
    """Yield every mistake: the file's name or the flag, and what is wrong there.

    Args:
        error: what pydantic found.
        model: class of the spec.
        name: name of the file, or of what is described.
        flags: fields that were given on the command line, and are named as they are there.
    """
    for detail in _root_causes(error.errors(include_url=False)):
        text = _explain(detail, model)
        key = str(detail["loc"][0]) if detail["loc"] else ""
        if key in flags:
            flag = f"--{key.replace('_', '-')}"
            yield flag, text.removeprefix(key).removeprefix(":").strip()
        else:
            yield name, text


def _root_causes(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Leave out what follows from another mistake.

    A list is too short because one of its items was refused; a default was not looked for because
    a field before it was.
    """

    def has_inner(location: tuple[str | int, ...]) -> bool:
        size = len(location)
        return any(len(d["loc"]) > size and d["loc"][:size] == location for d in details)

    return [
        d
        for d in details
        if d["type"] != "default_factory_not_called"
        and (d["type"] != "too_short" or not has_inner(d["loc"]))
    ]


def _explain(detail: ErrorDetails, model: type[BaseModel]) -> str:
    path = field_path(detail["loc"])
    if detail["type"] == "extra_forbidden":
        allowed = ", ".join(sorted(_keys_at(model, detail["loc"][:-1])))
        text = (
            f"{path} is not a known key; allowed: {allowed}"
            if allowed
            else f"{path} is not a known key"
        )
    elif detail["type"] == "missing":
        text = f"{path} is missing{_wanted(model, detail['loc'])}"
    else:
        problem = _problem(detail)
        if detail["type"] in ("model_type", "dict_type"):
            keys = ", ".join(_keys_at(model, detail["loc"]))
            problem = f"allowed: a table{f' of the keys {keys}' if keys else ''}"
        given = detail["input"]
        quoted = (
            ""
            if isinstance(given, Mapping | BaseModel) or "got" in problem
            else f"got {shown(given)}; "
        )
        text = f"{path}: {quoted}{problem}" if path else problem
    return text


def _wanted(model: type[BaseModel], location: Sequence[str | int]) -> str:
    """Say what a field is for and what it takes, as far as its class tells."""
    owner = _model_at(model, location[:-1])
    name = str(location[-1])
    if owner is None or name not in owner.model_fields:
        return ""
    meaning = meanings_of(owner).get(name, "").partition(";")[0].rstrip(".")
    taken = _taken(owner.model_fields[name].annotation)
    return "".join(f"; {each}" for each in (meaning, f"allowed: {taken}" if taken else "") if each)


def meanings_of(spec: type[BaseModel]) -> dict[str, str]:
    """Return what each field of a spec is, as the docstrings of it and its bases say."""
    told: dict[str, str] = {}
    for base in reversed(spec.__mro__):
        text = inspect.cleandoc(base.__dict__.get("__doc__") or "").splitlines()
        told |= _meanings(text[slice(*section(text))])
    return told


def section(lines: Sequence[str]) -> tuple[int, int]:
    """Return the first line below the heading of attributes, and the first no longer theirs."""
    if SECTION not in lines:
        return 0, 0
    first = lines.index(SECTION) + 1
    for at in range(first, len(lines)):
        if lines[at] and not lines[at].startswith(" "):
            return first, at
    return first, len(lines)


def _meanings(lines: Sequence[str]) -> dict[str, str]:
    """Return what each attribute is, of a section's lines: ``name: text``, more of it indented."""
    found: dict[str, str] = {}
    name = ""
    for line in filter(str.strip, lines):
        if len(line) - len(line.lstrip()) <= 4:
            name, _, text = line.strip().partition(": ")
            found[name] = text
        else:
            found[name] += f" {line.strip()}"
    return found


TAKEN = {
    "str": "a text",
    "float": "a number",
    "int": "a whole number",
    "bool": "true or false",
    "Quantity": "a number such as 3.0 or 405B, or a range such as 0.3..0.45",
    "date": "a day such as 2025-06-30",
}
"""What a field of each type takes, with an example."""


def _taken(annotation: Any) -> str:
    """Say what a field of a type takes; nothing where that is not told in a few words."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _taken(inner[0])
    if origin is Literal:
        return ", ".join(str(each) for each in inner)
    if origin in (Union, types.UnionType):
        told = (_taken(each) for each in inner if each is not type(None))
        return " or ".join(dict.fromkeys(each for each in told if each))
    if origin in (tuple, list):
        return "a list"
    if origin is dict:
        return "a table"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"a table of the keys {', '.join(annotation.model_fields)}"
    return TAKEN.get(getattr(annotation, "__name__", ""), "")


WHOLE = ("int_parsing", "int_type", "int_from_float", "int_parsing_size")
"""Mistakes of what is no whole number, as pydantic names them."""


def _problem(detail: ErrorDetails) -> str:
    """Say what is allowed as other messages do."""
    limits = {
        key: f"{value:g}" if isinstance(value, int | float) else value
        for key, value in detail.get("ctx", {}).items()
    }
    words = {
        "greater_than": f"allowed: above {limits.get('gt')}",
        "greater_than_equal": f"allowed: {limits.get('ge')} or more",
        "less_than": f"allowed: below {limits.get('lt')}",
        "less_than_equal": f"allowed: up to {limits.get('le')}",
        "tuple_type": "allowed: a list",
        "list_type": "allowed: a list",
        "string_type": "allowed: a text",
        "too_short": f"allowed: at least {limits.get('min_length')} item(s)",
        "too_long": f"allowed: at most {limits.get('max_length')} items",
        **dict.fromkeys(("bool_parsing", "bool_type"), "allowed: true or false"),
        **dict.fromkeys(WHOLE, "allowed: a whole number"),
        "float_parsing": "allowed: a number",
        "float_type": "allowed: a number",
        "finite_number": "allowed: a finite number",
        "literal_error": f"allowed: {limits.get('expected')}",
    }
    return words.get(detail["type"], detail["msg"].removeprefix("Value error, "))


def field_path(location: Sequence[str | int]) -> str:
    """Write a pydantic location as a person would: ``runs[2].mfu``."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{part}" if path else part
    return path


def _keys_at(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """Return the keys the model takes at ``location``, as far as its annotations tell."""
    found = _model_at(model, location)
    return list(found.model_fields) if found is not None else []


def _model_at(model: type[BaseModel], location: Sequence[str | int]) -> type[BaseModel] | None:
    """Return the class of the table at ``location``, as far as annotations tell."""
    current: type[BaseModel] | None = model
    for part in location:
        if isinstance(part, int) or current is None:
            continue
        field = current.model_fields.get(part)
        current = _model_in(field.annotation) if field is not None else None
    return current


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_in(inner)
        if found is not None:
            return found
    return None
