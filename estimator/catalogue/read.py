"""Rows of files, a batch at a time, every cell as it stands: CSV, TSV, JSON lines, Parquet."""

from __future__ import annotations

import csv
import glob
import io
import json
import lzma
import threading
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from computebill.base.errors import RequestError

from .cells import arrow_column, days_come_first, flat
from .headers import read_heading

ROWS = 100_000
"""Rows of a batch."""

ENDINGS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "json", ".ndjson": "json", ".parquet": "parquet"}
COMPRESSED = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".xz": "xz"}
LONGEST = 1_000_000
"""Letters of a line that is told as it stands."""

MOST_TITLES = 20
"""Rows among which the headings are looked for."""
MOST_COUNTED = 200_000
"""Rows of a table whose lines are told; to count more would take longer than to score them."""
LEAST_FIELDS = 2
"""Headings that a row below a title has to name."""

BLOCK = 8 << 20
"""Bytes of text that are looked at together; no row may be longer."""


class Piece(NamedTuple):
    """What is read by itself: a text file, or some row groups of a Parquet file.

    Attributes:
        path: path of the file.
        state: its size and time of change, when it was found.
        groups: row groups; None for a text.
        rows: number of rows; None where they are not known before they are read.
        size: bytes of the file that it stands for.
        name: name of the file, as it was given.
    """

    path: Path
    state: tuple[int, int]
    groups: tuple[int, ...] | None
    rows: int | None
    size: int
    name: str


@dataclass
class Batch:
    """Rows of a file.

    Attributes:
        file: they are from.
        table: cells as texts; those of a Parquet file as they are.
        unread: lines that are no rows, with the reason.
        size: bytes of the file that were read since the batch before.
        is_first: whether it is the first batch of its file, or piece.
        comma: whether commas in numbers are decimal ones.
        day_first: tells of a heading whether its file's dates begin with the day.
        before: lines before the headings, a title's.
        places: of the rows in the file; None of a Parquet file.
        unread_places: of the lines that are no rows.
        line_of: tells the lines, from 1, that rows at some places begin in; None where one is not
            known.
    """

    file: str
    table: pa.Table
    unread: list[tuple[str, str]] = field(default_factory=list)
    size: int = 0
    is_first: bool = True
    comma: bool = False
    day_first: Callable[[str], bool | None] | None = None
    before: int = 0
    places: np.ndarray | None = None
    unread_places: list[int] = field(default_factory=list)
    line_of: Callable[[Sequence[int]], list[int | None]] | None = None


def find_files(sources: Sequence[str | Path]) -> list[Path]:
    """Return the files of names, folders and globs, each once.

    Raises:
        RequestError: where there is none, or its ending says no form.
    """
    found: dict[Path, Path] = {}
    for source in sources:
        path = Path(source)
        if path.is_dir():
            visible = (each for each in sorted(path.rglob("*")) if not each.name.startswith("."))
            matches = [each for each in visible if _form(each)]
        elif glob.has_magic(str(source)):
            found_here = glob.glob(str(source), recursive=True)  # noqa: PTH207 -- absolute too
            matches = [Path(each) for each in sorted(found_here)]
        else:
            matches = [path]
        if not matches:
            raise RequestError(str(source), "no such file")
        for each in matches:
            found.setdefault(each.resolve(), each)
    for path in found.values():
        form = _form(path)
        if not form:
            allowed = ", ".join(ENDINGS)
            raise RequestError(str(path), f"allowed: {allowed}, also {', '.join(COMPRESSED)}")
        if form == "parquet" and path.suffix.lower() != ".parquet":
            raise RequestError(str(path), "Parquet files are compressed inside; allowed: .parquet")
    return list(found.values())


def _form(path: Path) -> str | None:
    """Return a file's form by its ending, compressed or not."""
    name = path
    if path.suffix.lower() in COMPRESSED:
        name = path.with_suffix("")
    return ENDINGS.get(name.suffix.lower())


def state_of(path: Path) -> tuple[int, int]:
    """Return a file's size and time of change.

    Raises:
        RequestError: naming the file that cannot be looked at.
    """
    try:
        told = path.stat()
    except OSError as error:
        raise RequestError(str(path), f"cannot be read: {error.strerror}") from None
    return told.st_size, told.st_mtime_ns


def find_pieces(path: Path, rows: int = ROWS) -> list[Piece]:
    """Return the pieces of a file, of at least a batch each where there are so many rows.

    Raises:
        RequestError: naming the file that cannot be read, or is not what its ending says.
    """
    state = state_of(path)
    if _form(path) != "parquet":
        return [Piece(path, state, None, None, state[0], str(path))]
    with _named(path), pq.ParquetFile(path) as file:
        counts = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    found: list[Piece] = []
    groups: list[int] = []
    for group, _ in enumerate(counts):
        groups.append(group)
        held = sum(counts[each] for each in groups)
        if held >= rows or group == len(counts) - 1:
            size = round(state[0] * held / max(1, sum(counts)))
            found.append(Piece(path, state, tuple(groups), held, size, str(path)))
            groups = []
    return found


class _named:  # noqa: N801 -- reads as what it does
    """Within it, what goes wrong with a file is told with its name."""

    def __init__(self, path: Path | str) -> None:
        self._path = str(path)

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, UnicodeDecodeError) or "invalid UTF8" in str(error):
            raise RequestError(self._path, "is not UTF-8 text") from None
        if isinstance(error, (OSError, EOFError, lzma.LZMAError, pa.ArrowException)):
            reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
            raise RequestError(self._path, f"cannot be read: {reason}") from None


def read_batches(piece: Piece, rows: int = ROWS) -> Iterator[Batch]:
    """Yield the rows of a piece.

    Raises:
        RequestError: naming the file that cannot be read, is cut short, is not what its ending
            says, or changes meanwhile.
    """
    readers = {"parquet": _parquet, "json": _json_lines}
    reader = readers.get(_form(piece.path) or "", _separated)
    with _named(piece.name):
        for number, batch in enumerate(reader(piece, rows)):
            batch.is_first = number == 0
            batch.day_first = partial(day_first, piece.path, piece.state)
            yield batch
    if state_of(piece.path) != piece.state:
        raise RequestError(piece.name, "changed while it was read")


_looking = threading.Lock()


def day_first(path: Path, state: tuple[int, int], heading: str) -> bool | None:
    """Return whether a file's dates with slashes begin with the day, as its whole column tells.

    The column is read once, and only where a batch has a date that may be read two ways: what
    such a date means must not hang on the batch that it came in.

    Args:
        path: path of the file.
        state: its size and time of change.
        heading: heading of the column.
    """
    with _looking:
        return _day_first(path, state, heading)


@lru_cache(maxsize=256)
def _day_first(path: Path, state: tuple[int, int], heading: str) -> bool | None:
    return days_come_first(_cells_of(path, state, heading))


def _cells_of(path: Path, state: tuple[int, int], heading: str) -> Iterator[pa.Array]:
    """Yield a column of a file, in parts, as far as it can be read."""
    piece = Piece(path, state, None, None, state[0], str(path))
    with suppress(RequestError), _named(path):
        if _form(path) == "parquet":
            with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
                for batch in file.iter_batches(ROWS, columns=[heading]):
                    yield arrow_column(batch.column(0))
            return
        batches = (
            _json_lines(piece, ROWS)
            if _form(path) == "json"
            else _separated(piece, ROWS, only=heading)
        )
        for each in batches:
            if heading in each.table.column_names:
                yield arrow_column(each.table[heading])


def _parquet(piece: Piece, rows: int) -> Iterator[Batch]:
    with pq.ParquetFile(piece.path, pre_buffer=False, buffer_size=1 << 20) as file:
        names = file.schema_arrow.names
        _check_headings(piece.path, names)
        for batch in file.iter_batches(rows, row_groups=list(piece.groups or ())):
            size = round(piece.size * len(batch) / max(1, piece.rows or 0))
            yield Batch(piece.name, pa.Table.from_batches([batch]), [], size)


def _check_headings(path: Path, names: Sequence[str]) -> None:
    if not any(name.strip() for name in names):
        raise RequestError(str(path), "its first line is empty; it has to be the headings")
    twice = sorted({name for name in names if names.count(name) > 1 and name})
    if twice:
        raise RequestError(str(path), f"has the heading {twice[0]} twice")


class _Text:
    """A text file, compressed or not, that tells how much of it has been read."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        # Arrow's own file, which its threads read without asking Python, that may be ending.
        self._raw = stack.enter_context(pa.OSFile(str(path), "rb"))
        self._told = 0
        compression = COMPRESSED.get(path.suffix.lower())
        self.stream: Any = self._raw
        if compression == "xz":
            self.stream = stack.enter_context(lzma.LZMAFile(self._raw))  # noqa: SIM115
        elif compression:
            self.stream = stack.enter_context(pa.CompressedInputStream(self._raw, compression))

    def lines(self) -> io.TextIOWrapper:
        """Return its text; what ends a line is as it stands."""
        stream: Any = io.BufferedReader(self.stream)
        return io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")

    def read(self) -> int:
        """Return the bytes that were read since this was asked."""
        if self._raw.closed:
            return 0
        before, self._told = self._told, self._raw.tell()
        return self._told - before


def _separated(piece: Piece, rows: int, only: str | None = None) -> Iterator[Batch]:
    """Rows of a table; a row with other than the heading's number of cells is told as unread.

    Args:
        piece: the file.
        rows: rows of a batch.
        only: heading of the one column that is wanted.
    """
    separator, headings, before = _headings(piece.path)
    unread: deque[Any] = deque()

    def skip(row: Any) -> str:
        unread.append(row)
        return "skip"

    with ExitStack() as stack:
        text = _Text(piece.path, stack)
        reading = arrow_csv.open_csv(
            text.stream,
            # One thread, so that lines that are no rows come in their order, with their number.
            arrow_csv.ReadOptions(
                use_threads=False,
                block_size=BLOCK,
                column_names=headings,
                skip_rows=before,
                skip_rows_after_names=1,
            ),
            arrow_csv.ParseOptions(
                delimiter=separator, newlines_in_values=True, invalid_row_handler=skip
            ),
            arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(headings, pa.string()),
                strings_can_be_null=False,
                include_columns=[only] if only is not None else None,
            ),
        )
        reader = stack.enter_context(reading)
        done = before + 1  # line of the headings
        for table in rebatched(reader, rows):
            done += len(table)
            lines, gone = [], []
            while unread and unread[0].number <= done + 1:
                row = unread.popleft()
                done += 1
                told = f"has {row.actual_columns} cells, where there are {row.expected_columns}"
                lines.append((row.text[:LONGEST], f"{told} headings"))
                gone.append(row.number - before - 2)
            places = np.arange(done - before - 1 - len(table) - len(gone), done - before - 1)
            yield Batch(
                piece.name,
                table,
                lines,
                text.read(),
                comma=separator == ";",
                before=before,
                places=np.setdiff1d(places, gone, assume_unique=True),
                unread_places=gone,
                line_of=partial(lines_of, piece.path, piece.state, separator, before),
            )


def lines_of(
    path: Path, state: tuple[int, int], separator: str, before: int, places: Sequence[int]
) -> list[int | None]:
    """Return the lines, from 1, that some rows of a table begin in.

    Cells may go over several lines and empty lines are no rows, so that the table is read again,
    once, as far as ``MOST_COUNTED``.

    Args:
        path: path of the file.
        state: its size and time of change.
        separator: what divides its cells.
        before: lines before the headings.
        places: of the rows, the first below the headings being 0; ascending.
    """
    with _looking:
        known = _row_lines(path, state, separator, before)
    return [int(known[place]) if place < len(known) else None for place in places]


@lru_cache(maxsize=16)
def _row_lines(path: Path, state: tuple[int, int], separator: str, before: int) -> array[int]:
    found = array("q")
    with ExitStack() as stack, suppress(csv.Error, RequestError), _named(path):
        stack.callback(csv.field_size_limit, csv.field_size_limit(LONGEST))
        lines = _Text(path, stack).lines()
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


def _headings(path: Path) -> tuple[str, list[str], int]:
    """Return what divides a table's cells, its headings, and the lines before them.

    An empty heading is named by its place. Lines before the headings are a title's: the first line
    is one where it names no field, and a later one names two.
    """
    separators = "\t" if _form(path) == "tsv" else ",;"
    found = {separator: _first_lines(path, separator) for separator in separators}
    separator = max(separators, key=lambda each: max(len(row) for _, row in found[each]))
    lines = found[separator]
    known = [sum(read_heading(cell) is not None for cell in row) for _, row in lines]
    titled = (n for n, fields in enumerate(known) if fields >= LEAST_FIELDS)
    before, names = lines[0 if known[0] else next(titled, 0)]
    _check_headings(path, names)
    headings = [name or f"column {place}" for place, name in enumerate(names, start=1)]
    return separator, headings, before


def _first_lines(path: Path, separator: str) -> list[tuple[int, list[str]]]:
    """Return the first rows of a table, each with the number of lines before it."""
    found: list[tuple[int, list[str]]] = []
    with ExitStack() as stack:
        # The limit is the whole process's: others read tables too.
        stack.callback(csv.field_size_limit, csv.field_size_limit(LONGEST))
        reader, before = csv.reader(_Text(path, stack).lines(), delimiter=separator), 0
        try:
            for row in islice(reader, MOST_TITLES):
                found.append((before, row))
                before = reader.line_num
        except csv.Error as error:
            if not found:
                raise RequestError(str(path), f"is no table: {error}") from None
    return found or [(0, [])]


def rebatched(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    """Yield the same rows in tables of so many; the last, of fewer, comes even if it is empty."""
    held: pa.Table | None = None
    for batch in batches:
        table = pa.Table.from_batches([batch])
        held = table if held is None else pa.concat_tables([held, table])
        while len(held) > rows:
            yield held.slice(0, rows)
            held = held.slice(rows)
    if held is not None:
        yield held


def _json_lines(piece: Piece, rows: int) -> Iterator[Batch]:
    held: list[dict[str, str | None]] = []
    unread: list[tuple[str, str]] = []
    at: list[int] = []
    gone: list[int] = []

    def batch() -> Batch:
        found = Batch(piece.name, _table(held), unread, text.read())
        found.places, found.unread_places = np.array(at, dtype=np.int64), gone
        found.line_of = _themselves
        return found

    with ExitStack() as stack:
        text = _Text(piece.path, stack)
        for number, line in enumerate(text.lines(), start=1):
            if not line.strip():
                continue
            try:
                # Numbers as they stand, however many digits they have.
                row = json.loads(line, parse_float=str, parse_int=str, parse_constant=str)
            except (ValueError, RecursionError):
                unread.append((line.strip()[:LONGEST], "is no JSON"))
                gone.append(number)
                continue
            if isinstance(row, dict):
                held.append({key: flat(value) for key, value in row.items()})
                at.append(number)
            else:
                unread.append((line.strip()[:LONGEST], "is no JSON object"))
                gone.append(number)
            if len(held) + len(unread) >= rows:
                yield batch()
                held, unread, at, gone = [], [], [], []
        if held or unread:
            yield batch()


def _themselves(places: Sequence[int]) -> list[int | None]:
    """Return places that are lines."""
    return list(places)


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
