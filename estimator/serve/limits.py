"""How often one client may ask."""

from __future__ import annotations

import time
from collections import OrderedDict

MOST_CLIENTS = 10_000
BURST_SECONDS = 5.0
"""Of the rate, that a client who was silent may ask at once."""


class Limits:
    """A bucket for each client, filled at a rate.

    Args:
        rate: requests a second.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._most = rate * BURST_SECONDS
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
