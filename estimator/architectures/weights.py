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
from pathlib import Path
from typing import Any

from computebill.base.errors import RequestError, shown

from .blocks import BYTES, Experts
from .config import parse_config
from .gguf import read_gguf
from .operators import Architecture, LayerKind, Layers, Operator
from .sources import NAMES
from .tensors import MOST_DIMENSIONS, MOST_FILES, MOST_TENSORS, Weight, check_apart

INDEX = "model.safetensors.index.json"
"""File of a folder that says in which file each tensor is."""
LARGEST_HEADER = 100 * 10**6
"""Bytes of a safetensors header that its own library reads."""
FLOATS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1}
"""Bytes of an element, by safetensors' names of types that are numbers of a model."""
BUFFERS = ("I64", "BOOL")
"""Types of places and marks, such as positions that are kept beside weights: no parameters."""


def read_weights(source: str | Path) -> Architecture | None:
    """Count what a file's headers say, or a folder's that has no configuration.

    Returns:
        None where there are none, or a configuration says more.

    Raises:
        RequestError: where a header cannot be, or does not fit its file.
    """
    path = Path(source)
    try:
        is_file = path.is_file()
        if not is_file and any((path / name).is_file() for name in NAMES):
            return None
    except (OSError, ValueError):  # a name that no file can have
        return None
    files = _shards(path) if is_file else _of_folder(path)
    if files and files[0].suffix == ".gguf":
        return _of_gguf(files)
    if not files or any(each.suffix != ".safetensors" for each in files):
        return None
    if len(files) > MOST_FILES:
        raise RequestError(str(path), f"holds more than {MOST_FILES} files of weights")
    weights: dict[str, Weight] = {}
    for each in files:
        for weight in _safetensors(each):
            if weight.name in weights:
                twice = f"{shown(weight.name, 60)}: is in another file of the folder too"
                raise RequestError(str(each), f"{twice}; allowed: one file of each tensor")
            weights[weight.name] = weight
    return _architecture(list(weights.values()), str(path), "safetensors")


def _of_gguf(files: list[Path]) -> Architecture:
    """Count the tensors of a GGUF model, in one file or in several, the first with its metadata."""
    parts = [read_gguf(each) for each in files]
    kept = [weight for part in parts for weight in part.weights]
    kept = [weight for weight in kept if not weight.name.startswith("rope_")]
    return _architecture(kept, str(files[0]), "GGUF", parts[0].facts)


def _of_folder(folder: Path) -> list[Path]:
    """Return a folder's files of weights: those of its index, else one model's, all its shards.

    Raises:
        RequestError: naming a shard that is missing.
    """
    if (folder / INDEX).is_file():
        return _of_index(folder)
    found = sorted(folder.glob("*.safetensors"))[: MOST_FILES + 1]
    # What is beside a model's own files is another copy, or an adapter of it.
    own = [each for each in found if each.name.startswith("model")] or found
    if not own:
        return _one_gguf(folder)
    return list(dict.fromkeys(shard for each in own for shard in _shards(each)))


def _one_gguf(folder: Path) -> list[Path]:
    """Return the files of a folder's one GGUF model; none where there is none.

    Raises:
        RequestError: where there are several.
    """
    # A projector of images is beside the language model that it is for.
    found = [each for each in sorted(folder.glob("*.gguf")) if not each.name.startswith("mmproj")]
    files = _shards(found[0]) if found else []
    if set(found) > set(files):
        names = ", ".join(each.name for each in found[:4])
        raise RequestError(str(folder), f"holds several models; allowed: one of {names}")
    return files


SHARD = re.compile(r"(?P<stem>.+)-\d{5}-of-(?P<count>\d{5})(?P<ending>\.safetensors|\.gguf)")
"""Name of a file that holds one part of a model."""


def _shards(path: Path) -> list[Path]:
    """Return the files of the model that a file is one part of, the first first.

    Raises:
        RequestError: naming one that is missing.
    """
    shard = SHARD.fullmatch(path.name)
    if shard is None:
        return [path]
    stem, count, ending = shard["stem"], int(shard["count"]), shard["ending"]
    names = [f"{stem}-{each:05}-of-{count:05}{ending}" for each in range(1, count + 1)]
    for name in names[:MOST_FILES]:
        if not (path.parent / name).is_file():
            allowed = f"all {count} of its shards"
            raise RequestError(str(path), f"{name} is not there; allowed: {allowed}")
    return [path.parent / name for name in names[: MOST_FILES + 1]]


def _of_index(folder: Path) -> list[Path]:
    """Return the files that a folder's index names.

    Raises:
        RequestError: naming one that the index has and the folder has not.
    """
    index = folder / INDEX
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
        is_buffer = isinstance(value, dict) and value.get("dtype") in BUFFERS
        if key != "__metadata__" and not is_buffer:
            yield _weight(name, key, value, size - 8 - length)
            places[key] = tuple(value["data_offsets"])
    check_apart(name, places)


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
    told = facts or {}
    kind = str(told.get("general.architecture", form))
    experts = _experts(told, kind, weights, file)
    layers: dict[int, list[Operator]] = {}
    outside: list[Operator] = []
    hidden = 0
    for weight in weights:
        found = re.search(r"\.(\d+)\.", weight.name)
        part = _operator(weight, experts)
        if part.lookup:
            hidden = max(hidden, weight.shape[-1] if weight.shape else 0)
        if found:
            layers.setdefault(int(found[1]), []).append(part)
        else:
            outside.append(part)
    length = told.get(f"{kind}.context_length")
    kinds = _kinds([tuple(layers[index]) for index in sorted(layers)])
    chosen = "" if experts is None else f" but experts', of which it meets {experts.chosen}"
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
            f"alone, as if a token met every matrix{chosen}. Attention's scores need a "
            "config.json.",
        ),
    )


EXPERTS = re.compile(r"_exps(\.|$)")
"""What tells a GGUF file's tensors of all experts of a layer, stacked."""
ONE_EXPERT = re.compile(r"ffn_\w+\.\d+\.(weight|bias)$")
"""What tells those of one expert, as older GGUF files have them."""


def _experts(
    facts: Mapping[str, Any], kind: str, weights: list[Weight], file: str
) -> Experts | None:
    """Return how many experts a GGUF file's layers have, and how many of them a token meets.

    Returns:
        None where the file does not say.

    Raises:
        RequestError: where its metadata does not agree with its tensors, or with itself.
    """
    held, chosen = (facts.get(f"{kind}.expert_{name}") for name in ("count", "used_count"))
    if not held or not chosen:
        return None
    if not isinstance(held, int) or not isinstance(chosen, int) or not 0 < chosen <= held:
        raise RequestError(
            file,
            f"{kind}.expert_used_count: got {shown(chosen)}; allowed: a whole number from 1 to "
            f"{kind}.expert_count, {shown(held)}",
        )
    for weight in weights:
        if EXPERTS.search(weight.name) and weight.shape[:1] != (held,):
            raise RequestError(
                file,
                f"{shown(weight.name, 60)}: shape: got {shown(list(weight.shape))}; allowed: of "
                f"{kind}.expert_count, {held} experts",
            )
    return Experts(held, chosen)


def _operator(weight: Weight, experts: Experts | None) -> Operator:
    """Return a tensor as an operator."""
    name, shape = weight.name, weight.shape
    size = math.prod(shape)
    if re.search(r"(embed|wte|wpe|token_embd|tok_embeddings)", name):
        return Operator("embedding", vectors=size, lookup=True)
    if experts is not None and EXPERTS.search(name):
        return _of_experts(shape[1:], experts)
    if experts is not None and ONE_EXPERT.search(name):
        return _of_experts(shape, Experts(1, experts.chosen / experts.held))
    if len(shape) == 2:
        out, into = shape
        return Operator("products", into, out, kept=BYTES * into)
    if len(shape) == 3:
        count, out, into = shape
        return Operator("products", into, out, copies=count, uses=count, kept=BYTES * into)
    return Operator("vectors", vectors=size)


def _of_experts(shape: tuple[int, ...], experts: Experts) -> Operator:
    """Return the tensors of a layer's experts, each of a shape, as an operator."""
    held: dict[str, Any] = {"copies": experts.held, "uses": experts.chosen, "expert": True}
    if len(shape) != 2:
        return Operator("experts", vectors=math.prod(shape), **held)
    out, into = shape
    return Operator("experts", into, out, kept=BYTES * into * experts.chosen, **held)


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
