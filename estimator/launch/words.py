"""Words of a shell script: cut as a shell cuts them, nothing expanded and nothing run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from computebill.base.errors import RequestError

OPERATOR = re.compile(r"&&|\|\||;;&?|;&|\|&|<<<|<<-|<<|&>>|&>|\d?(?:>>|>&|<&|>)|[;|&()<]")
BLANK = re.compile(r"(?:[ \t\r]|\\\r?\n)+")
PLAIN = re.compile(r"[^\s'\"\\$`;|&()<>#]+")
ARRAY = re.compile(r"[A-Za-z_]\w*\+?=\Z")
VARIABLE = re.compile(r"[A-Za-z_]\w*|[0-9@*#?$!-]")
PAIRS = {"(": ")", "{": "}"}

DEEPEST = 40
"""Levels of quotes in brackets in quotes; people write two or three."""


class Token(NamedTuple):
    """A piece of a script.

    Attributes:
        kind: word; array (``NAME=(…)``, its elements beside it); operator; end (of a line).
        text: as it is written; of an array ``NAME=`` or ``NAME+=``.
        line: of its beginning.
        elements: words of an array.
        body: of an operator ``<<`` the text that follows, as written.
    """

    kind: Literal["word", "array", "operator", "end"]
    text: str
    line: int
    elements: tuple[Token, ...] = ()
    body: str = ""


class _Cutter:
    """The place in a text, and what is cut there."""

    def __init__(self, text: str, name: str, line: int, *, counts: bool = True) -> None:
        self.text, self.name, self.line, self.at = text, name, line, 0
        self.counts = counts
        self.heredocs: list[tuple[int, bool]] = []
        self.tokens: list[Token] = []

    def advance(self, end: int) -> str:
        """Take the text up to a place, counting lines."""
        taken = self.text[self.at : end]
        self.line += taken.count("\n") if self.counts else 0
        self.at = end
        return taken

    def cut(self) -> list[Token]:
        """Return all tokens."""
        while self.at < len(self.text):
            blank = BLANK.match(self.text, self.at)
            char = self.text[self.at]
            if blank:
                self.advance(blank.end())
            elif char == "\n":
                self.tokens.append(Token("end", "\n", self.line))
                self.advance(self.at + 1)
                self._read_heredocs()
            elif char == "#":
                end = self.text.find("\n", self.at)
                self.advance(len(self.text) if end < 0 else end)
            elif (found := OPERATOR.match(self.text, self.at)) is not None:
                if found.group() in ("<<", "<<-"):
                    self.heredocs.append((len(self.tokens), found.group() == "<<-"))
                arrow = found.group().lstrip("0123456789")  # 2> writes as > does
                self.tokens.append(Token("operator", arrow, self.line))
                self.advance(found.end())
            else:
                self.tokens.append(self._word())
        return self.tokens

    def _word(self) -> Token:
        """Cut a word, or an array that is set."""
        line, start = self.line, self.at
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == "(" and ARRAY.match(self.text[start : self.at]):
                return self._array(line, self.text[start : self.at])
            if char.isspace() or char in ";|&()<>":
                break
            self.advance(piece_end(self.text, self.at, self.name, self.line))
        return Token("word", self.text[start : self.at], line)

    def _array(self, line: int, name: str) -> Token:
        """Cut the elements of an array up to its bracket."""
        end = closing(self.text, self.at, self.name, self.line)
        inner = _Cutter(self.text[self.at + 1 : end - 1], self.name, self.line, counts=self.counts)
        elements = tuple(token for token in inner.cut() if token.kind == "word")
        self.advance(end)
        return Token("array", name, line, elements)

    def _read_heredocs(self) -> None:
        """Take the texts that operators ``<<`` of the line before announce."""
        for place, is_indented in self.heredocs:
            following = self.tokens[place + 1] if place + 1 < len(self.tokens) else None
            if following is None or following.kind != "word":
                continue
            mark = following.text.strip("'\"\\")
            lines: list[str] = []
            while self.at < len(self.text):
                end = self.text.find("\n", self.at)
                written = self.advance(len(self.text) if end < 0 else end + 1)
                bare = written.rstrip("\r\n")
                if (bare.lstrip("\t") if is_indented else bare) == mark:
                    break
                lines.append(written)
            self.tokens[place] = self.tokens[place]._replace(body="".join(lines))
        self.heredocs.clear()


def tokens(text: str, name: str, line: int = 1, *, counts: bool = True) -> list[Token]:
    """Cut a script into words and operators.

    Args:
        text: of the script.
        name: of the file, in messages.
        line: number of the text's first line in the file.
        counts: whether its further lines are the file's too; else all are told as that one.

    Raises:
        RequestError: where a quote or a bracket is not closed, with its line.
    """
    return _Cutter(text, name, line, counts=counts).cut()


def piece_end(text: str, at: int, name: str, line: int) -> int:
    """Return where the piece of a word that begins at a place ends: a quote, a bracket, a run.

    Raises:
        RequestError: where it is not closed.
    """
    char = text[at]
    if char == "\\":
        return min(len(text), at + 2)
    if char == "'":
        return _after(text, "'", at + 1, name, line)
    if char == '"':
        return _quoted_end(text, at, name, line, 0)
    if char == "`":
        return _after(text, "`", at + 1, name, line)
    if char == "$":
        if text[at + 1 : at + 2] in PAIRS:
            return closing(text, at + 1, name, line)
        variable = VARIABLE.match(text, at + 1)
        return variable.end() if variable else at + 1
    plain = PLAIN.match(text, at)
    return plain.end() if plain else at + 1


def closing(text: str, at: int, name: str, line: int, depth: int = 0) -> int:
    """Return the place after the bracket that closes the one at a place.

    Raises:
        RequestError: where none does.
    """
    if depth > DEEPEST:
        raise RequestError(f"{name} line {line}", "is nested too deep to be read")
    opened, closed = text[at], PAIRS[text[at]]
    place = at + 1
    while place < len(text):
        char = text[place]
        if char == closed:
            return place + 1
        if char == "\\":
            place += 2
        elif char == "'" and opened == "(":
            place = _after(text, "'", place + 1, name, line)
        elif char == '"':
            place = _quoted_end(text, place, name, line, depth + 1)
        elif char == opened or (char == "$" and text[place + 1 : place + 2] in PAIRS):
            place = closing(text, place + (char == "$"), name, line, depth + 1)
        elif char == "#" and opened == "(" and text[place - 1].isspace():
            end = text.find("\n", place)
            place = len(text) if end < 0 else end
        else:
            place += 1
    raise RequestError(f"{name} line {line}", f"{opened} is not closed")


def _quoted_end(text: str, at: int, name: str, line: int, depth: int) -> int:
    place = at + 1
    while place < len(text):
        char = text[place]
        if char == '"':
            return place + 1
        if char == "\\":
            place += 2
        elif char == "$" and text[place + 1 : place + 2] in PAIRS:
            place = closing(text, place + 1, name, line, depth + 1)
        else:
            place += 1
    raise RequestError(f"{name} line {line}", 'a quote (") is not closed')


def _after(text: str, mark: str, start: int, name: str, line: int) -> int:
    found = text.find(mark, start)
    if found < 0:
        raise RequestError(f"{name} line {line}", f"a quote ({mark}) is not closed")
    return found + 1


def pieces(word: str, name: str, line: int) -> Iterator[tuple[str, int]]:
    """Yield the pieces of a word as they are written, and the line of each."""
    at = 0
    while at < len(word):
        end = piece_end(word, at, name, line)
        yield word[at:end], line
        line += word.count("\n", at, end)
        at = end
