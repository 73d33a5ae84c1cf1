"""What a device can do at most, and what a function asks of it: for shares of the limit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from computebill.kernels.measure.clock import time_calls

SIDE = 2048
COPIED = 2**27


class _Counting(TorchDispatchMode):
    """Counts the numbers that operators compute; views compute none."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        found = function(*args, **(kwargs or {}))
        if isinstance(found, Tensor) and not function.is_view:
            self.numbers += found.numel()
        return found


def operations(function: Callable[[], Tensor]) -> int:
    """Arithmetic operations of an eager function, one for each number that it computes."""
    with _Counting() as counting:
        function()
    return counting.numbers


def float64_per_second(device: str = "cpu") -> float:
    """Operations a second of a large matrix product in float64."""
    one = torch.rand(SIDE, SIDE, dtype=torch.float64, device=device)
    return 2.0 * SIDE**3 / _seconds(lambda _: one @ one, device)


def bytes_per_second(device: str = "cpu") -> float:
    """Bytes a second read and written by a copy."""
    source = torch.rand(COPIED // 8, dtype=torch.float64, device=device)
    target = torch.empty_like(source)
    return 2.0 * COPIED / _seconds(lambda _: target.copy_(source), device)


def _seconds(call: Callable[[int], object], device: str) -> float:
    """Best of a second's calls, by the device's own clock."""
    return time_calls(call, torch.device(device), seconds=1.0).p5
