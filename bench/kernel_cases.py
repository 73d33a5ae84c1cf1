"""Calls of kernels on drawn columns, for benches of each of them alone.

Kernels that are measured elsewhere are left out: counting, memory, step times, the search and
regressions have benches of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from computebill.kernels import (
    bill,
    collectives,
    cost,
    goodput,
    outcomes,
    pipeline,
    quantiles,
    roofline,
    sampling,
    serving,
    variance,
)

RUNS = 16
DIMENSIONS = 8


class Call(NamedTuple):
    """A kernel on columns: what is called, and with what."""

    function: Callable[..., Tensor]
    columns: tuple[Tensor, ...]


def drawn(rows: int, device: str, *bounds: tuple[float, float]) -> tuple[Tensor, ...]:
    """Columns, uniform in their logarithm between two bounds; the same on every device."""
    source = torch.Generator().manual_seed(0)
    found = []
    for low, high in bounds:
        u = torch.rand(rows, dtype=torch.float64, generator=source)
        found.append((low * (high / low) ** u).to(device))
    return tuple(found)


def uniform(rows: int, device: str, count: int) -> tuple[Tensor, ...]:
    source = torch.Generator().manual_seed(0)
    return tuple(
        torch.rand(rows, dtype=torch.float64, generator=source).to(device) for _ in range(count)
    )


def _products(rows: int, device: str) -> Call:
    sizes = (64.0, 16384.0)
    columns = drawn(
        rows, device, sizes, sizes, sizes, (1, 8), (1e13, 1e15), (50, 500), (1e11, 5e12),
        (8, 148), (0.1, 0.9), (0.5, 4),
    )  # fmt: skip

    def seconds(*columns: Tensor) -> Tensor:
        shape = roofline.ProductShape(*columns[:4])
        return roofline.product_seconds(shape, roofline.ProductRate(*columns[4:]))

    return Call(seconds, columns)


def _reduce(rows: int, device: str) -> Call:
    def seconds(*columns: Tensor) -> Tensor:
        *links, ranks, stride, size = columns
        return collectives.reduce_seconds(
            collectives.group(collectives.Links(*links), ranks.round(), stride.round()), size
        )

    bounds = ((1e10, 1e12), (1e9, 1e11), (4, 72), (1e-6, 1e-5), (5e-6, 5e-5))
    return Call(seconds, drawn(rows, device, *bounds, (1, 512), (1, 64), (1e3, 1e10)))


def _bubble(rows: int, device: str) -> Call:
    bounds = ((0.1, 2), (1, 64), (1, 8), (0.01, 1), (0.02, 2), (0.01, 1))
    return Call(pipeline.bubble_seconds, drawn(rows, device, *bounds))


def _goodput(rows: int, device: str) -> Call:
    def share(failures: Tensor, checkpoint: Tensor, restart: Tensor) -> Tensor:
        interval = goodput.best_interval(failures, checkpoint)
        return goodput.training_share(failures, checkpoint, restart, interval)

    return Call(share, drawn(rows, device, (1e3, 1e7), (1, 600), (60, 3600)))


def _amortised(rows: int, device: str) -> Call:
    def dollars(
        flop: Tensor, peak: Tensor, mfu: Tensor, price: Tensor, years: Tensor, watt: Tensor
    ) -> Tensor:
        orders = torch.full_like(flop, 0.14)
        seconds = cost.accelerator_seconds(flop, peak, mfu)
        value = cost.depreciated_value(price, years, orders)
        hardware = cost.amortised_hardware(value, seconds, orders + 1.5, orders, orders)
        joules = cost.energy_joules(seconds, watt, orders + 1.2, orders + 0.6, orders + 1)
        return sum(hardware) + cost.energy_usd(joules, orders / 3.6e6)

    bounds = ((1e20, 1e26), (1e14, 1e15), (0.2, 0.5), (1e3, 4e4), (0.1, 3), (250, 1000))
    return Call(dollars, drawn(rows, device, *bounds))


def _requests(rows: int, device: str) -> Call:
    def seconds(*columns: Tensor) -> Tensor:
        served, server = serving.Served(*columns[:7]), serving.Server(*columns[7:14])
        return serving.request_seconds(served, server, *columns[14:])

    model = ((1e9, 1e12), (1e9, 5e10), (16, 120), (2e3, 16e3), (1e4, 1e6), (0.5, 2), (1, 2))
    rack = (
        (1, 64),
        (1e14, 1e15),
        (1e12, 8e12),
        (6e10, 2e11),
        (1e10, 1e12),
        (1e-6, 1e-5),
        (1e-6, 1e-5),
    )
    return Call(seconds, drawn(rows, device, *model, *rack, (64, 1e4), (64, 1e4), (1, 512), (1, 2)))


def _failures(rows: int, device: str) -> Call:
    return Call(outcomes.failed_length, uniform(rows, device, 3))


def _bills(rows: int, device: str) -> Call:
    given_in = torch.full((RUNS, 1), bill.FLOP, device=device)
    base = torch.arange(-1, RUNS - 1, device=device)

    def dollars(own: Tensor, peak: Tensor, mfu: Tensor, usd: Tensor) -> Tensor:
        runs = bill.Runs(own.view(RUNS, -1), given_in, base, RUNS)
        return bill.price_runs(runs, bill.Rates(peak, mfu, usd)).usd

    (own,) = drawn(rows, device, (0.1, 1e6))
    rest = drawn(rows // RUNS, device, (1e14, 1e15), (0.2, 0.5), (1e-4, 1e-3))
    return Call(dollars, (own, *rest))


def _sobol(rows: int, device: str) -> Call:
    matrix = sampling.sobol_matrix(DIMENSIONS, 0, device)

    def points(median: Tensor) -> Tensor:
        u = sampling.sobol_points(matrix, 0, rows // DIMENSIONS)
        return sampling.lognormal(u, median, median / 2, median / 3)

    return Call(points, (torch.ones((DIMENSIONS, 1), dtype=torch.float64, device=device),))


def _quantiles(rows: int, device: str) -> Call:
    steps = torch.tensor([0.05, 0.5, 0.95], dtype=torch.float64, device=device)

    def found(values: Tensor) -> Tensor:
        return quantiles.sorted_quantiles(values, steps)

    return Call(found, uniform(rows, device, 1))


def _bins(rows: int, device: str) -> Call:
    def counts(values: Tensor) -> Tensor:
        return quantiles.count_bins(values.view(1, -1))

    return Call(counts, drawn(rows, device, (1e-3, 1e30)))


def _variance(rows: int, device: str) -> Call:
    return Call(variance.total_share, uniform(rows, device, 3))


CASES: dict[str, Callable[[int, str], Call]] = {
    "roofline.product_seconds": _products,
    "collectives.reduce_seconds": _reduce,
    "pipeline.bubble_seconds": _bubble,
    "goodput.training_share": _goodput,
    "cost, amortised and energy": _amortised,
    "serving.request_seconds": _requests,
    "outcomes.failed_length": _failures,
    "bill.price_runs": _bills,
    "sampling, Sobol to log-normal": _sobol,
    "quantiles.sorted_quantiles": _quantiles,
    "quantiles.count_bins": _bins,
    "variance.total_share": _variance,
}
"""A call of each, by rows and device; a row is an element of the longest column."""

LOOSE = {"sampling, Sobol to log-normal": 1e-11}
"""Compiled within this of eager, where that is more than 1e-12: the normal quantile near its
middle is a difference of like numbers."""

UNCOMPILED = {"quantiles.sorted_quantiles", "quantiles.count_bins"}
"""Sorts, and counts into bins: nothing that a compiler would fuse."""
