"""Rows of files, a batch at a time, every cell as it stands: CSV, TSV, JSON, Parquet."""

from __future__ import annotations

import csv
import glob
import io
import json
import lzma
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from computebill.base.errors import RequestError

from .columns import arrow_column, days_come_first, flat

ROWS = 100_000
"""Rows of a batch."""

ENDINGS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "json", ".ndjson": "json", ".parquet": "parquet"}
"""Form of a file by its ending."""
COMPRESSED = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".xz": "xz"}
LONGEST = 1_000_000
"""Letters of a line that is told as it stands."""

MOST_TITLES = 20
"""Rows among which the headings are looked for."""
LEAST_FIELDS = 2
"""Headings that a row below a title has to name."""

BAR = "|"
LONGEST_DOCUMENT = 512 << 20
"""Letters of a JSON document, which is read whole."""
LISTS = ("items", "runs", "jobs", "workloads", "data", "result", "results")
"""Names that a document gives to its list of rows."""

BLOCK = 8 << 20
"""Bytes of text that are looked at together; no row may be longer."""


class Layout(NamedTuple):
    """How files of a kind are laid out.

    Attributes:
        is_heading: tells whether a cell names a field. Lines before the headings are then a
            title's: the first line is one where it names no field, and a later one names two.
        other: form of files of other endings, and with it JSON documents; none are read without.
        separators: what may divide a table's cells.
        names: headings of a table that has none.
        cut: number of the last rows that the next batch begins with, as they belong together.
    """

    is_heading: Callable[[str], bool] | None = None
    other: str = ""
    separators: str = ",;"
    names: tuple[str, ...] = ()
    cut: Callable[[pa.Table], int] | None = None


USUAL = Layout()


class Piece(NamedTuple):
    """What is read by itself: a text file, or some row groups of a Parquet file.

    Attributes:
        path: path of the file.
        state: its size and time of change, when it was found.
        groups: row groups; None for a text.
        rows: number of rows; None where they are not known before they are read.
        size: bytes of the file that it stands for.
        name: name of the file, as it was given.
        layout: how files of its kind are laid out.
        first: rows of the file before it.
    """

    path: Path
    state: tuple[int, int]
    groups: tuple[int, ...] | None
    rows: int | None
    size: int
    name: str
    layout: Layout = USUAL
    first: int = 0


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
        first: number of its first line or row, of all of the file, from 1.
        unread_at: numbers of the lines that are no rows.
    """

    file: str
    table: pa.Table
    unread: list[tuple[str, str]] = field(default_factory=list)
    size: int = 0
    is_first: bool = True
    comma: bool = False
    day_first: Callable[[str], bool | None] | None = None
    before: int = 0
    first: int = 1
    unread_at: list[int] = field(default_factory=list)

    def numbers(self) -> np.ndarray:
        """Return the number of each row; a row of several lines counts as one."""
        count = len(self.table) + len(self.unread_at)
        return np.setdiff1d(np.arange(self.first, self.first + count), self.unread_at)


def find_files(sources: Sequence[str | Path], layout: Layout = USUAL) -> list[Path]:
    """Return the files of names, folders and globs, each once.

    Raises:
        RequestError: where there is none, or its ending says no form.
    """
    found: dict[Path, Path] = {}
    for source in sources:
        path = Path(source)
        if path.is_dir():
            visible = (each for each in sorted(path.rglob("*")) if not each.name.startswith("."))
            matches = [each for each in visible if each.is_file() and _form(each, layout)]
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
        form = _form(path, layout)
        if not form:
            allowed = ", ".join(ENDINGS)
            raise RequestError(str(path), f"allowed: {allowed}, also {', '.join(COMPRESSED)}")
        if form == "parquet" and path.suffix.lower() != ".parquet":
            raise RequestError(str(path), "Parquet files are compressed inside; allowed: .parquet")
    return list(found.values())


def _form(path: Path, layout: Layout) -> str:
    """Return a file's form by its ending, compressed or not; empty where it is not read."""
    name = path
    if path.suffix.lower() in COMPRESSED:
        name = path.with_suffix("")
    ending = name.suffix.lower()
    if layout.other and ending == ".json":
        return "document"
    return ENDINGS.get(ending, layout.other)


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


def named_pieces(
    files: Sequence[Path], unread: dict[str, str], rows: int = ROWS, layout: Layout = USUAL
) -> Iterator[tuple[str, Piece]]:
    """Yield the pieces of files, with the beginning of their parts' names.

    Args:
        files: what is to be read.
        unread: told of files that cannot be, with the reason.
        rows: rows of a batch.
        layout: how they are laid out.
    """
    for place, path in enumerate(files):
        try:
            pieces = find_pieces(path, rows, layout)
        except RequestError as error:
            unread[str(path)] = error.problem
            continue
        for number, piece in enumerate(pieces):
            yield f"{name_of(place)}-{number:05d}", piece


def name_of(place: int) -> str:
    """Return the beginning of the names of a file's parts, by its place among all."""
    return f"part-{place:05d}"


def find_pieces(path: Path, rows: int = ROWS, layout: Layout = USUAL) -> list[Piece]:
    """Return the pieces of a file, of at least a batch each where there are so many rows.

    Raises:
        RequestError: naming the file that cannot be read, or is not what its ending says.
    """
    state = state_of(path)
    if _form(path, layout) != "parquet":
        return [Piece(path, state, None, None, state[0], str(path), layout)]
    with _named(path), pq.ParquetFile(path) as file:
        counts = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    found: list[Piece] = []
    groups: list[int] = []
    before = 0
    for group, _ in enumerate(counts):
        groups.append(group)
        held = sum(counts[each] for each in groups)
        if held >= rows or group == len(counts) - 1:
            size = round(state[0] * held / max(1, sum(counts)))
            found.append(Piece(path, state, tuple(groups), held, size, str(path), layout, before))
            groups, before = [], before + held
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
    readers: Mapping[str, Callable[[Piece, int], Iterator[Batch]]]
    readers = {"parquet": _parquet, "json": _json_lines, "document": _document}
    reader = readers.get(_form(piece.path, piece.layout), _separated)
    with _named(piece.name):
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
    path, form = piece.path, _form(piece.path, piece.layout)
    with suppress(RequestError), _named(path):
        if form == "parquet":
            with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
                for batch in file.iter_batches(ROWS, columns=[heading]):
                    yield arrow_column(batch.column(0))
            return
        readers = {"json": _json_lines, "document": _document}
        reader = readers.get(form, partial(_separated, only=heading))
        for each in reader(piece, ROWS):
            if heading in each.table.column_names:
                yield arrow_column(each.table[heading])


def _parquet(piece: Piece, rows: int) -> Iterator[Batch]:
    with pq.ParquetFile(piece.path, pre_buffer=False, buffer_size=1 << 20) as file:
        names = file.schema_arrow.names
        _check_headings(piece.path, names)
        first = piece.first + 1
        for batch in file.iter_batches(rows, row_groups=list(piece.groups or ())):
            size = round(piece.size * len(batch) / max(1, piece.rows or 0))
            yield Batch(piece.name, pa.Table.from_batches([batch]), [], size, first=first)
            first += len(batch)


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
    separator, headings, before = _headings(piece)
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
                skip_rows_after_names=0 if piece.layout.names else 1,
            ),
            arrow_csv.ParseOptions(
                delimiter=separator,
                # What a scheduler divides by bars it does not quote.
                quote_char=False if separator == BAR else '"',
                newlines_in_values=separator != BAR,
                invalid_row_handler=skip,
            ),
            arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(headings, pa.string()),
                strings_can_be_null=False,
                include_columns=[only] if only is not None else None,
            ),
        )
        reader = stack.enter_context(reading)
        done = before + (not piece.layout.names)  # line of the headings
        for table in rebatched(reader, rows, piece.layout.cut):
            first = done + 1
            done += len(table)
            lines, numbers = [], []
            while unread and unread[0].number <= done + 1:
                row = unread.popleft()
                done += 1
                told = f"has {row.actual_columns} cells, where there are {row.expected_columns}"
                lines.append((row.text[:LONGEST], f"{told} headings"))
                numbers.append(row.number)
            yield Batch(
                piece.name,
                table,
                lines,
                text.read(),
                comma=separator == ";",
                before=before,
                first=first,
                unread_at=numbers,
            )


def _headings(piece: Piece) -> tuple[str, list[str], int]:
    """Return what divides a table's cells, its headings, and the lines before them.

    An empty heading is named by its place.
    """
    path, layout = piece.path, piece.layout
    separators = "\t" if _form(path, layout) == "tsv" else layout.separators
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
        lines = _Text(path, stack).lines()
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


def _json_lines(piece: Piece, rows: int) -> Iterator[Batch]:
    held: list[dict[str, str | None]] = []
    unread: list[tuple[str, str]] = []
    unread_at: list[int] = []
    first = 1
    with ExitStack() as stack:
        text = _Text(piece.path, stack)
        for line in text.lines():
            if not line.strip():
                continue
            row = _parsed(line)
            if isinstance(row, dict):
                held.append({key: flat(value) for key, value in row.items()})
            else:
                unread_at.append(first + len(held) + len(unread))
                unread.append((line.strip()[:LONGEST], row))
            if len(held) + len(unread) >= rows:
                yield Batch(
                    piece.name,
                    _table(held),
                    unread,
                    text.read(),
                    first=first,
                    unread_at=unread_at,
                )
                first += len(held) + len(unread)
                held, unread, unread_at = [], [], []
        if held or unread:
            yield Batch(
                piece.name, _table(held), unread, text.read(), first=first, unread_at=unread_at
            )


def _parsed(line: str) -> dict[str, Any] | str:
    """Return a line's object, numbers as they stand, however many digits they have; or why not."""
    try:
        row = json.loads(line, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError):
        return "is no JSON"
    return row if isinstance(row, dict) else "is no JSON object"


def _document(piece: Piece, rows: int) -> Iterator[Batch]:
    """Rows of a JSON document: its objects, or those of the one list that it has.

    What is one object a line is read as such.
    """
    with ExitStack() as stack:
        text = _Text(piece.path, stack)
        whole = text.lines().read(LONGEST_DOCUMENT + 1)
        size = text.read()
    if len(whole) > LONGEST_DOCUMENT:
        most = f"{LONGEST_DOCUMENT >> 20} MiB"
        raise RequestError(piece.name, f"is a document above {most}; write one object a line")
    try:
        found = json.loads(whole, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError) as error:
        if isinstance(_parsed(whole.lstrip().partition("\n")[0]), dict):
            yield from _json_lines(piece, rows)
            return
        reason = str(error) or "nested too deep"
        raise RequestError(piece.name, f"is no JSON: {reason}") from None
    listed = _listed(found)
    for first in range(0, max(1, len(listed)), rows):
        part = listed[first : first + rows]
        held = [{key: flat(value) for key, value in each.items()} for each in part if _is_row(each)]
        bad = [place for place, each in enumerate(part, start=first + 1) if not _is_row(each)]
        unread = [(str(listed[place - 1])[:LONGEST], "is no JSON object") for place in bad]
        yield Batch(
            piece.name,
            _table(held),
            unread,
            size if not first else 0,
            first=first + 1,
            unread_at=bad,
        )


def _is_row(value: object) -> bool:
    return isinstance(value, dict)


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
