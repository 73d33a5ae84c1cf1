"""GGUF files: their metadata and their table of tensors (ggml's docs/gguf.md), nothing else."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from computebill.base.errors import RequestError, shown

from .tensors import MOST_DIMENSIONS, MOST_TENSORS, Weight, check_apart

MOST_KEYS, LONGEST_TEXT, LONGEST_LIST = 10**5, 2**24, 2**24

SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q"}
SCALARS |= {11: "<q", 12: "<d"}
TEXT, LIST = 8, 9
"""Types of a GGUF file's values."""

GGML_BLOCKS = {0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24)}
GGML_BLOCKS |= {8: (32, 34), 10: (256, 84), 11: (256, 110), 12: (256, 144)}
GGML_BLOCKS |= {13: (256, 176), 14: (256, 210), 15: (256, 292), 16: (256, 66), 17: (256, 74)}
GGML_BLOCKS |= {18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82)}
GGML_BLOCKS |= {23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8)}
GGML_BLOCKS |= {29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66)}
"""Elements and bytes of a block, by a GGUF tensor's type (gguf-py's constants.py)."""


class _Reader:
    """Values of a GGUF file, one after another, none longer than the file."""

    def __init__(self, file: BinaryIO, name: str, size: int) -> None:
        self.file = file
        self.name = name
        self.size = size

    def number(self, form: str) -> Any:
        width = struct.calcsize(form)
        raw = self.file.read(width)
        if len(raw) < width:
            raise RequestError(self.name, "is cut off inside its header")
        return struct.unpack(form, raw)[0]

    def text(self) -> str:
        length = self.number("<Q")
        if length > min(LONGEST_TEXT, self.size):
            raise RequestError(self.name, f"has a text of {length} bytes in its header")
        return self.file.read(length).decode("utf-8", "replace")

    def value(self, kind: int) -> Any:
        """Read one value; a list is passed over."""
        if kind == TEXT:
            return self.text()
        if kind == LIST:
            inner, count = self.number("<I"), self.number("<Q")
            if count > min(LONGEST_LIST, self.size) or inner == LIST:
                raise RequestError(self.name, f"has a list of {count} values in its header")
            for _ in range(count):
                self.value(inner)
            return None
        if kind not in SCALARS:
            raise RequestError(self.name, f"has a value of type {kind} in its header")
        return self.number(SCALARS[kind])


class Gguf(NamedTuple):
    """What a GGUF file says: the values of its metadata that are no lists, and its tensors."""

    facts: Mapping[str, Any]
    weights: list[Weight]


def read_gguf(path: Path) -> Gguf:
    """Read the metadata and the table of tensors of a GGUF file.

    Raises:
        RequestError: where they cannot be, or do not fit the file.
    """
    name, size = str(path), path.stat().st_size
    with path.open("rb") as file:
        reader = _Reader(file, name, size)
        if file.read(4) != b"GGUF":
            raise RequestError(name, "is no GGUF file: it does not start with GGUF")
        version, tensors, keys = reader.number("<I"), reader.number("<Q"), reader.number("<Q")
        if version not in (2, 3) or tensors > MOST_TENSORS or keys > MOST_KEYS:
            raise RequestError(
                name, f"has version {version}, {tensors} tensors and {keys} keys; not read"
            )
        facts = {reader.text(): reader.value(reader.number("<I")) for _ in range(keys)}
        held = [_gguf_tensor(reader) for _ in range(tensors)]
        _check_held(reader, held, facts)
    return Gguf(facts, [weight for weight, _, _ in held])


def _gguf_tensor(reader: _Reader) -> tuple[Weight, int, int]:
    """Return one tensor of a GGUF file's table, and where its bytes start and end.

    Its shape is written innermost first.
    """
    name, count = reader.text(), reader.number("<I")
    if count > MOST_DIMENSIONS:
        raise RequestError(reader.name, f"{shown(name, 60)}: has {count} dimensions")
    shape = tuple(reader.number("<Q") for _ in range(count))
    kind, start = reader.number("<I"), reader.number("<Q")
    if any(each >= 2**48 for each in shape) or math.prod(shape) > 2**56:
        raise RequestError(reader.name, f"{shown(name, 60)}: shape: got {shown(shape)}")
    return Weight(name, shape[::-1]), start, start + _gguf_bytes(kind, math.prod(shape))


def _gguf_bytes(kind: int, elements: int) -> int:
    """Return the bytes of a tensor of a GGUF file; 0 of a type that is not known."""
    block, width = GGML_BLOCKS.get(kind, (1, 0))
    return math.ceil(elements / block) * width


def _check_held(
    reader: _Reader, held: list[tuple[Weight, int, int]], facts: Mapping[str, Any]
) -> None:
    """Refuse tensors of a GGUF file that it has no bytes for, or that share them."""
    step = facts.get("general.alignment", 32)
    if not isinstance(step, int) or not 1 <= step <= reader.size:
        raise RequestError(
            reader.name, f"general.alignment: got {shown(step)}; allowed: a whole number from 1"
        )
    room = reader.size - math.ceil(reader.file.tell() / step) * step
    for weight, _, end in held:
        if end > room:
            raise RequestError(
                reader.name,
                f"{shown(weight.name, 60)}: ends at byte {end} of its tensors; the file has "
                f"{max(room, 0)} of them",
            )
    check_apart(reader.name, {weight.name: (start, end) for weight, start, end in held})
