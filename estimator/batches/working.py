"""Work on batches, a few at a time, its results in the batches' order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from computebill.base.errors import RequestError

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


def part_name(piece: str, number: int) -> str:
    """Return the name of the part that a batch of a piece becomes."""
    return f"{piece}-{number:05d}"


def batch_tasks(
    piece: str,
    batches: Iterable[T],
    make: Callable[[str, T], U],
    failed: Callable[[str], U],
) -> Generator[Callable[[], U], None, int | None]:
    """Yield what there is to do for each batch of a piece; batches are read here, in order.

    Args:
        piece: its name.
        batches: of its rows.
        make: of a part's name and its batch.
        failed: of the reason why the piece could not be read on.

    Returns:
        The number of batches; None where the piece could not be read on.
    """
    number = 0
    try:
        for number, batch in enumerate(batches, 1):
            yield partial(make, part_name(piece, number - 1), batch)
    except RequestError as error:
        yield partial(failed, error.problem)
        return None
    return number
