from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor
from torch.quasirandom import SobolEngine

from computebill.kernels import sampling

SCALE = 2**sampling.SOBOL_BITS
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


def column(*values: float, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.tensor(values, dtype=dtype)[:, None]


def points_of(dimensions: int, seed: int, start: int, count: int) -> Tensor:
    return sampling.sobol_points(sampling.sobol_matrix(dimensions, seed), start, count)


def grid(count: int = 4001) -> Tensor:
    """Probabilities from far in one tail to far in the other, one row."""
    inner = torch.linspace(0.5 / count, 1 - 0.5 / count, count, dtype=torch.float64)
    tail = 2.0 ** -torch.arange(1, 31, dtype=torch.float64)
    return torch.cat([tail, inner, 1 - tail])[None]


# Sobol points ------------------------------------------------------------------------------


def engine_points(dimensions: int, seed: int, start: int, count: int) -> set[tuple[int, ...]]:
    """Points of torch's own engine, as whole numbers."""
    engine = SobolEngine(dimensions, scramble=True, seed=seed)
    if start:
        engine.fast_forward(start)
    drawn = (engine.draw(count, dtype=torch.float64) * SCALE).round().to(torch.int64)
    if start == 0:  # the engine holds its first point as float32, rounded
        exact = SobolEngine(dimensions, scramble=True, seed=seed).shift
        assert (drawn[0] - exact).abs().max() <= SCALE * 2**-24
        drawn[0] = exact
    return {tuple(row) for row in drawn.tolist()}


@pytest.mark.parametrize(("dimensions", "seed"), [(1, 0), (2, 7), (25, 3), (200, 2**20)])
@pytest.mark.parametrize(("bits", "block"), [(0, 5), (3, 0), (3, 9), (10, 0), (10, 3), (15, 1)])
def test_an_aligned_block_is_one_of_the_engines(
    dimensions: int, seed: int, bits: int, block: int
) -> None:
    count = 2**bits
    in_gray_code = block ^ (block >> 1)
    ours = points_of(dimensions, seed, in_gray_code * count, count)
    whole = (ours * SCALE).floor().to(torch.int64).T
    assert {tuple(row) for row in whole.tolist()} == engine_points(
        dimensions, seed, block * count, count
    )


@settings(max_examples=60, deadline=None)
@given(
    start=st.integers(0, 2**30 - 50_000),
    cuts=st.lists(st.integers(1, 17_000), min_size=1, max_size=4),
)
def test_points_do_not_depend_on_the_chunks(start: int, cuts: list[int]) -> None:
    matrix = sampling.sobol_matrix(3, 11)
    whole = sampling.sobol_points(matrix, start, sum(cuts))
    parts, at = [], start
    for cut in cuts:
        parts.append(sampling.sobol_points(matrix, at, cut))
        at += cut
    assert torch.equal(whole, torch.cat(parts, dim=1))


def test_points_lie_strictly_inside_and_on_their_grid() -> None:
    points = points_of(50, 4, 0, 2**16)
    assert points.dtype == torch.float64
    assert points.shape == (50, 2**16)
    assert points.min() > 0
    assert points.max() < 1
    odd = points * 2 * SCALE
    assert torch.equal(odd, odd.round())
    assert bool((odd % 2 == 1).all())


@pytest.mark.parametrize("bits", [1, 6, 13])
def test_each_dimension_has_one_point_in_each_bin(bits: int) -> None:
    for seed in range(5):
        bins = (points_of(30, seed, 0, 2**bits) * 2**bits).floor().to(torch.int64)
        assert torch.equal(bins.sort(dim=1).values, torch.arange(2**bits).expand(30, -1))


def test_seeds_give_different_points() -> None:
    assert len({float(points_of(1, seed, 0, 1)) for seed in range(100)}) == 100


def test_the_last_point_is_the_last() -> None:
    matrix = sampling.sobol_matrix(2, 0)
    assert sampling.sobol_points(matrix, 2**30 - 3, 3).shape == (2, 3)
    with pytest.raises(ValueError, match=str(2**30)):
        sampling.sobol_points(matrix, 2**30 - 3, 4)


def test_a_smooth_integral_converges_faster_than_at_random() -> None:
    def error(points: Tensor) -> float:
        return abs(float(points.exp().prod(0).mean()) - (np.e - 1) ** 4)

    sobol = np.mean([error(points_of(4, seed, 0, 2**12)) for seed in range(10)])
    plain = np.mean([error(sampling.random_points(4, seed, 0, 2**12)) for seed in range(10)])
    assert sobol < plain / 20


# Independent points --------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(
    start=st.integers(0, 2**20),
    cuts=st.lists(st.integers(1, 20_000), min_size=1, max_size=3),
)
def test_random_points_do_not_depend_on_the_chunks(start: int, cuts: list[int]) -> None:
    whole = sampling.random_points(2, 5, start, sum(cuts))
    parts, at = [], start
    for cut in cuts:
        parts.append(sampling.random_points(2, 5, at, cut))
        at += cut
    assert torch.equal(whole, torch.cat(parts, dim=1))


def test_random_points_are_uniform_and_independent() -> None:
    points = sampling.random_points(4, 1, 0, 2**17)
    assert points.min() > 0
    assert points.max() < 1
    for row in points.numpy():
        assert stats.kstest(row, "uniform").pvalue > 1e-4
    correlation = torch.corrcoef(torch.cat([points[:, :-1], points[:, 1:]]))
    off = correlation - torch.eye(8, dtype=torch.float64)
    # A row is the row before it, moved on by one: nothing but chance may correlate.
    assert off.abs().max() < 5 / 2**8.5


def test_blocks_and_neighbouring_seeds_do_not_repeat() -> None:
    size = 2**sampling.BLOCK_BITS
    heads = {
        float(sampling.random_points(1, seed, block * size, 1))
        for seed in range(32)
        for block in range(8)
    }
    assert len(heads) == 32 * 8


# Inverse distribution functions --------------------------------------------------------------


def test_standard_normal_is_scipys() -> None:
    u = grid()
    expected = stats.norm.ppf(u.numpy())
    np.testing.assert_allclose(sampling.standard_normal(u).numpy(), expected, rtol=1e-9, atol=1e-12)


def test_standard_normal_is_finite_at_the_outermost_points() -> None:
    u = torch.tensor([2.0**-54, 2.0**-31, 1 - 2.0**-31, 1 - 2.0**-53], dtype=torch.float64)
    z = sampling.standard_normal(u)
    assert bool(z.isfinite().all())
    np.testing.assert_allclose(z[1:3].numpy(), stats.norm.ppf(u[1:3].numpy()), rtol=1e-9)


@settings(max_examples=50, deadline=None)
@given(
    mean=st.floats(-1e6, 1e6),
    sd=st.floats(1e-3, 1e6),
    median=st.floats(1e-6, 1e30),
    sigma=st.floats(1e-3, 3),
    low=st.floats(-1e9, 1e9),
    width=st.floats(1e-3, 1e9),
)
def test_quantiles_are_scipys(
    mean: float, sd: float, median: float, sigma: float, low: float, width: float
) -> None:
    u = grid(501)
    expected_normal = stats.norm.ppf(u.numpy(), mean, sd)
    found_normal = sampling.normal(u, column(mean), column(sd)).numpy()
    np.testing.assert_allclose(found_normal, expected_normal, rtol=1e-9, atol=1e-9 * sd)
    expected_log = stats.lognorm.ppf(u.numpy(), sigma, scale=median)
    found_log = sampling.lognormal(u, column(median), column(sigma), column(sigma)).numpy()
    np.testing.assert_allclose(found_log, expected_log, rtol=1e-8)
    expected_uniform = stats.uniform.ppf(u.numpy(), low, width)
    found_uniform = sampling.uniform(u, column(low), column(low + width)).numpy()
    np.testing.assert_allclose(found_uniform, expected_uniform, rtol=1e-9, atol=1e-9 * abs(low))


def test_split_lognormal_follows_one_sigma_on_each_side() -> None:
    u = grid()
    low, middle, high = 24.0, 83.0, 435.0
    z95 = float(stats.norm.ppf(0.95))
    below, above = np.log(middle / low) / z95, np.log(high / middle) / z95
    found = sampling.lognormal(u, column(middle), column(below), column(above)).numpy()[0]
    left = stats.lognorm.ppf(u.numpy()[0], below, scale=middle)
    right = stats.lognorm.ppf(u.numpy()[0], above, scale=middle)
    np.testing.assert_allclose(found, np.where(u.numpy()[0] < 0.5, left, right), rtol=1e-9)
    anchors = torch.tensor([[0.05, 0.5, 0.95]], dtype=torch.float64)
    at_anchors = sampling.lognormal(anchors, column(middle), column(below), column(above))
    np.testing.assert_allclose(at_anchors.numpy()[0], [low, middle, high], rtol=1e-12)


def test_moments_of_the_draws() -> None:
    u = points_of(3, 0, 0, 2**17)
    log = sampling.lognormal(u[:1], column(2.0), column(0.5), column(0.5))
    expected = stats.lognorm(0.5, scale=2.0)
    assert float(log.mean()) == pytest.approx(expected.mean(), rel=1e-3)
    assert float(log.std()) == pytest.approx(expected.std(), rel=1e-2)
    bell = sampling.normal(u[1:2], column(-3.0), column(7.0))
    assert float(bell.mean()) == pytest.approx(-3.0, abs=1e-3)
    assert float(bell.std()) == pytest.approx(7.0, rel=1e-3)
    flat = sampling.uniform(u[2:], column(6e23), column(1.5e24))
    assert float(flat.mean()) == pytest.approx(1.05e24, rel=1e-4)
    assert float(flat.std()) == pytest.approx(9e23 / 12**0.5, rel=1e-4)


def test_a_sigma_of_zero_is_the_median() -> None:
    zero = column(0.0)
    assert bool((sampling.lognormal(grid(), column(5.0), zero, zero) == 5.0).all())


def test_points_are_left_as_they_were() -> None:
    u = grid(11)
    before = u.clone()
    one = column(1.0)
    sampling.lognormal(u, one, one, one)
    sampling.normal(u, one, one)
    sampling.uniform(u, one, one)
    sampling.truncated(u, 0.1 * one, 0.1 * one)
    assert torch.equal(u, before)


# Tables and cut-off distributions ------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(values=st.lists(st.floats(-1e30, 1e30), min_size=1, max_size=40), seed=st.integers(0, 99))
def test_tabulated_is_hazens_quantile(values: list[float], seed: int) -> None:
    table = np.sort(values)
    u = np.random.default_rng(seed).uniform(size=200)
    found = sampling.tabulated(torch.from_numpy(u)[None], torch.from_numpy(table)[None])
    expected = np.quantile(table, u, method="hazen")
    scale = np.abs(table).max()
    np.testing.assert_allclose(found.numpy()[0], expected, rtol=1e-9, atol=1e-12 * scale)


def test_tables_of_many_rows_stay_apart() -> None:
    u = points_of(2, 0, 0, 1000)
    tables = torch.stack([torch.arange(10.0), torch.arange(100.0, 110.0)]).to(torch.float64)
    together = sampling.tabulated(u, tables)
    for row in range(2):
        alone = sampling.tabulated(u[row : row + 1], tables[row : row + 1])
        assert torch.equal(together[row], alone[0])


def test_a_table_of_quantiles_gives_the_distribution_back() -> None:
    levels = (np.arange(20_000) + 0.5) / 20_000
    table = torch.from_numpy(stats.gamma.ppf(levels, 3.0))[None]
    u = torch.linspace(0.001, 0.999, 997, dtype=torch.float64)[None]
    found = sampling.tabulated(u, table).numpy()
    np.testing.assert_allclose(found, stats.gamma.ppf(u.numpy(), 3.0), rtol=1e-4)


@settings(max_examples=100, deadline=None)
@given(
    mean=st.floats(-5, 5),
    sd=st.floats(0.1, 10),
    low=st.floats(-4, 0),
    width=st.floats(0.5, 8),
)
def test_truncated_normal_is_scipys(mean: float, sd: float, low: float, width: float) -> None:
    high = low + width  # bounds in standard deviations
    u = torch.linspace(0.0005, 0.9995, 400, dtype=torch.float64)[None]
    below, above = column(stats.norm.cdf(low)), column(stats.norm.sf(high))
    found = sampling.normal(sampling.truncated(u, below, above), column(mean), column(sd))
    expected = stats.truncnorm.ppf(u.numpy(), low, high, mean, sd)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-7, atol=1e-7 * sd)
    assert found.min() >= mean + low * sd - 1e-9 * sd
    assert found.max() <= mean + high * sd + 1e-9 * sd


def test_nothing_cut_off_is_the_whole_distribution() -> None:
    assert torch.equal(sampling.truncated(grid(), column(0.0), column(0.0)), grid())


# References between rows ---------------------------------------------------------------------


@st.composite
def forests(draw: st.DrawFn) -> list[int]:
    """Base of each row, or -1; the rows in any order, no circles."""
    count = draw(st.integers(1, 12))
    order = draw(st.permutations(range(count)))
    base = [-1] * count
    for place in range(1, count):
        if draw(st.booleans()):
            base[order[place]] = order[draw(st.integers(0, place - 1))]
    return base


def chain_of(row: int, base: list[int]) -> list[int]:
    chain = [row]
    while base[chain[-1]] >= 0:
        chain.append(base[chain[-1]])
    return chain


@settings(max_examples=200, deadline=None)
@given(base=forests(), seed=st.integers(0, 1000), more=st.integers(0, 2))
def test_references_multiply_along_the_chain(base: list[int], seed: int, more: int) -> None:
    own = np.random.default_rng(seed).uniform(0.01, 2.0, size=(len(base), 5))
    depth = max(len(chain_of(row, base)) - 1 for row in range(len(base)))
    found = sampling.resolve_references(torch.from_numpy(own), torch.tensor(base), depth + more)
    for row in range(len(base)):
        for draw in range(5):
            expected = 1.0
            for link in chain_of(row, base):
                expected *= own[link, draw]
            assert float(found[row, draw]) == pytest.approx(expected, rel=1e-12)


def test_an_unknown_base_leaves_its_rows_unknown_and_no_other() -> None:
    own = column(float("nan"), 0.5, 3.0, 0.1)
    found = sampling.resolve_references(own, torch.tensor([-1, 0, -1, 2]), 1)
    assert found[:2].isnan().all()
    torch.testing.assert_close(found[2:], column(3.0, 0.3))


# Precision and devices -----------------------------------------------------------------------


def test_float32_stays_float32() -> None:
    u = torch.linspace(0.001, 0.999, 999)[None]
    one = column(1.0, dtype=torch.float32)
    draws = {
        "lognormal": sampling.lognormal(u, one, one, one),
        "normal": sampling.normal(u, one, one),
        "uniform": sampling.uniform(u, one, 2 * one),
        "tabulated": sampling.tabulated(u, torch.arange(5.0)[None]),
        "truncated": sampling.truncated(u, 0.01 * one, 0.01 * one),
    }
    assert {name: values.dtype for name, values in draws.items()} == dict.fromkeys(
        draws, torch.float32
    )
    exact = stats.lognorm.ppf(u.numpy().astype(float), 1.0)
    np.testing.assert_allclose(draws["lognormal"].numpy(), exact, rtol=1e-4)


@pytest.mark.cuda
@needs_cuda
def test_points_are_the_same_on_cuda() -> None:
    for start, count in ((0, 2**16), (12_345, 70_001)):
        there = sampling.sobol_points(sampling.sobol_matrix(25, 3, "cuda"), start, count)
        assert torch.equal(there.cpu(), points_of(25, 3, start, count))
        far = sampling.random_points(25, 3, start, count, "cuda")
        assert torch.equal(far.cpu(), sampling.random_points(25, 3, start, count))


@pytest.mark.cuda
@needs_cuda
def test_draws_agree_on_cuda() -> None:
    u = points_of(3, 0, 0, 2**16)
    low, high = column(1.0, 2.0, 3.0), column(4.0, 5.0, 6.0)
    table = points_of(3, 1, 0, 1000).sort(dim=1).values
    for function, arguments in (
        (sampling.lognormal, (low, low, high)),
        (sampling.normal, (low, high)),
        (sampling.uniform, (low, high)),
        (sampling.tabulated, (table,)),
        (sampling.truncated, (low / 100, high / 100)),
    ):
        here = function(u, *arguments)
        there = function(u.cuda(), *(argument.cuda() for argument in arguments))
        torch.testing.assert_close(there.cpu(), here, rtol=1e-9, atol=1e-12)
