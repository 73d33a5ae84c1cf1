"""Memory bandwidth: copy, triad and read of arrays larger than the cache."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from .buffers import copies, empty, random
from .clock import Call, Timing, time_calls
from .devices import cache_bytes, memory_free_bytes
from .outcome import Skip, halvings, shrinking

STREAMS = {"copy": 2, "triad": 3, "read": 1}
"""Arrays that each kind reads or writes."""

_DTYPE = torch.float32
_LARGEST = 2 * 2**30
_SMALLEST = 2**12


@dataclass(frozen=True)
class Traffic:
    r"""Arrays moved through memory.

    Bytes are counted as STREAM counts them: what a program reads and writes, not what a cache
    reads besides before a line is written.

    Attributes:
        kind: ``copy`` (:math:`a = b`), ``triad`` (:math:`a = b + s c`) or ``read`` (a sum).
        array_bytes: size of each array [B].
        timing: time of one pass.
    """

    kind: str
    array_bytes: int
    timing: Timing

    @property
    def bytes_moved(self) -> int:
        """Bytes read and written in one pass."""
        return STREAMS[self.kind] * self.array_bytes

    @property
    def bytes_per_s(self) -> float:
        """Bytes a second, at the median time."""
        return self.bytes_moved / self.timing.seconds


def measure_traffic(
    kind: str, array_bytes: int, device: torch.device, *, seconds: float = 0.5
) -> Traffic | Skip:
    """Time one kind at one size; the size is halved where memory does not suffice.

    Args:
        kind: one of ``STREAMS``.
        array_bytes: size of each array [B].
        device: whose memory is measured.
        seconds: budget; see ``clock.time_calls``.
    """

    def measure(size: tuple[int, ...]) -> Traffic:
        length = size[0] // _DTYPE.itemsize
        timing = time_calls(_pass(kind, length, device), device, seconds=seconds)
        return Traffic(kind, length * _DTYPE.itemsize, timing)

    what = f"{kind} of {array_bytes / 2**20:.0f} MiB"
    return shrinking(what, measure, halvings((array_bytes,), _SMALLEST))


def _pass(kind: str, length: int, device: torch.device) -> Call:
    """One pass, over arrays in turn.

    Raises:
        ValueError: of an unknown kind.
        MemoryError: where memory does not suffice.
        RuntimeError: the same.
    """
    if kind not in STREAMS:
        raise ValueError(f"no such kind; known are {', '.join(STREAMS)}")
    count = copies(STREAMS[kind] * length * _DTYPE.itemsize, device)
    b = random(count, (length,), _DTYPE, device, seed=1)
    if kind == "read":
        return lambda i: b[i % count].sum()
    a = empty(count, (length,), _DTYPE, device)
    if kind == "copy":
        return lambda i: a[i % count].copy_(b[i % count])
    c = random(count, (length,), _DTYPE, device, seed=2)
    return lambda i: torch.add(b[i % count], c[i % count], alpha=3.0, out=a[i % count])


def measure_bandwidth(
    device: torch.device, *, sizes: Iterable[int] | None = None, seconds: float = 6.0
) -> tuple[Traffic | Skip, ...]:
    """Time every kind at every size.

    Args:
        device: whose memory is measured.
        sizes: bytes of an array; without them 2, 4, 8 and 16 times the cache, 2 GiB at most.
        seconds: budget of all of them.
    """
    if sizes is None:
        room = min(_LARGEST, (memory_free_bytes(device) or _LARGEST) // 6)
        sizes = sorted({min(cache_bytes(device) * times, room) for times in (2, 4, 8, 16)})
    each = list(sizes)
    share = seconds / (len(each) * len(STREAMS))
    return tuple(
        measure_traffic(kind, size, device, seconds=share) for kind in STREAMS for size in each
    )


def fastest(found: Iterable[Traffic | Skip]) -> dict[str, Traffic]:
    """The fastest of each kind; kinds that none was measured of are left out."""
    best: dict[str, Traffic] = {}
    for each in found:
        if isinstance(each, Skip):
            continue
        if each.kind not in best or each.bytes_per_s > best[each.kind].bytes_per_s:
            best[each.kind] = each
    return best
