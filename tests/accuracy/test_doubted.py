"""Factors of doubts: found where labs speak of them, as before where none does."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from computebill.accuracy.doubted import (
    FACTOR,
    FACTOR_SPREAD,
    FREEDOM,
    SCALE_SPREAD,
    SHARING,
    Block,
    block,
    fit_factors,
    unlikely,
)
from computebill.training.doubts import DOUBTS

NAMES = list(DOUBTS)
ROW = 0.1


def blocks(true: dict[str, float], labs: int, rows: int = 12, seed: int = 0) -> list[Block]:
    """Labs whose rows' errors are wider by true factors, half of the rows having each doubt."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for lab in range(labs):
        columns = torch.zeros(rows, len(DOUBTS), dtype=torch.float64)
        for name in true:
            has = torch.rand(rows, generator=generator) < 0.5
            columns[:, NAMES.index(name)] = has.to(torch.float64)
        wider = sum(value * columns[:, NAMES.index(name)] for name, value in true.items())
        slopes = torch.ones(rows, 1, dtype=torch.float64)
        own = ROW * torch.randn(rows, generator=generator, dtype=torch.float64)
        pace = 0.05 * torch.randn(1, generator=generator, dtype=torch.float64)
        unknown = (slopes, torch.tensor([[0.05**2]], dtype=torch.float64), ROW)
        found.append(
            block(str(lab), (own + pace) * torch.exp(torch.as_tensor(wider)), columns, unknown)
        )
    return found


def test_factors_that_errors_were_drawn_with_are_found() -> None:
    found = fit_factors(blocks({"layout": 0.7, "software": 0.02}, labs=60))
    assert found["layout"] == pytest.approx(0.7, abs=0.12)
    assert found["software"] < 0.1


def test_what_no_lab_speaks_of_stays_as_it_was_before() -> None:
    found = fit_factors(blocks({"layout": 0.5}, labs=10))
    for name in set(DOUBTS) - {"layout"}:
        assert found[name] == pytest.approx(FACTOR, rel=1e-3)
    nothing = fit_factors([])
    assert list(nothing.values()) == pytest.approx([FACTOR] * len(DOUBTS))


def test_one_lab_far_off_moves_factors_little() -> None:
    some = blocks({"layout": 0.5}, labs=30)
    wild = some[0]._replace(errors=some[0].errors + 3 * some[0].columns[:, NAMES.index("layout")])
    here, there = fit_factors(some)["layout"], fit_factors([wild, *some[1:]])["layout"]
    assert there == pytest.approx(here, abs=0.12)


def test_the_likelihood_is_student_s_as_scipy_has_it() -> None:
    some = blocks({"layout": 0.4, "far": 0.1}, labs=3, rows=5)
    scale, logs = torch.tensor(0.2), torch.full((len(DOUBTS),), math.log(0.3), dtype=torch.float64)
    beforehand = stats.norm.logpdf(logs.numpy(), math.log(FACTOR), FACTOR_SPREAD).sum()
    beforehand += stats.norm.logpdf(0.2, 0.0, SCALE_SPREAD)
    expected = -beforehand
    constant = stats.norm.logpdf(0.0, 0.0, FACTOR_SPREAD) * len(DOUBTS)
    constant += stats.norm.logpdf(0.0, 0.0, SCALE_SPREAD)
    for each in some:
        wider = torch.exp(scale + each.columns.sum(1) * 0.3).numpy()
        shape = torch.linalg.inv(each.inverse).numpy() * wider[:, None] * wider
        drawn = stats.multivariate_t(shape=shape, df=FREEDOM)
        weight = 5**-SHARING
        expected -= weight * drawn.logpdf(each.errors.numpy())
        constant += weight * stats.multivariate_t(shape=torch.eye(5).numpy(), df=FREEDOM).logpdf(
            torch.zeros(5).numpy()
        )
    found = float(unlikely(some, scale.to(torch.float64), logs))
    assert found == pytest.approx(expected + constant, abs=1e-8)
