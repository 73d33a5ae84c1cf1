r"""Collectives among processes of this machine: NCCL between its accelerators, Gloo on its CPU.

Bandwidths are those of nccl-tests. With :math:`S` bytes, :math:`n` ranks and time :math:`t`, the
algorithm bandwidth is :math:`S / t`; the bus bandwidth is that times

- all-reduce: :math:`2 (n - 1) / n`,
- all-gather, reduce-scatter and all-to-all: :math:`(n - 1) / n`,
- send and receive: 1,

so that it does not depend on the number of ranks. :math:`S` is the larger of what a rank gives
and what it gets: of an all-gather all that is gathered, of a reduce-scatter all that is reduced.

References:
    NVIDIA, nccl-tests, PERFORMANCE.md.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import (
    ProcessExitedException,
    ProcessRaisedException,
    start_processes,
)

from .buffers import reserve
from .clock import Timing
from .outcome import Skip, attempt, reason
from .ranks import HOST, OPERATIONS, Job, work

if TYPE_CHECKING:  # not every build of PyTorch has it
    from torch._C._distributed_c10d import Store

SIZES = tuple(2**power for power in range(10, 29, 2))
"""Bytes: 1 KiB to 256 MiB."""

START_SECONDS = 120.0
"""Time that processes get to start and to find each other."""

POLL_SECONDS = 0.2
LEAVE_SECONDS = 5.0
"""Time that processes get to end once all is measured."""


@dataclass(frozen=True)
class Collective:
    """A collective at one size.

    Attributes:
        operation: one of ``OPERATIONS``.
        backend: nccl or gloo.
        ranks: processes.
        size_bytes: see the module's text.
        timing: time of one, until the slowest rank is done.
    """

    operation: str
    backend: str
    ranks: int
    size_bytes: int
    timing: Timing

    @property
    def algorithm_bytes_per_s(self) -> float:
        """Bytes a second as a caller sees them."""
        return self.size_bytes / self.timing.seconds

    @property
    def bus_bytes_per_s(self) -> float:
        """Bytes a second as the links see them."""
        return self.algorithm_bytes_per_s * bus_factor(self.operation, self.ranks)


def bus_factor(operation: str, ranks: int) -> float:
    """Bus bandwidth over algorithm bandwidth; see the module's text.

    Args:
        operation: one of ``OPERATIONS``.
        ranks: processes; two or more.

    Raises:
        KeyError: of an unknown operation.
    """
    once = (ranks - 1) / ranks
    factors = {
        "all-reduce": 2 * once,
        "all-gather": once,
        "reduce-scatter": once,
        "all-to-all": once,
        "send-receive": 1.0,
    }
    return factors[operation]


def measure_collectives(
    device: torch.device,
    *,
    ranks: int | None = None,
    sizes: Sequence[int] = SIZES,
    operations: Sequence[str] | None = None,
    seconds: float = 20.0,
    start_seconds: float = START_SECONDS,
) -> tuple[Collective | Skip, ...]:
    """Time collectives in a group of processes started for it.

    Processes are spawned, so a script that calls this needs ``if __name__ == "__main__"``.

    Args:
        device: ``cuda`` takes NCCL and one process a device, all others Gloo on the CPU.
        ranks: processes; without it, all CUDA devices, or two.
        sizes: bytes.
        operations: names from ``OPERATIONS``; all of them if not given.
        seconds: budget of all operations and sizes, once the processes have started.
        start_seconds: time that they get for that. After this and twice the budget they are
            ended, and what is missing is skipped.
    """
    names = tuple(OPERATIONS) if operations is None else tuple(operations)
    unknown = [Skip(name, "no such collective") for name in names if name not in OPERATIONS]
    names = tuple(name for name in names if name in OPERATIONS)
    if not dist.is_available():
        return (*unknown, Skip("collectives", "this PyTorch is built without torch.distributed"))
    is_cuda = device.type == "cuda"
    there = torch.cuda.device_count() if is_cuda else None
    group = ranks or there or 2
    if group < 2:
        return (*unknown, Skip("collectives", "a group needs two ranks or more"))
    if there is not None and group > there:
        return (*unknown, Skip("collectives", f"{group} ranks wanted, {there} CUDA devices"))
    if is_cuda and not dist.is_nccl_available():
        return (*unknown, Skip("collectives", "this PyTorch is built without NCCL"))
    backend = "nccl" if is_cuda else "gloo"
    job = Job(backend, group, names, tuple(sizes), seconds, start_seconds)
    found = attempt("collectives", lambda: _run(job))
    return (*unknown, *((found,) if isinstance(found, Skip) else found))


def _run(job: Job) -> tuple[Collective | Skip, ...]:
    """Start processes, wait for them, and gather what the first has found."""
    if job.backend == "gloo":
        # A send and a receive buffer a rank.
        reserve(3 * job.ranks * max(job.sizes), torch.device("cpu"))
    wait = timedelta(seconds=job.start_seconds)
    # The system picks a free port, so that no other process can have taken it in between.
    store = dist.TCPStore(HOST, 0, is_master=True, wait_for_workers=False, timeout=wait)  # type: ignore[attr-defined]
    processes = start_processes(  # type: ignore[no-untyped-call]
        work, (job, store.port), nprocs=job.ranks, join=False, start_method="spawn"
    )
    assert processes is not None, "only a joined group is None"
    end = time.monotonic() + job.timeout
    why = f"not done after {job.timeout:.0f} s"
    try:
        while not processes.join(timeout=POLL_SECONDS) and time.monotonic() < end:
            if store.check(list(job.operations)):  # Gloo of PyTorch 2.6 may not end by itself
                end = min(end, time.monotonic() + LEAVE_SECONDS)
    except (ProcessRaisedException, ProcessExitedException) as error:
        lines = str(error).strip().splitlines()
        why = lines[-1][:200] if lines else reason(error)
    finally:
        for process in processes.processes:
            process.kill()
            process.join()
    return _gathered(job, store, why)


def _gathered(job: Job, store: Store, why: str) -> tuple[Collective | Skip, ...]:
    """What lies in the store; a skip for each operation that is missing."""
    found: list[Collective | Skip] = []
    for operation in job.operations:
        if not store.check([operation]):
            found.append(Skip(operation, why))
            continue
        for row in json.loads(store.get(operation)):
            if "why" in row:
                found.append(Skip(operation, row["why"]))
                continue
            timing = Timing(**row["timing"])
            found.append(Collective(operation, job.backend, job.ranks, row["size"], timing))
    return tuple(found)
