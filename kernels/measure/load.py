"""Clocks, power and temperature of a device while it works."""

from __future__ import annotations

import time

import torch

from .clock import on, synchronise
from .devices import Conditions, conditions
from .matmul import precision, product_call
from .outcome import Skip, halvings, shrinking

EDGE = {"cpu": 1024}
"""Size of the cube that keeps a kind of device at work; 8192 for all others."""

_BURST = 8


def conditions_under_load(
    device: torch.device, *, dtype: str = "bf16", edge: int | None = None, seconds: float = 1.0
) -> Conditions | Skip:
    """What a device's driver tells while matrix products are queued on it.

    Args:
        device: device that works.
        dtype: one of ``matmul.DTYPES``.
        edge: size of the products, halved where memory does not suffice; without it ``EDGE``.
        seconds: time of work before the driver is asked [s]: it tells means of its last second or
            less.
    """

    def measure(size: tuple[int, ...]) -> Conditions:
        with precision(dtype), on(device):
            call = product_call(size[0], size[0], size[0], dtype, device)
            end = time.perf_counter() + seconds
            while True:
                for number in range(_BURST):
                    call(number)
                if time.perf_counter() >= end:
                    # Before the wait: the queue is not empty yet.
                    now = conditions(device)
                    synchronise(device)
                    return now
                synchronise(device)

    start = edge or EDGE.get(device.type, 8192)
    return shrinking(f"conditions under load, {dtype}", measure, halvings((start,), 64))
