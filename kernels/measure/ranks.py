"""What each process of a group runs to time collectives."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from .clock import Timing, marks, on, synchronise
from .outcome import reason

HOST = "127.0.0.1"
_DTYPE = torch.float32
_MOST = 200


@dataclass(frozen=True)
class Job:
    """What processes are told.

    Attributes:
        backend: nccl or gloo.
        ranks: processes.
        operations: names from ``OPERATIONS``.
        sizes: bytes.
        seconds: budget of all of them.
        start_seconds: time to start and to find each other.
    """

    backend: str
    ranks: int
    operations: tuple[str, ...]
    sizes: tuple[int, ...]
    seconds: float
    start_seconds: float

    @property
    def timeout(self) -> float:
        """Seconds after which the group is ended."""
        return self.start_seconds + 2 * self.seconds


def work(rank: int, job: Job, port: int) -> None:
    """One process of the group: rows for each operation go to the store, under its name.

    Args:
        rank: number of the process.
        job: what is to be done.
        port: port of the store.
    """
    is_cuda = job.backend == "nccl"
    device = torch.device("cuda", rank) if is_cuda else torch.device("cpu")
    if not is_cuda:
        torch.set_num_threads(1)
        # A machine's own name may not resolve where no network is.
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
    wait = timedelta(seconds=job.timeout)
    store = dist.TCPStore(HOST, port, is_master=False, timeout=wait)  # type: ignore[attr-defined]
    with on(device):
        dist.init_process_group(
            job.backend, store=store, rank=rank, world_size=job.ranks, timeout=wait
        )
        end = time.perf_counter() + job.seconds
        for operation in job.operations:
            rows = _sizes(operation, job, device, end)
            if rank == 0:
                store.set(operation, json.dumps(rows))
        dist.barrier()
        dist.destroy_process_group()


def _sizes(operation: str, job: Job, device: torch.device, end: float) -> list[dict[str, Any]]:
    """Time an operation at each size, as long as there is time; one row for each."""
    rows: list[dict[str, Any]] = []
    share = job.seconds / (len(job.operations) * len(job.sizes))
    for size in job.sizes:
        # All ranks must agree, or some wait for ever.
        if _slowest([time.perf_counter() - end], device)[0] > 0:
            rows.append({"why": f"no time left for {size} bytes and more"})
            break
        try:
            length, timing = _time(operation, size, job.ranks, share, device)
        # Back ends refuse what they lack on every rank alike.
        except Exception as error:
            rows.append({"why": reason(error)})
            break
        rows.append({"size": length * _DTYPE.itemsize, "timing": asdict(timing)})
    return rows


def _time(
    operation: str, size: int, ranks: int, seconds: float, device: torch.device
) -> tuple[int, Timing]:
    """Elements moved, and the time for them."""
    # A whole number for each rank.
    length = max(size // (_DTYPE.itemsize * ranks), 1) * ranks
    call = OPERATIONS[operation](length, device)
    for _ in range(2):
        call()
    synchronise(device)
    before = time.perf_counter()
    call()
    synchronise(device)
    took = _slowest([time.perf_counter() - before], device)[0]
    passed = marks(device)
    passed.mark()
    for _ in range(max(3, min(int(seconds / took), _MOST))):
        call()
        passed.mark()
    return length, Timing.of(_slowest(passed.laps(), device))


def _slowest(laps: list[float], device: torch.device) -> list[float]:
    """Longest time of all ranks in each lap [s]."""
    values = torch.tensor(laps, dtype=torch.float64, device=device)
    dist.all_reduce(values, dist.ReduceOp.MAX)
    return values.tolist()


def _all_reduce(length: int, device: torch.device) -> Callable[[], object]:
    # Zeros: sums of sums would overflow, and links move them as fast as any other.
    data = torch.zeros(length, dtype=_DTYPE, device=device)
    return lambda: dist.all_reduce(data)


def _all_gather(length: int, device: torch.device) -> Callable[[], object]:
    whole, part = _whole_and_part(length, device)
    # Its name since PyTorch 2.13, and the one before.
    gather = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor
    return lambda: gather(whole, part)


def _reduce_scatter(length: int, device: torch.device) -> Callable[[], object]:
    whole, part = _whole_and_part(length, device)
    scatter = getattr(dist, "reduce_scatter_single", None) or dist.reduce_scatter_tensor
    return lambda: scatter(part, whole)


def _all_to_all(length: int, device: torch.device) -> Callable[[], object]:
    given, got = torch.randn((2, length), dtype=_DTYPE, device=device)
    return lambda: dist.all_to_all_single(got, given)


def _send_receive(length: int, device: torch.device) -> Callable[[], object]:
    """Every rank sends to the next one and receives from the one before."""
    given, got = torch.randn((2, length), dtype=_DTYPE, device=device)
    rank, ranks = dist.get_rank(), dist.get_world_size()

    def call() -> None:
        pair = [
            dist.P2POp(dist.isend, given, (rank + 1) % ranks),
            dist.P2POp(dist.irecv, got, (rank - 1) % ranks),
        ]
        for work in dist.batch_isend_irecv(pair):
            work.wait()

    return call


def _whole_and_part(length: int, device: torch.device) -> tuple[Tensor, Tensor]:
    whole = torch.randn(length, dtype=_DTYPE, device=device)
    return whole, whole[: length // dist.get_world_size()].clone()


OPERATIONS: dict[str, Callable[[int, torch.device], Callable[[], object]]] = {
    "all-reduce": _all_reduce,
    "all-gather": _all_gather,
    "reduce-scatter": _reduce_scatter,
    "all-to-all": _all_to_all,
    "send-receive": _send_receive,
}
"""Collectives by name: each makes a call for a number of elements on a device."""
