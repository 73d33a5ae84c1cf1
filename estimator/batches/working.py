"""Work on batches, a few at a time, its results in the batches' order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")


def workers() -> int:
    """Return the number of batches that are worked on at a time."""
    return max(1, min(8, len(os.sched_getaffinity(0))))


def in_order(function: Callable[[T], U], items: Iterable[T]) -> Iterator[U]:
    """Yield a function's values, some of them computed ahead; few items are held at a time."""
    with ThreadPoolExecutor(workers()) as pool:
        waiting: deque[Future[U]] = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > workers():
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
