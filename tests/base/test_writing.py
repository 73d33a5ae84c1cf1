from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from computebill.base.errors import RequestError
from computebill.base.writing import replacing


def write(target: Path, text: str) -> None:
    with replacing(target) as temporary:
        temporary.write_text(text)


def test_the_target_holds_what_was_written_and_nothing_is_left_behind(tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    write(target, "first")
    write(target, "second")
    assert target.read_text() == "second"
    assert list(tmp_path.iterdir()) == [target]


def test_the_temporary_name_ends_as_the_target_does(tmp_path: Path) -> None:
    with replacing(tmp_path / "a.parquet") as temporary:
        assert temporary.suffix == ".parquet"
        assert temporary.parent == tmp_path


def test_a_failure_leaves_the_target_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    target.write_bytes(b"before")

    def fail() -> None:
        with replacing(target) as temporary:
            temporary.write_text("half")
            raise KeyError("stop")

    with pytest.raises(KeyError):
        fail()
    assert target.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_the_file_has_the_mode_of_any_new_file(tmp_path: Path) -> None:
    write(tmp_path / "out.csv", "x")
    plain = tmp_path / "plain"
    plain.write_text("x")
    assert stat.S_IMODE((tmp_path / "out.csv").stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for target in (
        tmp_path,
        tmp_path / "missing" / "out.json",
        tmp_path / "file" / "out.json",
        tmp_path / ("x" * 300 + ".json"),
    ):
        with pytest.raises(RequestError, match=r"is a directory|cannot be written"):
            write(target, "x")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
