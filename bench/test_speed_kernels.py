"""Each kernel alone: rows a second, shares of the device's limits, eager and compiled, GPU."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import pytest
import torch
from kernel_cases import CASES, LOOSE, UNCOMPILED
from limits import bytes_per_second, float64_per_second, operations
from torch import Tensor

from computebill.kernels.measure.clock import time_calls

ROWS = 2**20
SIZES = tuple(2**power for power in range(8, 25, 2))
SECONDS = 0.5

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")),
]

float64_limit = cache(float64_per_second)
bandwidth = cache(bytes_per_second)


def seconds_of(call: Callable[[], object], device: str) -> float:
    return time_calls(lambda _: call(), torch.device(device), seconds=SECONDS).seconds


def held(tensors: Iterable[Tensor]) -> int:
    return sum(each.numel() * each.element_size() for each in tensors)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", list(CASES))
def test_a_kernel_alone(
    benchmark: Any, note: Callable[[str], None], name: str, device: str
) -> None:
    function, columns = CASES[name](ROWS, device)

    def eager() -> Tensor:
        return function(*columns)

    with torch.no_grad():
        if device != "cpu":
            there = CASES[name](ROWS, "cpu")
            torch.testing.assert_close(
                eager().cpu(), there.function(*there.columns), rtol=1e-9, atol=0
            )
        benchmark.pedantic(eager, rounds=5, warmup_rounds=2)
        if benchmark.stats is None:  # --benchmark-disable
            return
        seconds = seconds_of(eager, device)
        numbers, moved = operations(eager), held([*columns, eager()])
        told = _compiled(name, function, columns, device, seconds)
    arithmetic = numbers / seconds / float64_limit(device)
    traffic = moved / seconds / bandwidth(device)
    rates = {"rows_per_second": ROWS / seconds, "share_float64": arithmetic}
    benchmark.extra_info.update(**rates, share_bandwidth=traffic)
    note(
        f"{name}, {device}: {ROWS / seconds:,.0f} rows a second; {numbers / ROWS:.0f} operations a "
        f"row, {arithmetic:.1%} of the float64 limit; inputs and result at {traffic:.1%} of a "
        f"copy{told}"
    )


def _compiled(
    name: str,
    function: Callable[..., Tensor],
    columns: tuple[Tensor, ...],
    device: str,
    eager_seconds: float,
) -> str:
    """How much faster compiled code is, equal to 1e-12 as a rule."""
    if name in UNCOMPILED or shutil.which("g++") is None:
        return ""
    torch.compiler.reset()
    fast = torch.compile(function, dynamic=False)
    near = LOOSE.get(name, 1e-12)
    torch.testing.assert_close(fast(*columns), function(*columns), rtol=near, atol=0)
    return f"; compiled {eager_seconds / seconds_of(lambda: fast(*columns), device):.1f} times"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
@pytest.mark.parametrize("name", list(CASES))
def test_where_the_gpu_is_faster(note: Callable[[str], None], name: str) -> None:
    """The least number of rows from which on the GPU wins, data already there."""
    slower = 0
    ratio = 0.0
    with torch.no_grad():
        for rows in SIZES:
            seconds = {}
            for device in ("cpu", "cuda"):
                function, columns = CASES[name](rows, device)
                seconds[device] = seconds_of(lambda f=function, c=columns: f(*c), device)  # type: ignore[misc]
            ratio = seconds["cpu"] / seconds["cuda"]
            if ratio < 1:
                slower = rows
    note(f"{name}: the GPU is faster above {slower:,} rows; {ratio:.0f} times at {SIZES[-1]:,}")
