"""The fields of a specification as a table of the site: name, kind, default, meaning."""

from __future__ import annotations

import types
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from computebill.base.mistakes import meanings_of, section


def field_table(spec: type[BaseModel], lines: list[str]) -> None:
    """Put a table in the place of a docstring's section of attributes, if any.

    Args:
        spec: the class.
        lines: its docstring, changed in place.
    """
    told = meanings_of(spec)
    first, end = section(lines)
    del lines[max(first - 1, 0) : end]
    if not spec.model_fields:
        return
    rows = [
        [f"``{name}``", kind(field.annotation), default(field), told.get(name, "")]
        for name, field in spec.model_fields.items()
    ]
    lines += ["", ".. list-table::", "   :header-rows: 1", "   :widths: 22 22 14 42", ""]
    for row in [["field", "kind", "default", "meaning"], *rows]:
        for n, cell in enumerate(row):
            lines.append(f"   {'  -' if n else '* -'} {cell}")
    lines.append("")


def default(field: FieldInfo) -> str:
    """A field's default, or that it must be given."""
    if field.is_required():
        return "*required*"
    # Of a field that a preset may set, the default without one.
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, (tuple, list)):
        return ", ".join(f"``{each}``" for each in value)
    return "" if value is None or value == "" or isinstance(value, BaseModel) else f"``{value}``"


def kind(annotation: Any) -> str:
    """What a field takes, in words; a class is linked to."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return kind(inner[0])
    if origin is Literal:
        return ", ".join(f"``{each}``" for each in inner)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_kinds(inner)))
    if origin is tuple:
        return f"list of {kind(inner[0])}"
    if origin is dict:
        return f"table of {kind(inner[1])}"
    if annotation is Any:
        return "anything"
    if annotation.__module__.startswith("computebill."):
        return f":class:`~{annotation.__module__}.{annotation.__qualname__}`"
    words = {"str": "text", "float": "number", "int": "whole number", "bool": "true or false"}
    return words.get(annotation.__name__, annotation.__name__)


def _kinds(annotations: Sequence[Any]) -> Iterator[str]:
    return (kind(each) for each in annotations if each is not type(None))
