"""Chunks of draws worked out side by side on a CPU's cores."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

from .draws import Settings

Given = TypeVar("Given")
Found = TypeVar("Found")

FEWEST_DRAWS = 2**15
"""Below it chunks are so small that handing them out takes longer than it saves."""


def in_order(
    function: Callable[[Given], Found], chunks: Iterable[Given], chosen: Settings
) -> Iterator[Found]:
    """Yield what a function makes of chunks, in their order, several at a time on a CPU.

    Torch and NumPy leave Python's lock while they compute. No more chunks are ahead of the caller
    than keep every core busy.

    Args:
        function: of a chunk alone: it changes nothing that others see.
        chunks: made one after the other, as they are needed.
        chosen: how many draws there are in all, and where.
    """
    workers = torch.get_num_threads()
    if chosen.device != "cpu" or workers == 1 or chosen.samples < FEWEST_DRAWS:
        yield from map(function, chunks)
        return
    ahead: deque[Future[Found]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for chunk in chunks:
                ahead.append(pool.submit(function, chunk))
                if len(ahead) > workers:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for each in ahead:
                each.cancel()
