"""Texts, compressed or not, and rows of JSON in them: a line each, or a document."""

from __future__ import annotations

import codecs
import io
import json
import lzma
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from computebill.base.errors import RequestError

from .columns import LONGEST, escaped, flat
from .mending import BLOCK, NO_TEXT, Stream
from .pieces import COMPRESSED, Batch, Piece

LONGEST_DOCUMENT = 512 << 20
"""Letters of a JSON document, which is read whole."""
LISTS = ("items", "runs", "jobs", "workloads", "data", "result", "results")
"""Names that a document gives to its list of rows."""


WIDE = {
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
"""Marks at the beginning of text that has two or four bytes a letter."""
NOT_BYTES = re.compile("[\udc80-\udcff]")
"""What a byte is read as that is of no letter."""


class Text:
    """A text file, compressed or not, that tells how much of it has been read.

    Its stream is of UTF-8, whatever its letters are written as.
    """

    def __init__(self, path: Path, stack: ExitStack) -> None:
        # Arrow's own file, which its threads read without asking Python, that may be ending.
        self._raw = stack.enter_context(pa.OSFile(str(path), "rb"))
        self._told = 0
        self.stream: Any = _unpacked(self._raw, path, stack)
        with ExitStack() as other:
            raw = other.enter_context(pa.OSFile(str(path), "rb"))
            wide = wide_letters(_unpacked(raw, path, other).read(4))
        if wide:
            self.stream = Stream(_narrowed(self.stream, wide))

    def lines(self) -> io.TextIOWrapper:
        """Return its text; what ends a line is as it stands, and so is what is no UTF-8."""
        stream: Any = io.BufferedReader(self.stream)
        return io.TextIOWrapper(stream, "utf-8-sig", "surrogateescape", newline="")

    def read(self) -> int:
        """Return the bytes that were read since this was asked."""
        if self._raw.closed:
            return 0
        before, self._told = self._told, self._raw.tell()
        return self._told - before


def _unpacked(raw: Any, path: Path, stack: ExitStack) -> Any:
    """Return a file's stream, without its compression."""
    compression = COMPRESSED.get(path.suffix.lower())
    if compression == "xz":
        return stack.enter_context(lzma.LZMAFile(raw))
    if compression:
        return stack.enter_context(pa.CompressedInputStream(raw, compression))
    return raw


def wide_letters(begin: bytes) -> str:
    """Return the encoding of text that has several bytes a letter; empty where it has not.

    Args:
        begin: its first four bytes.
    """
    for mark, name in WIDE.items():
        if begin.startswith(mark):
            return name
    low, high = begin[::2].count(0), begin[1::2].count(0)
    if len(begin) == 4 and {low, high} == {0, 2}:  # without its mark
        return "utf-16-le" if high else "utf-16-be"
    return ""


def _narrowed(stream: Any, encoding: str) -> Iterator[bytes]:
    """Yield text as UTF-8; halves of letters stay what is none."""
    reader = codecs.getincrementaldecoder(encoding)("surrogatepass")
    while block := stream.read(BLOCK):
        yield reader.decode(block).encode("utf-8", "surrogatepass")
    with suppress(UnicodeDecodeError):
        reader.decode(b"", final=True)
        return
    yield b"\xff"  # a letter that was cut off


def json_lines(piece: Piece, rows: int) -> Iterator[Batch]:
    """Rows of a text that has an object a line; lines that are none are told as unread."""
    held: list[dict[str, str | None]] = []
    unread: list[tuple[str, str]] = []
    at: list[int] = []
    gone: list[int] = []

    def batch() -> Batch:
        return _batch(piece, held, unread, text.read(), (at, gone))

    with ExitStack() as stack:
        text = Text(piece.path, stack)
        for number, line in enumerate(text.lines(), start=1):
            if not line.strip():
                continue
            row = _parsed(line)
            if not line.isascii() and NOT_BYTES.search(line):
                unread.append((as_told(line.strip())[:LONGEST], NO_TEXT))
                gone.append(number)
            elif isinstance(row, dict):
                held.append({key: flat(value) for key, value in row.items()})
                at.append(number)
            else:
                unread.append((line.strip()[:LONGEST], row))
                gone.append(number)
            if len(held) + len(unread) >= rows:
                yield batch()
                held, unread, at, gone = [], [], [], []
        if held or unread:
            yield batch()


def as_told(text: str) -> str:
    r"""Return text some bytes of which are no UTF-8, those as ``\xNN`` and a backslash as two."""
    return escaped(text.encode("utf-8", "surrogateescape"))


def _batch(
    piece: Piece,
    held: list[dict[str, str | None]],
    unread: list[tuple[str, str]],
    size: int,
    places: tuple[list[int], list[int]],
) -> Batch:
    """Return rows of JSON, whose places are their lines, or their numbers in a document."""
    at, gone = places
    return Batch(
        piece.name,
        _table(held),
        unread,
        size,
        places=np.array(at, dtype=np.int64),
        unread_places=gone,
        line_of=_themselves,
    )


def _themselves(places: Sequence[int]) -> list[int | None]:
    """Return places that are lines."""
    return list(places)


def _parsed(line: str) -> dict[str, Any] | str:
    """Return a line's object, numbers as they stand, however many digits they have; or why not."""
    try:
        row = json.loads(line, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError):
        return "is no JSON"
    return row if isinstance(row, dict) else "is no JSON object"


def document(piece: Piece, rows: int) -> Iterator[Batch]:
    """Rows of a JSON document: its objects, or those of the one list that it has.

    What is one object a line is read as such.
    """
    with ExitStack() as stack:
        text = Text(piece.path, stack)
        whole = text.lines().read(LONGEST_DOCUMENT + 1)
        size = text.read()
    if len(whole) > LONGEST_DOCUMENT:
        most = f"{LONGEST_DOCUMENT >> 20} MiB"
        raise RequestError(piece.name, f"is a document above {most}; write one object a line")
    try:
        found = json.loads(whole, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError) as error:
        if isinstance(_parsed(whole.lstrip().partition("\n")[0]), dict):
            yield from json_lines(piece, rows)
            return
        reason = str(error) or "nested too deep"
        raise RequestError(piece.name, f"is no JSON: {reason}") from None
    listed = _listed(found)
    is_text = whole.isascii() or not NOT_BYTES.search(whole)
    for first in range(0, max(1, len(listed)), rows):
        part = list(enumerate(listed[first : first + rows], start=first + 1))
        why = [None if is_text and _is_row(row) else _why_no_row(row) for _, row in part]
        good = [each for each, reason in zip(part, why, strict=True) if reason is None]
        bad = [
            (place, _told(row), reason)
            for (place, row), reason in zip(part, why, strict=True)
            if reason is not None
        ]
        yield _batch(
            piece,
            [{key: flat(value) for key, value in row.items()} for _, row in good],
            [(text, reason) for _, text, reason in bad],
            0 if first else size,
            ([place for place, _ in good], [place for place, _, _ in bad]),
        )


def _is_row(value: object) -> bool:
    return isinstance(value, dict)


def _told(row: object) -> str:
    """Return what is no row as it stands."""
    text = json.dumps(row, ensure_ascii=False) if isinstance(row, dict) else str(row)
    return (as_told(text) if NOT_BYTES.search(text) else text)[:LONGEST]


def _why_no_row(row: object) -> str | None:
    """Return why an item is no row; None where it is one."""
    if not _is_row(row):
        return "is no JSON object"
    return NO_TEXT if NOT_BYTES.search(json.dumps(row, ensure_ascii=False)) else None


def _listed(found: object) -> list[Any]:
    """Return the rows of a document: itself, or what it holds under a name that lists have."""
    if isinstance(found, dict):
        named = [found[name] for name in LISTS if isinstance(found.get(name), list)]
        return named[0] if named else [found]
    return found if isinstance(found, list) else [found]


def _table(rows: list[dict[str, str | None]]) -> pa.Table:
    names = dict.fromkeys(name for row in rows for name in row)
    columns = [_texts([row.get(name) for row in rows]) for name in names]
    return pa.table(columns, names=[_plain(name) for name in names])


def _texts(cells: list[str | None]) -> pa.Array:
    try:
        return pa.array(cells, pa.string())
    except UnicodeEncodeError:  # half of a character that takes two
        return pa.array([cell if cell is None else _plain(cell) for cell in cells], pa.string())


def _plain(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
