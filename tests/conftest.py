"""Settings that all tests share; a small programme, and a way to write one."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings
from known import LLAMA_8B

# Tests are small and run side by side: threads would only stand in each other's way.
torch.set_num_threads(1)

# A busy machine is no reason to fail; the number of examples stays each test's own.
settings.register_profile("computebill", deadline=None)
settings.load_profile("computebill")


@pytest.fixture(autouse=True, scope="session")
def _usual_width() -> Iterator[None]:
    """Leave aside the width that a test runner tells its workers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COLUMNS", raising=False)
        yield


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep counts of models in a folder of the tests, and not in the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


PROGRAMME: dict[str, Any] = {
    "organisation": "Lab",
    "title": "Lab, 2024",
    "window": {"first": "2024-01", "last": "2024-12"},
    "sources": {"s": {"title": "A source"}},
    "currencies": {"RMB": {"per_usd": 7.2, "source": "s"}},
    "assumptions": {
        "accelerator": "h100-sxm",
        "mfu": {"value": {"p10": 0.2, "p90": 0.4}, "source": "s"},
        "price": {"value": {"p10": 1.5, "p90": 3.0}, "source": "s"},
    },
    "reported": [
        {
            "item": "R&D compute",
            "counts_as": "rnd_compute",
            "currency": "USD",
            "source": "s",
            "periods": [{"period": "2024", "amount": 1e9}],
        }
    ],
    "runs": [
        {"name": "A", "released": "2024-05", "flop": 1e25, "source": "s"},
        {"name": "B", "released": "2024-06", "base": "A", "fraction": 0.1, "source": "s"},
    ],
    "variants": [
        {
            "name": "cheap",
            "description": "Half the price",
            "changes": [
                {
                    "name": "price",
                    "why": "it fell",
                    "source": "s",
                    "assumptions": {"price": {"value": 1.0, "source": "s"}},
                }
            ],
        }
    ],
}

Programme = Callable[[], dict[str, Any]]
AsToml = Callable[[dict[str, Any]], str]
Write = Callable[[dict[str, Any]], Path]


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, str):
        return _key(value)
    return str(value)


def _key(text: str) -> str:
    return json.dumps(text).replace("\x7f", "\\u007f")


@pytest.fixture
def llama_config(tmp_path: Path) -> str:
    """The ``config.json`` of Llama 3.1 8B, as a file."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps(LLAMA_8B))
    return str(path)


@pytest.fixture(scope="session")
def as_toml() -> AsToml:
    """Write plain data as TOML."""
    return lambda data: "".join(f"{_key(key)} = {_value(item)}\n" for key, item in data.items())


@pytest.fixture(scope="session")
def programme() -> Programme:
    """Return a fresh copy of a small programme, as its file would be parsed."""
    return lambda: copy.deepcopy(PROGRAMME)


@pytest.fixture
def write_programme(tmp_path: Path, as_toml: AsToml) -> Write:
    """Write a programme to a file."""

    def write(data: dict[str, Any]) -> Path:
        path = tmp_path / "lab.toml"
        path.write_text(as_toml(data), encoding="utf-8")
        return path

    return write
