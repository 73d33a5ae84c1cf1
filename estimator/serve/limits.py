"""How often one client may ask, and how many may wait."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

import anyio
import anyio.to_thread

MOST_CLIENTS = 10_000
BURST_SECONDS = 5.0
"""Of the rate, that a client who was silent may ask at once."""

T = TypeVar("T")


class Limits:
    """A bucket for each client, filled at a rate.

    Args:
        rate: requests a second.
        burst: at once, by a client who was silent.
    """

    def __init__(self, rate: float, burst: float | None = None) -> None:
        self._rate = rate
        self._most = rate * BURST_SECONDS if burst is None else burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allow(self, client: str, now: float | None = None) -> bool:
        """Whether a client may ask now; a question that may be asked counts."""
        moment = time.monotonic() if now is None else now
        left, last = self._buckets.pop(client, (self._most, moment))
        left = min(self._most, left + (moment - last) * self._rate)
        is_allowed = left >= 1
        self._buckets[client] = (left - is_allowed, moment)
        if len(self._buckets) > MOST_CLIENTS:
            self._buckets.popitem(last=False)
        return is_allowed

    def give_back(self, client: str) -> None:
        """Let a question that was no question not count."""
        if client in self._buckets:
            left, last = self._buckets[client]
            self._buckets[client] = (min(self._most, left + 1), last)


class BusyError(Exception):
    """Too many wait already."""


class Queue:
    """Computes beside the server, one at a time: side by side they only wait for each other.

    Args:
        most: who may wait; more are told to come again.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting = 0
        self._limiter: anyio.CapacityLimiter | None = None

    async def compute(self, function: Callable[..., T], *given: Any) -> T:
        """Return what a function returns.

        Raises:
            BusyError: where too many wait.
        """
        if self._waiting >= self._most:
            raise BusyError
        self._limiter = self._limiter or anyio.CapacityLimiter(1)
        self._waiting += 1
        try:
            return await anyio.to_thread.run_sync(function, *given, limiter=self._limiter)
        finally:
            self._waiting -= 1
