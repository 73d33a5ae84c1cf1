"""The pieces of work that a catalogue is scored in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from computebill.batches.pieces import ROWS, Batch, Piece
from computebill.batches.reading import day_first, read_batches
from computebill.batches.working import batch_tasks, part_name
from computebill.batches.writing import Parts

from .batch import Counts, Settings, score_batch, with_style
from .headers import HeadingsError, find_columns
from .summary import Summary, summarise


class Done(NamedTuple):
    """What came of a batch, whose rows are written.

    Attributes:
        counts: counts of its rows.
        summary: sums of its scored rows.
        size: bytes of its file.
        failed: the file and the reason, where it could not be read on.
    """

    counts: Counts
    summary: Summary
    size: int
    failed: tuple[str, str] | None = None


@dataclass(frozen=True)
class Job:
    """How the parts of a folder are made.

    Attributes:
        folder: folder of the parts.
        settings: how rows are scored.
        rows: rows of a batch.
    """

    folder: Path
    settings: Settings = field(default_factory=Settings)
    rows: int = ROWS


def tasks_of(pieces: Iterable[tuple[str, Piece]], job: Job) -> Iterator[Callable[[], Done]]:
    """Yield what there is to do for each batch of pieces; their rows are read here, in order."""
    for name, piece in pieces:
        known = _all_there(name, piece, job)
        if known is not None:
            yield from known
            continue
        batches, make = read_batches(piece, job.rows), partial(_make, job)
        yield from batch_tasks(name, batches, make, partial(_failed, piece.name))


def _all_there(name: str, piece: Piece, job: Job) -> list[Callable[[], Done]] | None:
    """Return how to count a piece's parts without its rows; None where one has to be made."""
    if piece.rows is None:
        return None
    parts, number = Parts(job.folder), -(-piece.rows // job.rows)
    names = [part_name(name, place) for place in range(number)]
    if not all(parts.has(each) for each in names):
        return None
    size = piece.size // max(1, number)
    whole = Batch(piece.name, pa.table({}), day_first=partial(day_first, piece))
    return [partial(_known, each, size, job, whole) for each in names]


def _known(part: str, size: int, job: Job, batch: Batch) -> Done:
    """Return what came of a part that is there, its dates read as when it was made."""
    parts = Parts(job.folder)
    table, told = parts.read(part)
    columns = find_columns(table.column_names, job.settings.mapping) if len(table) else {}
    columns = with_style(columns, day_first=batch.day_first)
    summary = summarise(table, columns) if len(table) else Summary()
    return Done(Counts.from_json(told), summary, size)


def _failed(file: str, reason: str) -> Done:
    return Done(Counts(), Summary(), 0, (file, reason))


def _make(job: Job, part: str, batch: Batch) -> Done:
    parts = Parts(job.folder)
    if parts.has(part):
        return _known(part, batch.size, job, batch)
    try:
        found = score_batch(batch, job.settings)
    except HeadingsError as error:
        return Done(Counts(), Summary(), batch.size, (batch.file, error.problem))
    parts.write(part, found.scored, found.rejects, found.counts.to_json())
    return Done(found.counts, found.summary, batch.size)
