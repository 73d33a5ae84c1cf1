from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from computebill.kernels.measure.outcome import (
    Skip,
    attempt,
    batch_halvings,
    halvings,
    is_out_of_memory,
    reason,
    shrinking,
)

FULL = (
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    MemoryError(),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes."),
    RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
)


@pytest.mark.parametrize("error", FULL, ids=lambda error: type(error).__name__)
def test_a_size_without_memory_for_it_is_halved(error: Exception) -> None:
    seen = []

    def call(size: tuple[int, ...]) -> tuple[int, ...]:
        seen.append(size)
        if max(size) > 256:
            raise error
        return size

    assert shrinking("product", call, halvings((1024, 100, 512), 16)) == (256, 100, 256)
    assert seen == [(1024, 100, 512), (512, 100, 512), (256, 100, 512), (256, 100, 256)]


def test_a_real_allocation_that_cannot_succeed_is_out_of_memory() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(10**15)
    assert is_out_of_memory(caught.value)


def test_a_device_that_is_full_at_every_size_is_a_skip() -> None:
    def call(size: tuple[int, ...]) -> None:
        raise torch.OutOfMemoryError("no room\nsecond line")

    found = shrinking("copy", call, halvings((64,), 16))
    assert found == Skip("copy", "out of memory: no room")


def test_tensors_are_let_go_before_the_next_size() -> None:
    held = []

    class Buffer:
        def __init__(self) -> None:
            held.append(self)

        def __del__(self) -> None:
            alive.discard(id(self))

    alive: set[int] = set()

    def call(size: int) -> int:
        assert not alive
        buffer = Buffer()
        held.clear()
        alive.add(id(buffer))
        if size > 1:
            raise MemoryError
        return size

    assert shrinking("x", call, [4, 2, 1]) == 1


def test_other_errors_are_skips_at_once_and_by_name() -> None:
    calls: list[int] = []

    def call(size: int) -> None:
        calls.append(size)
        raise NotImplementedError("\n  not on this device\n at line 3")

    assert shrinking("fp8", call, [4, 2]) == Skip("fp8", "not on this device")
    assert calls == [4]


def test_an_interrupt_passes_through() -> None:
    def call() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempt("x", call)


def test_a_reason_goes_on_after_a_colon() -> None:
    assert reason(ValueError("it raised:\n\n  no compiler\nat 3")) == "it raised: no compiler"


def test_an_error_without_text_is_named_by_its_type() -> None:
    assert reason(AssertionError()) == "AssertionError"


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=4), st.integers(1, 64))
def test_halved_sizes_fall_and_never_below_the_floor(sizes: list[int], floor: int) -> None:
    steps = list(halvings(tuple(sizes), floor))
    assert steps[0] == tuple(sizes)
    for before, after in itertools.pairwise(steps):
        assert sum(after) < sum(before)
        assert all(new == old or new >= floor for new, old in zip(after, before, strict=True))


@given(st.integers(1, 300), st.integers(16, 8192))
def test_the_batch_goes_before_the_sequence(batch: int, sequence: int) -> None:
    steps = list(batch_halvings(batch, sequence))
    assert all(length == sequence for each, length in steps if each > 1)
    assert steps[-1][0] == 1
    assert 16 <= steps[-1][1] < 32
