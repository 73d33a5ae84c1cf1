from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from computebill.base.errors import RequestError
from computebill.base.quantity import between, constant
from computebill.programmes import regressions
from computebill.programmes.loading import RegressionModel
from computebill.programmes.regressions import Prediction, Regressions
from computebill.programmes.spec import Regression, RegressionDraw

RESAMPLES = 2**14


@pytest.fixture(autouse=True)
def fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regressions, "RESAMPLES", RESAMPLES)


def models(count: int = 20, scatter: float = 0.3) -> list[RegressionModel]:
    source = np.random.default_rng(7)
    params = 10 ** source.uniform(8, 11, count)
    sizes = 10 ** source.uniform(4, 6, count)
    flop = 10 ** (4 + 1.3 * np.log10(params * sizes) + source.normal(0, scatter, count))
    return [RegressionModel(*row) for row in zip(params, sizes, flop, strict=True)]


def question(params: float = 1e10, size: float = 1e6, on: str = "x") -> Regression:
    return Regression(on=on, params=constant(params), size=constant(size))


def predicted(
    draw: RegressionDraw, table: list[RegressionModel] | None = None, seed: int = 0
) -> Prediction:
    return Regressions({"x": table or models()}, seed, "cpu").predict(question(), draw, "runs[0]")


def resampled(table: list[RegressionModel], at: float, count: int = 4000) -> np.ndarray:
    """FLOP on resampled lines, in a plain loop."""
    source = np.random.default_rng(1)
    x = np.log10([row.params * row.size for row in table])
    y = np.log10([row.flop for row in table])
    found = []
    for _ in range(count):
        rows = source.integers(0, len(table), len(table))
        fit = stats.linregress(x[rows], y[rows])
        found.append(10 ** (fit.intercept + fit.slope * at))
    return np.asarray(found)


def test_the_line_is_scipys_bootstrap() -> None:
    prediction = predicted("line")
    expected = np.quantile(resampled(models(), 16), [0.05, 0.5, 0.95])
    found = [prediction.flop.p5, prediction.flop.p50, prediction.flop.p95]
    assert found == pytest.approx(expected, rel=0.04)


def test_scatter_is_the_residuals_own() -> None:
    table = models()
    x = np.log10([row.params * row.size for row in table])
    y = np.log10([row.flop for row in table])
    fit = stats.linregress(x, y)
    residual = y - (fit.intercept + fit.slope * x)
    assert predicted("line").residual_sd == pytest.approx(
        np.sqrt((residual**2).sum() / (len(x) - 2)), rel=1e-9
    )


def test_predictive_adds_the_scatter() -> None:
    prediction = predicted("predictive")
    line = np.log10(resampled(models(), 16, 1000))
    spread = np.hypot(line.std(), prediction.residual_sd)
    found = np.log10(prediction.flop.p95 / prediction.flop.p5)
    assert found == pytest.approx(2 * stats.norm.ppf(0.95) * spread, rel=0.05)
    assert prediction.line.p95 < prediction.flop.p95


def test_uniform_lies_between_the_lines_quantiles() -> None:
    line, flat = predicted("line").flop, predicted("uniform")
    assert {quantity.family for quantity in flat.quantities} == {"uniform"}
    bounds = np.array([quantity.parameters for quantity in flat.quantities])
    assert bounds.mean(0) == pytest.approx((line.p5, line.p95), rel=0.02)
    assert flat.flop.p50 == pytest.approx((line.p5 + line.p95) / 2)
    assert flat.flop.p5 == pytest.approx(line.p5 + 0.05 * (line.p95 - line.p5))


def test_uncertain_parameters_widen_the_prediction() -> None:
    asked = Regression(on="x", params=between(1e9, 5e10, ""), size=constant(1e6))
    wide = Regressions({"x": models()}, 0, "cpu").predict(asked, "line", "runs[0]")
    assert wide.flop.p95 / wide.flop.p5 > 2 * predicted("line").flop.p95 / predicted("line").flop.p5


def test_points_on_a_line_leave_nothing_open() -> None:
    exact = [RegressionModel(10.0**i, 1e5, 10.0 ** (2 * i)) for i in range(6, 12)]
    prediction = predicted("predictive", exact)
    # log10 FLOP = 2 (log10(params x size) - 5), at params x size = 1e16.
    assert prediction.flop.p50 == pytest.approx(1e22, rel=1e-6)
    assert prediction.flop.p95 == pytest.approx(1e22, rel=1e-6)
    assert prediction.residual_sd == pytest.approx(0, abs=1e-9)


def test_the_same_question_is_answered_once() -> None:
    asked = Regressions({"x": models()}, 0, "cpu")
    first = asked.predict(question(), "line", "runs[0]")
    assert asked.predict(question(), "line", "runs[9]") is first
    assert asked.predict(question(2e10), "line", "runs[0]") is not first


@pytest.mark.parametrize(
    ("table", "on", "problem"),
    [
        (models(4), "x", "got 'x' with 4 models; allowed: one of x, of at least 5 models"),
        (models(9), "y", "got 'y' with 0 models"),
        ([RegressionModel(1e9, 1e5, 10.0**i) for i in range(9)], "x", "the same size"),
    ],
)
def test_what_no_line_goes_through(table: list[RegressionModel], on: str, problem: str) -> None:
    with pytest.raises(RequestError) as caught:
        Regressions({"x": table}, 0, "cpu").predict(question(on=on), "line", "runs[3]")
    assert caught.value.field == "runs[3].regression.on"
    assert problem in str(caught.value)


def test_a_resample_of_one_size_takes_the_whole_samples_slope() -> None:
    table = [RegressionModel(1e9, 1e5, 1e20 * (1 + i / 10)) for i in range(4)]
    table.append(RegressionModel(1e11, 1e5, 1e23))
    flop = predicted("line", table).flop
    assert 0 < flop.p5 < flop.p50 < flop.p95 < 1e30


def test_more_models_than_there_are_dimensions() -> None:
    with pytest.raises(RequestError, match="uncertain ones; allowed: 21201"):
        predicted("line", models(22_000))
