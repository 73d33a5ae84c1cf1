"""Architectures that were counted from modules, kept as JSON in the user's cache folder."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, fields
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..operators import Architecture, LayerKind, Layers, Operator
from ..sample import Sample

LIBRARIES = ("transformers", "diffusers", "torch")
NOTHING = Operator("")
LARGEST = 64 * 2**20
"""Size of a file that is read, at most [B]."""


def folder() -> Path:
    """Return where counts are kept."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "computebill" / "modules"


def key_of(
    config: Mapping[str, Any], *, language_only: bool = False, sample: Sample | None = None
) -> str | None:
    """Return the name of a configuration's count; None where it is no JSON.

    It hangs on all fields in any order, on the libraries' releases, and on how modules are
    counted and kept, which is this package's own text.
    """
    told = {
        "code": _code(),
        "language_only": language_only,
        "sample": None if sample is None else asdict(sample),
        "libraries": {name: version(name) for name in LIBRARIES if find_spec(name) is not None},
        "config": config,
    }
    try:
        text = json.dumps(told, sort_keys=True, allow_nan=True)
    except (TypeError, ValueError):
        return None
    return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=1)
def _code() -> str:
    """Return a hash of what counts modules, and of what their counts are kept as."""
    here = Path(__file__).parent
    files = [*sorted(here.glob("*.py")), here / "latents.toml", here.parent / "operators.py"]
    return hashlib.sha256(b"".join(each.read_bytes() for each in files)).hexdigest()


def kept(key: str | None) -> Architecture | None:
    """Return a count that was kept; None where there is none, or what is there cannot be read."""
    if key is None:
        return None
    path = folder() / f"{key}.json"
    try:
        if path.stat().st_size > LARGEST:
            return None
        return _architecture(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def keep(key: str | None, architecture: Architecture) -> None:
    """Keep a count; where that cannot be written, the next one is made anew."""
    if key is None:
        return
    place = folder()
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=place, suffix=".part", delete=False
        ) as file:
            json.dump(asdict(architecture), file)
        Path(file.name).replace(place / f"{key}.json")
    except OSError:
        return


def _architecture(told: dict[str, Any]) -> Architecture:
    """Return an architecture from its JSON.

    Raises:
        TypeError: where a field is missing, is not known, or is of another type.
    """
    kinds = tuple(
        LayerKind(_operators(each["operators"]), Layers(**each["layers"]), each["tokens"])
        for each in told["kinds"]
    )
    inputs, outputs = _operators(told["inputs"]), _operators(told["outputs"])
    parts = {"kinds": kinds, "inputs": inputs, "outputs": outputs, "notes": tuple(told["notes"])}
    return Architecture(**{**told, **parts})


def _operators(told: list[dict[str, Any]]) -> tuple[Operator, ...]:
    found = tuple(Operator(**each) for each in told)
    for each in found:
        for name in (field.name for field in fields(each)):
            value, usual = getattr(each, name), getattr(NOTHING, name)
            is_number = isinstance(value, int | float) and isinstance(usual, int | float)
            if not is_number and not isinstance(value, type(usual)):
                raise TypeError(name)
    return found
