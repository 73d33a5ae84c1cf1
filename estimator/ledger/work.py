"""The reading of records, as the engine of batches has it done: a part of jobs for each batch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from computebill.batches.cluster import Named
from computebill.batches.pieces import ROWS as MOST_OBJECTS
from computebill.batches.pieces import Batch, Piece, form_of
from computebill.batches.reading import read_batches
from computebill.batches.working import batch_tasks, part_name
from computebill.batches.writing import COUNTS, Parts

from .normalise import Counts, Made, normalise
from .plan import Plan
from .rules import Rules
from .schema import JOBS

CODED = [
    each.name
    for each in JOBS
    if pa.types.is_string(each.type) and each.name not in ("job", "config")
]
"""Columns whose texts are few."""
ROWS = 180_000
"""Rows of a batch of a table: so many have most of their texts in common, which are each looked at
once. Of objects, which take more memory, they are `MOST_OBJECTS`."""
HELD = 64 << 20
"""Bytes of jobs that lie in memory where parts are not kept."""
SCRATCH = ".arrow"
"""Ending of a part that only this process reads."""


class Store:
    """The jobs of parts: what stays as Parquet; else in memory, and beyond its room on disk."""

    def __init__(self, folder: Path, *, is_kept: bool) -> None:
        """Begin.

        Args:
            folder: of the parts.
            is_kept: whether parts stay, as Parquet; else they are written as they lie in memory,
                which is soon done, and soon undone.
        """
        self.folder = folder
        self.is_kept = is_kept
        self._held: dict[str, pa.Table] = {}

    def write(self, part: str, made: Made) -> None:
        """Write what came of a batch."""
        parts = Parts(self.folder)
        if self.is_kept:
            parts.write(part, made.jobs, made.rejects, made.counts.to_json())
            return
        parts.reject(part, made.rejects)
        # Without columns that tell nothing.
        told = [
            name for name in made.jobs.column_names if made.jobs[name].null_count < made.counts.jobs
        ]
        table = made.jobs.select(told).unify_dictionaries().combine_chunks()
        if sum(each.nbytes for each in list(self._held.values())) + table.nbytes <= HELD:
            self._held[part] = table
            return
        path = str(self.folder / f"{part}{SCRATCH}")
        with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)

    def read(self, part: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the jobs of a part, their texts as codes of the different ones."""
        names = JOBS.names if columns is None else list(columns)
        if self.is_kept:
            with pq.ParquetFile(self.folder / f"{part}.parquet", read_dictionary=CODED) as file:
                return file.read(columns=names)
        table = self._held.get(part)
        if table is None:
            with pa.memory_map(str(self.folder / f"{part}{SCRATCH}")) as file:
                table = pa.ipc.open_file(file).read_all()
        known = set(table.column_names)
        found = [
            table[name] if name in known else pa.nulls(len(table), JOBS.field(name).type)
            for name in names
        ]
        return pa.table(found, names=names)


class Done(NamedTuple):
    """What came of a batch, whose jobs are written.

    Attributes:
        part: name of its part; empty where there is none.
        place: of its file among all.
        counts: counts of its rows.
        size: bytes of its file.
        failed: the file and the reason, where it could not be read on.
    """

    part: str
    place: int
    counts: Counts
    size: int
    failed: tuple[str, str] | None = None


@dataclass(frozen=True)
class Reading:
    """How records are read into parts.

    Attributes:
        store: of the parts.
        plans: how each file is read.
        rules: which accelerators places have; rates of currencies.
        profiles: folders of accelerator profiles of one's own.
        rows: rows of a batch.
        gpus: share of a GPU that a task takes.
    """

    store: Store
    plans: Sequence[Plan]
    rules: Rules
    profiles: tuple[Path, ...] = ()
    rows: int = ROWS
    gpus: float = 0.0
    schema = pa.schema({"told": pa.string()})

    def tasks(self, pieces: Iterable[Named]) -> Iterator[Callable[[], Done]]:
        """Yield what there is to do for each batch of pieces; rows are read here, in order."""
        parts = Parts(self.store.folder)
        for name, piece in pieces:
            place = int(name.split("-")[1])
            known = self._known(parts, name, place)
            if known:
                yield from known
                continue
            number = yield from batch_tasks(
                name,
                read_batches(piece, _rows_of(piece, self.rows)),
                partial(self._make, parts, place),
                partial(_failed, piece.name, place),
            )
            if number is not None:
                parts.finish(name, number)

    def _known(self, parts: Parts, name: str, place: int) -> list[Callable[[], Done]]:
        """Return how to count a piece's parts without its rows, where all of them are there."""
        number = parts.finished(name)
        names = [part_name(name, each) for each in range(number or 0)]
        if not names or not all(parts.has(each) for each in names):
            return []
        return [partial(_told, self.store.folder, each, place) for each in names]

    def _make(self, parts: Parts, place: int, part: str, batch: Batch) -> Done:
        if parts.has(part):
            return _told(self.store.folder, part, place)
        size = batch.size
        made = normalise(batch, self.plans[place], place, self.rules, self.profiles)
        self.store.write(part, made)
        return Done(part, place, made.counts, size)

    def elsewhere(self, *, has_gpus: bool) -> Reading:
        """Return the same for a cluster's machines."""
        profiles = tuple(folder.absolute() for folder in self.profiles)
        store = Store(self.store.folder.absolute(), is_kept=self.store.is_kept)
        return replace(self, store=store, profiles=profiles)

    def packed(self, done: Done) -> dict[str, Any]:
        """Return what came of a batch as a row."""
        told = {**done._asdict(), "counts": json.loads(done.counts.to_json())}
        return {"told": json.dumps(told)}

    def unpacked(self, row: dict[str, Any]) -> Done:
        """Return what a row tells."""
        told = json.loads(row["told"])
        told["counts"] = Counts(**told["counts"])
        told["failed"] = None if told["failed"] is None else tuple(told["failed"])
        return Done(**told)


def _rows_of(piece: Piece, rows: int) -> int:
    """Return the rows of a batch of a piece."""
    is_table = form_of(piece.path, piece.layout) in ("csv", "tsv")
    return rows if is_table else min(rows, MOST_OBJECTS)


def _failed(file: str, place: int, reason: str) -> Done:
    return Done("", place, Counts(), 0, (file, reason))


def _told(folder: Path, part: str, place: int) -> Done:
    """Return what a part that is there tells of itself."""
    metadata = pq.read_schema(folder / f"{part}.parquet").metadata
    return Done(part, place, Counts.from_json(metadata[COUNTS].decode()), 0)
