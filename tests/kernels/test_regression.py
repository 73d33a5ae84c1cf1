from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from computebill.kernels import regression

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


def sample(rows: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Logarithms such as those of parameters x size and FLOP, with scatter."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(10, 17, size=rows)
    return torch.from_numpy(x), torch.from_numpy(1.1 * x + 5 + rng.normal(0, 0.7, size=rows))


def index_of(rows: int, resamples: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, rows, size=(rows, resamples)))


# One fit -------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(
    rows=st.integers(3, 40),
    seed=st.integers(0, 10_000),
    slope=st.floats(-5, 5),
    shift=st.floats(-100, 100),
)
def test_a_line_is_scipys(rows: int, seed: int, slope: float, shift: float) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(shift, 1.0, size=rows)
    y = slope * x + rng.normal(0, 0.5, size=rows)
    expected = stats.linregress(x, y)
    lines = regression.fit_lines(torch.from_numpy(x), torch.from_numpy(y))
    scale = 1 + abs(slope) * (1 + abs(shift))
    assert float(lines.slope) == pytest.approx(expected.slope, rel=1e-9, abs=1e-10)
    assert float(lines.intercept) == pytest.approx(expected.intercept, rel=1e-9, abs=1e-9 * scale)
    middle = float(lines.at(torch.from_numpy(x).mean()))
    assert middle == pytest.approx(y.mean(), rel=1e-12, abs=1e-12 * scale)


def test_residual_sd_is_the_one_behind_scipys_standard_error() -> None:
    for rows in (3, 5, 18, 200):
        x, y = sample(rows, seed=rows)
        expected = stats.linregress(x.numpy(), y.numpy())
        # stderr of a slope = residual sd / sqrt(sum of squares of x about its mean)
        sd = expected.stderr * np.sqrt(rows * np.var(x.numpy()))
        assert float(regression.residual_sd(x, y)) == pytest.approx(sd, rel=1e-9)


def test_residual_sd_of_a_perfect_line_is_zero() -> None:
    x = torch.arange(8.0, dtype=torch.float64)
    assert float(regression.residual_sd(x, 2 * x - 1)) == pytest.approx(0.0, abs=1e-12)


def test_many_fits_at_once_are_the_fits_one_by_one() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(9, 4, 5)), rng.normal(size=(9, 4, 5))
    lines = regression.fit_lines(torch.from_numpy(x), torch.from_numpy(y))
    sd = regression.residual_sd(torch.from_numpy(x), torch.from_numpy(y))
    assert lines.slope.shape == sd.shape == (4, 5)
    for i in range(4):
        for j in range(5):
            expected = stats.linregress(x[:, i, j], y[:, i, j])
            assert float(lines.slope[i, j]) == pytest.approx(expected.slope, rel=1e-10)
            assert float(lines.intercept[i, j]) == pytest.approx(expected.intercept, rel=1e-9)


# The bootstrap -------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [5, 18, 60])
def test_resample_by_resample_it_is_scipys(rows: int) -> None:
    x, y = sample(rows)
    index = index_of(rows, 500)
    lines = regression.bootstrap_lines(x, y, index)
    for resample in range(500):
        chosen = index[:, resample].numpy()
        if len(set(chosen.tolist())) == 1:
            assert np.isnan(float(lines.slope[resample]))
            continue
        expected = stats.linregress(x.numpy()[chosen], y.numpy()[chosen])
        assert float(lines.slope[resample]) == pytest.approx(expected.slope, rel=1e-10)
        assert float(lines.intercept[resample]) == pytest.approx(
            expected.intercept, rel=1e-10, abs=1e-9
        )


@settings(max_examples=300, deadline=None)
@given(
    rows=st.integers(2, 30),
    value=st.floats(-1e3, 1e3).filter(lambda value: abs(value) > 1e-3),
    seed=st.integers(0, 1000),
)
def test_one_size_only_has_no_slope(rows: int, value: float, seed: int) -> None:
    y = torch.from_numpy(np.random.default_rng(seed).normal(24, 1, size=rows))
    x = torch.full((rows,), value, dtype=torch.float64)
    lines = regression.fit_lines(x, y)
    assert lines.slope.isnan()
    assert float(lines.mean_y) == pytest.approx(float(y.mean()))


@settings(max_examples=100, deadline=None)
@given(rows=st.integers(2, 30), seed=st.integers(0, 1000), data=st.data())
def test_a_degenerate_resample_has_no_slope(rows: int, seed: int, data: st.DataObject) -> None:
    x, y = sample(rows, seed)
    chosen = data.draw(st.integers(0, rows - 1))
    index = torch.full((rows, 1), chosen)
    lines = regression.bootstrap_lines(x, y, index)
    assert bool(lines.slope.isnan())
    assert float(lines.mean_x) == pytest.approx(float(x[chosen]), rel=1e-12)
    assert float(lines.mean_y) == pytest.approx(float(y[chosen]), rel=1e-12)


def test_equal_sizes_of_different_models_are_degenerate_too() -> None:
    x = torch.tensor([1.1, 1.1, 1.1, 1.3, 1.7], dtype=torch.float64)
    y = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0], dtype=torch.float64)
    index = torch.tensor([[0, 0], [1, 1], [2, 2], [0, 0], [1, 3]])
    slope = regression.bootstrap_lines(x, y, index).slope
    assert slope.isnan().tolist() == [True, False]


def test_spread_of_the_slopes_is_near_its_standard_error() -> None:
    x, y = sample(60)
    slopes = regression.bootstrap_lines(x, y, index_of(60, 20_000)).slope
    expected = stats.linregress(x.numpy(), y.numpy())
    assert float(slopes.mean()) == pytest.approx(expected.slope, abs=0.1 * expected.stderr)
    assert float(slopes.std()) == pytest.approx(expected.stderr, rel=0.25)


@settings(max_examples=100, deadline=None)
@given(rows=st.integers(3, 20), seed=st.integers(0, 1000), shift=st.floats(-1e3, 1e3))
def test_moving_the_axes_moves_the_lines(rows: int, seed: int, shift: float) -> None:
    x, y = sample(rows, seed)
    index = index_of(rows, 20, seed)
    here = regression.bootstrap_lines(x, y, index)
    assume(not here.slope.isnan().any())
    moved = regression.bootstrap_lines(x + shift, y - shift, index)
    torch.testing.assert_close(
        moved.at(x.mean() + shift), here.at(x.mean()) - shift, rtol=1e-9, atol=1e-8
    )


# Row numbers ---------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(count=st.integers(1, 10**6))
def test_row_numbers_stay_in_range(count: int) -> None:
    u = torch.tensor([2.0**-54, 2.0**-31, 0.5, 1 - 2.0**-31, 1 - 2.0**-53], dtype=torch.float64)
    index = regression.resample_index(u, count)
    assert index.dtype == torch.int64
    assert int(index[0]) == 0
    assert int(index[-1]) == count - 1
    assert bool((index.diff() >= 0).all())


@pytest.mark.parametrize("count", [5, 18, 64])
def test_row_numbers_are_equally_likely(count: int) -> None:
    u = torch.from_numpy(np.random.default_rng(0).uniform(size=(count, 20_000)))
    seen = torch.bincount(regression.resample_index(u, count).flatten(), minlength=count)
    assert len(seen) == count
    assert stats.chisquare(seen.numpy()).pvalue > 1e-4


def test_evenly_spread_points_take_each_row_equally_often() -> None:
    u = (torch.arange(1800, dtype=torch.float64) + 0.5) / 1800
    assert torch.bincount(regression.resample_index(u, 18)).tolist() == [100] * 18


# Precision and devices -----------------------------------------------------------------------


def test_float32_stays_float32() -> None:
    x, y = (values.to(torch.float32) for values in sample(18))
    index = index_of(18, 200)
    lines = regression.bootstrap_lines(x, y, index)
    assert lines.slope.dtype == lines.mean_x.dtype == torch.float32
    exact = regression.bootstrap_lines(x.double(), y.double(), index)
    torch.testing.assert_close(lines.slope.double(), exact.slope, rtol=1e-3, atol=1e-4)


@pytest.mark.cuda
@needs_cuda
def test_lines_agree_on_cuda() -> None:
    x, y = sample(18)
    index = index_of(18, 20_000)
    here = regression.bootstrap_lines(x, y, index)
    there = regression.bootstrap_lines(x.cuda(), y.cuda(), index.cuda())
    for ours, theirs in zip(here, there, strict=True):
        torch.testing.assert_close(theirs.cpu(), ours, rtol=1e-9, atol=1e-9, equal_nan=True)
