"""What a file states of the rest, and what is refused of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from computebill.base.errors import RequestError
from computebill.base.specfile import validate
from computebill.programmes.spec import Programme

Data = dict[str, Any]
PART = {"name": "ladders", "kind": "pretraining research", "amount": 1e7, "source": "s"}


@pytest.fixture
def data(programme: Callable[[], Data]) -> Data:
    return {**programme(), "exploration": [dict(PART)]}


def refusal(data: Data) -> str:
    with pytest.raises(RequestError) as caught:
        validate(Programme, data, "lab")
    return str(caught.value)


@pytest.mark.parametrize(
    "size",
    [
        {"share_of_total": 0.1},
        {"share_of_rest": {"low": 0.1, "high": 0.2}},
        {"run": "A", "ratio": 2},
        {"people": 100, "usd_per_day": 600, "days": 250},
        {"people": 100, "usd_per_day": 600, "days": 250, "cost_share": 0.5},
        {"sweep": "fineweb"},
    ],
)
def test_a_part_has_one_size(data: Data, size: Data) -> None:
    part = {key: value for key, value in PART.items() if key != "amount"}
    data["exploration"] = [part | size]
    assert validate(Programme, data, "lab").exploration[0].kind == "pretraining research"
    data["exploration"] = [PART | size]
    assert "exploration[0]: the part's size: got amount, " in refusal(data)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"kind": "safety"}, "exploration[0].kind: got 'safety'; allowed: 'pretraining research'"),
        ({"amount": -1}, "exploration[0].amount: got -1"),
        ({"source": "t"}, "exploration[0].source: got 't'; allowed: a key of [sources]"),
        ({"holds": ["all"]}, "exploration[0].holds[0]: got 'all'"),
        (
            {"holds": ["pretraining research"]},
            "exploration[0].holds: got 'pretraining research', which 'ladders' has as well",
        ),
    ],
)
def test_parts_that_cannot_be(data: Data, change: Data, problem: str) -> None:
    data["exploration"][0] |= change
    assert problem in refusal(data)


def test_parts_of_one_kind_add_up_and_kinds_do_not_overlap(data: Data) -> None:
    data["exploration"].append({**PART, "name": "more ladders"})
    assert len(validate(Programme, data, "lab").exploration) == 2
    failed = {**PART, "name": "failed", "kind": "unreleased and failed runs"}
    data["exploration"].append({**failed, "holds": ["evaluation"]})
    data["exploration"].append({**PART, "name": "tests", "kind": "evaluation"})
    assert "exploration[2].holds: got 'evaluation', which 'tests' has as well" in refusal(data)


def test_a_part_of_a_run_that_is_none(data: Data) -> None:
    del data["exploration"][0]["amount"]
    data["exploration"][0] |= {"run": "Z", "ratio": 2}
    assert "exploration[0].run: got 'Z'; allowed: the name of a run" in refusal(data)


def test_dollars_a_day_in_a_programme_in_hours(data: Data) -> None:
    data["basis"] = "hours"
    data["reported"][0]["unit"] = "GPU-hours"
    del data["reported"][0]["currency"]
    del data["exploration"][0]["amount"]
    data["exploration"][0] |= {"people": 10, "usd_per_day": 5, "days": 5}
    assert "exploration[0].people: dollars a day are not in the programme's basis" in refusal(data)


def test_a_run_that_was_never_released_does_not_count(data: Data) -> None:
    data["runs"][0]["released"] = False
    spec = validate(Programme, data, "lab")
    assert [spec.counts(run) for run in spec.runs] == [False, True]
    data["runs"][1]["released"] = "2023"
    data["runs"][1]["counted"] = True
    assert "runs[1].released: got '2023', which is outside 2024-01 – 2024-12" in refusal(data)
