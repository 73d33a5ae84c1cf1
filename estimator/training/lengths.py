"""How many documents are of each length, from a file of any size: read in blocks of lines."""

from __future__ import annotations

import csv
import gzip
import io
import math
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from computebill.base.errors import RequestError, shown
from computebill.base.quantity import number_text

from .layout import LONGEST_SEQUENCE

HEADINGS = ("tokens", "length", "lengths", "n_tokens", "num_tokens", "token_count")
"""Headings of a table's column of lengths, the first that is there."""
COUNT = "count"
"""Heading of how many documents are so long."""

BLOCK = 2**24
"""Bytes that are read at once."""
LONGEST_LINE = 2**20
LONGEST_COUNTED = 2**20
"""Longest document of a block whose lengths are counted without being sorted."""
MOST_LENGTHS = 10**7
"""Lengths that differ, at most; a file of documents has thousands."""
GZIP = b"\x1f\x8b"


class _Places(NamedTuple):
    """Where a table has its figures.

    Attributes:
        columns: how many there are.
        length: the one of lengths.
        number: the one of how many documents there are; -1 where a line is one.
        mark: what divides cells.
    """

    columns: int
    length: int
    number: int
    mark: str


class _Block(NamedTuple):
    """Whole lines of a file, and the number of the first."""

    text: bytes
    line: int


def read_lengths(path: Path) -> Counter[int]:
    """Count documents by their length; memory holds a block of the file, and the counts.

    Args:
        path: a CSV file, gzipped or not, with a column named as ``HEADINGS`` and ``count`` beside
            it where a line stands for several, or with one length a line.

    Raises:
        RequestError: naming the file, and its line where one cannot be.
    """
    counts: Counter[int] = Counter()
    places: _Places | None = None
    for block in _blocks(path):
        if places is None:
            places, block = _begin(path, block)
            if places is None:
                continue
        _count(path, block, places, counts)
        if len(counts) > MOST_LENGTHS:
            most = f"at most {MOST_LENGTHS:,}"
            raise RequestError("lengths", f"{path}: more lengths differ than allowed: {most}")
    if places is None:
        raise RequestError("lengths", f"{path} is empty; allowed: one length a line")
    return counts


def _blocks(path: Path) -> Iterator[_Block]:
    """Yield whole lines of a file, some megabytes at a time."""
    name, line = f"lengths: {path}", 1
    try:
        with path.open("rb") as raw:
            start = raw.peek(len(GZIP))[: len(GZIP)]
            file = cast("BinaryIO", gzip.GzipFile(fileobj=raw) if start == GZIP else raw)
            while text := file.read(BLOCK):
                text += _rest(file, text, path, line)
                yield _Block(text.removeprefix(b"\xef\xbb\xbf") if line == 1 else text, line)
                line += text.count(b"\n")
    except IsADirectoryError:
        raise RequestError(name, "is a directory; a file is needed") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise RequestError(name, f"is no whole gzip file: {error}") from None
    except (OSError, ValueError) as error:  # a null byte in the name is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise RequestError(name, f"cannot be read: {reason}") from None


def _rest(file: BinaryIO, text: bytes, path: Path, line: int) -> bytes:
    """Return what completes the last line of a block, and a quoted cell that goes over lines."""
    rest = b"" if text.endswith(b"\n") else file.readline(LONGEST_LINE)
    while (text.count(b'"') + rest.count(b'"')) % 2 and len(rest) <= LONGEST_LINE:
        more = file.readline(LONGEST_LINE)
        if not more:
            break
        rest += more
    if len(rest) >= LONGEST_LINE:
        where = f"{path}, line {line + text.count(bytes([10]))}"
        raise RequestError("lengths", f"{where}: is longer than {LONGEST_LINE:,} bytes")
    return rest


def _begin(path: Path, block: _Block) -> tuple[_Places | None, _Block]:
    """Return where the table's figures are, by its first line, and what follows the heading."""
    text, line = block
    while text:
        first, _, later = text.partition(b"\n")
        told = _decoded(path, first, line).strip()
        if told:
            mark = "\t" if "\t" in told and "," not in told else ","
            cells = [cell.strip() for cell in next(csv.reader([told], delimiter=mark))]
            places, is_headed = _places(path, cells, mark)
            return places, _Block(later, line + 1) if is_headed else _Block(text, line)
        text, line = later, line + 1
    return None, _Block(text, line)


def _places(path: Path, first: Sequence[str], mark: str) -> tuple[_Places, bool]:
    """Return where figures are, and whether the line is a heading."""
    names = [cell.casefold() for cell in first]
    found = [names.index(name) for name in HEADINGS if name in names]
    if found:
        count = names.index(COUNT) if COUNT in names else -1
        return _Places(len(first), found[0], count, mark), True
    if len(first) == 1:
        is_headed = not first[0].replace("_", "").replace(".", "").isdigit()
        return _Places(1, 0, -1, mark), is_headed
    raise RequestError(
        "lengths",
        f"{path} has the columns {shown(', '.join(first))}; allowed: one named "
        f"{', '.join(HEADINGS)}",
    )


def _count(path: Path, block: _Block, places: _Places, counts: Counter[int]) -> None:
    """Add the documents of a block: at once where all of it is plain, else line by line."""
    found = _at_once(block.text, places)
    if found is not None:
        counts.update(found)
        return
    for where, length, count in _cells(path, block, places):
        counts[whole(where, length, 1)] += whole(where, count, 0)


def _at_once(text: bytes, places: _Places) -> dict[int, int] | None:
    """Return documents by length; None where a line has to be looked at by itself."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv as reader

    if not text.strip():
        return {}
    names = [str(place) for place in range(places.columns)]
    used = [names[place] for place in (places.length, places.number) if place >= 0]
    try:
        table = reader.read_csv(
            io.BytesIO(text),
            read_options=reader.ReadOptions(column_names=names, use_threads=False),
            parse_options=reader.ParseOptions(delimiter=places.mark, newlines_in_values=True),
            convert_options=reader.ConvertOptions(
                include_columns=used, column_types=dict.fromkeys(used, pa.float64()), null_values=[]
            ),
        )
    except pa.ArrowInvalid:
        return None
    columns = [table.column(name).to_numpy() for name in used]
    lengths, weights = columns[0], columns[1] if len(columns) > 1 else None
    for column, least in zip(columns, (1, 0), strict=False):
        fits = (column >= least) & (column <= LONGEST_SEQUENCE) & (column == np.floor(column))
        if not fits.all():
            return None
    values = lengths.astype(np.int64)
    known = np.unique(values) if values.max() > LONGEST_COUNTED else None
    if known is not None:  # too far apart for a place each
        values = np.searchsorted(known, values)
    totals = np.bincount(values, weights).astype(np.int64)
    met = np.flatnonzero(np.bincount(values))
    named = met if known is None else known
    return dict(zip(named.tolist(), totals[met].tolist(), strict=True))


def _cells(path: Path, block: _Block, places: _Places) -> Iterator[tuple[str, object, object]]:
    """Yield where each line of a block stands, its length, and its count."""
    text = io.StringIO(_decoded(path, block.text, block.line), newline="")
    rows, begun = csv.reader(text, delimiter=places.mark), 0
    for row in rows:
        where = f"{path}, line {block.line + begun}"
        begun = rows.line_num
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if len(cells) <= max(places.length, places.number):
            raise RequestError("lengths", f"{where}: has {len(cells)} cells; the heading more")
        yield where, cells[places.length], cells[places.number] if places.number >= 0 else 1


def _decoded(path: Path, text: bytes, line: int) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        where = f"{path}, line {line + text[: error.start].count(bytes([10]))}"
        raise RequestError("lengths", f"{where}: is not UTF-8 text") from None


def whole(where: str, cell: object, least: int) -> int:
    """Return a whole number of tokens or of documents.

    Args:
        where: it stands, in messages.
        cell: as given.
        least: that it may be.

    Raises:
        RequestError: naming where it stands.
    """
    try:
        value = float(cell) if isinstance(cell, str | int | float) else math.nan
    except ValueError:
        value = math.nan
    if not (value.is_integer() and least <= value <= LONGEST_SEQUENCE):
        allowed = f"a whole number from {least} to {number_text(LONGEST_SEQUENCE)}"
        raise RequestError("lengths", f"{where}: got {shown(cell)}; allowed: {allowed}")
    return int(value)
