from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from computebill.kernels import roofline


def tensor(value: object) -> Tensor:
    return torch.as_tensor(value, dtype=torch.float64)


SIZES = st.integers(1, 40_000)


def brute_force_waste(m: int, n: int, units: int, harshness: float) -> float:
    """Walk through the tiles of a product, wave by wave."""
    tiles = [(row, column) for row in range(0, m, 128) for column in range(0, n, 256)]
    padded = len(tiles) * 128 * 256 / (m * n)
    waves = 0
    while waves * units < len(tiles):
        waves += 1
    idle = min(waves * units / len(tiles), 4.0)
    return min(padded, 2.0) * (1 + harshness * (idle - 1))


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 150), st.floats(0, 1))
def test_waste_is_that_of_a_walk_through_tiles(
    m: int, n: int, units: int, harshness: float
) -> None:
    found = roofline.quantised(tensor(m), tensor(n), tensor(units), tensor(harshness))
    assert float(found) == pytest.approx(brute_force_waste(m, n, units, harshness), rel=1e-9)


def seconds(m: float, n: float, k: float, **changes: float) -> float:
    given = {
        "flop_per_s": 6e14,
        "half_k": 80.0,
        "bytes_per_s": 2.8e12,
        "units": 132.0,
        "harshness": 0.5,
        "element_bytes": 2.0,
        "result_bytes": 2.0,
        **changes,
    }
    shape = roofline.ProductShape(*map(tensor, (m, n, k, 1.0)))
    rate = roofline.ProductRate(**{name: tensor(value) for name, value in given.items()})
    return float(roofline.product_seconds(shape, rate))


def test_a_large_product_is_bound_by_computing() -> None:
    assert seconds(16384, 16384, 16384) == pytest.approx(2 * 16384**3 / 6e14, rel=0.05)


def test_a_thin_product_is_bound_by_memory() -> None:
    traffic = 2 * (16 * 8192 + 8192 * 8192 + 16 * 8192)
    assert seconds(16, 8192, 8192) == pytest.approx(traffic / 2.8e12, rel=0.05)


@given(SIZES, SIZES, SIZES)
def test_time_is_never_below_either_bound(m: int, n: int, k: int) -> None:
    found = seconds(m, n, k)
    assert found >= 2 * m * n * k / 6e14 * (1 - 1e-12)
    assert found >= 2 * (m * k + k * n + m * n) / 2.8e12 * (1 - 1e-12)


def test_an_absent_product_takes_no_time() -> None:
    assert seconds(0, 128, 128) == seconds(128, 0, 128) == seconds(128, 128, 0) == 0
