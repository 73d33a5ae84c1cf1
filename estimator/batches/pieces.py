"""Files and the pieces that they are read in: how they are laid out, and rows of them."""

from __future__ import annotations

import glob
import lzma
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from computebill.base.errors import RequestError

from .working import part_name

ROWS = 100_000
"""Rows of a batch."""

ENDINGS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "json", ".ndjson": "json", ".parquet": "parquet"}
"""Form of a file by its ending."""
COMPRESSED = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".xz": "xz"}


class Layout(NamedTuple):
    """How files of a kind are laid out.

    Attributes:
        is_heading: tells whether a cell names a field. Lines before the headings are then a
            title's: the first line is one where it names no field, and a later one names two.
        other: form of files of other endings, and with it JSON documents; none are read without.
        separators: what may divide a table's cells.
        names: headings of a table that has none.
        cut: number of the last rows that the next batch begins with, as they belong together.
        has_codes: whether texts of a Parquet file come as codes of the different ones.
    """

    is_heading: Callable[[str], bool] | None = None
    other: str = ""
    separators: str = ",;"
    names: tuple[str, ...] = ()
    cut: Callable[[pa.Table], int] | None = None
    has_codes: bool = False


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
        places: of the rows in the file.
        unread_places: of the lines that are no rows.
        first: number of the row at place 0, the headings being one.
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
    first: int = 0
    line_of: Callable[[Sequence[int]], list[int | None]] | None = None

    def numbers(self) -> np.ndarray:
        """Return the number of each row, from 1; a row of several lines counts as one."""
        places = np.arange(len(self.table)) + 1 if self.places is None else self.places
        return places + self.first


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
            matches = [each for each in visible if each.is_file() and form_of(each, layout)]
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
        form = form_of(path, layout)
        if not form:
            allowed = ", ".join(ENDINGS)
            raise RequestError(str(path), f"allowed: {allowed}, also {', '.join(COMPRESSED)}")
        if form == "parquet" and path.suffix.lower() != ".parquet":
            raise RequestError(str(path), "Parquet files are compressed inside; allowed: .parquet")
    return list(found.values())


def form_of(path: Path, layout: Layout) -> str:
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
            yield part_name(name_of(place), number), piece


def name_of(place: int) -> str:
    """Return the beginning of the names of a file's parts, by its place among all."""
    return part_name("part", place)


def find_pieces(path: Path, rows: int = ROWS, layout: Layout = USUAL) -> list[Piece]:
    """Return the pieces of a file, of at least a batch each where there are so many rows.

    Raises:
        RequestError: naming the file that cannot be read, or is not what its ending says.
    """
    state = state_of(path)
    if form_of(path, layout) != "parquet":
        return [Piece(path, state, None, None, state[0], str(path), layout)]
    with named(path), pq.ParquetFile(path) as file:
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


class named:  # noqa: N801 -- reads as what it does
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
