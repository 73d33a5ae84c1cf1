from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from computebill.training.parameters import INDEX, NAMES, PARAMETERS, bounded, priors, unbounded


@settings(max_examples=15)
@given(st.sampled_from(NAMES), st.floats(0.05, 0.95))
def test_bounds_are_kept(name: str, value: float) -> None:
    found = bounded(unbounded({name: value}))
    assert float(found[INDEX[name]]) == pytest.approx(value)
    priors_too = [float(each) for each in bounded(priors())]
    assert priors_too == pytest.approx([each.prior for each in PARAMETERS.values()])
