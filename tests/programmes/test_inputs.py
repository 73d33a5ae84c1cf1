from __future__ import annotations

from collections.abc import Callable
from typing import Any

from computebill.base.specfile import validate
from computebill.programmes.inputs import programme_assumptions, sources_of
from computebill.programmes.spec import Programme

Small = Callable[[], dict[str, Any]]


def test_every_number_is_told_with_the_title_of_its_source(programme: Small) -> None:
    found = validate(Programme, programme(), "lab.toml")
    told = {each.name: (each.value, each.source) for each in programme_assumptions(found)}
    assert {source for _, source in told.values()} == {"A source"}
    assert set(told) == {
        "R&D compute",
        "RMB per USD",
        "utilisation",
        "price, USD an hour",
        "A: FLOP",
        "B: base",
        "B: fraction",
    }
    assert told["RMB per USD"][0] == "7.2"
    assert told["B: base"][0] == "A"
    assert told["A: FLOP"][0] == "1e25"


def test_a_period_that_is_taken_off_says_so(programme: Small) -> None:
    data = programme()
    data["reported"][0]["periods"] = [
        {"period": "2024..2025", "amount": 3e9},
        {"period": "2025", "amount": 2e9, "sign": -1},
    ]
    data["reported"][0]["periods"][0]["period"] = "2024-01..2025-12"
    found = validate(Programme, data, "lab.toml")
    first = next(iter(programme_assumptions(found)))
    assert first.value.count("less ") == 1
    assert first.value.endswith("(2025) USD")


def test_sources_are_the_file_s(programme: Small) -> None:
    found = validate(Programme, programme(), "lab.toml")
    assert {key: each.title for key, each in sources_of(found).items()} == {"s": "A source"}
