from __future__ import annotations

from typing import Any

import pytest

import computebill as cb

TUNE = {"kind": "sft", "tokens": 1e12}
OWN = 6 * 1e10 * 1e12
"""Compute of the modification: 6e22."""


def modification(base: dict[str, Any], *stages: dict[str, Any]) -> Any:
    data = {
        "model": {"name": "m", "params": 1e10},
        "lineage": [{"name": "base", **base}],
        "stage": list(stages or (TUNE,)),
    }
    found = cb.state(data).modifications
    assert len(found) == 1
    return found[0]


def test_a_third_of_a_known_original() -> None:
    (test,) = modification({"flop": 1.2e23, "basis": "known"}).tests
    assert test.notion == "updates"
    assert test.share.p50 == pytest.approx(0.5)
    assert test.limit.p50 == pytest.approx(0.4e23)
    assert test.odds == 1.0
    (other,) = modification({"flop": 3e23, "basis": "known"}).tests
    assert other.share.p50 == pytest.approx(0.2)
    assert other.odds == 0.0


def test_an_estimated_original_gives_odds() -> None:
    # The third is uniform from 4e22 to 1e23; the modification is 6e22.
    (test,) = modification({"flop": {"low": 1.2e23, "high": 3e23}}).tests
    assert test.odds == pytest.approx(1 / 3, abs=2e-3)


def test_of_an_unknown_original_both_substitutes_are_told() -> None:
    found = modification({}).to_dict()
    assert found["is_substitute"]
    told = {each["notion"]: (each["limit"]["p50"], each["odds"]) for each in found["tests"]}
    assert told == {
        "updates": (pytest.approx(1e23 / 3), 1.0),
        "cumulative": (pytest.approx(1e25 / 3), 0.0),
    }


def test_whether_an_original_is_of_systemic_risk_decides_what_is_compared() -> None:
    made = {"kind": "generate", "tokens": 1e12}
    (updates,) = modification({"systemic_risk": False}, TUNE, made).tests
    (cumulative,) = modification({"systemic_risk": True}, TUNE, made).tests
    assert (updates.notion, cumulative.notion) == ("updates", "cumulative")
    assert updates.flop.p50 == pytest.approx(OWN)
    assert cumulative.flop.p50 == pytest.approx(OWN + OWN / 3)
    (by_flop,) = modification({"flop": 2e25}).tests
    assert by_flop.notion == "cumulative"


def test_a_model_of_its_own_is_no_modification() -> None:
    data = {"model": {"name": "m", "params": 1e10}, "stage": [TUNE]}
    found = cb.state(data)
    assert found.modifications == ()
    assert found.to_dict()["modification"] is None
    assert any("no lineage is a base" in note for note in found.notes)
