"""What the host takes to launch work."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from .clock import Timing, on, synchronise
from .outcome import Skip, attempt

QUEUED = 200
"""Launches between two waits: fewer than a device's queue holds, so that it never fills."""


@dataclass(frozen=True)
class Launches:
    """Launches of a tiny element-wise operation.

    Attributes:
        timing: the host's time for one launch, without the device's; on a CPU that of the
            operation.
    """

    timing: Timing

    @property
    def per_s(self) -> float:
        """Launches a second, at the median time."""
        return 1.0 / self.timing.seconds


def measure_launches(device: torch.device, *, seconds: float = 0.5) -> Launches | Skip:
    """Time launches by the host's clock.

    Args:
        device: device that they go to.
        seconds: budget.
    """
    return attempt("launches", lambda: _measure(device, seconds))


def _measure(device: torch.device, seconds: float) -> Launches:
    one = torch.ones(1, device=device)
    laps: list[float] = []
    with on(device):
        start = time.perf_counter()
        while len(laps) < 5 or time.perf_counter() - start < seconds:
            synchronise(device)
            before = time.perf_counter()
            for _ in range(QUEUED):
                one.neg_()
            laps.append(time.perf_counter() - before)
        synchronise(device)
    # The first loads the kernel.
    return Launches(Timing.of(laps[1:], QUEUED))
