"""Configurations that ship, by the names that people use: ``llama-3.1-8b``, ``qwen3-30b-a3b``.

``published.json`` holds the fields that decide a model's shape, each file with where it is from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

PARTED = " ("
"""Before what a name says of a part of a multimodal model: ``(text_config)``."""

MOST_NEAR = 4


class Shipped(NamedTuple):
    """A configuration that ships.

    Attributes:
        name: of its repository, owner and model.
        fields: content of its ``config.json``, as far as it decides the shape.
        source: where it is from.
        is_checked: whether it was compared with a published file; else it is from memory.
    """

    name: str
    fields: Mapping[str, Any]
    source: str
    is_checked: bool

    @property
    def short(self) -> str:
        """The model's name without its owner, in small letters."""
        return self.name.partition(PARTED)[0].rpartition("/")[2].lower()

    @property
    def told(self) -> str:
        """What is said of it among the notes of a count."""
        checked = "" if self.is_checked else "; written from memory, not checked field by field"
        return f"The configuration of {self.name} is the one that ships ({self.source}{checked})."


@cache
def shipped_models() -> tuple[Shipped, ...]:
    """Return all configurations that ship, in the order of the file."""
    text = resources.files(__package__).joinpath("published.json").read_text(encoding="utf-8")
    return tuple(
        Shipped(each["name"], each["config"], each["config_source"], not each["recalled"])
        for each in json.loads(text)
    )


def shipped(name: str) -> Shipped | None:
    """Return the configuration that a name stands for: a repository's, or the model's alone."""
    plain = name.strip().lower()
    for each in shipped_models():
        if plain in (each.short, each.name.partition(PARTED)[0].lower()):
            return each
    return None


ENDINGS = re.compile(r"-(?:instruct|chat|it|hf|base|fp16|bf16|bnb-4bit|4bit|v0\.\d|\d{4})$")
"""Ends of names that say how a model was trained or is stored, and nothing of its shape."""

SAME = {
    "llama-3-8b": "llama-3.1-8b",
    "llama-3-70b": "llama-3.1-70b",
    "llama-3.3-70b": "llama-3.1-70b",
    "llama-7b": "llama-2-7b",
    "llama-13b": "llama-2-13b",
}
"""Models of one shape whose names differ in more than that."""


def same_shape(name: str) -> str | None:
    """Return the name of a configuration that ships and has the shape of another name's model.

    Names are compared without owners, and without ends such as ``-Instruct``.
    """
    plain = _stripped(name)
    plain = SAME.get(plain, plain)
    return next((each.name for each in shipped_models() if _stripped(each.short) == plain), None)


def _stripped(name: str) -> str:
    plain = name.strip().lower().rpartition("/")[2].removeprefix("meta-")
    while (shorter := ENDINGS.sub("", plain)) != plain:
        plain = shorter
    return plain


def nearest(name: str) -> list[str]:
    """Return names that ship and are spelt like another."""
    known = [each.short for each in shipped_models()]
    plain = name.strip().lower().rpartition("/")[2]
    begun = [each for each in known if plain and each.startswith(plain)]
    return [*begun, *get_close_matches(plain, known, MOST_NEAR)][:MOST_NEAR]
