from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from computebill.kernels import sampling, variance

Function = Callable[[Tensor], Tensor]


def shares(function: Function, inputs: int, draws: int = 2**15) -> tuple[Tensor, Tensor]:
    """First-order and total shares of a function of ``(inputs, draws)`` uniform points."""
    points = sampling.sobol_points(sampling.sobol_matrix(2 * inputs, 0), 0, draws)
    first, second = points[:inputs], points[inputs:]
    swapped = []
    for i in range(inputs):
        mixed = first.clone()
        mixed[i] = second[i]
        swapped.append(function(mixed))
    outputs = function(first), function(second), torch.stack(swapped)
    return variance.first_order_share(*outputs), variance.total_share(*outputs)


def agree(function: Function, first: list[float], total: list[float]) -> None:
    found_first, found_total = shares(function, len(first))
    np.testing.assert_allclose(found_first.numpy(), first, atol=5e-3)
    np.testing.assert_allclose(found_total.numpy(), total, atol=5e-3)


def test_ishigami() -> None:
    # Ishigami & Homma 1990; a = 7, b = 0.1.
    a, b = 7.0, 0.1

    def function(u: Tensor) -> Tensor:
        x = (2 * u - 1) * math.pi
        return x[0].sin() + a * x[1].sin() ** 2 + b * x[2] ** 4 * x[0].sin()

    alone_1 = (1 + b * math.pi**4 / 5) ** 2 / 2
    alone_2 = a**2 / 8
    both_1_and_3 = b**2 * math.pi**8 * 8 / 225
    whole = alone_1 + alone_2 + both_1_and_3
    agree(
        function,
        [alone_1 / whole, alone_2 / whole, 0.0],
        [(alone_1 + both_1_and_3) / whole, alone_2 / whole, both_1_and_3 / whole],
    )


def test_sobols_g_function() -> None:
    a = [0.0, 0.5, 3.0, 9.0, 99.0]

    def function(u: Tensor) -> Tensor:
        weight = torch.tensor(a, dtype=torch.float64)[:, None]
        return (((4 * u - 2).abs() + weight) / (1 + weight)).prod(0)

    parts = [1 / (3 * (1 + weight) ** 2) for weight in a]
    whole = math.prod(1 + part for part in parts) - 1
    others = [(whole + 1) / (1 + part) for part in parts]
    agree(
        function,
        [part / whole for part in parts],
        [part * other / whole for part, other in zip(parts, others, strict=True)],
    )


def test_a_sum_has_no_interactions() -> None:
    weights = [1.0, 2.0, 5.0, 0.0]

    def function(u: Tensor) -> Tensor:
        return (torch.tensor(weights, dtype=torch.float64)[:, None] * u).sum(0) + 100

    expected = [weight**2 / 30 for weight in weights]
    agree(function, expected, expected)


def test_a_product_of_lognormals() -> None:
    sigmas = [0.3, 0.5, 0.2]

    def function(u: Tensor) -> Tensor:
        sigma = torch.tensor(sigmas, dtype=torch.float64)[:, None]
        return sampling.lognormal(u, torch.full_like(sigma, 4e7), sigma, sigma).prod(0)

    growth = [math.exp(sigma**2) for sigma in sigmas]  # 1 + squared coefficient of variation
    whole = math.prod(growth)
    agree(
        function,
        [(part - 1) / (whole - 1) for part in growth],
        [(whole - whole / part) / (whole - 1) for part in growth],
    )


def test_shares_do_not_depend_on_unit_or_origin() -> None:
    def function(u: Tensor) -> Tensor:
        return u[0] * u[1] + u[2] ** 2

    here = shares(function, 3, draws=2**10)
    there = shares(lambda u: -3e24 * function(u) + 1e24, 3, draws=2**10)
    for ours, theirs in zip(here, there, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_an_output_that_does_not_vary_has_no_shares() -> None:
    first, total = shares(lambda u: torch.full_like(u[0], 3.0), 2, draws=64)
    assert bool(first.isnan().all())
    assert bool(total.isnan().all())


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_shares_take_the_shape_of_the_inputs(shape: tuple[int, ...]) -> None:
    base, other = torch.rand(2, 10, dtype=torch.float64)
    swapped = torch.rand(*shape, 10, dtype=torch.float64)
    assert variance.first_order_share(base, other, swapped).shape == shape
    assert variance.total_share(base, other, swapped).shape == shape
