"""YAML, JSON and TOML as settings with lines; nothing is constructed, nothing grows."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from computebill.base.errors import RequestError
from computebill.launch.documents import read_json, read_toml, read_yaml
from computebill.launch.entries import Source
from computebill.launch.interpolation import resolved


def told(source: Source) -> dict[str, tuple[Any, int | None]]:
    """Settings by their paths: value and line."""
    return {each.key: (each.value, each.line) for each in source.entries}


def test_settings_have_paths_and_lines_in_every_syntax() -> None:
    found = {"a.b-c": 1, "a.d": (1, 2), "e.0.f": "x"}
    yaml = "a:\n  b-c: 1\n  d: [1, 2]\ne:\n  - f: x\n"
    json = '{\n "a": {\n  "b-c": 1,\n  "d": [1, 2]},\n "e": [\n  {"f": "x"}]\n}'
    toml = '[a]\nb-c = 1\nd = [1, 2]\n\n[[e]]\nf = "x"\n'
    expected = {key.replace("-", "_"): value for key, value in found.items()}
    for read, text, lines in (
        (read_yaml, yaml, [2, 3, 5]),
        (read_json, json, [3, 4, 6]),
        (read_toml, toml, [2, 3, None]),
    ):
        settings = told(read(text, "a"))
        assert {key: value for key, (value, _) in settings.items()} == expected
        assert [line for _, line in settings.values()] == lines


def test_yaml_is_read_as_plain_values_with_aliases_and_merged_tables() -> None:
    text = "base: &b {lr: 1.0e-4, on: yes}\nrun:\n  <<: *b\n  on: no\n  n: 0x10\n  m: ~\n  s: '8'\n"
    found = told(read_yaml(text, "a.yaml"))
    assert found["run.lr"][0] == 1e-4
    assert found["run.on"] == (False, 4)
    assert found["run.n"][0] == 16
    assert found["run.s"][0] == "8"
    assert "run.m" not in found


def test_a_tag_constructs_nothing_and_is_named() -> None:
    source = read_yaml("a: !!python/object/apply:os.system ['x']\nb: !ENV 3\n", "a.yaml")
    assert told(source)["b"] == ("3", 2)
    assert source.notes == [
        "a.yaml line 1: the tag !!python/object/apply:os.system is not followed",
        "a.yaml line 2: the tag !ENV is not followed",
    ]
    assert [each.unknown for each in source.entries] == ["!!python/object/apply:os.system", ""]
    plain = read_yaml("a: !!python/tuple [1, 2]\nb: !!str 3\n", "a.yaml")
    assert told(plain) == {"a": ((1, 2), 1), "b": ("3", 2)}
    assert plain.notes == []


@pytest.mark.parametrize(
    ("read", "text", "told_as"),
    [
        (read_yaml, "a: 1\nb: 2\na: 3\n", "a.txt: a stands in a table twice (lines 1 and 3): "),
        (read_json, '{"a": 1, "b": 2, "a": 3}', "a.txt: a stands in a table twice: "),
    ],
)
def test_a_key_that_stands_twice_is_named(
    read: Callable[[str, str], Source], text: str, told_as: str
) -> None:
    source = read(text, "a.txt")
    assert told(source)["a"][0] == 3
    assert source.notes == [f"{told_as}the latter counts"]


def test_a_key_over_a_merged_one_stands_once() -> None:
    text = "d: &d {a: 1}\nrun:\n  a: 0\n  <<: *d\nmore:\n  <<: *d\n  a: 2\n"
    source = read_yaml(text, "a.yaml")
    assert (told(source)["run.a"][0], told(source)["more.a"][0]) == (0, 2)
    assert source.notes == []


def bomb(levels: int) -> str:
    """Aliases of aliases: ten to the power of the levels."""
    lines = ["a0: &a0 [1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (bomb(9), "has more than 50,000 settings"),
        ("a: &a [*a]", "is nested more than 20 levels deep"),
        ("a: " + "[" * 5000 + "]" * 5000, "not valid YAML|levels deep"),
        ("a: [1", r"is not valid YAML: .* \(line 2, column 1"),
        ("a: 1\n b: 2", r"is not valid YAML: .*line 2"),
        ("- 1\n- 2", "allowed: a table of settings"),
        ("", "allowed: a table of settings"),
    ],
)
def test_a_yaml_that_grows_or_is_none_is_refused_soon(text: str, told: str) -> None:
    start = time.perf_counter()
    with pytest.raises(RequestError, match=told):
        read_yaml(text, "a.yaml")
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"a": 1,}', r"is not valid JSON: .*line 1, column 9"),
        ("[" * 100_000, "is not valid JSON"),
        ("[1]", "allowed: a table of settings"),
    ],
)
def test_a_json_that_is_none_is_refused(text: str, told: str) -> None:
    with pytest.raises(RequestError, match=told):
        read_json(text, "a.json")


def test_values_that_name_others_are_followed() -> None:
    text = (
        "v: {n: 8, m: 4}\nmodel:\n  h: ${v.n}\n  f: ${multiply:4, ${.h}}\n  g: ${oc.env:X,3}\n"
        "  w: ${oc.env:Y}\n  l: a-${v.m}\n  u: ${nosuch:1}\n  s: ${.s}\n  d: ${NAME:amd}\n"
        "  p: ${training.v.m}\n"
    )
    found = {each.key: each for each in resolved(read_yaml(text, "a.yaml")).entries}
    values = {key.removeprefix("model."): each.value for key, each in found.items()}
    assert (values["h"], values["f"], values["g"], values["l"]) == (8, 32, "3", "a-4")
    assert (values["d"], values["p"]) == ("amd", 4)
    assert found["model.w"].unknown == "Y"
    assert found["model.u"].unknown == "nosuch:1"
    assert found["model.s"].unknown
