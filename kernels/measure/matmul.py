r"""Matrix products: how fast one shape is, which dtypes there are, which shape is fastest."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from .buffers import copies, empty, random
from .clock import Call, Timing, synchronise, time_calls
from .outcome import Skip, attempt, halvings, shrinking

DTYPES = {
    "fp32": torch.float32,
    "tf32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
    "fp8": torch.float8_e4m3fn,
}
"""Dtypes of operands; tf32 are float32 whose products are rounded."""

SMALLEST = 16
"""Size below which no product is cut where memory does not suffice."""

_STEP = 128
_CALLS = 8


@dataclass(frozen=True)
class Product:
    r"""A matrix product :math:`(m, k) \times (k, n)`.

    Attributes:
        m: rows.
        n: columns.
        k: inner size.
        dtype: one of ``DTYPES``.
        timing: time of one product.
    """

    m: int
    n: int
    k: int
    dtype: str
    timing: Timing

    @property
    def flop(self) -> float:
        """FLOP of one product: a multiply and an add for each of its terms."""
        return 2.0 * self.m * self.n * self.k

    @property
    def flop_per_s(self) -> float:
        """FLOP a second, at the median time."""
        return self.flop / self.timing.seconds


@dataclass(frozen=True)
class Search:
    """A search for the fastest shape.

    Attributes:
        best: the fastest, timed again after it was found, so that luck does not count.
        tried: all that were timed, in order.
        skipped: those that could not be.
    """

    best: Product
    tried: tuple[Product, ...]
    skipped: tuple[Skip, ...]


@contextmanager
def precision(dtype: str) -> Iterator[None]:
    """Let PyTorch round float32 products on CUDA to tf32 or not, and put its setting back.

    It is a setting of PyTorch in this process, not of the device.

    Args:
        dtype: ``tf32`` rounds, ``fp32`` does not; others leave the setting as it is.
    """
    if dtype not in ("fp32", "tf32"):
        yield
        return
    settings = torch.backends.cuda.matmul
    # The older of the two names may not be read once the newer one was set.
    is_new = hasattr(settings, "fp32_precision")
    name = "fp32_precision" if is_new else "allow_tf32"
    before = getattr(settings, name)
    rounded = dtype == "tf32"
    setattr(settings, name, ("tf32" if rounded else "ieee") if is_new else rounded)
    try:
        yield
    finally:
        setattr(settings, name, before)


def dtype_of(name: str, device: torch.device) -> torch.dtype:
    """PyTorch's dtype of an operand.

    Args:
        name: one of ``DTYPES``.
        device: the first Instinct accelerators with fp8 have a format of their own.

    Raises:
        ValueError: of an unknown name.
    """
    if name not in DTYPES:
        raise ValueError(f"no such dtype; known are {', '.join(DTYPES)}")
    if name != "fp8" or device.type != "cuda" or not torch.version.hip:
        return DTYPES[name]
    architecture = torch.cuda.get_device_properties(device).gcnArchName
    return torch.float8_e4m3fnuz if architecture.startswith("gfx94") else DTYPES[name]


def measure_product(
    m: int, n: int, k: int, dtype: str, device: torch.device, *, seconds: float = 0.5
) -> Product | Skip:
    """Time a product; where memory does not suffice, with its largest size halved, and again.

    The second operand lies as a linear layer's weight does: ``(n, k)``, transposed. In fp8 both
    have one scale, the result is bf16, and sums are the device's fast ones.

    Args:
        m: rows.
        n: columns.
        k: inner size.
        dtype: one of ``DTYPES``.
        device: device that it runs on.
        seconds: budget; see ``clock.time_calls``.
    """

    def measure(size: tuple[int, ...]) -> Product:
        rows, columns, inner = size
        with precision(dtype):
            call = product_call(rows, columns, inner, dtype, device)
            timing = time_calls(call, device, seconds=seconds)
        return Product(rows, columns, inner, dtype, timing)

    return shrinking(f"{dtype} product {m} x {n} x {k}", measure, halvings((m, n, k), SMALLEST))


def product_call(m: int, n: int, k: int, dtype: str, device: torch.device) -> Call:
    """A product on buffers in turn.

    Args:
        m: rows.
        n: columns.
        k: inner size.
        dtype: one of ``DTYPES``; tf32 also takes ``precision``.
        device: device that it runs on.

    Raises:
        ValueError: of an unknown dtype.
        MemoryError: where memory does not suffice.
        RuntimeError: where it does not, or the device lacks the dtype.
    """
    kind = dtype_of(dtype, device)
    result = torch.bfloat16 if dtype == "fp8" else kind
    count = copies((m * k + n * k) * kind.itemsize + m * n * result.itemsize, device)
    left = random(count, (m, k), kind, device, seed=1)
    right = [each.t() for each in random(count, (n, k), kind, device, seed=2)]
    out = empty(count, (m, n), result, device)
    if dtype != "fp8":
        return lambda i: torch.mm(left[i % count], right[i % count], out=out[i % count])
    one = torch.ones((), device=device)
    return lambda i: torch._scaled_mm(
        left[i % count],
        right[i % count],
        scale_a=one,
        scale_b=one,
        out_dtype=result,
        use_fast_accum=True,
        out=out[i % count],
    )


def dtypes_of(device: torch.device) -> tuple[tuple[str, ...], tuple[Skip, ...]]:
    """Dtypes that a device multiplies, found by a small product; the others, and why not.

    Args:
        device: device that is asked.
    """
    tried = {name: attempt(name, lambda n=name: _try(n, device)) for name in DTYPES}  # type: ignore[misc]
    usable = tuple(name for name, found in tried.items() if not isinstance(found, Skip))
    return usable, tuple(found for found in tried.values() if isinstance(found, Skip))


def _try(dtype: str, device: torch.device, size: int = 256) -> None:
    """Raise what keeps a device from multiplying in a dtype."""
    with precision(dtype):
        product_call(size, size, size, dtype, device)(0)
        synchronise(device)
    if dtype != "tf32":
        return
    a = random(1, (size, size), torch.float32, device)[0]
    results = []
    for name in ("fp32", "tf32"):
        with precision(name):
            results.append(a @ a)
    if torch.equal(*results):
        raise NotImplementedError("this device does not round float32 products to tf32")


def search_best(
    dtype: str,
    device: torch.device,
    *,
    seconds: float = 20.0,
    smallest: int = 256,
    largest: int = 32768,
) -> Search | Skip:
    """Look for the shape whose product is fastest.

    Cubes of doubled size first; then shapes around the best, one size doubled, halved, or
    changed by a quarter, until none is faster or the budget is used.

    Args:
        dtype: one of ``DTYPES``.
        device: device that is searched.
        seconds: budget.
        smallest: edge of the first cube.
        largest: size that none exceeds.
    """
    search = _Search(dtype, device, seconds, largest)
    edge = smallest
    while edge <= largest and search.tries((edge,) * 3):
        edge *= 2
    if not search.tried:
        return search.skipped[0] if search.skipped else Skip(dtype, "no time to measure")
    best = search.climb()
    again = measure_product(best.m, best.n, best.k, dtype, device, seconds=seconds / 10)
    return Search(
        best=best if isinstance(again, Skip) else again,
        tried=tuple(search.tried.values()),
        skipped=tuple(search.skipped),
    )


class _Search:
    """What a search has found so far, and what time it has left."""

    def __init__(self, dtype: str, device: torch.device, seconds: float, largest: int) -> None:
        self.tried: dict[tuple[int, ...], Product] = {}
        self.skipped: list[Skip] = []
        self._dtype, self._device, self._largest = dtype, device, largest
        self._share = seconds / 50
        self._end = time.perf_counter() + 0.9 * seconds

    @property
    def best(self) -> Product:
        return max(self.tried.values(), key=lambda product: product.flop_per_s)

    def tries(self, size: tuple[int, ...]) -> bool:
        """Time a shape; whether there was time for it, and memory for larger ones."""
        if size in self.tried:
            return True
        m, n, k = size
        left = self._end - time.perf_counter()
        expected = _CALLS * 2.0 * m * n * k / self.best.flop_per_s if self.tried else 0.0
        if left <= 0 or expected > left:
            return False
        found = measure_product(m, n, k, self._dtype, self._device, seconds=self._share)
        if isinstance(found, Skip):
            self.skipped.append(found)
            return False
        self.tried[found.m, found.n, found.k] = found
        return (found.m, found.n, found.k) == size

    def climb(self) -> Product:
        """Go from the best shape to a faster one beside it, as long as there is one."""
        best = self.best
        for size in _neighbours((best.m, best.n, best.k), self._largest):
            self.tries(size)
            if self.best is not best:
                return self.climb()
        return best


def _neighbours(size: tuple[int, ...], largest: int) -> list[tuple[int, ...]]:
    """Shapes around one, with one or two sizes changed."""

    def changes(shape: tuple[int, ...]) -> int:
        return sum(new != old for new, old in zip(shape, size, strict=True))

    shapes = itertools.product(*(_edges(edge, largest) for edge in size))
    # A short budget may end before those with two changes.
    return sorted((shape for shape in shapes if 1 <= changes(shape) <= 2), key=changes)


def _edges(edge: int, largest: int) -> list[int]:
    """A size, and those near it: multiples of 128, and a power of two among them."""
    if edge < _STEP:
        return [edge]
    near = {round(edge * scale / _STEP) * _STEP for scale in (0.5, 0.75, 1.25, 2.0)}
    near.add(2 ** round(math.log2(edge)))
    return [edge, *sorted(each for each in near - {edge} if _STEP <= each <= largest)]
