from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from computebill.base.errors import RequestError
from computebill.uncertainty import distribution
from computebill.uncertainty.distribution import Collector, Distribution
from computebill.uncertainty.draws import Settings

Values = np.ndarray[Any, Any]


def collected(values: Values, pieces: int = 1) -> list[Distribution]:
    settings = Settings(values.shape[1])
    collector = Collector(values.shape[0], settings)
    start = 0
    for replicate, size in enumerate(settings.sizes()):
        for chunk in np.array_split(values[:, start : start + size], pieces, axis=1):
            if chunk.shape[1]:
                collector.add(replicate, torch.tensor(chunk))
        start += size
    return collector.finish()


def figures(row: Distribution) -> list[float]:
    return [row.p5, row.p50, row.p95, row.mean]


def oracle(row: Values) -> list[float]:
    return [*np.quantile(row, [0.05, 0.5, 0.95]), row.mean()]


@given(
    arrays.arrays(
        np.float64, st.tuples(st.integers(1, 3), st.integers(1, 900)), elements=st.floats(-1e9, 1e9)
    ),
    st.integers(1, 3),
)
def test_quantiles_and_mean_are_numpys(values: Values, pieces: int) -> None:
    for found, row in zip(collected(values, pieces), values, strict=True):
        assert figures(found) == pytest.approx(oracle(row), rel=1e-9, abs=1e-6)


def test_counting_stands_in_for_sorting(monkeypatch: pytest.MonkeyPatch) -> None:
    source = np.random.default_rng(0)
    values = np.stack(
        [source.lognormal(20, 1, 10**5), source.normal(0, 1e6, 10**5), np.full(10**5, 3.5)]
    )
    monkeypatch.setattr(distribution, "MOST_KEPT", 100)
    for found, row in zip(collected(values, 3), values, strict=True):
        assert found.p5 == pytest.approx(np.quantile(row, 0.05), rel=2e-3)
        assert found.p95 == pytest.approx(np.quantile(row, 0.95), rel=2e-3)
        assert found.mean == pytest.approx(row.mean(), rel=1e-9)


def test_a_constant_is_itself_to_the_last_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    for kept in (2**26, 100):
        monkeypatch.setattr(distribution, "MOST_KEPT", kept)
        row = collected(np.full((1, 5000), 0.1))[0]
        assert figures(row) == [0.1] * 4
        assert row.errors == (0.0,) * 4


def test_the_error_is_the_spread_of_the_replicates() -> None:
    values = np.random.default_rng(0).normal(size=(1, 16 * 500))
    row = collected(values)[0]
    parts = values.reshape(16, 500)
    expected = [
        *np.quantile(parts, [0.05, 0.5, 0.95], axis=1).std(1, ddof=1) / 4,
        parts.mean(1).std(ddof=1) / 4,
    ]
    assert row.errors == pytest.approx(expected, rel=1e-9)
    assert row.errors[3] == pytest.approx(1 / math.sqrt(8000), rel=0.5)


def test_few_draws_have_no_known_error() -> None:
    row = collected(np.array([[1.0, 2.0, 3.0]]))[0]
    assert all(math.isnan(error) for error in row.errors)
    written = row.to_dict()
    assert written is not None
    assert written["monte_carlo_error"] is None


def test_what_is_not_known_is_null() -> None:
    row = collected(np.full((1, 300), np.nan))[0]
    assert not row.is_known
    assert row.to_dict() is None


@pytest.mark.parametrize("kept", [2**26, 100])
def test_numbers_beyond_a_float_are_refused(monkeypatch: pytest.MonkeyPatch, kept: int) -> None:
    monkeypatch.setattr(distribution, "MOST_KEPT", kept)
    values = np.full((1, 1000), 1.0)
    values[0, 7] = np.inf
    with pytest.raises(RequestError, match="beyond 1e308"):
        collected(values)


def test_another_unit() -> None:
    row = Distribution(1.0, 2.0, 4.0, 2.5, (0.1, 0.2, 0.4, 0.25)).scaled(10)
    assert figures(row) == [10, 20, 40, 25]
    assert row.errors == (1.0, 2.0, 4.0, 2.5)


def test_the_relative_error_is_the_largest() -> None:
    assert Distribution(1.0, 2.0, 4.0, 2.5, (0.1, 0.1, 0.1, 9.0)).relative_error == 0.1
    assert Distribution(0.0, 0.0, 0.0, 0.0).relative_error == 0.0


def test_the_json_form() -> None:
    row = Distribution(1.0, 2.0, 4.0, 2.5, (0.1, 0.2, 0.4, 0.25))
    assert row.to_dict() == {
        "p5": 1.0,
        "p50": 2.0,
        "p95": 4.0,
        "mean": 2.5,
        "monte_carlo_error": {"p5": 0.1, "p50": 0.2, "p95": 0.4, "mean": 0.25},
    }
