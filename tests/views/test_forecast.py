"""The table of a later budget."""

from __future__ import annotations

from looks import line_with, printed

from computebill.base.quantity import parse_quantity
from computebill.programmes.forecast import forecast_spend
from computebill.views.forecast import full


def test_amounts_are_in_the_programmes_unit() -> None:
    found = forecast_spend("hf-smollm3", parse_quantity("1..1.0001"), years=2, samples=256)
    told = printed(full(found))
    assert "438 k h" in line_with("R&D compute", told)
    assert "2 years later" in told
    assert " h" in line_with("Final runs", told)
