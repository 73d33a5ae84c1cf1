"""What words of a shell script stand for: variables, arrays and sums; never a command's output."""

from __future__ import annotations

import ast
import fnmatch
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from computebill.base.errors import RequestError

from .marks import BREAK, CLOSE, GAP, HOLE, OPEN, Text, hole
from .words import Token, piece_end, pieces

PARAMETER = re.compile(r"([#!]?)([A-Za-z_]\w*|[0-9]+|[@*#?])(?:\[([^\]]*)\])?(.*)", re.DOTALL)
DEFAULT = re.compile(r"(:?[-=+?])(.*)", re.DOTALL)
CUT = re.compile(r"(%%?|##?|//?)(.*)", re.DOTALL)
LONGEST = 2**18
"""Characters that a variable may come to; a text that doubles itself is stopped there."""
PER_ELEMENT = 16
"""Characters that an element of an array is counted as, beside its own."""

LONGEST_SUM = 300
LONGEST_CUT = 4096
"""Characters of a text that is cut by a pattern, which is tried at each of them."""

Value = Text | list[Text]


class Scope:
    """Variables that a script has set so far, and what was left alone.

    Attributes:
        name: of the file.
        values: of the variables.
        given: of variables that the script may use without setting them, as a scheduler does.
        notes: what was left alone, each once.
    """

    def __init__(self, name: str, given: Mapping[str, str]) -> None:
        self.name = name
        self.values: dict[str, Value] = {}
        self.given = given
        self.notes: dict[str, None] = {}

    def note(self, line: int, what: str) -> None:
        """Remember what was left alone."""
        plain = what.translate({ord(OPEN): "$", ord(CLOSE): "", ord(GAP): " "})
        self.notes[f"{self.name} line {line}: {plain}"] = None

    def lookup(self, name: str, line: int) -> Value | None:
        """Return a variable's value; None where nobody set it."""
        found = self.values.get(name)
        if found is None and name in self.given:
            return Text(self.given[name], line)
        return found

    def set(self, name: str, value: Value, *, appends: bool) -> None:
        """Set a variable, or append to it.

        Raises:
            RequestError: where it grows too large.
        """
        before = self.values.get(name)
        if appends and before is not None:
            if isinstance(value, list):
                value = [*_listed(before), *value]
            elif isinstance(before, list):
                value = [*before, value]
            else:
                value = Text(before + value, before.line)
        each = PER_ELEMENT * len(value) if isinstance(value, list) else 0
        size = each + sum(map(len, value))
        if size > LONGEST:
            raise RequestError(self.name, f"{name} grows beyond {LONGEST:,} characters")
        self.values[name] = value


def _listed(value: Value) -> list[Text]:
    return value if isinstance(value, list) else [value]


class _Fields:
    """Fields that a word becomes."""

    def __init__(self, line: int, name: str) -> None:
        self.fields: list[Text] = []
        self.text, self.name = "", name
        self.line = line
        self.is_open = False

    def add(self, text: str, line: int) -> None:
        """Add what is not split."""
        if not self.text:
            self.line = line
        self.text += text
        self.is_open = True
        if len(self.text) > LONGEST:
            raise RequestError(self.name, f"a word grows beyond {LONGEST:,} characters")

    def split(self, text: str, line: int) -> None:
        """Add what is split at blanks."""
        for part in re.split(rf"([\s{BREAK}]+)", text):
            if not part:
                continue
            if part[0].isspace() or part[0] == BREAK:
                line += part.count("\n") + part.count(BREAK)
                self.close()
            else:
                self.add(part, line)

    def close(self) -> None:
        """End a field."""
        if self.is_open:
            self.fields.append(Text(self.text, self.line))
        self.text, self.is_open = "", False


def fields(token: Token, scope: Scope) -> list[Text]:
    """Return the fields that a word becomes.

    Raises:
        RequestError: where one grows too large.
    """
    found = _Fields(token.line, scope.name)
    for piece, line in pieces(token.text, scope.name, token.line):
        _add(found, piece, line, scope)
    found.close()
    return found.fields


def text_of(token: Token, scope: Scope) -> Text:
    """Return a word as one text, as where a variable is set."""
    found = _Fields(token.line, scope.name)
    for piece, line in pieces(token.text, scope.name, token.line):
        if piece[0] in "$`":
            found.add(_flat(_value(piece, line, scope), line), line)
        else:
            _add(found, piece, line, scope)
    return Text(" ".join([*found.fields, found.text]) if found.fields else found.text, token.line)


def _flat(value: Value, line: int) -> Text:
    if not isinstance(value, list):
        return value
    return Text(" ".join(value), value[0].line if value else line)


def _add(found: _Fields, piece: str, line: int, scope: Scope) -> None:
    first = piece[0]
    if first == "'":
        found.add(piece[1:-1], line)
    elif first == '"':
        _add_quoted(found, piece[1:-1], line, scope)
    elif first == "\\":
        if piece[1:] != "\n":
            found.add(piece[1:], line)
    elif first in "$`":
        value = _value(piece, line, scope)
        for place, each in enumerate(_listed(value)):
            if place:
                found.close()
            found.split(each, each.line)
    else:
        found.add(piece, line)


def _add_quoted(found: _Fields, inner: str, line: int, scope: Scope) -> None:
    """Add what double quotes hold: not split, but for the elements of an array."""
    found.add("", line)
    for piece, at in _quoted_pieces(inner, line, scope.name):
        if (piece[0] == "$" and len(piece) > 1) or piece[0] == "`":
            value = _value(piece, at, scope)
            if isinstance(value, list) and not value and not found.text:
                found.is_open = False
            for place, each in enumerate(_listed(value)):
                if place:
                    found.close()
                found.add(each, each.line)
        elif piece == "\\\n":
            found.add(BREAK, at)
        elif piece[0] == "\\" and piece[1:] in ("$", "`", '"', "\\"):
            found.add(piece[1:], at)
        else:
            found.add(piece, at)


def _quoted_pieces(inner: str, line: int, name: str) -> list[tuple[str, int]]:
    """Cut what double quotes hold at its variables; single quotes mean nothing there."""
    found, start, at = [], 0, 0

    def plain(end: int) -> None:
        if end > start:
            found.append((inner[start:end], line + inner.count("\n", 0, start)))

    while at < len(inner):
        if inner[at] == "\\":
            plain(at)
            found.append((inner[at : at + 2], line + inner.count("\n", 0, at)))
            at = start = at + 2
        elif inner[at] in "$`":
            plain(at)
            end = piece_end(inner, at, name, line)
            found.append((inner[at:end], line + inner.count("\n", 0, at)))
            at = start = end
        else:
            at += 1
    plain(len(inner))
    return found


def _value(piece: str, line: int, scope: Scope) -> Value:
    """Return what ``$NAME``, ``${…}``, ``$((…))`` or ``$(…)`` stands for."""
    if piece.startswith("$((") and piece.endswith("))"):
        return _sum(piece[3:-2], line, scope)
    if piece[0] == "`" or piece.startswith("$("):
        command = piece[1:-1] if piece[0] == "`" else piece[2:-1]
        scope.note(line, f"the output of a command is not known, as none is run: {command.strip()}")
        return hole(f"({command.strip()})", line)
    if piece.startswith("${"):
        return _parameter(piece[2:-1], line, scope)
    name = piece[1:]
    if not name:
        return Text("$", line)
    return _variable(name, line, scope)


def _variable(name: str, line: int, scope: Scope) -> Value:
    if name in ("@", "*"):
        return list(_listed(scope.values.get("@", [])))
    found = scope.lookup(name, line)
    if found is None:
        return hole(name, line)
    return found[0] if isinstance(found, list) and found else found if found else Text("", line)


def _parameter(inner: str, line: int, scope: Scope) -> Value:
    """Return what ``${…}`` stands for."""
    match = PARAMETER.fullmatch(inner)
    if match is None:
        return hole(inner, line)
    sign, name, index, rest = match.groups()
    if sign == "!" or (index is not None and rest):
        return hole(inner, line)
    found = scope.lookup(name, line)
    if index is not None:
        elements = _listed(found) if found is not None else []
        if sign:
            return Text(str(len(elements)), line)
        if index in ("@", "*"):
            return list(elements)
        place = int(index) if index.isdecimal() else -1
        return elements[place] if 0 <= place < len(elements) else hole(inner, line)
    if sign:
        return hole(inner, line) if found is None else Text(str(len(_flat(found, line))), line)
    if not rest:
        return _variable(name, line, scope)
    return _changed(name, found, rest, line, scope)


def _changed(name: str, found: Value | None, rest: str, line: int, scope: Scope) -> Value:
    """Return a variable with what follows its name in ``${…}``: a default, or a change."""
    default = DEFAULT.fullmatch(rest)
    if default is not None:
        sign, other = default.groups()
        is_there = bool(found) if sign[0] == ":" else found is not None
        if sign[-1] == "+":
            return text_of(Token("word", other, line), scope) if is_there else Text("", line)
        if is_there and found is not None:
            return _flat(found, line)
        if sign[-1] == "?":
            return hole(name, line)
        value = text_of(Token("word", other, line), scope)
        if sign[-1] == "=":
            scope.set(name, value, appends=False)
        return value
    if found is None:
        return hole(name, line)
    text = _flat(found, line)
    if rest in (",,", "^^"):
        return Text(text.lower() if rest == ",," else text.upper(), line)
    cut = CUT.fullmatch(rest)
    if cut is None or len(text) > LONGEST_CUT:
        return hole(f"{name}{rest}", line)
    sign, pattern = cut.groups()
    pattern = text_of(Token("word", pattern, line), scope)
    return Text(_cut(text, sign, pattern), line)


def _cut(text: str, sign: str, pattern: str) -> str:
    """Take off what a pattern matches at an end, or put another text in its place."""
    if sign[0] == "/":
        old, _, new = pattern.partition("/")
        return text.replace(old, new, -1 if sign == "//" else 1) if old else text
    ends = range(len(text) + 1)
    if sign[0] == "#":
        places = [n for n in ends if fnmatch.fnmatchcase(text[:n], pattern)]
        return text[(places[-1] if sign == "##" else places[0]) :] if places else text
    places = [n for n in ends if fnmatch.fnmatchcase(text[n:], pattern)]
    return text[: places[0] if sign == "%%" else places[-1]] if places else text


OPERATIONS: dict[type, Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: lambda a, b: abs(a) // abs(b) * (1 if a * b >= 0 else -1),
    ast.Mod: lambda a, b: abs(a) % abs(b) * (1 if a >= 0 else -1),
}


def _sum(inner: str, line: int, scope: Scope) -> Text:
    """Return the value of ``$((…))``: whole numbers, names, + - * / % and brackets."""
    text = text_of(Token("word", f'"{inner}"' if '"' not in inner else inner, line), scope)
    unknown = HOLE.search(text)
    if unknown:
        return hole(unknown.group(1), line)
    if len(text) > LONGEST_SUM or "**" in text or "//" in text:
        return hole(f"(({inner.strip()}))", line)
    try:
        body = ast.parse(text.strip().replace("/", "//"), mode="eval").body
        return Text(str(_computed(body, scope, line)), line)
    except _UnknownError as error:
        return hole(str(error), line)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError):
        return hole(f"(({inner.strip()}))", line)


class _UnknownError(Exception):
    """A name in a sum that nobody set."""


def _computed(node: Any, scope: Scope, line: int) -> int:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    if isinstance(node, ast.Name):
        value = scope.lookup(node.id, line)
        text = "" if value is None else _flat(value, line)
        if not re.fullmatch(r"-?\d{1,18}", text):
            raise _UnknownError(node.id)
        return int(text)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_computed(node.operand, scope, line)
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATIONS:
        left, right = (_computed(each, scope, line) for each in (node.left, node.right))
        found = OPERATIONS[type(node.op)](left, right)
        if abs(found) < 10**18:
            return found
    raise ValueError
