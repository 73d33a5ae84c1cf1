from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats
from torch import Tensor

from computebill.kernels import quantiles

LEVELS = [0.0, 0.001, 0.05, 0.25, 0.5, 0.75, 0.95, 0.999, 1.0]
WIDTH = 2.0**-quantiles.MANTISSA_BITS
TINY = quantiles.LOWEST * (1 + WIDTH)
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


def tensor(values: object) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float64)


def counted(values: Tensor, levels: list[float] = LEVELS) -> np.ndarray:
    return quantiles.counted_quantiles(quantiles.count_bins(values), tensor(levels)).numpy()


FAMILIES = {
    "lognormal": stats.lognorm(0.8, scale=4e7),
    "wide lognormal": stats.lognorm(5.0, scale=1e18),
    "normal about zero": stats.norm(0, 1e8),
    "negative": stats.norm(-5e7, 1e7),
    "uniform": stats.uniform(6e23, 9e23),
    "share": stats.beta(2, 8),
    "heavy tails on both sides": stats.t(1.5, 0, 1e6),
    "small": stats.lognorm(1.0, scale=1e-9),
}


def sample(family: str, rows: int = 2, draws: int = 50_000) -> Tensor:
    return tensor(FAMILIES[family].rvs(size=(rows, draws), random_state=3))


# Sorting -------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(
    values=arrays.arrays(
        np.float64,
        arrays.array_shapes(min_dims=1, max_dims=3, max_side=30),
        elements=st.floats(-1e60, 1e60),
    ),
    levels=st.lists(st.floats(0, 1), min_size=1, max_size=5),
)
def test_sorted_quantiles_are_numpys(values: np.ndarray, levels: list[float]) -> None:
    found = quantiles.sorted_quantiles(tensor(values), tensor(levels)).numpy()
    expected = np.moveaxis(np.quantile(values, levels, axis=-1), 0, -1)
    scale = np.abs(values).max()
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12 * scale)


@pytest.mark.parametrize("family", FAMILIES)
def test_sorted_quantiles_of_many_draws_are_numpys(family: str) -> None:
    values = sample(family)
    found = quantiles.sorted_quantiles(values, tensor(LEVELS)).numpy()
    np.testing.assert_allclose(found, np.quantile(values.numpy(), LEVELS, axis=1).T, rtol=1e-12)


def test_what_is_sorted_is_left_as_it_was() -> None:
    values = sample("uniform", draws=1000)
    before = values.clone()
    quantiles.sorted_quantiles(values, tensor(LEVELS))
    assert torch.equal(values, before)


def test_any_layout_can_be_sorted() -> None:
    values = sample("uniform", rows=5, draws=101)
    expected = quantiles.sorted_quantiles(values, tensor(LEVELS))
    turned = values.T.contiguous().T
    assert not turned.is_contiguous()
    assert torch.equal(quantiles.sorted_quantiles(turned, tensor(LEVELS)), expected)
    repeated = values[:1].expand(4, -1)
    assert torch.equal(
        quantiles.sorted_quantiles(repeated, tensor(LEVELS)), expected[:1].expand(4, -1)
    )


def test_an_unknown_row_stays_unknown_and_alone() -> None:
    values = torch.stack([torch.full((100,), torch.nan), torch.arange(100.0)])
    found = quantiles.sorted_quantiles(values, torch.tensor([0.0, 0.5, 1.0]))
    assert bool(found[0].isnan().all())
    assert found[1].tolist() == [0.0, 49.5, 99.0]


def test_float32_stays_float32() -> None:
    values = sample("share").to(torch.float32)
    found = quantiles.sorted_quantiles(values, tensor(LEVELS))
    assert found.dtype == torch.float32
    expected = np.quantile(values.numpy(), LEVELS, axis=1).T
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)


def test_a_quantile_can_be_differentiated() -> None:
    values = sample("share", draws=21).requires_grad_()
    quantiles.sorted_quantiles(values, tensor([0.33])).sum().backward()
    assert values.grad is not None
    # Moving all draws of a row moves its quantile as far; only two draws hold it.
    torch.testing.assert_close(values.grad.sum(1), torch.ones(2, dtype=torch.float64))
    assert (values.grad != 0).sum(1).max() <= 2


# Counting ------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_counted_quantiles_are_within_a_bin(family: str) -> None:
    values = sample(family)
    expected = np.quantile(values.numpy(), LEVELS, axis=1, method="inverted_cdf").T
    np.testing.assert_allclose(counted(values), expected, rtol=WIDTH, atol=TINY)


in_range = st.floats(1e-12, 1e33)
any_size = st.one_of(
    in_range, in_range.map(lambda x: -x), st.just(0.0), st.just(-0.0), st.floats(-1e-20, 1e-20)
)


@settings(max_examples=200, deadline=None)
@given(
    values=st.lists(any_size, min_size=1, max_size=60),
    levels=st.lists(st.floats(0, 1), min_size=1, max_size=4),
)
def test_counted_quantiles_of_few_draws(values: list[float], levels: list[float]) -> None:
    found = counted(tensor([values]), levels)[0]
    expected = np.quantile(values, levels, method="inverted_cdf")
    np.testing.assert_allclose(found, expected, rtol=WIDTH, atol=TINY)


@pytest.mark.parametrize("family", ["lognormal", "negative", "uniform", "share", "small"])
def test_interpolation_inside_a_bin_makes_it_better(family: str) -> None:
    values = sample(family, draws=200_000)
    levels = [0.05, 0.25, 0.5, 0.75, 0.95]
    exact = np.quantile(values.numpy(), levels, axis=1).T
    assert np.abs(counted(values, levels) / exact - 1).max() < WIDTH / 2


def test_values_beyond_the_range_fall_into_the_outer_bins() -> None:
    values = tensor([[-np.inf, -1e300, -1e-300, 0.0, 1e-300, 1e300, np.inf]])
    index = quantiles.bin_index(values)[0].tolist()
    assert index == sorted(index)
    assert index[0] == index[1] == 0
    assert index[-1] == index[-2] == quantiles.BINS - 1
    assert index[2] + 1 == index[3] == index[4] == quantiles.BINS // 2
    found = counted(values, [0.0, 1.0])[0]
    np.testing.assert_allclose(found, [-quantiles.HIGHEST, quantiles.HIGHEST], rtol=WIDTH)


def test_unknown_values_are_counted_outermost() -> None:
    values = tensor([[np.nan, -np.nan]])
    assert set(quantiles.bin_index(values)[0].tolist()) <= {0, quantiles.BINS - 1}
    assert int(quantiles.count_bins(values).sum()) == 2


@settings(max_examples=300, deadline=None)
@given(value=st.one_of(in_range, in_range.map(lambda x: -x)))
def test_a_value_lies_between_the_edges_of_its_bin(value: float) -> None:
    index = quantiles.bin_index(tensor([value]))
    low, high = (float(edge) for edge in quantiles.bin_edges(index))
    assert low <= value <= high
    assert high - low <= WIDTH * min(abs(low), abs(high))


@settings(max_examples=200, deadline=None)
@given(values=st.lists(st.floats(allow_nan=False), min_size=2, max_size=50))
def test_bins_ascend_with_the_values(values: list[float]) -> None:
    ordered = sorted(values, key=lambda value: (value, np.copysign(1.0, value)))
    index = quantiles.bin_index(tensor(ordered))
    assert bool((index.diff() >= 0).all())
    assert int(index.min()) >= 0
    assert int(index.max()) < quantiles.BINS


def test_neighbouring_bins_share_an_edge() -> None:
    index = torch.arange(quantiles.BINS)
    low, high = quantiles.bin_edges(index)
    inner = torch.ones(quantiles.BINS - 1, dtype=torch.bool)
    inner[quantiles.BINS // 2 - 1] = False  # zero lies in the gap between the two signs
    assert torch.equal(high[:-1][inner], low[1:][inner])
    assert bool((low < high).all())


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(0, 2000), max_size=4), seed=st.integers(0, 100))
def test_counts_of_chunks_add_up_to_counts_of_the_whole(cuts: list[int], seed: int) -> None:
    values = tensor(np.random.default_rng(seed).normal(size=(3, 2000)) * 1e6)
    edges = [0, *sorted(cuts), 2000]
    parts = [values[:, a:b] for a, b in itertools.pairwise(edges)]
    whole = quantiles.count_bins(values)
    assert torch.equal(sum(quantiles.count_bins(part) for part in parts), whole)
    counts = None
    for part in parts:
        counts = quantiles.count_bins(part, counts)
    assert counts is not None
    assert torch.equal(counts, whole)
    assert whole.sum(1).tolist() == [2000] * 3


# Pairs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("cells", [(1, 1), (4, 7), (20, 20)])
def test_joint_counts_are_numpys(cells: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=5000), rng.lognormal(size=5000)
    edges_x = np.linspace(-1.5, 1.5, cells[0] + 1)
    edges_y = np.linspace(0.1, 5.0, cells[1] + 1)
    found = quantiles.joint_counts(tensor(x), tensor(y), tensor(edges_x), tensor(edges_y))
    inside = (np.clip(x, edges_x[0], edges_x[-1]), np.clip(y, edges_y[0], edges_y[-1]))
    expected, _, _ = np.histogram2d(*inside, bins=(edges_x, edges_y))
    assert found.tolist() == expected.tolist()
    assert int(found.sum()) == 5000


def test_joint_counts_over_quantiles_have_even_margins() -> None:
    values = sample("lognormal")
    steps = torch.linspace(0, 1, 11, dtype=torch.float64)
    edges = quantiles.sorted_quantiles(values, steps)
    found = quantiles.joint_counts(values[0], values[1], edges[0], edges[1])
    for margin in (found.sum(0), found.sum(1)):
        assert (margin - 5000).abs().max() <= 1


@settings(max_examples=100, deadline=None)
@given(count=st.integers(3, 200), slope=st.floats(-3, 3), seed=st.integers(0, 1000))
def test_rank_correlation_is_spearmans(count: int, slope: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=count)
    y = np.exp(slope * x + rng.normal(size=count))
    found = float(quantiles.rank_correlation(tensor(x), tensor(y)))
    assert found == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)


# Devices -------------------------------------------------------------------------------------


@pytest.mark.cuda
@needs_cuda
@pytest.mark.parametrize("family", FAMILIES)
def test_quantiles_agree_on_cuda(family: str) -> None:
    values = sample(family)
    there = values.cuda()
    levels = tensor(LEVELS)
    assert torch.equal(quantiles.count_bins(there).cpu(), quantiles.count_bins(values))
    torch.testing.assert_close(
        quantiles.sorted_quantiles(there, levels.cuda()).cpu(),
        quantiles.sorted_quantiles(values, levels),
        rtol=1e-12,
        atol=0.0,
    )
    found = quantiles.counted_quantiles(quantiles.count_bins(there), levels.cuda()).cpu()
    np.testing.assert_allclose(found.numpy(), counted(values), rtol=1e-12)


@pytest.mark.parametrize("count", [2, 100, 5001])
def test_selected_places_hold_what_sorting_gives(count: int) -> None:
    values = torch.randn(7, count, dtype=torch.float64)
    few = torch.tensor([0.0, 0.05, 0.5, 0.95, 1.0], dtype=torch.float64)
    expected = np.quantile(values.numpy(), few.numpy(), axis=-1).T
    assert quantiles.sorted_quantiles(values, few).numpy() == pytest.approx(expected, rel=1e-12)
    kept = values.clone()
    quantiles.sorted_quantiles(values, few)
    assert torch.equal(values, kept)
    found = quantiles.sorted_quantiles(values, few, reorder=True)
    assert found.numpy() == pytest.approx(expected, rel=1e-12)
    assert torch.equal(values.sort(-1).values, kept.sort(-1).values)


@pytest.mark.parametrize("a", [0.02, 0.16, 0.32, 1.0, 3.04, 7.0])
@pytest.mark.parametrize("whole", [8.0, 40.0])
def test_beta_quantiles_are_those_of_another_hand(a: float, whole: float) -> None:
    levels = [0.05, 0.5, 0.95]
    found = quantiles.beta_quantiles(tensor([a]), tensor([whole - a]), tensor(levels))[0]
    expected = stats.beta(a, whole - a).ppf(levels)
    assert found.numpy() == pytest.approx(expected, rel=2e-3, abs=1e-6)
