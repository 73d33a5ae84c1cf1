from __future__ import annotations

from typing import Any

import pytest

from computebill.base.errors import RequestError
from computebill.base.specfile import validate
from computebill.sweep.rules import Failures, Stop


def test_one_rule_ends_experiments() -> None:
    assert validate(Stop, {"fraction": 0.25}, "stop").fraction == 0.25
    halving = validate(Stop, {"halving": {"rungs": 4}}, "stop").halving
    assert halving is not None
    # Jamieson & Talwalkar 2016 and Li et al. 2018 keep one in three.
    assert (halving.eta, halving.resumed) == (3, True)
    killed = [{"at": 0.1, "share": 0.5}, {"at": 0.5, "share": 0.5}]
    assert len(validate(Stop, {"killed": killed}, "stop").killed) == 2
    assert validate(Failures, {"rate": 0.1}, "failures").restarted == 1


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({}, "give one of fraction, halving, killed"),
        ({"fraction": 0.5, "halving": {"rungs": 2}}, "give one of fraction, halving, killed"),
        ({"halving": {}}, "give rungs or brackets"),
        (
            {"halving": {"rungs": 2, "brackets": [{"count": 9, "rungs": 2}]}},
            "give rungs or brackets",
        ),
        ({"killed": [{"at": 0.5, "share": 0.1}, {"at": 0.5, "share": 0.1}]}, "above that of"),
        ({"killed": [{"at": 0.5, "share": 0.1}, {"at": 0.2, "share": 0.1}]}, "above that of"),
        ({"fraction": 0}, "stop: fraction"),
        ({"killed": [{"at": 1, "share": 0.1}]}, "stop: killed[0].at"),
        ({"halving": {"rungs": 41}}, "stop: halving.rungs"),
        ({"halving": {"rungs": 2, "eta": 1}}, "stop: halving.eta"),
    ],
)
def test_rules_that_cannot_be_are_refused(data: dict[str, Any], problem: str) -> None:
    with pytest.raises(RequestError) as caught:
        validate(Stop, data, "stop")
    assert problem in str(caught.value)
