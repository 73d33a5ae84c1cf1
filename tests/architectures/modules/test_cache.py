"""A count is kept on disk once, found again without the library, and never trusted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from computebill.architectures import read_architecture
from computebill.architectures.modules import read_modules
from computebill.architectures.modules.cache import folder, keep, kept, key_of

CONFIG = {
    "model_type": "gpt2",
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 4,
    "vocab_size": 50,
    "n_positions": 64,
}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_a_count_is_the_same_from_disk() -> None:
    found = read_modules(CONFIG, "config")
    key = key_of(CONFIG, language_only=False)
    assert kept(key) == found


def test_a_key_hangs_on_the_fields_and_not_on_their_order() -> None:
    key = key_of(CONFIG, language_only=False)
    assert key == key_of(dict(reversed(CONFIG.items())), language_only=False)
    assert key != key_of(CONFIG | {"n_layer": 3}, language_only=False)
    assert key != key_of(CONFIG, language_only=True)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"kinds": 3}', '{"kinds": [{"operators": 1}]}'])
def test_a_file_that_cannot_be_read_is_counted_anew(text: str) -> None:
    found = read_modules(CONFIG, "config")
    (file,) = folder().glob("*.json")
    file.write_text(text)
    assert read_modules(CONFIG, "config") == found
    assert kept(key_of(CONFIG, language_only=False)) == found


def test_a_size_of_another_type_is_not_taken_from_disk() -> None:
    read_modules(CONFIG, "config")
    (file,) = folder().glob("*.json")
    file.write_text(file.read_text().replace('"copies": 1', '"copies": "many"', 1))
    assert kept(key_of(CONFIG, language_only=False)) is None


def test_a_folder_that_cannot_be_written_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(in_the_way))
    keep("key", read_architecture(CONFIG))
    assert kept("key") is None


def test_what_was_kept_is_found_without_torch(tmp_path: Path) -> None:
    read_modules(CONFIG, "config")
    code = (
        "import sys, computebill.architectures.modules as m\n"
        f"found = m.read_modules({CONFIG!r}, 'config')\n"
        "assert found is not None and 'torch' not in sys.modules, sorted(sys.modules)[:5]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
