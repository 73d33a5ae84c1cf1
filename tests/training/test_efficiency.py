from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from computebill.hardware.fitted import Fitted
from computebill.training.efficiency import read_profile, write_profile
from computebill.training.parameters import NAMES

# Quotes, backslashes, control characters, any script: all that TOML can hold.
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
factors = st.floats(1e-3, 1e3)  # what an interval may hold


def in_order(ends: tuple[float, float]) -> tuple[float, float]:
    return min(ends), max(ends)


@given(
    note=words,
    sources=st.lists(words, max_size=4),
    values=st.dictionaries(st.sampled_from(NAMES), st.floats(0.001, 0.99), max_size=9),
    intervals=st.dictionaries(words, st.tuples(factors, factors).map(in_order), max_size=4),
    apart=st.floats(1e-5, 6.9),
)
def test_what_was_written_is_read_again(
    note: str,
    sources: list[str],
    values: dict[str, float],
    intervals: dict[str, tuple[float, float]],
    apart: float,
) -> None:
    fitted = Fitted(
        fitted=dt.date(2026, 11, 30),
        rows=7,
        sources=tuple(sources),
        note=note,
        intervals=intervals,
        apart=apart,
        values=values,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "efficiency.toml"
        write_profile(fitted, path)
        again = read_profile(path)
    assert (again.fitted, again.rows) == (fitted.fitted, 7)
    assert (again.note, again.sources) == (note, tuple(sources))
    assert list(again.values) == list(values)
    # Six digits of a value, four of an interval.
    assert again.values == pytest.approx(values, rel=1e-5)
    assert again.apart == pytest.approx(apart, rel=1e-3)
    assert set(again.intervals) == set(intervals)
    for name, ends in intervals.items():
        assert again.intervals[name] == pytest.approx(ends, rel=1e-3)
