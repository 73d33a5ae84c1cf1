"""Seconds of a function."""

from __future__ import annotations

import time
from collections.abc import Callable

Compare = Callable[..., float]
"""The fixture ``compare``."""


def best_seconds(
    function: Callable[[], object], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> float:
    """The best round counts: what else runs on the machine only ever adds time."""
    best = float("inf")
    for _ in range(rounds):
        start = clock()
        function()
        best = min(best, clock() - start)
    return best
