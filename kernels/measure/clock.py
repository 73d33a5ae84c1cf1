"""Seconds of calls on a device: warmed up, timed by the device, as a median and its spread."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

import torch

from computebill.kernels.constants import number

Call = Callable[[int], object]
"""Something timed; takes a running number, by which buffers rotate."""

BATCHED_BELOW = 20e-6
"""Seconds of a call below which several are timed together."""

BATCH_SECONDS = 200e-6
"""Seconds of calls that are timed together."""

WARM_SHARE = number("measure.clock.WARM_SHARE")
"""Share of a measurement's time that warming up may take."""


@dataclass(frozen=True)
class Timing:
    """Seconds of one call.

    Attributes:
        seconds: the median.
        p5: the 5th percentile, in seconds.
        p95: the 95th percentile, in seconds.
        repeats: how many were timed; calls that were timed together count once.
    """

    seconds: float
    p5: float
    p95: float
    repeats: int

    @classmethod
    def of(cls, laps: Sequence[float], calls: int = 1) -> Timing:
        """Median and spread of laps.

        Args:
            laps: seconds of each; at least one.
            calls: number of calls in each lap.
        """
        points = torch.tensor([0.05, 0.5, 0.95], dtype=torch.float64)
        values = torch.tensor(laps, dtype=torch.float64) / calls
        p5, median, p95 = torch.quantile(values, points).tolist()
        return cls(seconds=median, p5=p5, p95=p95, repeats=len(laps))


@dataclass(frozen=True)
class Parts:
    """A call that has parts, one after the other.

    Attributes:
        whole: all of it.
        parts: each of them, in order.
    """

    whole: Timing
    parts: tuple[Timing, ...]


class Marks(Protocol):
    """Points in a device's time."""

    def mark(self) -> None:
        """Set a mark after all that was queued so far."""

    def laps(self) -> list[float]:
        """Seconds from each to the next, once the device has passed them all."""


class _HostMarks:
    """Marks of the host's clock, which waits for the device at each."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._times: list[float] = []

    def mark(self) -> None:
        synchronise(self._device)
        self._times.append(time.perf_counter())

    def laps(self) -> list[float]:
        return [after - before for before, after in itertools.pairwise(self._times)]


class _EventMarks:
    """Marks by events of the device, so that the host can queue ahead."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._events: list[torch.cuda.Event | torch.mps.event.Event] = []

    def mark(self) -> None:
        make = torch.cuda.Event if self._kind == "cuda" else torch.mps.event.Event
        event = make(enable_timing=True)
        event.record()
        self._events.append(event)

    def laps(self) -> list[float]:
        self._events[-1].synchronize()
        return [
            # The stubs do not know that both events are of one kind.
            before.elapsed_time(after) * 1e-3  # type: ignore[arg-type]
            for before, after in itertools.pairwise(self._events)
        ]


def marks(device: torch.device) -> Marks:
    """Marks in the time of ``device``: events on CUDA, ROCm and MPS, else the host's clock."""
    return _EventMarks(device.type) if device.type in ("cuda", "mps") else _HostMarks(device)


def synchronise(device: torch.device) -> None:
    """Wait until a device has done all that was queued."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
    elif device.type != "cpu":
        torch.accelerator.synchronize(device)


def on(device: torch.device) -> AbstractContextManager[object]:
    """Make a CUDA or ROCm device the current one: events are recorded on its stream."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def time_calls(
    call: Call, device: torch.device, *, seconds: float, least: int = 5, most: int = 1000
) -> Timing:
    """Seconds of a call, without those of its first.

    A call shorter than its launch takes as long as the launch; see ``host`` for that.

    Args:
        call: what is timed; it gets a running number.
        device: device that it runs on.
        seconds: budget, warm-up included. The first call, which may load and compile, comes on
            top; and ``least`` calls are made where twice the budget suffices for them.
        least: repeats.
        most: repeats.

    Raises:
        Exception: what ``call`` raises.
    """
    return time_parts([call], device, seconds=seconds, least=least, most=most).whole


def time_parts(
    parts: Sequence[Call],
    device: torch.device,
    *,
    seconds: float,
    least: int = 5,
    most: int = 1000,
) -> Parts:
    """Seconds of each part of a call, the parts called in turn; see ``time_calls``.

    Args:
        parts: each gets the same running number.
        device: device that they run on.
        seconds: budget of all of them together.
        least: repeats.
        most: repeats.

    Raises:
        Exception: what a part raises.
    """
    numbers = itertools.count()

    def once() -> None:
        number = next(numbers)
        for part in parts:
            part(number)

    with on(device):
        once()
        synchronise(device)
        start = time.perf_counter()
        cost = _warm_up(once, device, seconds)
        # Parts must take turns, so only a call of one part is batched.
        batched = len(parts) == 1 and cost < BATCHED_BELOW
        calls = math.ceil(BATCH_SECONDS / cost) if batched else 1
        left = seconds - (time.perf_counter() - start)
        rounds = _rounds(left, seconds, cost * calls, least, most)
        passed = marks(device)
        passed.mark()
        for _ in range(rounds):
            _round(parts, numbers, calls, passed)
            if time.perf_counter() - start > 2 * seconds:
                break
        laps = passed.laps()
    return _parts(laps, len(parts), calls)


def _round(parts: Sequence[Call], numbers: Iterator[int], calls: int, passed: Marks) -> None:
    """Call all parts in turn, with a mark after each, or after several calls of a short one."""
    for _ in range(calls):
        number = next(numbers)
        for part in parts:
            part(number)
            if calls == 1:
                passed.mark()
    if calls > 1:
        passed.mark()


def _parts(laps: list[float], parts: int, calls: int) -> Parts:
    """Laps of each part, of a call with as many laps as parts."""
    each = tuple(Timing.of(laps[part::parts], calls) for part in range(parts))
    whole = [sum(laps[start : start + parts]) for start in range(0, len(laps), parts)]
    return Parts(whole=Timing.of(whole, calls), parts=each)


def _warm_up(once: Callable[[], None], device: torch.device, seconds: float) -> float:
    """Seconds of a call, once two in turn took about the same and clocks had time to rise."""
    start = time.perf_counter()
    last = math.inf
    while True:
        before = time.perf_counter()
        once()
        synchronise(device)
        now = time.perf_counter()
        took, spent = now - before, now - start
        is_settled = abs(took - last) <= 0.1 * took and spent >= min(0.05, 0.1 * seconds)
        if is_settled or spent > WARM_SHARE * seconds:
            break
        last = took
    if took > 10 * BATCHED_BELOW:
        return took
    # One call of this length is mostly the wait for it.
    before = time.perf_counter()
    for _ in range(10):
        once()
    synchronise(device)
    return max((time.perf_counter() - before) / 10, 1e-9)


def _rounds(left: float, seconds: float, cost: float, least: int, most: int) -> int:
    """Repeats that a budget has room for."""
    fitting = max(1, int(left / cost))
    wanted = least if least * cost <= 2 * seconds else 1
    return min(most, max(fitting, wanted))
