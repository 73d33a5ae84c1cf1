"""The sampler that the Laplace posterior was checked with: known distributions are drawn from."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

FILE = Path(__file__).parents[2] / "bench/posterior_by_sampling.py"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("posterior_by_sampling", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_a_normal_distribution_s_moments_are_found(bench: ModuleType) -> None:
    covariance = torch.tensor([[1.0, 0.6], [0.6, 2.0]], dtype=torch.float64)
    inverse, middle = torch.linalg.inv(covariance), torch.tensor([0.5, -1.0], dtype=torch.float64)

    def energy(x: Tensor) -> Tensor:
        return (x - middle) @ inverse @ (x - middle) / 2

    found = bench.sample(energy, 2, draws=3000, seed=1)
    assert found.accepted > 0.9
    error = 4 * (covariance.diagonal() / bench.independent(found.draws)).sqrt()
    assert bool(((found.draws.mean(0) - middle).abs() < error).all())
    assert torch.cov(found.draws.T).numpy() == pytest.approx(covariance.numpy(), abs=0.25)


def test_a_lopsided_distribution_s_mean_is_not_its_mode(bench: ModuleType) -> None:
    """The logarithm of a gamma variable of shape 2: mean digamma(2), variance trigamma(2)."""
    found = bench.sample(lambda x: (x.exp() - 2 * x).sum(), 1, draws=4000, seed=2)
    assert float(found.draws.mean()) == pytest.approx(0.4227843351, abs=0.06)
    assert float(found.draws.var()) == pytest.approx(0.6449340668, abs=0.08)


def test_draws_that_follow_each_other_are_worth_fewer(bench: ModuleType) -> None:
    """Of an autoregression, ``(1 - a) / (1 + a)`` of their number."""
    generator = torch.Generator().manual_seed(3)
    noise = torch.randn(20000, 1, generator=generator, dtype=torch.float64)
    followed = torch.zeros_like(noise)
    for place in range(1, len(noise)):
        followed[place] = 0.8 * followed[place - 1] + noise[place]
    assert float(bench.independent(noise)) == pytest.approx(20000, rel=0.1)
    assert float(bench.independent(followed)) == pytest.approx(20000 * 0.2 / 1.8, rel=0.2)
