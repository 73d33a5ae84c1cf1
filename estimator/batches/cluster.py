"""The same parts, made by the machines of a Ray cluster: one task a piece of a file.

All machines have to see the files and the folder of parts under the same names. A part comes
under its name when it is whole, and one that is there is not made again: so a task that died with
its machine is begun anew, and each row is there once.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

import pyarrow as pa

from computebill.base.errors import RequestError, shown

from .pieces import Piece

WAIT = 5.0
"""Seconds for a cluster to answer."""

CPUS = 1.0

D = TypeVar("D")

Named = tuple[str, Piece]
"""A piece, with the beginning of its parts' names."""


class Work(Protocol[D]):
    """What is done with pieces of files, on this machine or on a cluster's."""

    @property
    def schema(self) -> pa.Schema:
        """Columns of a row that tells what came of a batch."""

    @property
    def gpus(self) -> float:
        """Share of a GPU that a task takes, where the cluster has any."""

    def tasks(self, pieces: Iterable[Named]) -> Iterator[Callable[[], D]]:
        """Yield what there is to do for each batch of pieces."""

    def elsewhere(self, *, has_gpus: bool) -> Work[D]:
        """Return the same work for other machines, files under names that they know."""

    def packed(self, done: D) -> dict[str, Any]:
        """Return what came of a batch as a row."""

    def unpacked(self, row: dict[str, Any]) -> D:
        """Return what a row tells."""


def run_on_ray(pieces: Sequence[Named], work: Work[D], address: str | None) -> Iterator[D]:
    """Yield what came of each batch, as Ray Data has it done.

    Args:
        pieces: pieces of the files, with the beginning of their parts' names.
        work: what is done with them.
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
    gpus = work.gpus if ray.cluster_resources().get("GPU", 0) > 0 else 0.0
    # Sums are added up in the order of the files, as one machine does.
    ray.data.DataContext.get_current().execution_options.preserve_order = True
    whole = [(name, piece._replace(path=piece.path.absolute())) for name, piece in pieces]
    done = ray.data.range(len(whole), override_num_blocks=max(1, len(whole))).map_batches(
        partial(_do, pieces=whole, work=work.elsewhere(has_gpus=gpus > 0)),
        batch_format="pyarrow",
        num_cpus=CPUS,
        num_gpus=gpus,
    )
    for row in done.iter_rows():
        yield work.unpacked(row)


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


def _do(rows: pa.Table, pieces: Sequence[Named], work: Work[Any]) -> pa.Table:
    """Make the parts of pieces, by their numbers, and tell what came of each."""
    told = [
        work.packed(task())
        for number in rows["id"].to_pylist()
        for task in work.tasks([pieces[number]])
    ]
    return pa.Table.from_pylist(told, work.schema)
