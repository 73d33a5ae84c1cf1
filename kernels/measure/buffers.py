"""Data that no cache holds: several copies of each tensor, used in turn, with random values."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from computebill.kernels.constants import number

from .devices import cache_bytes, memory_free_bytes

CACHES = 2
"""All copies together are larger than this many caches."""

FREE_SHARE = number("measure.buffers.FREE_SHARE")
"""Share of the free memory that a measurement's tensors may take."""

MOST_COPIES = 2**16

_ALIGNMENT_BYTES = 256
_DRAWN = 2**22


def copies(each_bytes: int, device: torch.device) -> int:
    """How many copies of a measurement's tensors to use in turn.

    Args:
        each_bytes: size of one copy of all of its tensors [B].
        device: device that they lie on.

    Raises:
        MemoryError: where the free memory does not hold one copy.
    """
    return copies_of(each_bytes, cache_bytes(device), memory_free_bytes(device))


def copies_of(each_bytes: int, cache: int, free: int | None) -> int:
    """How many copies exceed the cache, within the free memory.

    Args:
        each_bytes: size of one copy of all tensors [B]; at least one.
        cache: bytes of the cache.
        free: bytes that are free; None where it is not told.

    Raises:
        MemoryError: where the free memory does not hold one copy. A CPU's allocator would promise
            more than there is, and the system then ends the process.
    """
    wanted = min(max(CACHES * cache // each_bytes + 1, 2), MOST_COPIES)
    if free is None:
        return wanted
    _check(each_bytes, int(free * FREE_SHARE))
    return min(wanted, int(free * FREE_SHARE) // each_bytes)


def reserve(needed: int, device: torch.device) -> None:
    """Refuse what the free memory does not hold, before anything is allocated.

    Args:
        needed: bytes.
        device: device that they would lie on.

    Raises:
        MemoryError: where they are more than the share that a measurement may take.
    """
    free = memory_free_bytes(device)
    if free is not None:
        _check(needed, int(free * FREE_SHARE))


def _check(needed: int, room: int) -> None:
    if needed > room:
        raise MemoryError(f"{needed / 2**30:.2f} GiB needed, {room / 2**30:.2f} GiB to use")


def empty(
    count: int, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, ...]:
    """Tensors of one allocation, each aligned as an allocation of its own is.

    Args:
        count: how many.
        shape: shape of each.
        dtype: dtype of each.
        device: device that they lie on.

    Raises:
        RuntimeError: where memory does not suffice (``torch.OutOfMemoryError`` on CUDA).
    """
    return _views(_slab(count, shape, dtype, device), shape)


def random(
    count: int,
    shape: tuple[int, ...],
    dtype: torch.dtype,
    device: torch.device,
    *,
    scale: float = 1.0,
    seed: int = 0,
) -> tuple[Tensor, ...]:
    """Tensors of normal values, of one allocation; PyTorch's own random state is left alone.

    Zeros would draw less power than real data, and let clocks rise. Long ones repeat their first
    4 Mi values.

    Args:
        count: how many.
        shape: shape of each.
        dtype: dtype of each; values are drawn in float32 and converted.
        device: device that they lie on.
        scale: standard deviation.
        seed: seed of the values.

    Raises:
        RuntimeError: where memory does not suffice, or the device lacks the dtype.
    """
    slab = _slab(count, shape, dtype, device)
    flat = slab.view(-1)
    source = torch.Generator(device).manual_seed(seed)
    # An odd length, so that equal values do not stand at equal places of every copy.
    drawn = torch.randn(min(flat.numel(), _DRAWN - 1), generator=source, device=device)
    values = drawn.mul_(scale).to(dtype)
    for start in range(0, flat.numel(), len(values)):
        part = flat[start : start + len(values)]
        part.copy_(values[: len(part)])
    return _views(slab, shape)


def _slab(count: int, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    aligned = max(_ALIGNMENT_BYTES // dtype.itemsize, 1)
    length = -(-math.prod(shape) // aligned) * aligned
    return torch.empty((count, length), dtype=dtype, device=device)


def _views(slab: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, ...]:
    return tuple(row[: math.prod(shape)].view(shape) for row in slab.unbind(0))
