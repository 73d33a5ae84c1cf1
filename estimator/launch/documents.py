"""YAML, JSON and TOML files as settings, each with its line; plain values only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from computebill.base.errors import RequestError, shown
from computebill.base.specfile import DEEPEST, parse_toml

from .entries import Entry, Source
from .marks import hole

MOST_ENTRIES = 50_000
"""Settings of a file: aliases of aliases come to billions."""

TABLE = re.compile(r"\s*\[\[?([^\]]+)\]\]?\s*(?:#.*)?$")
SETTING = re.compile(r"""\s*([A-Za-z0-9_.\-]+|"[^"]+"|'[^']+')\s*=""")


class Lined(dict[str, Any]):
    """A table of a file, with the line of each key, and the keys that it has of another table."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, int] = {}
        self.merged: set[str] = set()


def read_json(text: str, file: str) -> Source:
    """Read a JSON file.

    Raises:
        RequestError: naming it, with line and column.
    """
    notes: dict[str, None] = {}

    def table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        for key in found if len(found) < len(pairs) else ():
            if sum(key == each for each, _ in pairs) > 1:
                notes[f"{file}: {key} stands in a table twice: the latter counts"] = None
        return found

    try:
        data = json.loads(text, object_pairs_hook=table)
    except json.JSONDecodeError as error:
        at = f"line {error.lineno}, column {error.colno}"
        raise RequestError(file, f"is not valid JSON: {error.msg} ({at})") from None
    except (RecursionError, ValueError) as error:
        raise RequestError(file, f"is not valid JSON: {shown(str(error))}") from None
    entries = _entries(_table(data, file), file)
    return Source(file, list(_with_lines(entries, text)), notes=list(notes))


def _with_lines(entries: Iterator[Entry], text: str) -> Iterator[Entry]:
    """Find the line of each setting of a JSON file: they come in the text's order."""
    at, line = 0, 1
    for entry in entries:
        key = json.dumps(entry.spelled.rpartition(".")[2], ensure_ascii=False)
        found = re.compile(re.escape(key) + r"\s*:").search(text, at)
        if found:
            line += text.count("\n", at, found.start())
            at = found.start()
        yield Entry(entry.key, entry.value, line if found else None, entry.spelled)


def read_toml(text: str, file: str) -> Source:
    """Read a TOML file.

    Raises:
        RequestError: naming it, with line and column.
    """
    data = parse_toml(text, file)
    lines: dict[str, int] = {}
    table = ""
    for number, written in enumerate(text.splitlines(), 1):
        head = TABLE.match(written)
        if head:
            table = f"{head.group(1).strip()}."
        elif (found := SETTING.match(written)) is not None:
            lines.setdefault(f"{table}{found.group(1).strip(chr(34))}", number)
    entries = [
        Entry(each.key, each.value, lines.get(each.spelled), each.spelled)
        for each in _entries(data, file)
    ]
    return Source(file, entries)


def read_yaml(text: str, file: str) -> Source:
    """Read a YAML file: plain values, aliases and merged tables; nothing is constructed.

    Raises:
        RequestError: naming it, with line and column.
    """
    try:
        data, notes = _YamlTree(file).read(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        at = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise RequestError(
            file, f"is not valid YAML: {error.problem or error.context}{at}"
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RequestError(file, f"is not valid YAML: {shown(str(error))}") from None
    return Source(file, list(_entries(_table(data, file), file)), notes=notes)


def _table(data: Any, file: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise RequestError(file, f"got {shown(data, 40)}; allowed: a table of settings")
    return data


def _entries(data: dict[str, Any], file: str) -> Iterator[Entry]:
    """Yield every setting of a table by its path, in the file's order.

    Raises:
        RequestError: where there are too many, or they are nested too deep.
    """
    count = 0
    stack: list[tuple[str, Any, int | None, int]] = [("", data, None, 0)]
    while stack:
        path, value, line, depth = stack.pop()
        count += 1
        if count > MOST_ENTRIES:
            raise RequestError(file, f"has more than {MOST_ENTRIES:,} settings")
        if depth > DEEPEST:
            raise RequestError(file, f"is nested more than {DEEPEST} levels deep")
        if isinstance(value, dict):
            inner = list(value.items())
            lines = value.lines if isinstance(value, Lined) else {}
            for key, each in reversed(inner):
                whole = f"{path}.{key}" if path else str(key)
                stack.append((whole, each, lines.get(key), depth + 1))
        elif isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
            for place, each in reversed(list(enumerate(value))):
                stack.append((f"{path}.{place}", each, line, depth + 1))
        elif value is not None:
            plain = tuple(value) if isinstance(value, list) else value
            yield Entry(path.replace("-", "_"), plain, line, path)


STANDARD = "tag:yaml.org,2002:"
SCALARS = ("null", "bool", "int", "float", "str", "timestamp")
COLLECTIONS = ("", "map", "seq", "python/tuple", "python/list", "python/dict")
"""Tags, behind ``STANDARD``, of what a file holds as it stands."""

CONSTRUCTS = ("python/object", "python/name", "python/module")
"""Beginnings of tags whose value is made by Python, and which nobody knows here."""


class _YamlTree:
    """A tree of a YAML file's events, made level by level without recursion."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.anchors: dict[str, Any] = {}
        self.notes: list[str] = []
        self.resolver: Any = yaml.SafeLoader("")
        self.root: Any = None
        self.open: list[Any] = []
        self.keys: list[tuple[Any, int] | None] = []

    def read(self, text: str) -> tuple[Any, list[str]]:
        """Return the first document's tree, and what was left alone."""
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        for event in yaml.parse(text, Loader=loader):
            if isinstance(event, yaml.DocumentEndEvent):
                break
            self.take(event)
        return self.root, self.notes

    def take(self, event: Any) -> None:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            made: Any = Lined() if isinstance(event, yaml.MappingStartEvent) else []
            value = self.tagged(made, str(event.tag or ""), line)
            if event.anchor:
                self.anchors[event.anchor] = value
            self.put(value, line)
            self.open.append(made)
            self.keys.append(None)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self.open.pop()
            self.keys.pop()
        elif isinstance(event, yaml.AliasEvent):
            self.put(self.anchors.get(str(event.anchor)), line)
        elif isinstance(event, yaml.ScalarEvent):
            is_key = bool(self.open) and isinstance(self.open[-1], Lined) and self.keys[-1] is None
            value = event.value if is_key else self.scalar(event, line)
            if event.anchor:
                self.anchors[event.anchor] = value
            self.put(value, line)

    def put(self, value: Any, line: int) -> None:
        """Put a value where it belongs: into a list, as a key, or under one."""
        if not self.open:
            self.root = value
            return
        owner, key = self.open[-1], self.keys[-1]
        if isinstance(owner, list):
            owner.append(value)
        elif key is None:
            self.keys[-1] = (value, line)
        else:
            self.keys[-1] = None
            name = str(key[0]) if not isinstance(key[0], dict | list) else "?"
            if name == "<<":
                self.merge(owner, value)
                return
            if name in owner and name not in owner.merged:
                before, line = owner.lines[name], key[1]
                self.notes.append(
                    f"{self.file}: {name} stands in a table twice (lines {before} and {line}): "
                    "the latter counts"
                )
            owner.merged.discard(name)
            owner[name] = value
            owner.lines[name] = key[1]

    def merge(self, owner: Lined, value: Any) -> None:
        for table in value if isinstance(value, list) else [value]:
            for key, each in table.items() if isinstance(table, Lined) else ():
                if key not in owner:
                    owner.merged.add(key)
                    owner[key] = each
                    owner.lines[key] = table.lines[key]

    def tagged(self, value: Any, tag: str, line: int) -> Any:
        """Return a value as it stands, or a hole in place of what its tag would construct."""
        name = tag.removeprefix(STANDARD)
        if name in COLLECTIONS:
            return value
        spelled = f"!!{name}" if name != tag else tag
        self.notes.append(f"{self.file} line {line}: the tag {spelled} is not followed")
        return hole(spelled, line) if name.startswith(CONSTRUCTS) else value

    def scalar(self, event: Any, line: int) -> Any:
        """Return a plain value: none, a switch, a number or a text."""
        if event.tag and event.tag.removeprefix(STANDARD) not in SCALARS:
            return self.tagged(event.value, event.tag, line)
        tag = event.tag or self.resolver.resolve(yaml.ScalarNode, event.value, event.implicit)
        node = yaml.ScalarNode(tag, event.value)
        if tag == "tag:yaml.org,2002:null":
            return None
        if tag == "tag:yaml.org,2002:bool":
            return self.resolver.construct_yaml_bool(node)
        if tag == "tag:yaml.org,2002:int" and len(event.value) < 40:
            return self.resolver.construct_yaml_int(node)
        if tag == "tag:yaml.org,2002:float":
            return self.resolver.construct_yaml_float(node)
        return event.value
