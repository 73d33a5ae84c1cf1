"""What becomes of a measurement that a device cannot do, or has no memory for."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch

Found = TypeVar("Found")
Size = TypeVar("Size")

_OUT_OF_MEMORY = ("out of memory", "can't allocate", "not enough memory", "alloc_failed")


@dataclass(frozen=True)
class Skip:
    """Something that was not measured.

    Attributes:
        what: its name.
        why: the reason, in one line.
    """

    what: str
    why: str


def reason(error: BaseException) -> str:
    """The first line of an error's text, at most 200 characters; its type where it has none.

    A line that ends with a colon goes on in the next.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    first = " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
    return first[:200]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory did not suffice, on a device or on the host."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(sign in text for sign in _OUT_OF_MEMORY)


def release_memory() -> None:
    """Give back what PyTorch's allocators keep for later."""
    gc.collect()
    if torch.cuda.is_available() and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


def attempt(what: str, call: Callable[[], Found]) -> Found | Skip:
    """What ``call`` returns, or the reason why it could not; an interrupt passes through.

    Args:
        what: name of what is measured.
        call: does it.
    """
    return shrinking(what, lambda _: call(), [None])


def shrinking(what: str, call: Callable[[Size], Found], sizes: Iterable[Size]) -> Found | Skip:
    """Measure with the first size that memory suffices for; an interrupt passes through.

    Args:
        what: name of what is measured.
        call: measures at a size.
        sizes: sizes to try, each smaller than the one before.
    """
    why = "no size to measure at"
    for size in sizes:
        try:
            return call(size)
        # Back ends refuse with errors of every type, and one refusal must not end a suite.
        except Exception as error:
            why = reason(error)
            if not is_out_of_memory(error):
                return Skip(what, why)
        # Only here: while the error lives, its frames hold the tensors.
        release_memory()
    return Skip(what, f"out of memory: {why}")


def halvings(sizes: tuple[int, ...], floor: int) -> Iterator[tuple[int, ...]]:
    """Sizes, and then the same with the largest of them halved, down to ``floor``.

    Args:
        sizes: lengths of a tensor's or a product's dimensions.
        floor: no size is halved to less.
    """
    current = list(sizes)
    yield tuple(current)
    while max(current) // 2 >= floor:
        largest = current.index(max(current))
        current[largest] //= 2
        yield tuple(current)


def batch_halvings(batch: int, sequence: int, floor: int = 16) -> Iterator[tuple[int, int]]:
    """A batch and its sequence length: the batch is halved first, then the sequence.

    Rates at a smaller batch compare with those at the batch asked for; a sequence of another
    length shares its work differently between attention and products.

    Args:
        batch: sequences.
        sequence: tokens of each.
        floor: tokens that a sequence is not cut below.
    """
    yield batch, sequence
    while batch > 1:
        batch //= 2
        yield batch, sequence
    while sequence // 2 >= floor:
        sequence //= 2
        yield batch, sequence
