from __future__ import annotations

from typing import Any

import pytest

from computebill.base.errors import RequestError
from computebill.base.specfile import validate
from computebill.sweep.rules import Failures, Stop


@pytest.mark.parametrize(
    "given",
    [
        {"fraction": 0.5},
        {"halving": {"eta": 3, "rungs": 5}},
        {"halving": {"brackets": [{"count": 9, "rungs": 3}]}},
        {"killed": [{"at": 0.1, "share": 0.5}, {"at": 0.5, "share": 0.5}]},
    ],
)
def test_a_rule_is_one_of_three(given: dict[str, Any]) -> None:
    assert validate(Stop, given, "stop").model_dump(exclude_unset=True).keys() == given.keys()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "give one of fraction, halving, killed"),
        ({"fraction": 0.5, "killed": [{"at": 0.1, "share": 1}]}, "give one of fraction"),
        ({"fraction": 0}, "fraction"),
        ({"fraction": 1.5}, "fraction"),
        ({"halving": {"eta": 3}}, "give rungs or brackets"),
        ({"halving": {"rungs": 3, "brackets": [{"count": 9, "rungs": 3}]}}, "give rungs or"),
        ({"halving": {"rungs": 41}}, "rungs"),
        ({"halving": {"rungs": 3, "eta": 1}}, "eta"),
        ({"killed": [{"at": 0.5, "share": 0.1}, {"at": 0.5, "share": 0.1}]}, "each progress"),
        ({"killed": [{"at": 1, "share": 0.1}]}, "at"),
    ],
)
def test_rules_that_cannot_be(given: dict[str, Any], told: str) -> None:
    with pytest.raises(RequestError, match=told):
        validate(Stop, given, "stop")


def test_what_fails_is_begun_again_unless_it_says_otherwise() -> None:
    assert validate(Failures, {"rate": 0.1}, "failures").restarted == 1.0
    for wrong in ({"rate": 1}, {"rate": -0.1}, {"rate": 0.1, "restarted": 2}):
        with pytest.raises(RequestError, match="failures"):
            validate(Failures, wrong, "failures")
