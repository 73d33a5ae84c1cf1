"""Two figures together: grids whose cells are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from computebill.programmes.joint import CELLS, joint_of

DRAWS = CELLS * 500
RISING = torch.arange(DRAWS, dtype=torch.float64) + 1


@pytest.mark.parametrize(("sign", "correlation"), [(1, 1.0), (-1, -1.0)])
def test_what_rises_or_falls_together_lies_on_a_diagonal(sign: int, correlation: float) -> None:
    found = joint_of(RISING, sign * RISING)
    assert found is not None
    assert found.rank_correlation == pytest.approx(correlation)
    cells = np.array(found.probability)[:, ::sign]
    # An edge may take a draw of its neighbour.
    assert np.allclose(cells, np.eye(CELLS) / CELLS, atol=2 / DRAWS)


def test_what_is_independent_fills_every_cell_alike() -> None:
    generator = torch.Generator().manual_seed(0)
    shuffled = RISING[torch.randperm(DRAWS, generator=generator)]
    found = joint_of(RISING, shuffled)
    assert found is not None
    assert abs(found.rank_correlation) < 4 / DRAWS**0.5
    cells = np.array(found.to_dict()["probability"])
    assert cells.sum() == pytest.approx(1)
    # 25 draws a cell, Poisson: five standard deviations.
    assert np.abs(cells * DRAWS - DRAWS / CELLS**2).max() < 5 * (DRAWS / CELLS**2) ** 0.5
    assert cells.sum(axis=0) == pytest.approx(np.full(CELLS, 1 / CELLS), abs=2 / DRAWS)


def test_edges_are_equally_likely_steps() -> None:
    found = joint_of(RISING, RISING**2)
    assert found is not None
    expected = np.quantile(RISING.numpy(), np.linspace(0, 1, CELLS + 1))
    assert found.final_runs_usd_edges == pytest.approx(expected.tolist(), rel=1e-3)


def test_what_does_not_vary_has_no_grid() -> None:
    assert joint_of(torch.ones_like(RISING), RISING) is None
    assert joint_of(RISING, torch.ones_like(RISING)) is None
