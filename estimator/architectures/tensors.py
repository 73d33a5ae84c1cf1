"""Tensors as the headers of weights' files tell them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

from computebill.base.errors import RequestError, shown

MOST_TENSORS, MOST_DIMENSIONS, MOST_FILES = 10**6, 8, 4096


class Weight(NamedTuple):
    """A tensor of a file: its name and its shape."""

    name: str
    shape: tuple[int, ...]


def check_apart(file: str, places: Mapping[str, tuple[int, int]]) -> None:
    """Refuse tensors, by name with where their bytes start and end, that share bytes."""
    filled = sorted((*place, key) for key, place in places.items() if place[0] < place[1])
    for (_, end, key), (start, _, other) in pairwise(filled):
        if start < end:
            raise RequestError(
                file, f"{shown(other, 60)}: shares bytes with {shown(key, 60)}; allowed: its own"
            )
