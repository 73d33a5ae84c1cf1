"""A catalogue scored by the machines of a Ray cluster: what came of a batch, as a row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import pyarrow as pa

from computebill.base.errors import RequestError
from computebill.batches.cluster import Named

from .batch import Counts
from .summary import Summary
from .tasks import Done, Job, tasks_of

FRAMES = ("largest", "by_year", "by_organization", "trends")
"""Frames of a summary."""


@dataclass(frozen=True)
class Scoring:
    """The scoring of a catalogue, as the engine of batches has it done.

    Attributes:
        job: how parts are made.
        gpus: share of a GPU that a task takes: reading and writing take longer.
    """

    job: Job
    gpus: float = 0.25
    schema = pa.schema(
        {
            "counts": pa.string(),
            "size": pa.int64(),
            "failed": pa.list_(pa.string()),
            **dict.fromkeys(FRAMES, pa.binary()),
        }
    )

    def tasks(self, pieces: Iterable[Named]) -> Iterator[Callable[[], Done]]:
        """Yield what there is to do for each batch of pieces."""
        return tasks_of(pieces, self.job)

    def elsewhere(self, *, has_gpus: bool) -> Scoring:
        """Return the same for a cluster's machines.

        Raises:
            RequestError: where a device was chosen.
        """
        settings = self.job.settings
        if settings.device != "cpu":
            raise RequestError("--device", "is each machine's own on a cluster; leave it out")
        profiles = tuple(folder.absolute() for folder in settings.profiles)
        settings = replace(settings, profiles=profiles, device="cuda" if has_gpus else "cpu")
        return replace(
            self, job=replace(self.job, folder=self.job.folder.absolute(), settings=settings)
        )

    def packed(self, done: Done) -> dict[str, Any]:
        """Return what came of a batch as a row."""
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

    def unpacked(self, row: dict[str, Any]) -> Done:
        """Return what a row tells."""
        frames = [_frame(row[name]) for name in FRAMES]
        if len(frames[0]):
            # The others' first column says what each row is of.
            frames[1:] = [frame.set_index(frame.columns[0]) for frame in frames[1:]]
        failed = tuple(row["failed"]) or None
        return Done(Counts.from_json(row["counts"]), Summary(*frames), row["size"], failed)


def _bytes(frame: pd.DataFrame) -> bytes:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def _frame(data: bytes) -> pd.DataFrame:
    found: pd.DataFrame = pa.ipc.open_stream(data).read_pandas()
    return found
