"""A table's text made fit to be parsed: rows that cannot be are marked, the others stay.

It is gone through row by row, and only of a file that Arrow's reader failed at.
"""

from __future__ import annotations

import csv
import io
import re
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import Any

from .columns import LONGEST, escaped, is_utf8

BLOCK = 8 << 20
"""Bytes of text that are looked at together."""
LONGEST_ROW = 2 * BLOCK
"""Bytes of a row: Arrow's reader joins two blocks, and no more."""

MOST_COUNTED = 200_000
"""Rows of a table whose lines are told; to count more would take longer than to score them."""

MARK = b"\x1fcomputebill\x1f"
"""Beginning of a line that stands for a row that cannot be parsed."""

NO_TEXT = r"is not UTF-8 text; its bytes are told as \xNN, a backslash as two"
TOO_LONG = "is longer than 16 MiB, the longest row; only its beginning is kept"
OPEN_QUOTE = "has a quote that opens a cell and does not end it"


class _State(Enum):
    """How a line leaves the cell that it ends in."""

    ENDED = "ended"
    INSIDE = "inside a quoted cell"
    BROKEN = "behind a quote that ends no cell"


class Stream(io.RawIOBase):
    """A stream of the bytes that an iterator yields."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        super().__init__()
        self._chunks = iter(chunks)
        self._held = b""

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def read(self, size: int | None = -1) -> bytes:
        """Return so many bytes, fewer only at the end; all of the rest where none are told."""
        wanted = -1 if size is None else size
        parts, held = [self._held], len(self._held)
        while wanted < 0 or held < wanted:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            parts.append(chunk)
            held += len(chunk)
        whole = b"".join(parts)
        cut = len(whole) if wanted < 0 else wanted
        self._held = whole[cut:]
        return whole[:cut]

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, as far as there is anything."""
        found = self.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)


class Mending:
    """Goes through a table's text, and keeps what cannot be parsed.

    A quoted cell goes over lines only where its quote ends it, in front of another cell or of the
    line's end: else the quote is a letter, the line a row of its own, and so are those behind it.
    """

    def __init__(self, stream: Any, separator: str, cells: int, *, is_quoted: bool) -> None:
        """Begin.

        Args:
            stream: of bytes, from the file's first line.
            separator: what divides a table's cells.
            cells: of a row.
            is_quoted: whether a quote at a cell's beginning opens one that may go over lines.
        """
        self._stream = stream
        self._separator = separator.encode()
        self._cells = cells
        self._is_quoted = is_quoted
        self._bad: dict[int, tuple[str, str]] = {}
        self._marked = 0
        self._lines, self._line = array("q"), 1
        divides = re.escape(self._separator)
        self._opens = re.compile(rb"(?:^|" + divides + rb')"')
        self._ends = re.compile(rb'[^"]*+(?:""[^"]*+)*+"(?=(' + divides + rb"|[\r\n]|$)?)")

    def stream(self) -> Stream:
        """Return the mended text."""
        return Stream(self._chunks())

    def row_of(self, text: str) -> tuple[str, str] | None:
        """Return the row that a marked line stands for, and why it is none; None of another."""
        mark = MARK.decode()
        if not text.startswith(mark):
            return None
        return self._bad.pop(int(text.removeprefix(mark).partition(self._separator.decode())[0]))

    def line_of(self, places: Sequence[int], before: int, headings: int) -> list[int | None]:
        """Return the lines, from 1, that some rows begin in; None of those beyond the counted ones.

        Args:
            places: of the rows, the first below the headings being 0.
            before: lines before the headings, a title's.
            headings: rows of headings: one, or none.
        """
        first = bisect_right(self._lines, before) + headings
        most = len(self._lines)
        return [self._lines[first + each] if first + each < most else None for each in places]

    def _note(self, row: bytes, lines: int) -> None:
        """Note where a row begins, and how many lines it has; an empty line is none."""
        if row.strip(b"\r\n") and len(self._lines) <= MOST_COUNTED:
            self._lines.append(self._line)
        self._line += lines

    def _chunks(self) -> Iterator[bytes]:
        blocks = self._blocks()
        for block in blocks:
            if self._is_plain(block):
                for line in block.splitlines() if len(self._lines) <= MOST_COUNTED else ():
                    self._note(line, 1)
                yield block
                continue
            waiting = deque(block.splitlines(keepends=True))
            made = []
            while waiting:
                made.append(self._row(waiting, blocks))
            yield b"".join(made)

    def _blocks(self) -> Iterator[bytes]:
        """Yield text that ends with a line's end; a line that is too long is marked."""
        rest = b""
        while block := self._stream.read(BLOCK):
            whole = rest + block
            cut = _after_line(whole)
            if cut:
                yield whole[:cut]
                rest = whole[cut:]
            elif len(whole) > LONGEST_ROW:
                while block and not _first_line(block):
                    block = self._stream.read(BLOCK)
                yield self._marking(whole, TOO_LONG)
                rest = block[_first_line(block) :]
            else:
                rest = whole
        if rest:
            yield rest

    def _is_plain(self, block: bytes) -> bool:
        """Whether nothing in a block needs to be looked at."""
        may_be_long = len(block) > LONGEST_ROW
        return not (may_be_long or (self._is_quoted and b'"' in block)) and is_utf8(block)

    def _row(self, waiting: deque[bytes], blocks: Iterator[bytes]) -> bytes:
        """Return the next row, or its mark; lines behind it are left."""
        line = waiting.popleft()
        if line.startswith(MARK):
            self._note(line, 1)
            return line
        taken: list[bytes] = []
        state, size = self._state(line, _State.ENDED), len(line)
        while state is _State.INSIDE:
            if not waiting:
                waiting.extend(next(blocks, b"").splitlines(keepends=True))
            if not waiting or waiting[0].startswith(MARK) or size > LONGEST_ROW:
                break
            taken.append(waiting.popleft())
            size += len(taken[-1])
            state = self._state(taken[-1], state)
        whole = b"".join([line, *taken])
        if taken and (state is not _State.ENDED or self._swallows(whole, taken)):
            waiting.extendleft(reversed(taken))
            self._note(line, 1)
            return self._marking(line, OPEN_QUOTE)
        self._note(whole, 1 + len(taken))
        if size > LONGEST_ROW:
            return self._marking(whole, TOO_LONG)
        return whole if is_utf8(whole) else self._marking(whole, NO_TEXT)

    def _state(self, line: bytes, before: _State) -> _State:
        """Return how a line ends that begins as the one before ended."""
        if not self._is_quoted or (before is _State.ENDED and b'"' not in line):
            return _State.ENDED
        at, is_inside = 0, before is _State.INSIDE
        while True:
            if not is_inside:
                opened = self._opens.search(line, at)
                if opened is None:
                    return _State.ENDED
                at = opened.end()
            ended = self._ends.match(line, at)
            if ended is None:
                return _State.INSIDE
            # Within one line a quote behind which a cell goes on is a letter of it.
            if is_inside and ended[1] is None:
                return _State.BROKEN
            at, is_inside = ended.end(), False

    def _swallows(self, whole: bytes, taken: list[bytes]) -> bool:
        """Whether a row of several lines has other cells than it should, and one of them not."""
        if all(line.count(self._separator) + 1 != self._cells for line in taken):
            return False
        text = io.StringIO(whole.decode("utf-8", "replace"), newline="")
        try:
            rows = list(csv.reader(text, delimiter=self._separator.decode()))
        except csv.Error:
            return True
        return [len(row) for row in rows] != [self._cells]

    def _marking(self, row: bytes, reason: str) -> bytes:
        """Keep a row that cannot be parsed, and return the line that stands for it."""
        number = self._marked
        self._marked += 1
        # Lines that cannot be told apart by their cells have one more than there are headings.
        self._bad[number] = (escaped(row[:LONGEST].rstrip(b"\r\n")), reason)
        return b"%b%d%b\n" % (MARK, number, self._separator * self._cells)


def _after_line(block: bytes) -> int:
    """Return where the last line that has ended ends; 0 where none has."""
    found = block.rfind(b"\n") + 1
    # A return at the very end may have the rest of its line's end behind it.
    return found or block[:-1].rfind(b"\r") + 1


def _first_line(block: bytes) -> int:
    """Return where the first line ends; 0 where none does."""
    found = re.search(rb"\r?\n|\r", block)
    return found.end() if found else 0
