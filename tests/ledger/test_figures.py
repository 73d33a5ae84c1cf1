"""Sums of hours times figures in draws, beside the draws themselves."""

from __future__ import annotations

import numpy as np
import pytest

from computebill.ledger.figures import DRAWS, Figure, distributions

MONTHS = 5


def figure(kind: str, seed: int = 0) -> Figure:
    """Return two accelerators' figures in five months; ``mixed`` do not rise together."""
    rng = np.random.default_rng(seed)
    draws = np.empty((2 * MONTHS, DRAWS))
    for part in range(2):
        shared = rng.random(DRAWS)
        for month in range(MONTHS):
            own = rng.random(DRAWS) if kind == "mixed" else shared
            draws[part * MONTHS + month] = (1 + month) * own ** (1 + month / 3) + part
    if kind == "lacking":
        draws[[1, 7]] = np.nan
    return Figure(draws, np.repeat([0, 1], MONTHS))


def hours() -> np.ndarray:
    """Return hours of groups: of one accelerator, of both, below none, and none at all."""
    found = np.random.default_rng(1).exponential(1e4, (12, 2 * MONTHS))
    found[:4, MONTHS:] = 0.0
    found[4:8, :MONTHS] = 1e-12
    found[2, 1] = -500.0
    found[10] = 0.0
    found[11] = 0.0
    found[11, 1] = 3.0
    return found


@pytest.mark.parametrize("kind", ["alike", "mixed", "lacking"])
@pytest.mark.parametrize("told", ["nothing", "numbers", "unknown", "draws"])
def test_sums_are_those_of_the_draws(kind: str, told: str) -> None:
    rng = np.random.default_rng(2)
    wide = np.zeros((12, DRAWS))
    wide[3:6] = rng.random((3, DRAWS))
    besides = {
        "nothing": np.zeros((12, 1)),
        "numbers": rng.random((12, 1)),
        "unknown": np.full((12, 1), np.nan),
        "draws": wide,
    }[told]
    by, of = figure(kind), hours()
    found = by.sums(of, besides)
    known = np.where(np.isnan(by.draws), 0.0, by.draws)
    for row, each in enumerate(found):
        has = np.abs(of[row]) > 1e-9
        if np.isnan(besides[row]).any():
            assert not each.is_known
            continue
        if has.any() and np.isnan(by.draws[has]).all() and not besides[row].any():
            assert not each.is_known
            continue
        drawn = (np.where(has, of[row], 0.0)[:, None] * known).sum(axis=0) + besides[row]
        assert [each.p5, each.p50, each.p95] == pytest.approx(
            np.percentile(drawn, [5, 50, 95]).tolist(), rel=1e-12
        )
        assert each.mean == pytest.approx(float(drawn.mean()), rel=1e-12)
        assert (each.errors[0] == 0.0) == (np.ptp(drawn) == 0.0)


def test_draws_are_left_out_where_they_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("draws were made")

    monkeypatch.setattr(Figure, "times", refused)
    one = hours()
    one[:, MONTHS:] = 0.0
    one = np.abs(one)
    assert all(each.is_known for each in figure("alike").sums(one, np.zeros((12, 1))))
    with pytest.raises(AssertionError, match="draws were made"):
        figure("mixed").sums(one, np.zeros((12, 1)))


def test_no_figures_price_no_hours() -> None:
    nothing = Figure(np.zeros((0, DRAWS)), np.zeros(0, dtype=int))
    told = np.array([[3.0]])
    assert nothing.sums(np.zeros((1, 0)), told) == distributions(np.full((1, DRAWS), 3.0))
