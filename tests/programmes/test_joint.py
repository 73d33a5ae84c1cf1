from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from computebill.programmes.joint import CELLS, joint_of
from computebill.programmes.spend import compare_spend


def test_joint_distribution_has_the_right_margins() -> None:
    joint = compare_spend("zai-2025", variant="computebill", samples=40_000).joint
    assert joint is not None
    table = torch.tensor(joint.probability)
    assert table.sum().item() == pytest.approx(1)
    assert table.sum(0) == pytest.approx(torch.full((20,), 0.05), abs=1e-3)
    assert table.sum(1) == pytest.approx(torch.full((20,), 0.05), abs=1e-3)
    assert 0.9 < joint.rank_correlation < 1.0


def test_cells_are_numpys_histogram_of_the_draws() -> None:
    source = np.random.default_rng(1)
    final = np.exp(source.normal(size=5000))
    share = final * np.exp(0.3 * source.normal(size=5000))
    joint = joint_of(torch.from_numpy(final), torch.from_numpy(share))
    assert joint is not None
    steps = np.linspace(0, 1, CELLS + 1)
    edges = [np.quantile(each, steps) for each in (final, share)]
    assert joint.final_runs_usd_edges == pytest.approx(edges[0])
    assert joint.final_share_edges == pytest.approx(edges[1])
    counted, _, _ = np.histogram2d(final, share, bins=[edges[0], edges[1]])
    # Draws on an edge belong to one cell or its neighbour.
    assert np.abs(np.array(joint.probability) * 5000 - counted).max() <= 2
    assert joint.rank_correlation == pytest.approx(spearmanr(final, share).statistic)


@pytest.mark.parametrize("fixed", ["final", "share"])
def test_what_does_not_vary_has_no_grid(fixed: str) -> None:
    varying, same = torch.rand(100, dtype=torch.float64), torch.full((100,), 2.0).double()
    given = (same, varying) if fixed == "final" else (varying, same)
    assert joint_of(*given) is None
