"""Models of which only weights are there: counted from the headers of their files.

A safetensors file starts with the length of a JSON table of its tensors (safetensors' README,
"Format"); a GGUF file with its metadata and a table of its tensors (ggml's docs/gguf.md). Only
those are read; a header that says more than its file holds is refused.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from computebill.base.errors import RequestError, shown

from .blocks import BYTES
from .config import parse_config
from .operators import Architecture, LayerKind, Layers, Operator
from .sources import NAMES

INDEX = "model.safetensors.index.json"
"""File of a folder that says in which file each tensor is."""
LARGEST_HEADER = 100 * 10**6
"""Bytes of a safetensors header that its own library reads."""
MOST_TENSORS, MOST_DIMENSIONS, MOST_FILES = 10**6, 8, 4096
MOST_KEYS, LONGEST_TEXT, LONGEST_LIST = 10**5, 2**24, 2**24
FLOATS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1}
"""Bytes of an element, by safetensors' names of types that are numbers of a model."""


class Weight(NamedTuple):
    """A tensor of a file: its name and its shape."""

    name: str
    shape: tuple[int, ...]


def read_weights(source: str | Path) -> Architecture | None:
    """Count what a file's headers say, or a folder's that has no configuration.

    Returns:
        None where there are none, or a configuration says more.

    Raises:
        RequestError: where a header cannot be, or does not fit its file.
    """
    path = Path(source)
    try:
        if not path.is_file() and any((path / name).is_file() for name in NAMES):
            return None
        is_file = path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return None
    files = [path] if is_file else _of_folder(path)
    if is_file and path.suffix == ".gguf":
        return _of_gguf(path)
    if not files or any(each.suffix != ".safetensors" for each in files):
        return None
    if len(files) > MOST_FILES:
        raise RequestError(str(path), f"holds more than {MOST_FILES} files of weights")
    weights = [weight for each in files for weight in _safetensors(each)]
    return _architecture(weights, str(path), "safetensors")


def _of_folder(folder: Path) -> list[Path]:
    """Return a folder's files of weights: those of its index, or all.

    Raises:
        RequestError: naming one that the index has and the folder has not.
    """
    index = folder / INDEX
    if not index.is_file():
        return sorted(folder.glob("*.safetensors"))[: MOST_FILES + 1]
    name = str(index)
    if index.stat().st_size > LARGEST_HEADER:
        raise RequestError(name, f"is larger than {LARGEST_HEADER:,} bytes, the most it may be")
    fields = parse_config(index.read_text("utf-8", "replace"), name)
    places = fields.get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(each, str) for each in places.values()):
        raise RequestError(name, f"weight_map: got {shown(places)}; allowed: a file of each tensor")
    names = sorted(set(places.values()))[: MOST_FILES + 1]
    for each in names:
        if Path(each).name != each or not (folder / each).is_file():
            raise RequestError(
                name,
                f"weight_map: names {shown(each)}, which is not there; allowed: files of the "
                "folder, all of them",
            )
    return [folder / each for each in names]


def _safetensors(path: Path) -> Iterator[Weight]:
    """Yield the tensors of one file, each looked at."""
    name, size = str(path), path.stat().st_size
    with path.open("rb") as file:
        first = file.read(8)
        length = struct.unpack("<Q", first)[0] if len(first) == 8 else -1
        if not 2 <= length <= min(size - 8, LARGEST_HEADER):
            raise RequestError(name, f"is no safetensors file: its header would be {length} bytes")
        raw = file.read(length)
    try:
        table = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise RequestError(name, f"has no header of JSON: {shown(str(error))}") from None
    if not isinstance(table, dict) or len(table) > MOST_TENSORS:
        raise RequestError(name, "has a header that is no table of tensors")
    places = {}
    for key, value in table.items():
        if key != "__metadata__":
            yield _weight(name, key, value, size - 8 - length)
            places[key] = tuple(value["data_offsets"])
    _check_apart(name, places)


def _check_apart(file: str, places: Mapping[str, tuple[int, int]]) -> None:
    """Refuse tensors, by name with where their bytes start and end, that share bytes."""
    filled = sorted((*place, key) for key, place in places.items() if place[0] < place[1])
    for (_, end, key), (start, _, other) in pairwise(filled):
        if start < end:
            raise RequestError(
                file, f"{shown(other, 60)}: shares bytes with {shown(key, 60)}; allowed: its own"
            )


def _weight(file: str, key: str, value: object, held: int) -> Weight:
    """Return a tensor of a header, if its bytes are there."""
    fields: Mapping[str, Any] = value if isinstance(value, dict) else {}
    kind: Any = fields.get("dtype")
    shape: Any = fields.get("shape")
    places: Any = fields.get("data_offsets")
    if kind not in FLOATS:
        raise RequestError(
            file,
            f"{shown(key, 60)}: dtype: got {shown(kind)}; allowed: {', '.join(FLOATS)}: packed "
            "weights do not say how many parameters they are",
        )
    is_list = isinstance(shape, list) and len(shape) <= MOST_DIMENSIONS
    if not is_list or not all(type(each) is int and 0 <= each < 2**48 for each in shape):
        raise RequestError(file, f"{shown(key, 60)}: shape: got {shown(shape)}")
    is_pair = isinstance(places, list) and len(places) == 2
    if not is_pair or not all(type(each) is int and 0 <= each <= held for each in places):
        raise RequestError(
            file, f"{shown(key, 60)}: data_offsets: got {shown(places)}; the file has {held} bytes"
        )
    if places[1] - places[0] != math.prod(shape) * FLOATS[kind]:
        raise RequestError(
            file, f"{shown(key, 60)}: data_offsets: got {shown(places)}, not those of {shape}"
        )
    return Weight(key, tuple(shape))


def _architecture(
    weights: list[Weight], file: str, form: str, facts: Mapping[str, Any] | None = None
) -> Architecture:
    """Return tensors as operators: matrices as products, all else beside them."""
    if not weights:
        raise RequestError(file, "holds no tensors")
    layers: dict[int, list[Operator]] = {}
    outside: list[Operator] = []
    hidden = 0
    for weight in weights:
        found = re.search(r"\.(\d+)\.", weight.name)
        part = _operator(weight)
        if part.lookup:
            hidden = max(hidden, weight.shape[-1] if weight.shape else 0)
        if found:
            layers.setdefault(int(found[1]), []).append(part)
        else:
            outside.append(part)
    told = facts or {}
    kind = str(told.get("general.architecture", form))
    length = told.get(f"{kind}.context_length")
    kinds = _kinds([tuple(layers[index]) for index in sorted(layers)])
    return Architecture(
        model_type=kind,
        counted_as="",
        hidden=hidden,
        layer_count=len(layers),
        vocabulary=0,
        sequence_length=length if isinstance(length, int) and length > 0 else None,
        kinds=tuple(kinds),
        inputs=tuple(each for each in outside if each.lookup),
        outputs=tuple(each for each in outside if not each.lookup),
        counted_by="weights",
        title=f"the tensors of its {form} files",
        notes=(
            f"Counted from the headers of {form} files: parameters exactly; of FLOP the products "
            "alone, as if a token met every matrix. Attention's scores need a config.json.",
        ),
    )


def _operator(weight: Weight) -> Operator:
    """Return a tensor as an operator."""
    name, shape = weight.name, weight.shape
    size = math.prod(shape)
    if re.search(r"(embed|wte|wpe|token_embd|tok_embeddings)", name):
        return Operator("embedding", vectors=size, lookup=True)
    if len(shape) == 2:
        out, into = shape
        return Operator("products", into, out, kept=BYTES * into)
    if len(shape) == 3:
        count, out, into = shape
        return Operator("products", into, out, copies=count, uses=count, kept=BYTES * into)
    return Operator("vectors", vectors=size)


def _kinds(layers: list[tuple[Operator, ...]]) -> list[LayerKind]:
    """Return layers that are alike, one after another, as one kind."""
    found: list[LayerKind] = []
    for index, operators in enumerate(layers):
        if found and found[-1].operators == operators:
            first = found[-1].layers.first
            found[-1] = LayerKind(operators, Layers.between(first, index + 1))
        else:
            found.append(LayerKind(operators, Layers.between(index, index + 1)))
    return found


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
        if kind == TEXT:
            return self.text()
        if kind == LIST:
            inner, count = self.number("<I"), self.number("<Q")
            if count > min(LONGEST_LIST, self.size) or inner == LIST:
                raise RequestError(self.name, f"has a list of {count} values in its header")
            for _ in range(count):
                self.value(inner)
            return count
        if kind not in SCALARS:
            raise RequestError(self.name, f"has a value of type {kind} in its header")
        return self.number(SCALARS[kind])


def _of_gguf(path: Path) -> Architecture:
    """Count the tensors of a GGUF file."""
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
    kept = [weight for weight, _, _ in held if not weight.name.startswith("rope_")]
    return _architecture(kept, name, "GGUF", facts)


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
    _check_apart(reader.name, {weight.name: (start, end) for weight, start, end in held})
