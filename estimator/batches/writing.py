"""Rows to a file, a batch at a time, under its final name when all are there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from computebill.base.errors import RequestError, shown
from computebill.base.writing import replacing

from .columns import PLAIN, arrow_column, is_text, without_zone
from .pieces import name_of

ENDINGS = (".parquet", ".csv")
MANIFEST, UNREAD = "sources.json", "unread.json"
COUNTS = b"computebill.counts"

DANGEROUS = r"^([=+\-@\t\r])"
"""Beginnings of cells that a spreadsheet takes for a formula."""


def harmless(table: pa.Table) -> pa.Table:
    """Return a table whose texts no spreadsheet runs: an apostrophe goes before such a cell."""
    names, columns = [], []
    for name, column in zip(table.column_names, table.columns, strict=True):
        texts = without_zone(arrow_column(column))
        if is_text(texts.type):
            is_risky = pc.match_substring_regex(texts, DANGEROUS)
            is_number = pc.match_substring_regex(texts, PLAIN)
            quoted = pc.replace_substring_regex(texts, DANGEROUS, r"'\1")
            texts = pc.if_else(pc.and_not(is_risky, is_number).fill_null(False), quoted, texts)
        is_formula = name.startswith(("=", "+", "-", "@", "\t", "\r"))
        names.append(f"'{name}" if is_formula else name)
        columns.append(texts)
    return pa.table(columns, names=names)


class Writer:
    """Writes tables of the same columns; no file where none comes, if that may be."""

    def __init__(self, target: Path, *, is_optional: bool = False) -> None:
        """Check the target.

        Raises:
            RequestError: where its ending says no form.
        """
        if target.suffix.lower() not in ENDINGS:
            raise RequestError("-o", f"got {shown(str(target))}; allowed: {', '.join(ENDINGS)}")
        self._target = target
        self._is_optional = is_optional
        self._is_csv = target.suffix.lower() == ".csv"
        self._stack = ExitStack()
        self._writer: Any = None
        self._schema: Any = None
        self._temporary: Path | None = None

    def __enter__(self) -> Writer:
        if not self._is_optional:
            self._temporary = self._stack.enter_context(replacing(self._target))
        return self

    def write(self, table: pa.Table) -> None:
        """Add rows.

        Raises:
            RequestError: where they have a column that the first rows did not have.
        """
        if not len(table) and (self._is_optional or self._writer is not None):
            return
        table = harmless(table) if self._is_csv else _typed(table)
        if self._writer is None:
            self._open(table.schema)
        self._writer.write_table(self._fitted(table))

    def _open(self, schema: pa.Schema) -> None:
        if self._temporary is None:
            self._temporary = self._stack.enter_context(replacing(self._target))
        self._schema = schema
        if self._is_csv:
            writer = arrow_csv.CSVWriter(self._temporary, schema)
        else:
            writer = pq.ParquetWriter(self._temporary, schema, use_dictionary=_texts(schema))
        self._writer = self._stack.enter_context(writer)

    def _fitted(self, table: pa.Table) -> pa.Table:
        """Return the same rows in the columns of the first."""
        further = [name for name in table.column_names if name not in self._schema.names]
        if further:
            problem = f"rows have the column {shown(further[0])}, which the first have not"
            raise RequestError("-o", f"{problem}; allowed: a folder, whose parts may differ")
        columns = []
        for each in self._schema:
            known = each.name in table.column_names
            column = table[each.name] if known else pa.nulls(len(table))
            if column.type != each.type and pa.types.is_string(each.type):
                column = arrow_column(column)
            try:
                columns.append(column.cast(each.type))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                problem = f"the column {shown(each.name)} is of {each.type}, then of {column.type}"
                raise RequestError("-o", f"{problem}; allowed: a folder") from None
        return pa.table(columns, schema=self._schema)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)


def _texts(schema: pa.Schema) -> list[str]:
    """Return the columns of texts: numbers are seldom the same twice."""
    return [each.name for each in schema if is_text(each.type) or pa.types.is_dictionary(each.type)]


def _typed(table: pa.Table) -> pa.Table:
    """Return a table whose columns all have a kind: those of nothing are texts."""
    for place, each in enumerate(table.schema):
        if pa.types.is_null(each.type):
            table = table.set_column(place, each.name, table[each.name].cast(pa.string()))
    return table


class Parts:
    """A folder of parts, one a batch; what is there already is not made again.

    A part's rejects are written before its rows, so that a part that is there is whole. What the
    parts are of stands in ``sources.json``: others are never mixed with them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self, made_from: Mapping[str, Any], *, resume: bool) -> None:
        """Begin, or go on with what is there.

        Args:
            made_from: what parts are of.
            resume: whether to go on with parts that are there.

        Raises:
            RequestError: where it holds something else, or parts that are not to be gone on with.
        """
        given = f"got {shown(str(self.folder))}"
        wanted = json.loads(json.dumps(made_from))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            held = {path.name for path in self.folder.iterdir() if not path.name.startswith(".")}
            known, unread = self._told(MANIFEST), self._told(UNREAD) or {}
            if known is not None and "files" not in known:
                raise ValueError(f"{MANIFEST} is not one of parts")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise RequestError("-o", f"{given}, which cannot be used: {reason}") from None
        if held and known is None:
            raise RequestError("-o", f"{given}, which holds other files; allowed: an empty folder")
        if known is not None and not resume:
            raise RequestError("-o", f"{given}, which holds parts; --resume goes on with them")
        if known is not None:
            # Files that could not be read may have been mended; their parts are made again.
            mended = {place for place, each in enumerate(wanted["files"]) if each[0] in unread}
            for place in mended & set(range(len(known["files"]))):
                if known["files"][place][0] == wanted["files"][place][0]:
                    known["files"][place] = wanted["files"][place]
            if known != wanted:
                problem = "its parts are of other catalogues, changed ones or another version"
                raise RequestError("-o", f"{given}; {problem}")
            for place in mended:
                self._remove(f"{name_of(place)}-")
                self._remove(f".{name_of(place)}-", (".done",))
            self._remove(".")  # what a kill left half written
        self._tell(MANIFEST, wanted)

    def close(self, unread: Mapping[str, str]) -> None:
        """Tell of files that could not be read."""
        (self.folder / UNREAD).unlink(missing_ok=True)
        if unread:
            self._tell(UNREAD, unread)

    def _told(self, name: str) -> Any:
        path = self.folder / name
        return json.loads(path.read_text("utf-8")) if path.is_file() else None

    def _tell(self, name: str, value: Mapping[str, Any]) -> None:
        with replacing(self.folder / name) as temporary:
            temporary.write_text(json.dumps(value, indent=1), "utf-8")

    def _remove(self, beginning: str, endings: Sequence[str] = (*ENDINGS, ".json")) -> None:
        for path in self.folder.iterdir():
            if path.name.startswith(beginning) and path.suffix in endings:
                path.unlink()

    def has(self, name: str) -> bool:
        """Whether a part is there, whole."""
        path = self.folder / f"{name}.parquet"
        try:
            return path.is_file() and COUNTS in (pq.read_schema(path).metadata or {})
        except (OSError, pa.ArrowException):
            return False

    def finish(self, name: str, number: int) -> None:
        """Note that a piece was read to its end, into so many parts."""
        (self.folder / f".{name}.{number}.done").touch()

    def finished(self, name: str) -> int | None:
        """Return the number of parts of a piece that was read to its end; None of another."""
        marks = list(self.folder.glob(f".{name}.*.done"))
        return int(marks[0].name.split(".")[2]) if marks else None

    def read(self, name: str) -> tuple[pa.Table, str]:
        """Return the rows of a part that is there, and what it tells of itself."""
        # A file by itself: names of its folders are no columns.
        table = pq.ParquetFile(self.folder / f"{name}.parquet").read()
        return table, table.schema.metadata[COUNTS].decode()

    def reject(self, name: str, rejects: pa.Table) -> None:
        """Write a part's rejects, where it has any."""
        if len(rejects):
            with replacing(self.folder / f"{name}.rejects.csv") as temporary:
                arrow_csv.write_csv(harmless(rejects), temporary)

    def write(self, name: str, table: pa.Table, rejects: pa.Table, told: str) -> None:
        """Write a part: its rejects, then its rows with what is told of them."""
        self.reject(name, rejects)
        table = _typed(table)
        metadata = {**(table.schema.metadata or {}), COUNTS: told.encode()}
        with replacing(self.folder / f"{name}.parquet") as temporary:
            whole = table.replace_schema_metadata(metadata)
            pq.write_table(whole, temporary, use_dictionary=_texts(whole.schema))
