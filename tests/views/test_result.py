"""Results as --json prints them."""

from __future__ import annotations

import pytest

from computebill.uncertainty.distribution import Distribution
from computebill.views.result import distribution


def test_a_distribution_is_read_back() -> None:
    given = Distribution(1.0, 2.0, 4.0, 2.2)
    assert distribution(given.to_dict()) == given


def test_one_number_has_no_spread_and_nothing_is_not_known() -> None:
    assert distribution(3) == Distribution(3.0, 3.0, 3.0, 3.0)
    assert not distribution(None).is_known
    with pytest.raises(KeyError, match="p50"):
        distribution({"p5": 1.0})
