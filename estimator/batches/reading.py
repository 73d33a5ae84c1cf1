"""Rows of files, a batch at a time, every cell as it stands: CSV, TSV, JSON, Parquet."""

from __future__ import annotations

import csv
import threading
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from computebill.base.errors import RequestError

from .columns import arrow_column, days_come_first
from .documents import LONGEST, Text, document, json_lines
from .pieces import ROWS, Batch, Piece, form_of, named, state_of

MOST_TITLES = 20
"""Rows among which the headings are looked for."""
MOST_COUNTED = 200_000
"""Rows of a table whose lines are told; to count more would take longer than to score them."""
LEAST_FIELDS = 2
"""Headings that a row below a title has to name."""

BAR = "|"
BLOCK = 8 << 20
"""Bytes of text that are looked at together; no row may be longer."""


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
    with pq.ParquetFile(piece.path, pre_buffer=False, buffer_size=1 << 20) as file:
        names = file.schema_arrow.names
        _check_headings(piece.path, names)
        first = piece.first
        for batch in file.iter_batches(rows, row_groups=list(piece.groups or ())):
            size = round(piece.size * len(batch) / max(1, piece.rows or 0))
            places = np.arange(first, first + len(batch))
            table = pa.Table.from_batches([batch])
            yield Batch(piece.name, table, [], size, places=places, first=1)
            first += len(batch)


def _check_headings(path: Path, names: Sequence[str]) -> None:
    if not any(name.strip() for name in names):
        raise RequestError(str(path), "its first line is empty; it has to be the headings")
    twice = sorted({name for name in names if names.count(name) > 1 and name})
    if twice:
        raise RequestError(str(path), f"has the heading {twice[0]} twice")


def _separated(piece: Piece, rows: int, only: str | None = None) -> Iterator[Batch]:
    """Rows of a table; a row with other than the heading's number of cells is told as unread.

    Args:
        piece: the file.
        rows: rows of a batch.
        only: heading of the one column that is wanted.
    """
    separator, headings, before = _headings(piece)
    unread: deque[Any] = deque()

    def skip(row: Any) -> str:
        unread.append(row)
        return "skip"

    with ExitStack() as stack:
        text = Text(piece.path, stack)
        how, taking = _options(piece, headings, before, only)
        parsing = _parsing(separator, skip)
        reading = arrow_csv.open_csv(text.stream, how, parsing, taking)
        reader = stack.enter_context(reading)
        # The line of the headings, where there are any.
        begun = done = before + (not piece.layout.names)
        for table in rebatched(reader, rows, piece.layout.cut):
            first = done
            done += len(table)
            lines, gone = [], []
            while unread and unread[0].number <= done + 1:
                row = unread.popleft()
                done += 1
                told = f"has {row.actual_columns} cells, where there are {row.expected_columns}"
                lines.append((row.text[:LONGEST], f"{told} headings"))
                gone.append(row.number - begun - 1)
            places = np.arange(first - begun, done - begun)
            yield Batch(
                piece.name,
                table,
                lines,
                text.read(),
                comma=separator == ";",
                before=before,
                places=np.setdiff1d(places, gone, assume_unique=True) if gone else places,
                unread_places=gone,
                first=begun + 1,
                line_of=partial(lines_of, piece, separator, before),
            )


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
    piece: Piece, headings: list[str], before: int, only: str | None
) -> tuple[arrow_csv.ReadOptions, arrow_csv.ConvertOptions]:
    """Return how a table is read and its cells are taken: as texts, as they stand."""
    reading = arrow_csv.ReadOptions(
        # One thread, so that lines that are no rows come in their order, with their number.
        use_threads=False,
        block_size=BLOCK,
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
    separator = max(separators, key=lambda each: max(len(row) for _, row in found[each]))
    if layout.names:
        return separator, list(layout.names), 0
    lines, place = found[separator], 0
    if layout.is_heading is not None:
        known = [sum(map(layout.is_heading, row)) for _, row in lines]
        titled = (n for n, fields in enumerate(known) if fields >= LEAST_FIELDS)
        place = 0 if known[0] else next(titled, 0)
    before, names = lines[place]
    _check_headings(path, names)
    headings = [name or f"column {place}" for place, name in enumerate(names, start=1)]
    return separator, headings, before


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


def rebatched(
    batches: Iterable[pa.RecordBatch],
    rows: int,
    cut: Callable[[pa.Table], int] | None = None,
) -> Iterator[pa.Table]:
    """Yield the same rows in tables of so many; the last, of fewer, comes even if it is empty.

    Args:
        batches: rows.
        rows: of a table.
        cut: number of a table's last rows that the next begins with.
    """
    held: pa.Table | None = None
    for batch in batches:
        table = pa.Table.from_batches([batch])
        held = table if held is None else pa.concat_tables([held, table])
        while len(held) > rows:
            whole = held.slice(0, rows)
            kept = rows - (cut(whole) if cut is not None else 0)
            yield held.slice(0, kept)
            held = held.slice(kept)
    if held is not None:
        yield held
