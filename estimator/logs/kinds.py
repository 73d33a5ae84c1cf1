"""Lines of a kind as rows of numbers.

A log has millions of lines of few shapes: a shape is learnt from a line that the patterns read,
and lines of the same shape are read by it at once. What no shape fits, the patterns read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .formats import COLUMNS, PLACE, Kind, Value
from .record import Column

LONGEST_LINE = 2**14
"""Letters of a line; what is beyond tells no step."""

MOST_SHAPES = 8
"""Shapes of a kind that are kept; logs whose lines have more are read by patterns."""

PIECES = 64
"""Steps of one line that are told apart, where ranks wrote several on it; a cut line has fewer."""

SAMPLE = 200
"""Lines of a kind that tell how much such lines say."""

NUMBER = re.compile(r"( *)[-+0-9.:,]*[0-9][-+0-9.:,]*(?:[eE][-+]?[0-9]+)?")
ANY_NUMBER = "[-+0-9.:,eE]++"
SPACES = re.compile(r"(?:\\ ){2,}|(?:\\ )+$")


@dataclass
class Lines:
    """Lines that are read at once.

    Attributes:
        texts: of them.
        numbers: in their file, from 1.
        is_taken: 1 for each that is of a kind.
    """

    texts: Sequence[str]
    numbers: Sequence[int]
    is_taken: bytearray = field(init=False)

    def __post_init__(self) -> None:
        self.is_taken = bytearray(len(self.texts))

    def others(self) -> Iterator[tuple[int, str]]:
        """Yield numbers and texts of lines that are of no kind."""
        free = self.is_taken.translate(FLIPPED)
        return compress(zip(self.numbers, self.texts, strict=True), free)


FLIPPED = bytes([1, 0, *range(2, 256)])


class Told(NamedTuple):
    """What lines of a kind tell.

    Attributes:
        places: of lines among those that were read, times ``PIECES``, and of a piece in its line;
            ``(rows,)``.
        rows: by the places of ``formats.COLUMNS``; ``(rows, columns)``.
    """

    places: NDArray[np.int64]
    rows: Column

    def __len__(self) -> int:
        return len(self.places)


@dataclass
class Shape:
    """A shape of lines.

    Attributes:
        match: a whole line of it, with a group a value.
        every: groups of each such line of a text.
        places: of the values in their kind, in the order of the groups.
        at: places of lines that were read by it, as ``Told`` has them.
        texts: of their values, a tuple a line.
    """

    match: Callable[[str], re.Match[str] | None]
    every: Callable[[str], list[Any]]
    places: tuple[int, ...]
    at: list[int] = field(default_factory=list)
    texts: list[tuple[str, ...]] = field(default_factory=list)


class KindReader:
    """Reads lines of a kind.

    Args:
        kind: of them.
        miss: is told number and text of what looks like one and cannot be read.
    """

    def __init__(self, kind: Kind, miss: Callable[[int, str], None]) -> None:
        self.kind = kind
        self._miss = miss
        self._shapes: list[Shape] = []

    def read(self, lines: Lines) -> Told:
        """Return what lines of the kind tell, and mark those."""
        rare = self.kind.marks[0]
        hits = [n for n, line in enumerate(lines.texts) if rare in line]
        others: dict[tuple[int, ...], Shape] = {}
        if hits and not self._all_alike(lines, hits):
            self._one_by_one(lines, hits, others)
        used = [shape for shape in (*self._shapes, *others.values()) if shape.at]
        return _sorted([self._numbers(shape, lines) for shape in used])

    def _all_alike(self, lines: Lines, hits: Sequence[int]) -> bool:
        """Read lines at once, if all have the shape that was met last."""
        if not self._shapes:
            return False
        shape = self._shapes[0]
        found = shape.every("\n".join([lines.texts[n] for n in hits]))
        if len(found) != len(hits):
            return False
        shape.at = [n * PIECES for n in hits]
        shape.texts = found if len(shape.places) > 1 else [(each,) for each in found]
        for n in hits:
            lines.is_taken[n] = 1
        return True

    def _one_by_one(
        self, lines: Lines, hits: Sequence[int], others: dict[tuple[int, ...], Shape]
    ) -> None:
        shapes, last = self._shapes, None
        for n in hits:
            line = lines.texts[n]
            for shape in shapes:
                if (match := shape.match(line)) is not None:
                    shape.at.append(n * PIECES)
                    shape.texts.append(match.groups())
                    lines.is_taken[n] = 1
                    last = shape
                    break
            else:
                if self.kind.looks_so(line):
                    lines.is_taken[n] = 1
                    self._by_patterns(n, lines.numbers[n], line[:LONGEST_LINE], others)
        if last is not None and last is not shapes[0]:
            shapes.remove(last)
            shapes.insert(0, last)

    def _by_patterns(
        self, n: int, number: int, line: str, others: dict[tuple[int, ...], Shape]
    ) -> None:
        """Read a line by its patterns, and learn its shape."""
        pieces = _apart(self.kind, line)
        for part, piece in enumerate(pieces[:PIECES]):
            spans = _spans(self.kind.values, piece)
            if spans is None:
                self._miss(number, piece)
                continue
            places = tuple(place for place, _ in spans)
            shape = others.setdefault(places, Shape(_never, _nothing, places))
            shape.at.append(n * PIECES + part)
            shape.texts.append(tuple(piece[start:end] for _, (start, end) in spans))
            if len(pieces) == 1 and len(self._shapes) < MOST_SHAPES:
                self._learn(piece, spans)

    def _learn(self, line: str, spans: Sequence[tuple[int, tuple[int, int]]]) -> None:
        """Keep the shape of a line, which the next ones may have."""
        ordered = sorted(spans, key=lambda each: each[1])
        pattern, at = "", 0
        for place, (start, end) in ordered:
            if start < at:  # two values of one text
                return
            pattern += _loose(line[at:start]) + self.kind.values[place].token
            at = end
        pattern += _loose(line[at:])
        match = re.compile(pattern, re.ASCII).fullmatch
        every = re.compile(f"^{pattern}$", re.ASCII | re.MULTILINE).findall
        self._shapes.append(Shape(match, every, tuple(place for place, _ in ordered)))

    def _numbers(self, shape: Shape, lines: Lines) -> Told:
        """Return the numbers of a shape's texts, and forget those."""
        rows = np.full((len(shape.at), len(COLUMNS)), np.nan)
        is_whole = np.ones(len(rows), dtype=bool)
        for place, texts in zip(shape.places, zip(*shape.texts, strict=True), strict=True):
            value = self.kind.values[place]
            found = _read(value, texts)
            rows[:, PLACE[value.column]] = found * value.factor
            if value.is_needed:
                is_whole &= np.isfinite(found)
        for n in np.flatnonzero(~is_whole):
            at = shape.at[n] // PIECES
            self._miss(lines.numbers[at], lines.texts[at])
        places = np.array(shape.at, dtype=np.int64)
        shape.at, shape.texts = [], []
        return Told(places[is_whole], rows[is_whole])


def figures_read(kind: Kind, lines: Sequence[str]) -> float:
    """Return how many figures lines of a kind tell, by the first of those that look so."""
    rare = kind.marks[0]
    alike = [line for line in lines if rare in line and kind.looks_so(line)]
    first = alike[:SAMPLE]
    told = (_spans(kind.values, line[:LONGEST_LINE]) for line in first)
    figures = sum(0 if spans is None else len(spans) for spans in told)
    return figures * len(alike) / max(1, len(first))


def _never(_: str) -> re.Match[str] | None:
    return None


def _nothing(_: str) -> list[Any]:
    return []


def _sorted(parts: Sequence[Told]) -> Told:
    if not parts:
        return Told(np.empty(0, dtype=np.int64), np.empty((0, len(COLUMNS))))
    if len(parts) == 1:
        return parts[0]
    places = np.concatenate([part.places for part in parts])
    order = np.argsort(places, kind="stable")
    return Told(places[order], np.concatenate([part.rows for part in parts])[order])


def _read(value: Value, texts: Sequence[str]) -> Column:
    """Return numbers of texts; NaN of one that is none."""
    if texts.count(texts[0]) == len(texts):  # a batch, all steps of a run
        return np.full(len(texts), _one(value, texts[0]))
    try:
        return value.read(texts)
    except ValueError:
        return np.array([_one(value, text) for text in texts])


def _one(value: Value, text: str) -> float:
    try:
        return float(value.read([text])[0])
    except ValueError:
        return np.nan


def _spans(values: Sequence[Value], line: str) -> list[tuple[int, tuple[int, int]]] | None:
    """Return places and ends of the values of a line; None where one that is needed lacks."""
    found, at = [], 0
    for place, value in enumerate(values):
        match = value.search(line, at) or (value.search(line) if at else None)
        if match is not None:
            at = match.end(1)
            found.append((place, match.span(1)))
        elif value.is_needed:
            return None
    return found


def _apart(kind: Kind, line: str) -> list[str]:
    """Return the steps of a line, where ranks wrote several on one: each from its number on."""
    search = next((value.search for value in kind.values if value.column == "step"), None)
    starts = [] if search is None else list(_starts(search, line))
    if len(starts) < 2:
        return [line]
    return [line[a:b] for a, b in zip([0, *starts[1:]], [*starts[1:], len(line)], strict=True)]


def _starts(search: Callable[..., re.Match[str] | None], line: str) -> Iterator[int]:
    found = search(line)
    while found is not None:
        yield found.start()
        found = search(line, found.end())


def _loose(text: str) -> str:
    """Return a pattern of a text whose numbers, and the room before them, may be others."""
    pattern, at = "", 0
    for found in NUMBER.finditer(text):
        pattern += _plain(text[at : found.start()]) + (" *+" if found[1] else "") + ANY_NUMBER
        at = found.end()
    return pattern + _plain(text[at:])


def _plain(text: str) -> str:
    """Return a pattern of a text in which several blanks, and those before a value, may be more."""
    return SPACES.sub(" ++", re.escape(text))
