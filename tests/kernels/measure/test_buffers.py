from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from computebill.kernels.measure.buffers import copies, copies_of, empty, random, reserve

CPU = torch.device("cpu")
MIB = 2**20


@given(st.integers(1, 2**34), st.integers(2**16, 2**29))
def test_all_copies_exceed_the_cache_twice(each: int, cache: int) -> None:
    count = copies_of(each, cache, None)
    assert count >= 2
    assert count * each > 2 * cache or count == 2**16
    # No more than that takes.
    assert count == 2 or (count - 1) * each <= 2 * cache


@given(st.integers(1, 2**30), st.integers(2**16, 2**29), st.integers(2**31, 2**36))
def test_copies_leave_memory_free(each: int, cache: int, free: int) -> None:
    assert 1 <= copies_of(each, cache, free) <= 0.6 * free / each


def test_a_copy_that_memory_does_not_hold_is_refused() -> None:
    with pytest.raises(MemoryError, match="needed"):
        copies_of(900 * MIB, MIB, 1000 * MIB)
    with pytest.raises(MemoryError):
        reserve(2**60, CPU)


def test_this_machines_cache_is_exceeded() -> None:
    assert copies(MIB, CPU) >= 2


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float8_e4m3fn]
)
@pytest.mark.parametrize("shape", [(33, 17), (64, 64), (5,)])
def test_random_data_are_normal_and_aligned(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    found = random(40, shape, dtype, CPU, scale=0.5)
    assert len(found) == 40
    for each in found:
        assert each.shape == shape
        assert each.dtype == dtype
        assert each.is_contiguous()
        assert (each.data_ptr() - found[0].data_ptr()) % 256 == 0
    values = torch.stack([each.float() for each in found])
    assert float(values.mean()) == pytest.approx(0.0, abs=0.15)
    assert float(values.std()) == pytest.approx(0.5, rel=0.2)
    assert len({float(each.flatten()[0]) for each in found}) > 10


def test_buffers_are_distinct_memory() -> None:
    a, b = empty(2, (100,), torch.float32, CPU)
    a.zero_()
    b.fill_(1.0)
    assert not a.any()


def test_long_data_are_random_throughout() -> None:
    (long,) = random(1, (5_000_000,), torch.float32, CPU)
    assert float(long[-100_000:].std()) == pytest.approx(1.0, rel=0.05)


def test_pytorchs_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    random(2, (8, 8), torch.float32, CPU)
    assert torch.equal(before, torch.get_rng_state())


def test_seeds_tell_data_apart() -> None:
    one, same, other = (random(1, (9,), torch.float32, CPU, seed=seed)[0] for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
