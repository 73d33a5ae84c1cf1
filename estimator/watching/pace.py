"""How long a run still takes, from the updates it has made: batch means, and their spread."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

MOST_BATCHES = 16
"""Batches at which neighbours are joined: 8 to 16 hold a run of any length."""

FEWEST_BATCHES = 8
"""Batches from which a spread is told."""

_Z = NormalDist().inv_cdf(0.95)


class Left(NamedTuple):
    """Time that is left [s]; the ends of its interval are None before there is a spread."""

    p5: float | None
    p50: float
    p95: float | None


class Pace:
    """Seconds for each token that counts, of updates in their order.

    Neighbouring updates are alike (a slow node stays slow, a checkpoint comes every so often), so
    their own spread says too little of the mean's. Batches of many are nearly independent: the
    method of batch means (Law and Carson 1979, "A sequential procedure for determining the length
    of a steady-state simulation", Operations Research 27(5)).

    Args:
        batches: tokens and seconds of each batch, and updates of a batch, as ``state`` returns.
    """

    def __init__(
        self, batches: Sequence[Sequence[float]] = (), updates: int = 1, rest: Sequence[float] = ()
    ) -> None:
        self._batches = [(float(tokens), float(seconds)) for tokens, seconds in batches]
        self._updates = updates
        tokens, seconds, count = rest or (0.0, 0.0, 0)
        self._tokens, self._seconds, self._count = float(tokens), float(seconds), int(count)

    def add(self, tokens: float, seconds: float) -> None:
        """Add an update: tokens that count, which may be none, and time that passed [s]."""
        self._tokens += tokens
        self._seconds += seconds
        self._count += 1
        if self._count < self._updates:
            return
        self._batches.append((self._tokens, self._seconds))
        self._tokens, self._seconds, self._count = 0.0, 0.0, 0
        if len(self._batches) == MOST_BATCHES:
            pairs = zip(self._batches[::2], self._batches[1::2], strict=True)
            self._batches = [(a + c, b + d) for (a, b), (c, d) in pairs]
            self._updates *= 2

    def left(self, tokens: float) -> Left | None:
        """Return how long so many tokens take; None before any was trained.

        The mean's own error and the spread of the rest about it are both in the interval:
        ``R r exp(± t s/r sqrt(1/b + T/R))`` with R tokens left, r seconds a token, b batches of T
        tokens on average, and s² the variance of a batch's seconds a token about r. What a run
        has not seen yet, such as a rare failure, is not in it.

        Args:
            tokens: that are left.
        """
        trained = self._tokens + math.fsum(each for each, _ in self._batches)
        if not trained:
            return None
        rate = (self._seconds + math.fsum(each for _, each in self._batches)) / trained
        number, middle = len(self._batches), rate * tokens
        if tokens <= 0:
            return Left(0.0, 0.0, 0.0)
        if number < FEWEST_BATCHES:
            return Left(None, middle, None)
        size = math.fsum(each for each, _ in self._batches) / number
        apart = math.fsum((took - rate * each) ** 2 for each, took in self._batches)
        variance = apart / (number - 1) / size**2
        spread = math.sqrt(variance * (1 / number + size / tokens)) / rate
        factor = math.exp(_student(number - 1) * spread)
        return Left(middle / factor, middle, middle * factor)

    def state(self) -> dict[str, object]:
        """Return what a pace is made of again, as JSON has it."""
        rest = [self._tokens, self._seconds, self._count]
        return {"batches": self._batches, "updates": self._updates, "rest": rest}


def _student(freedom: int) -> float:
    """Return the 95th percentile of Student's t: Abramowitz and Stegun 1964, 26.7.5."""
    z, n = _Z, float(freedom)
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
    )
