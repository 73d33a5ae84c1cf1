from __future__ import annotations

from typing import Any

import pytest

from computebill.base.errors import RequestError
from computebill.base.specfile import validate
from computebill.hardware.fitted import Fitted

DATA: dict[str, Any] = {
    "fitted": "2026-11-22",
    "rows": 1234,
    "sources": ["a lab"],
    "intervals": {"dense": [0.9, 1.2]},
    "values": {"products": 0.8},
}


def test_the_origin_says_when_and_from_how_much() -> None:
    assert validate(Fitted, DATA, "x.toml").origin == "fitted 2026-11-22 to 1,234 measured steps"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"intervals": {"dense": [1.2, 0.9]}}, "intervals.dense: 1.2 is above 0.9"),
        ({"intervals": {"dense": [1e-9, 1]}}, "x.toml: intervals.dense"),
        ({"intervals": {"dense": [1, float("inf")]}}, "x.toml: intervals.dense"),
        ({"apart": 0}, "x.toml: apart"),
        ({"apart": 10}, "x.toml: apart"),
        ({"value": {}}, "x.toml: value"),
    ],
)
def test_what_no_fit_can_give_is_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(RequestError) as caught:
        validate(Fitted, {**DATA, **changes}, "x.toml")
    assert problem in str(caught.value)
