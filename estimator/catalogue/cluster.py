"""The same parts, made by the machines of a Ray cluster: one task a piece of a catalogue.

All machines have to see the catalogues and the folder of parts under the same names. A part comes
under its name when it is whole, and one that is there is not made again: so a task that died with
its machine is begun anew, and each row is there once.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd
import pyarrow as pa

from computebill.base.errors import RequestError, shown

from .batch import Counts
from .read import Piece
from .summary import Summary
from .tasks import Done, Job, tasks_of

WAIT = 5.0
"""Seconds for a cluster to answer."""

CPUS = 1.0
GPUS = 0.25
"""Share of a GPU that a task takes, where the cluster has any: reading and writing take longer."""

FRAMES = ("largest", "by_year", "by_organization", "trends")
"""Frames of a summary."""

SCHEMA = pa.schema(
    {
        "counts": pa.string(),
        "size": pa.int64(),
        "failed": pa.list_(pa.string()),
        **dict.fromkeys(FRAMES, pa.binary()),
    }
)
"""Columns of a table of what came of batches."""


def score_on_ray(
    pieces: Sequence[tuple[str, Piece]], job: Job, address: str | None
) -> Iterator[Done]:
    """Yield what came of each batch, as Ray Data has it done.

    Args:
        pieces: pieces of the catalogues, with the beginning of their parts' names.
        job: how parts are made.
        address: address of the cluster; None for that of ``RAY_ADDRESS``, or one on this machine.

    Raises:
        RequestError: where Ray is not installed, or the cluster is not there.
    """
    try:
        import ray
        import ray.data
    except ImportError:
        raise RequestError(
            "--engine", "got ray, which is not installed; install computebill[ray]"
        ) from None
    if not ray.is_initialized():
        if address is not None:
            _check(address)
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    if job.settings.device != "cpu":
        raise RequestError("--device", "is each machine's own on a cluster; leave it out")
    gpus = GPUS if ray.cluster_resources().get("GPU", 0) > 0 else 0.0
    profiles = tuple(folder.absolute() for folder in job.settings.profiles)
    settings = replace(job.settings, profiles=profiles, device="cuda" if gpus else "cpu")
    job = replace(job, folder=job.folder.absolute(), settings=settings)
    # Sums are added up in the order of the files, as one machine does.
    ray.data.DataContext.get_current().execution_options.preserve_order = True
    whole = [(name, piece._replace(path=piece.path.absolute())) for name, piece in pieces]
    done = ray.data.range(len(whole), override_num_blocks=max(1, len(whole))).map_batches(
        partial(_score, pieces=whole, job=job),
        batch_format="pyarrow",
        num_cpus=CPUS,
        num_gpus=gpus,
    )
    for row in done.iter_rows():
        yield _unpacked(row)


def _check(address: str) -> None:
    """Refuse the address of no cluster at once: Ray would wait for minutes, then end the process.

    Raises:
        RequestError: naming the address.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=WAIT).close()
    except (OSError, ValueError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RequestError("--address", f"got {shown(address)}, HOST:PORT; {reason}") from None


def _score(rows: pa.Table, pieces: Sequence[tuple[str, Piece]], job: Job) -> pa.Table:
    """Make the parts of pieces, by their numbers, and tell what came of each."""
    told = [
        _packed(task())
        for number in rows["id"].to_pylist()
        for task in tasks_of([pieces[number]], job)
    ]
    return pa.Table.from_pylist(told, SCHEMA)


def _packed(done: Done) -> dict[str, Any]:
    summary = done.summary
    return {
        "counts": done.counts.to_json(),
        "size": done.size,
        "failed": list(done.failed or ()),
        "largest": _bytes(summary.largest),
        "by_year": _bytes(summary.by_year.reset_index()),
        "by_organization": _bytes(summary.by_organization.reset_index()),
        "trends": _bytes(summary.trends.reset_index()),
    }


def _unpacked(row: dict[str, Any]) -> Done:
    frames = [_frame(row[name]) for name in FRAMES]
    if len(frames[0]):
        # The others' first column says what each row is of.
        frames[1:] = [frame.set_index(frame.columns[0]) for frame in frames[1:]]
    failed = tuple(row["failed"]) or None
    summary = Summary(*frames)
    return Done(Counts.from_json(row["counts"]), summary, row["size"], failed)


def _bytes(frame: pd.DataFrame) -> bytes:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def _frame(data: bytes) -> pd.DataFrame:
    found: pd.DataFrame = pa.ipc.open_stream(data).read_pandas()
    return found
