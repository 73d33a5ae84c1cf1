from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from computebill.training.parameters import (
    INDEX,
    NAMES,
    PARAMETERS,
    bounded,
    bounds_of,
    named_values,
    priors,
    unbounded,
)


@settings(max_examples=15)
@given(st.sampled_from(NAMES), st.floats(0.05, 0.95))
def test_bounds_are_kept(name: str, value: float) -> None:
    found = bounded(unbounded({name: value}))
    assert float(found[INDEX[name]]) == pytest.approx(value)
    priors_too = [float(each) for each in bounded(priors())]
    assert priors_too == pytest.approx([each.prior for each in PARAMETERS.values()])


def test_values_by_name_stay_within_what_a_file_may_hold() -> None:
    plain = named_values(priors())
    assert list(plain) == list(NAMES)
    assert plain == pytest.approx({name: each.prior for name, each in PARAMETERS.items()})
    for far in (-1e3, 1e3):
        for name, value in named_values(torch.full_like(priors(), far)).items():
            low, high = bounds_of(name)
            assert value == (low if far < 0 else high)
