"""Catalogues in files: read, scored and written a batch at a time, by threads or by a cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Literal

from computebill.base.errors import RequestError, shown
from computebill.batches.cluster import run_on_ray
from computebill.batches.pieces import ROWS, find_files, find_pieces, named_pieces, state_of
from computebill.batches.reading import read_batches
from computebill.batches.working import in_order
from computebill.batches.writing import Parts, Writer
from computebill.regulation.rules import one_rule_set
from computebill.uncertainty.draws import choose_device

from .batch import Settings, score_batch
from .cluster import Scoring
from .headers import LAYOUT
from .score import Score
from .tasks import Done, Job

Engine = Literal["local", "ray"]
Progress = Callable[[int], None]
"""Told of bytes of the catalogues as they are done."""


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
    rules: str | Path | None = None,
) -> Score:
    """Score files, batch by batch, into another, or into the parts of a folder.

    Args:
        sources: CSV, TSV, JSON lines or Parquet, compressed or not; names, folders or globs.
        output: .parquet or .csv; rejects go beside it, as ``NAME.rejects.csv``. Without an ending
            a folder, a part of it for each batch, its rejects beside it.
        mapping: headings by field.
        profiles: folders of accelerator profiles of one's own.
        device: device that computes: auto, cpu, cuda or cuda:1.
        engine: ``local``, or ``ray`` for a cluster of Ray; it writes parts.
        address: address of the cluster; None for that of ``RAY_ADDRESS``, or one on this machine.
        resume: go on with a folder's parts; those that are there are not made again.
        rows: rows of a batch.
        progress: told of bytes as they are done.
        rules: rule set, by its name or file: adds the odds of exceeding each threshold.

    Raises:
        RequestError: naming the file that cannot be read or written. Into a folder the others
            are scored all the same, and ``unread_files`` of the score tells of those.
    """
    start = time.perf_counter()
    files = find_files(sources)
    _check(sources, files, output, engine, address, resume)
    settings = Settings(
        dict(mapping or {}), tuple(profiles), choose_device(device), one_rule_set(rules)
    )
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
        for piece in find_pieces(path, rows, LAYOUT)
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
    if job.settings.rules is not None:  # parts of before this key are gone on with
        made_from["rules"] = job.settings.rules.name
    parts.open(made_from, resume=resume)
    pieces = list(named_pieces(files, found.unread_files, job.rows, LAYOUT))
    work = Scoring(job)
    done: Iterable[Done]
    if engine == "ray":
        done = run_on_ray(pieces, work, address)
    else:
        done = in_order(lambda task: task(), work.tasks(pieces))
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
