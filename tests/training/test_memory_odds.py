"""Odds that a process fits, and the interval of its memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from computebill.training.memory_odds import (
    fit_odds,
    memory_interval,
    most_predicted,
    shipped_spread,
    verdict,
)

sizes = st.floats(1e-3, 1e6)
odds = st.floats(0.5, 0.999)


@given(sizes, sizes)
def test_odds_and_interval_are_those_of_a_log_normal(predicted: float, room: float) -> None:
    known = shipped_spread()
    measured = stats.lognorm(s=known.spread, scale=predicted * 2.718281828459045**known.centre)
    assert fit_odds(predicted, room) == pytest.approx(measured.cdf(room), abs=1e-9)
    found = memory_interval(predicted)
    for name, share in (("p5", 0.05), ("p50", 0.5), ("p95", 0.95)):
        assert found[name] == pytest.approx(measured.ppf(share), rel=1e-9)
    assert found["mean"] == pytest.approx(measured.mean(), rel=1e-9)


@given(sizes, sizes, st.floats(1.0, 10.0))
def test_more_room_is_likelier_to_do(predicted: float, room: float, factor: float) -> None:
    assert fit_odds(predicted, room * factor) >= fit_odds(predicted, room)
    assert fit_odds(predicted * factor, room) <= fit_odds(predicted, room)
    # What fits depends on the share of the room alone.
    assert fit_odds(predicted * factor, room * factor) == pytest.approx(fit_odds(predicted, room))


@given(sizes, st.floats(0.1, 10.0))
def test_an_interval_grows_with_the_memory(predicted: float, factor: float) -> None:
    one, other = memory_interval(predicted), memory_interval(predicted * factor)
    for name, value in one.items():
        assert other[name] == pytest.approx(value * factor)


@given(sizes, odds)
def test_the_most_that_may_be_predicted_has_the_odds(room: float, wanted: float) -> None:
    most = most_predicted(room, wanted)
    assert most <= room
    assert fit_odds(most, room) >= wanted - 1e-9
    if most < room:
        assert fit_odds(most, room) == pytest.approx(wanted)


def test_odds_in_words() -> None:
    told = [verdict(each) for each in (0.95, 0.9, 0.7, 0.3, 0.05)]
    assert told == ["fits", "fits", "may not fit", "unlikely to fit", "does not fit"]
