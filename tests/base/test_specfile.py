from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from computebill.base.errors import LONGEST, LONGEST_FIELD, RequestError, shown
from computebill.base.specfile import (
    LARGEST_FILE,
    Name,
    Spec,
    numbered_rows,
    parse_toml,
    read_text,
    read_toml,
    table_rows,
    validate,
    with_flags,
)


class Inner(Spec):
    size: Annotated[float, Field(gt=0)]


class Outer(Spec):
    name: Name
    runs: tuple[Inner, ...] = ()
    filled: Annotated[tuple[Inner, ...], Field(min_length=1)] = (Inner(size=1),)


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    return tmp_path / "spec.toml"


def refusal(path: Path) -> str:
    with pytest.raises(RequestError) as caught:
        read_toml(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "is empty"),
        (b" \n\t\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"a = 1\nb = \xff\n", "is not UTF-8 text (byte 10)"),
        ("a = 'ü'".encode("latin-1"), "is not UTF-8 text"),
        ("a = 1".encode("utf-16"), "is not UTF-8 text"),
        (b"\x7fELF\x02\x01\x01\x00\x00\xd0\xd0", "is not UTF-8 text"),
        (b"\x00\x01\x02", "is not valid TOML"),
        (b"PK\x03\x04", "is not valid TOML"),
        (b"a = ", "is not valid TOML"),
        (b"a = 1\na = 2", "is not valid TOML"),
        (b"a = 1\rb = 2", "is not valid TOML"),
        (b"{}", "is not valid TOML"),
        (b"a = 2025-13-41", "is not valid TOML"),
        (b"a = " + b"[" * 100_000, "is not valid TOML"),
        (b"a = " + b"9" * 5000, "is not valid TOML"),
        (b"x" + b".a" * 2000 + b" = 1", "is nested more than 20"),
        (b"a = " + b"[" * 30 + b"]" * 30, "is nested more than 20"),
    ],
)
def test_what_is_no_toml_is_refused(spec: Path, raw: bytes, problem: str) -> None:
    spec.write_bytes(raw)
    assert f"{spec}: {problem}" in refusal(spec)


def test_the_line_of_a_mistake_is_told(spec: Path) -> None:
    spec.write_text("a = 1\nb = = 2\n")
    assert "line 2" in refusal(spec)


def test_a_file_of_100_megabytes_is_refused_unread(spec: Path) -> None:
    with spec.open("wb") as file:
        file.truncate(100 * 2**20)
    assert "is larger than 4 MiB" in refusal(spec)


def test_a_file_at_the_limit_is_read(spec: Path) -> None:
    spec.write_bytes(b"#" * LARGEST_FILE)
    assert read_toml(spec) == {}
    spec.write_bytes(b"#" * (LARGEST_FILE + 1))
    assert "is larger than" in refusal(spec)


def test_a_directory_a_missing_and_an_impossible_file(tmp_path: Path) -> None:
    assert "is a directory; a file is needed" in refusal(tmp_path)
    assert "No such file" in refusal(tmp_path / "missing.toml")
    assert "cannot be read" in refusal(tmp_path / "missing" / "x.toml")
    assert "cannot be read" in refusal(Path("null\0byte.toml"))
    assert "cannot be read" in refusal(Path("\ud800.toml"))
    assert "cannot be read" in refusal(tmp_path / ("x" * 300 + ".toml"))
    assert "cannot be read" in refusal(Path("x" * 10_000))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_an_unreadable_file(spec: Path) -> None:
    spec.write_text("a = 1")
    spec.chmod(0)
    assert "cannot be read: Permission denied" in refusal(spec)


def test_a_file_that_may_not_be_opened(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    spec.write_text("a = 1")
    monkeypatch.setattr(Path, "open", refuse)
    assert "cannot be read: Permission denied" in refusal(spec)


def test_windows_text_is_read(spec: Path) -> None:
    spec.write_bytes(b"\xef\xbb\xbfa = 1\r\nb = 'x'\r\n")
    assert read_toml(spec) == {"a": 1, "b": "x"}
    assert read_text(spec).startswith("a = 1")


@given(st.binary(max_size=200))
def test_any_bytes_are_data_or_a_request_error(raw: bytes) -> None:
    try:
        data = parse_toml(raw.decode("utf-8-sig"), "x.toml")
    except (RequestError, UnicodeDecodeError):
        return
    assert isinstance(data, dict)


toml_like = st.lists(
    st.sampled_from(
        ["a", "=", "[", "]", "{", "}", '"', "'", "\n", ".", "1", "e9", "nan", "#", "\\"]
    )
)


@given(toml_like.map("".join))
def test_any_text_is_data_or_a_request_error(text: str) -> None:
    refused = None
    try:
        assert isinstance(parse_toml(text, "x.toml"), dict)
    except RequestError as error:
        refused = error
    assert refused is None or refused.field == "x.toml"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "f.toml: name is missing"),
        ({"name": ""}, "f.toml: name: got ''"),
        ({"name": 3}, "f.toml: name: got 3"),
        ({"name": "x" * 201}, "f.toml: name: got 'xxx"),
        ({"name": "a\nb"}, "no line breaks, no control characters"),
        ({"name": "a\x1b[31m"}, "f.toml: name: got 'a\\x1b[31m'"),
        ({"name": "n", "nmae": 1}, "f.toml: nmae is not a known key; allowed: filled, name, runs"),
        (
            {"name": "n", "runs": [{"size": 1, "x": 2}]},
            "runs[0].x is not a known key; allowed: size",
        ),
        ({"name": "n", "runs": [{"size": 1}, {"size": -1}]}, "runs[1].size: got -1"),
        ({"name": "n", "runs": [{"size": float("nan")}]}, "runs[0].size: got nan"),
        ({"name": "n", "runs": [{"size": float("inf")}]}, "runs[0].size: got inf"),
        ({"name": "n", "runs": 3}, "runs: got 3"),
        ({"name": "n", "runs": {"size": 1}}, "f.toml: runs"),
        ({"a": 1, "b": 2, "name": "n"}, "f.toml: b is not a known key"),
        ({"name": "n", "filled": []}, "f.toml: filled: got []"),
        (
            {"name": "n", "filled": [{"size": -1}]},
            "filled[0].size: got -1; allowed: above 0",
        ),
    ],
)
def test_mistakes_name_their_field(data: dict[str, object], message: str) -> None:
    with pytest.raises(RequestError) as caught:
        validate(Outer, data, "f.toml")
    assert message in str(caught.value)


def test_a_mistake_in_a_flag_names_the_flag() -> None:
    with pytest.raises(RequestError) as caught:
        validate(Outer, {"name": ""}, "f.toml", {"name"})
    assert caught.value.field == "--name"
    assert str(caught.value).startswith("--name: got ''")


def test_nothing_in_a_message_reaches_the_terminal_raw() -> None:
    with pytest.raises(RequestError) as caught:
        validate(Outer, {"name": "n", "a\nb\x1b[2J\u202e": 1}, "f.toml")
    assert str(caught.value).isprintable()
    assert r"a\nb\x1b[2J\u202e is not a known key" in str(caught.value)


def test_messages_have_an_end() -> None:
    with pytest.raises(RequestError) as caught:
        validate(Outer, {"name": "n", "x" * 10**6: 1}, "f.toml")
    assert len(str(caught.value)) <= LONGEST + LONGEST_FIELD


@pytest.mark.parametrize("value", [pytest.param(16**5000, id="digits"), {"a": []}])
def test_anything_can_be_shown(value: object) -> None:
    nested = value
    for _ in range(50_000):
        nested = [nested]
    assert len(shown(value)) < 81
    assert shown(nested) == "(list too large to show)"


class Priced(Spec):
    price: float | None = None
    provider: str | None = None


def test_flags_go_before_a_file_and_put_aside_what_says_the_same() -> None:
    replaces = {"price": ("provider",), "provider": ("price",)}
    found = with_flags(Priced, {"provider": "aws"}, {"price": 2.0}, replaces, "mine.toml")
    assert (found.price, found.provider) == (2.0, None)
    with pytest.raises(RequestError, match=r"^--price: got 'x'"):
        with_flags(Priced, {}, {"price": "x"}, replaces, "mine.toml")
    with pytest.raises(RequestError, match=r"^mine\.toml: price: got 'y'"):
        with_flags(Priced, {"price": "y"}, {}, replaces, "mine.toml")
    # Without a file, whatever is wrong was given by a flag.
    with pytest.raises(RequestError, match=r"^--price: got 'y'"):
        with_flags(Priced, {"price": "y"}, {}, replaces, "run", is_file=False)


def test_rows_have_the_line_that_they_begin_in() -> None:
    text = '# told first\na,b\n1,"two\nlines"\n\n# between\n2,x\n\n\n3,"""q""\n\nend"\n4,y'
    rows = list(numbered_rows(text, "t.csv", ("a",)))
    assert [(line, row["a"]) for line, row in rows] == [(3, "1"), (7, "2"), (10, "3"), (13, "4")]
    lines = text.splitlines()
    assert all(lines[line - 1].startswith(f"{row['a']},") for line, row in rows)
    assert [row for _, row in rows] == list(table_rows(text, "t.csv"))
