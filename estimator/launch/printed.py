"""The block of arguments that a framework prints at the head of its log."""

from __future__ import annotations

import re

from .entries import Entry, Source

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
DOTTED = re.compile(r"(?:^|.*?\s)([a-z][a-z0-9_]*) \.{2,} (.*?)\s*$")
"""Megatron's: ``  hidden_size ..................... 4096``, perhaps behind a rank."""

FEWEST = 20
"""Lines of that form that make a block."""


def has_block(text: str) -> bool:
    """Whether a text holds such a block."""
    lines = text.splitlines()
    return sum(DOTTED.match(COLOUR.sub("", line)) is not None for line in lines) >= FEWEST


def read_printed(text: str, file: str) -> Source:
    """Read the first block: each argument once, as ranks may print it too."""
    found: dict[str, Entry] = {}
    for number, line in enumerate(text.splitlines(), 1):
        match = DOTTED.match(COLOUR.sub("", line))
        if match is None:
            continue
        key, value = match.groups()
        if key not in found and value != "None":
            listed = value.startswith("[") and value.endswith("]")
            parts = tuple(each.strip(" '\"") for each in value[1:-1].split(","))
            found[key] = Entry(key, parts if listed else value, number, key)
    return Source(file, list(found.values()), is_dump=True)
