"""Catalogues in files: read, scored and written a batch at a time, by threads or by a cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Literal, NamedTuple

import pyarrow as pa

from ..draws import choose_device
from ..errors import RequestError, shown
from .batch import Counts, Settings, score_batch, with_style
from .headers import HeadingsError, find_columns
from .read import (
    ROWS,
    Batch,
    Piece,
    day_first,
    find_files,
    find_pieces,
    read_batches,
    state_of,
)
from .score import Score, in_order
from .summary import Summary, summarise
from .write import Parts, Writer, name_of

Engine = Literal["local", "ray"]
Progress = Callable[[int], None]
"""Told of bytes of the catalogues as they are done."""


class Done(NamedTuple):
    """What came of a batch, whose rows are written.

    Attributes:
        counts: of it.
        summary: of its scored rows.
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
        folder: of the parts.
        settings: how rows are scored.
        rows: of a batch.
    """

    folder: Path
    settings: Settings = field(default_factory=Settings)
    rows: int = ROWS


def score_files(
    sources: Sequence[str | Path],
    output: Path,
    *,
    mapping: Mapping[str, str] | None = None,
    profiles: Sequence[Path] = (),
    device: str = "cpu",
    engine: Engine = "local",
    address: str | None = None,
    resume: bool = False,
    rows: int = ROWS,
    progress: Progress | None = None,
) -> Score:
    """Score files, batch by batch, into another, or into the parts of a folder.

    Args:
        sources: CSV, TSV, JSON lines or Parquet, compressed or not; names, folders or globs.
        output: .parquet or .csv; rejects go beside it, as ``NAME.rejects.csv``. Without an ending
            a folder, a part of it for each batch, its rejects beside it.
        mapping: headings by field.
        profiles: folders of accelerator profiles of one's own.
        device: that computes: auto, cpu, cuda or cuda:1.
        engine: ``local``, or ``ray`` for a cluster of Ray; it writes parts.
        address: of the cluster; None for that of ``RAY_ADDRESS``, or one on this machine.
        resume: go on with a folder's parts; those that are there are not made again.
        rows: of a batch.
        progress: told of bytes as they are done.

    Raises:
        RequestError: naming the file that cannot be read or written. Into a folder the others
            are scored all the same, and ``unread_files`` of the score tells of those.
    """
    start = time.perf_counter()
    files = find_files(sources)
    _check(sources, files, output, engine, address, resume)
    settings = Settings(dict(mapping or {}), tuple(profiles), choose_device(device))
    if output.suffix:
        found = _to_file(files, output, settings, rows, progress)
    else:
        job = Job(output, settings, rows)
        found = _to_parts(files, job, resume, engine, address, progress)
    found.seconds = time.perf_counter() - start
    return found


def _check(
    sources: Sequence[str | Path],
    files: Sequence[Path],
    output: Path,
    engine: Engine,
    address: str | None,
    resume: bool,
) -> None:
    given, targets = shown(str(output)), {output.resolve(), _rejects_of(output).resolve()}
    if targets & {path.resolve() for path in files}:
        raise RequestError("-o", f"got {given}, one of the catalogues; allowed: another")
    folders = [Path(source).resolve() for source in sources if Path(source).is_dir()]
    if any(output.resolve().is_relative_to(folder) for folder in folders):
        problem = "inside the catalogues' folder, and would be read as one of them"
        raise RequestError("-o", f"got {given}, {problem}; allowed: another place")
    if output.suffix and resume:
        raise RequestError("--resume", "goes on with a folder's parts; give -o a folder")
    if address is not None and engine != "ray":
        raise RequestError("--address", f"got {address}, of a Ray cluster; give --engine ray too")
    if output.suffix and engine != "local":
        raise RequestError("--engine", f"got {engine}, which writes parts; give -o a folder")


def _rejects_of(output: Path) -> Path:
    return output.with_suffix(".rejects.csv")


def _to_file(
    files: Sequence[Path], output: Path, settings: Settings, rows: int, progress: Progress | None
) -> Score:
    found, rejects_file = Score(), _rejects_of(output)
    batches = (
        batch
        for path in files
        for piece in find_pieces(path, rows)
        for batch in read_batches(piece, rows)
    )
    with Writer(output) as scored_to, Writer(rejects_file, is_optional=True) as rejected_to:
        scored = in_order(lambda batch: (batch.size, score_batch(batch, settings)), batches)
        for size, part in scored:
            found.take(part.counts, part.summary)
            scored_to.write(part.scored)
            rejected_to.write(part.rejects)
            if progress is not None:
                progress(size)
        if not found.rows_in:
            raise RequestError(str(files[0]), "has no rows; nothing to score")
    found.rejects_file = str(rejects_file) if found.rows_rejected else None
    if not found.rows_rejected:
        rejects_file.unlink(missing_ok=True)  # of another time
    return found


def _to_parts(
    files: Sequence[Path],
    job: Job,
    resume: bool,
    engine: Engine,
    address: str | None,
    progress: Progress | None,
) -> Score:
    """Score into a folder's parts; those that are there are only counted."""
    found, parts = Score(), Parts(job.folder)
    made_from = {
        "version": metadata.version("computebill"),
        "files": [[str(path), *state_of(path)] for path in files],
        "mapping": dict(job.settings.mapping),
        "profiles": [str(folder) for folder in job.settings.profiles],
        "rows": job.rows,
    }
    parts.open(made_from, resume=resume)
    pieces = list(_pieces(files, job.rows, found))
    if engine == "ray":
        from .cluster import score_on_ray

        done: Iterable[Done] = score_on_ray(pieces, job, address)
    else:
        done = in_order(lambda task: task(), tasks_of(pieces, job))
    for batch in done:
        found.take(batch.counts, batch.summary)
        if batch.failed is not None:
            found.unread_files.update([batch.failed])
        if progress is not None:
            progress(batch.size)
    parts.close(found.unread_files)
    if not found.rows_in and not found.unread_files:
        raise RequestError(str(files[0]), "has no rows; nothing to score")
    found.rejects_file = str(job.folder) if found.rows_rejected else None
    return found


def _pieces(files: Sequence[Path], rows: int, found: Score) -> Iterator[tuple[str, Piece]]:
    """Yield the pieces of files, with the beginning of their parts' names."""
    for place, path in enumerate(files):
        try:
            pieces = find_pieces(path, rows)
        except RequestError as error:
            found.unread_files[str(path)] = error.problem
            continue
        for number, piece in enumerate(pieces):
            yield f"{name_of(place)}-{number:05d}", piece


def tasks_of(pieces: Iterable[tuple[str, Piece]], job: Job) -> Iterator[Callable[[], Done]]:
    """Yield what there is to do for each batch of pieces; their rows are read here, in order."""
    for name, piece in pieces:
        known = _all_there(name, piece, job)
        if known is not None:
            yield from known
            continue
        batches = read_batches(piece, job.rows)
        number = 0
        while True:
            try:
                batch = next(batches, None)
            except RequestError as error:
                failed = (piece.name, error.problem)
                yield partial(Done, Counts(), Summary(), 0, failed)
                break
            if batch is None:
                break
            part = f"{name}-{number:05d}"
            yield partial(_make, part, batch, job)
            number += 1


def _all_there(name: str, piece: Piece, job: Job) -> list[Callable[[], Done]] | None:
    """Return how to count a piece's parts without its rows; None where one has to be made."""
    if piece.rows is None:
        return None
    parts, number = Parts(job.folder), -(-piece.rows // job.rows)
    names = [f"{name}-{place:05d}" for place in range(number)]
    if not all(parts.has(each) for each in names):
        return None
    size = piece.size // max(1, number)
    whole = Batch(piece.name, pa.table({}), day_first=partial(day_first, piece.path, piece.state))
    return [partial(_known, each, size, job, whole) for each in names]


def _known(part: str, size: int, job: Job, batch: Batch) -> Done:
    """Return what came of a part that is there, its dates read as when it was made."""
    parts = Parts(job.folder)
    table, counts = parts.read(part)
    columns = find_columns(table.column_names, job.settings.mapping) if len(table) else {}
    columns = with_style(columns, day_first=batch.day_first)
    summary = summarise(table, columns) if len(table) else Summary()
    return Done(counts, summary, size)


def _make(part: str, batch: Batch, job: Job) -> Done:
    parts = Parts(job.folder)
    if parts.has(part):
        return _known(part, batch.size, job, batch)
    try:
        found = score_batch(batch, job.settings)
    except HeadingsError as error:
        return Done(Counts(), Summary(), batch.size, (batch.file, error.problem))
    parts.write(part, found)
    return Done(found.counts, found.summary, batch.size)
