"""What is known of each ``model_type`` as data: its own defaults and names, and aliases.

``type_fields.json`` was written from the configuration classes of ``transformers`` by
``tests/support/type_fields.py``; nothing is imported from there to count.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from pydantic import Field

from computebill.base.specfile import Spec


class TypeFields(NamedTuple):
    """What a type's configuration takes for what a file leaves out.

    Attributes:
        defaults: fields as the type declares them, with their defaults.
        names: the type's own names of fields, by the names that most types use.
    """

    defaults: Mapping[str, Any]
    names: Mapping[str, str]


class Alias(Spec):
    """A type that has another's shape.

    Attributes:
        family: type whose entry counts it.
        checked: how its count was held against it.
        language_model: type of its language model, where it is a multimodal model's whose file may
            hold the language model's fields themselves.
        defaults: what it takes for fields that are left out, where no class declares it.
        names: what it calls fields that most types call otherwise.
    """

    family: str
    checked: str
    language_model: str | None = None
    defaults: dict[str, Any] = Field(default_factory=dict)
    names: dict[str, str] = Field(default_factory=dict)


UNDECLARED = TypeFields({}, {})


@cache
def _table() -> dict[str, Any]:
    text = resources.files(__package__).joinpath("type_fields.json").read_text("utf-8")
    return dict(json.loads(text))


def type_fields(model_type: str) -> TypeFields | None:
    """Return a type's declared fields; None where no class declares them."""
    found = _table()["types"].get(model_type)
    return TypeFields(found["defaults"], found.get("names", {})) if found else None


@cache
def aliases() -> dict[str, Alias]:
    """Return the types that have another's shape."""
    text = resources.files(__package__).joinpath("aliases.toml").read_text("utf-8")
    return {name: Alias.model_validate(each) for name, each in tomllib.loads(text).items()}


def type_of_class(name: str) -> str | None:
    """Return the type whose classes are called so (``LlamaForCausalLM``: ``llama``).

    Of several, as a multimodal model and its language model, the shortest.
    """
    found = [
        model_type
        for model_type, each in _table()["types"].items()
        if each["class"] and name.startswith(each["class"])
    ]
    longest = max((len(_table()["types"][each]["class"]) for each in found), default=0)
    exact = [each for each in found if len(_table()["types"][each]["class"]) == longest]
    return min(exact, key=len, default=None)
