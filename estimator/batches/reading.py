"""Rows of files, a batch at a time, every cell as it stands: CSV, TSV, JSON, Parquet."""

from __future__ import annotations

import csv
import re
import sys
import threading
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import cache, lru_cache, partial
from itertools import chain, islice
from pathlib import Path
from types import FunctionType
from typing import Any, Literal
from weakref import WeakSet

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from computebill.base.errors import RequestError

from .columns import LONGEST, arrow_column, days_come_first, escaped, flat, is_text, is_utf8
from .documents import Text, as_told, document, json_lines
from .mending import BLOCK, LONGEST_ROW, MOST_COUNTED, NO_TEXT, Mending
from .pieces import ROWS, Batch, Piece, form_of, named, state_of

MOST_TITLES = 20
"""Rows among which the headings are looked for."""
LEAST_FIELDS = 2
"""Headings that a row below a title has to name."""

FEW, LITTLE = 5000, 1 << 20
"""Rows of a batch for which no more than so many bytes of text are looked at together."""

BAR = "|"
VALUE = re.compile(r"[-+]?\d")
NEWLINE = re.compile(rb"[\r\n]")


def read_batches(piece: Piece, rows: int = ROWS) -> Iterator[Batch]:
    """Yield the rows of a piece.

    Raises:
        RequestError: naming the file that cannot be read, is cut short, is not what its ending
            says, or changes meanwhile.
    """
    readers: Mapping[str, Callable[[Piece, int], Iterator[Batch]]]
    readers = {"parquet": _parquet, "json": json_lines, "document": document}
    reader = readers.get(form_of(piece.path, piece.layout), _separated)
    with named(piece.name):
        for number, batch in enumerate(reader(piece, rows)):
            batch.is_first = number == 0
            batch.day_first = partial(day_first, piece)
            yield batch
    if state_of(piece.path) != piece.state:
        raise RequestError(piece.name, "changed while it was read")


_looking = threading.Lock()


def day_first(piece: Piece, heading: str) -> bool | None:
    """Return whether a file's dates with slashes begin with the day, as its whole column tells.

    The column is read once, and only where a batch has a date that may be read two ways: what
    such a date means must not hang on the batch that it came in.

    Args:
        piece: of the file.
        heading: heading of the column.
    """
    whole = Piece(piece.path, piece.state, None, None, 0, str(piece.path), piece.layout)
    with _looking:
        return _day_first(whole, heading)


@lru_cache(maxsize=256)
def _day_first(piece: Piece, heading: str) -> bool | None:
    return days_come_first(_cells_of(piece, heading))


def _cells_of(piece: Piece, heading: str) -> Iterator[pa.Array]:
    """Yield a column of a file, in parts, as far as it can be read."""
    path, form = piece.path, form_of(piece.path, piece.layout)
    with suppress(RequestError), named(path):
        if form == "parquet":
            with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
                for batch in file.iter_batches(ROWS, columns=[heading]):
                    yield arrow_column(batch.column(0))
            return
        readers = {"json": json_lines, "document": document}
        reader = readers.get(form, partial(_separated, only=heading))
        for each in reader(piece, ROWS):
            if heading in each.table.column_names:
                yield arrow_column(each.table[heading])


def _parquet(piece: Piece, rows: int) -> Iterator[Batch]:
    coded = _text_columns(piece.path) if piece.layout.has_codes else None
    with pq.ParquetFile(
        piece.path, pre_buffer=False, buffer_size=1 << 20, read_dictionary=coded
    ) as file:
        names = file.schema_arrow.names
        _check_headings(piece.path, names)
        first = piece.first
        for batch in file.iter_batches(rows, row_groups=list(piece.groups or ())):
            size = round(piece.size * len(batch) / max(1, piece.rows or 0))
            table = pa.Table.from_batches([batch])
            places = np.arange(first, first + len(batch))
            good, lines = _with_texts(table)
            yield Batch(
                piece.name,
                table if good.all() else table.filter(pa.array(good)),
                lines,
                size,
                places=places[good],
                unread_places=places[~good].tolist(),
                first=1,
            )
            first += len(batch)


def _text_columns(path: Path) -> list[str]:
    return [each.name for each in pq.read_schema(path) if is_text(each.type)]


def _with_texts(table: pa.Table) -> tuple[np.ndarray, list[tuple[str, str]]]:
    """Return which rows' texts are UTF-8, and the others as they stand, with the reason."""
    good = np.ones(len(table), dtype=bool)
    for column in table.columns:
        different = _different(column)
        if is_text(different.type):
            try:
                different.validate(full=True)
            except pa.ArrowInvalid:
                cells = _decoded(column).cast(pa.large_binary()).to_pylist()
                good &= np.array([cell is None or is_utf8(cell) for cell in cells])
    if good.all():
        return good, []
    bad = [_raw(column.filter(pa.array(~good))) for column in table.columns]
    return good, [("|".join(cells), NO_TEXT) for cells in zip(*bad, strict=True)]


def _different(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the texts of a column that has codes of them; any other as it is."""
    if not pa.types.is_dictionary(column.type):
        return column
    return pa.chunked_array([each.dictionary for each in column.chunks], column.type.value_type)


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column with its texts row by row."""
    if not pa.types.is_dictionary(column.type):
        return column
    chunks = [each.dictionary_decode() for each in column.chunks]
    return pa.chunked_array(chunks, column.type.value_type)


def _raw(column: pa.ChunkedArray) -> list[str]:
    r"""Return cells as texts; bytes that are none as ``\xNN``."""
    column = _decoded(column)
    if not is_text(column.type):
        return [flat(cell) or "" for cell in column.to_pylist()]
    return [escaped(cell or b"") for cell in column.cast(pa.large_binary()).to_pylist()]


def _check_headings(path: Path, names: Sequence[str]) -> None:
    if not any(name.strip() for name in names):
        raise RequestError(str(path), "its first line is empty; it has to be the headings")
    twice = sorted({name for name in names if names.count(name) > 1 and name})
    if twice:
        raise RequestError(str(path), f"has the heading {twice[0]} twice")


class _Odd(Exception):  # noqa: N818 -- no error of a user's
    """A row of a table may be of several lines that are rows themselves."""


def _separated(piece: Piece, rows: int, only: str | None = None) -> Iterator[Batch]:
    """Rows of a table; a row with other than the heading's number of cells is told as unread.

    A file that Arrow's reader fails at, or has rows of several lines that may be several rows, is
    read once more, its text mended: the batches before are the same.

    Args:
        piece: the file.
        rows: rows of a batch.
        only: heading of the one column that is wanted.
    """
    given = 0
    try:
        for batch in _parsed(piece, rows, only, is_mended=False):
            yield batch
            given += 1
    except (_Odd, pa.ArrowInvalid):
        yield from islice(_parsed(piece, rows, only, is_mended=True), given, None)


def _parsed(piece: Piece, rows: int, only: str | None, *, is_mended: bool) -> Iterator[Batch]:
    """Rows of a table, by Arrow's reader.

    Raises:
        _Odd: where its text is not mended, and a row may be several.
    """
    separator, headings, before = _headings(piece)
    is_quoted = separator != BAR
    unread: deque[Any] = deque()
    skip = _skipping(unread)
    with ExitStack() as stack:
        text = Text(piece.path, stack)
        mending = Mending(text.stream, separator, len(headings), is_quoted=is_quoted)
        block = BLOCK if rows > FEW else LITTLE
        how, taking = _options(
            piece, headings, before, only, block=LONGEST_ROW if is_mended else block
        )
        reader = stack.enter_context(
            arrow_csv.open_csv(
                mending.stream() if is_mended else text.stream,
                how,
                _parsing(separator, skip),
                taking,
            )
        )
        # The line of the headings, where there are any.
        begun = done = before + (not piece.layout.names)
        tables = chain(rebatched(reader, rows, piece.layout.cut), _nothing(headings, unread))
        line_of: Callable[[Sequence[int]], list[int | None]]
        line_of = partial(lines_of, piece, separator, before)
        if is_mended:
            line_of = partial(mending.line_of, before=before, headings=begun - before)
        for table in tables:
            if not is_mended and is_quoted and _may_be_several(table, unread, separator, headings):
                raise _Odd
            first, bad = done, _taken(unread, done + len(table))
            done += len(table) + len(bad)
            gone = [row.number - begun - 1 for row in bad]
            places = np.arange(first - begun, done - begun)
            yield Batch(
                piece.name,
                table,
                [_why_unread(row, mending) for row in bad],
                text.read(),
                comma=separator == ";",
                before=before,
                places=np.setdiff1d(places, gone, assume_unique=True) if gone else places,
                unread_places=gone,
                first=begun + 1,
                line_of=line_of,
            )


def _taken(unread: deque[Any], rows: int) -> list[Any]:
    """Return rows that are none and stand among the first ones, or right behind them.

    Args:
        unread: what is no row, in its order; those are taken out.
        rows: number of rows that were read; every one that is none adds one.
    """
    found: list[Any] = []
    while unread and unread[0].number <= rows + len(found) + 1:
        found.append(unread.popleft())
    return found


@cache
def _quietly() -> WeakSet[Callable[[Any], str]]:
    """Return what is called for rows that are none, whose text may be no UTF-8.

    Python says so by itself, of a callback's arguments, before Arrow's reader fails.
    """
    found: WeakSet[Callable[[Any], str]] = WeakSet()
    usual = sys.unraisablehook

    def tell(what: sys.UnraisableHookArgs) -> None:
        is_ours = isinstance(what.object, FunctionType) and what.object in found
        if not (is_ours and what.exc_type is UnicodeDecodeError):
            usual(what)

    sys.unraisablehook = tell
    return found


def _skipping(unread: deque[Any]) -> Callable[[Any], str]:
    """Return what Arrow's reader calls for a row that is none."""

    def skip(row: Any) -> str:
        unread.append(row)
        return "skip"

    _quietly().add(skip)
    return skip


def _nothing(headings: Sequence[str], unread: Sequence[Any]) -> Iterator[pa.Table]:
    """Yield a table of no rows where some that are none have not been told with others."""
    if unread:
        yield pa.table({name: pa.array([], pa.string()) for name in headings})


def _why_unread(row: Any, mending: Mending) -> tuple[str, str]:
    """Return a row that is none as it stands, and why it is none."""
    told = f"has {row.actual_columns} cells, where there are {row.expected_columns} headings"
    return mending.row_of(row.text) or (row.text[:LONGEST], told)


def _may_be_several(
    table: pa.Table, unread: Iterable[Any], separator: str, headings: Sequence[str]
) -> bool:
    """Whether a row of several lines has one that may be a row of its own."""
    further = len(headings) - 1

    def is_row(text: str) -> bool:
        return any(line.count(separator) == further for line in text.splitlines()[1:])

    if any(is_row(row.text) for row in unread):
        return True
    for column in table.columns:
        for chunk in column.chunks:
            letters = chunk.buffers()[2]
            if letters is None or not NEWLINE.search(letters):
                continue
            several = chunk.filter(pc.match_substring_regex(chunk, NEWLINE.pattern.decode()))
            if any(is_row(text) for text in several.to_pylist()):
                return True
    return False


def lines_of(piece: Piece, separator: str, before: int, places: Sequence[int]) -> list[int | None]:
    """Return the lines, from 1, that some rows of a table begin in.

    Cells may go over several lines and empty lines are no rows, so that the table is read again,
    once, as far as ``MOST_COUNTED``.

    Args:
        piece: the file.
        separator: what divides its cells.
        before: lines before the headings.
        places: of the rows, the first below the headings being 0; ascending.
    """
    with _looking:
        known = _row_lines(piece.path, piece.state, separator, before)
    return [int(known[place]) if place < len(known) else None for place in places]


@lru_cache(maxsize=16)
def _row_lines(path: Path, state: tuple[int, int], separator: str, before: int) -> array[int]:
    found = array("q")
    with ExitStack() as stack, suppress(csv.Error, RequestError), named(path):
        stack.callback(csv.field_size_limit, csv.field_size_limit(LONGEST))
        lines = Text(path, stack).lines()
        for _ in range(before):
            next(lines)
        reader, at = csv.reader(lines, delimiter=separator), before
        for row in reader:
            if row and len(found) <= MOST_COUNTED:
                found.append(at + 1)
            at = before + reader.line_num
            if len(found) > MOST_COUNTED:
                break
    return found[1:]  # without the headings


def _options(
    piece: Piece, headings: list[str], before: int, only: str | None, *, block: int
) -> tuple[arrow_csv.ReadOptions, arrow_csv.ConvertOptions]:
    """Return how a table is read and its cells are taken: as texts, as they stand."""
    reading = arrow_csv.ReadOptions(
        # One thread, so that lines that are no rows come in their order, with their number.
        use_threads=False,
        block_size=block,
        column_names=headings,
        skip_rows=before,
        skip_rows_after_names=0 if piece.layout.names else 1,
    )
    taking = arrow_csv.ConvertOptions(
        column_types=dict.fromkeys(headings, pa.string()),
        strings_can_be_null=False,
        include_columns=[only] if only is not None else None,
    )
    return reading, taking


def _parsing(separator: str, skip: Callable[[Any], str]) -> arrow_csv.ParseOptions:
    """Return how lines are divided into cells; what a bar divides is not quoted."""
    return arrow_csv.ParseOptions(
        delimiter=separator,
        quote_char=False if separator == BAR else '"',
        newlines_in_values=separator != BAR,
        invalid_row_handler=skip,
    )


def _headings(piece: Piece) -> tuple[str, list[str], int]:
    """Return what divides a table's cells, its headings, and the lines before them.

    An empty heading is named by its place.
    """
    path, layout = piece.path, piece.layout
    separators = "\t" if form_of(path, layout) == "tsv" else layout.separators
    found = {separator: first_lines(path, separator) for separator in separators}

    def known(cells: Sequence[str]) -> int:
        return 0 if layout.is_heading is None else sum(map(layout.is_heading, cells))

    def fits(separator: str) -> tuple[int, int]:
        rows = [row for _, row in found[separator]]
        return max(map(known, rows)), max(map(len, rows))

    separator = max(separators, key=fits)
    if layout.names:
        return separator, list(layout.names), 0
    lines = found[separator]
    counts = [known(row) for _, row in lines]
    titled = (place for place, count in enumerate(counts) if count >= LEAST_FIELDS)
    place = 0 if counts[0] else next(titled, 0)
    before, cells = lines[place]
    names = [cell if cell.isascii() else as_told(cell) for cell in cells]
    if layout.is_heading is not None and counts[place] < LEAST_FIELDS:
        # Values may be twice in a first row: what reads the headings says that they are none.
        names = [
            f"{name} ({at})" if VALUE.match(name) and name in names[:at] else name
            for at, name in enumerate(names)
        ]
    _check_headings(path, names)
    return separator, [name or f"column {at}" for at, name in enumerate(names, start=1)], before


def first_lines(path: Path, separator: str) -> list[tuple[int, list[str]]]:
    """Return the first rows of a table, each with the number of lines before it."""
    found: list[tuple[int, list[str]]] = []
    with ExitStack() as stack:
        # The limit is the whole process's: others read tables too.
        stack.callback(csv.field_size_limit, csv.field_size_limit(LONGEST))
        quoting: Literal[0, 3] = csv.QUOTE_NONE if separator == BAR else csv.QUOTE_MINIMAL
        lines = Text(path, stack).lines()
        reader, before = csv.reader(lines, delimiter=separator, quoting=quoting), 0
        try:
            for row in islice(reader, MOST_TITLES):
                found.append((before, row))
                before = reader.line_num
        except csv.Error as error:
            if not found:
                raise RequestError(str(path), f"is no table: {error}") from None
    return found or [(0, [])]


LARGEST = 128 << 20
"""Bytes of a batch's texts."""


def _fitting(table: pa.Table, rows: int) -> int:
    """Return the number of first rows that make a batch."""
    size = table.nbytes
    return rows if size <= LARGEST else max(1, min(rows, len(table) * LARGEST // size))


def rebatched(
    batches: Iterable[pa.RecordBatch],
    rows: int,
    cut: Callable[[pa.Table], int] | None = None,
) -> Iterator[pa.Table]:
    """Yield the same rows in tables of so many; the last, of fewer, comes even if it is empty.

    Args:
        batches: rows.
        rows: of a table, fewer where these would take more than `LARGEST`.
        cut: number of a table's last rows that the next begins with.
    """
    held: pa.Table | None = None
    for batch in batches:
        table = pa.Table.from_batches([batch])
        held = table if held is None else pa.concat_tables([held, table])
        while len(held) > (most := _fitting(held, rows)):
            whole = held.slice(0, most)
            kept = most - (cut(whole) if cut is not None else 0)
            yield held.slice(0, kept)
            held = held.slice(kept)
    if held is not None:
        yield held
