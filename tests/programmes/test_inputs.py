from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from computebill.base.specfile import validate
from computebill.programmes.inputs import programme_assumptions, scenario_inputs, sources_of
from computebill.programmes.spec import Programme
from computebill.programmes.spend import compare_spend

Small = Callable[[], dict[str, Any]]


def told(data: dict[str, Any]) -> dict[str, tuple[str, str]]:
    found = programme_assumptions(validate(Programme, data, "lab.toml"))
    return {each.name: (each.value, each.source) for each in found}


def test_every_number_is_told_with_its_source(programme: Small) -> None:
    data = programme()
    data["sources"]["t"] = {"title": "Another source"}
    data["runs"][0] |= {"source": "t", "multiplier": 1.1}
    found = told(data)
    assert found["R&D compute"] == ("1B (2024) USD", "A source")
    assert found["RMB per USD"] == ("7.2", "A source")
    assert found["utilisation"][0] == "0.2–0.4 (p10–p90)"
    assert found["price, USD an hour"][0] == "1.5–3 (p10–p90)"
    assert found["A: FLOP"] == ("1e25", "Another source")
    assert found["A: multiplier"][1] == "Another source"
    assert found["B: base"] == ("A", "A source")
    assert found["B: fraction"] == ("0.1", "A source")


def test_what_is_taken_away_is_told_as_less(programme: Small) -> None:
    data = programme()
    periods = [{"period": "2024", "amount": 3e9}, {"period": "2024-H2", "amount": 1e9, "sign": -1}]
    data["reported"][0]["periods"] = periods
    data["window"] = {"first": "2024-01", "last": "2024-06"}
    assert told(data)["R&D compute"][0] == "3B (2024), less 1B (2024-H2) USD"


def test_scenarios_tell_their_inputs_and_sources_by_their_name(programme: Small) -> None:
    data = programme()
    sweep = {
        "sources": {"k": {"title": "A scaling law"}},
        "groups": [{"name": "g", "params": "1B", "tokens": "20B", "count": 8, "source": "k"}],
    }
    data["scenarios"] = [{"name": "tries", "description": "d", "source": "s", "sweep": sweep}]
    estimate = compare_spend(data, samples=256)
    inputs = {each.name: each for each in scenario_inputs(estimate.scenarios)}
    assert inputs["tries: g: params"].value == "1B"
    assert inputs["tries: g: params"].source == "A scaling law"
    sources = sources_of(estimate.programme, estimate.scenarios)
    assert {key: each.title for key, each in sources.items()} == {
        "s": "A source",
        "tries: k": "A scaling law",
    }


@pytest.mark.parametrize("name", ["openai-2024", "minimax-2025", "zai-2025"])
def test_every_number_that_ships_has_a_source(name: str) -> None:
    estimate = compare_spend(name, samples=64)
    titles = {source.title for source in estimate.programme.sources.values()}
    found = list(programme_assumptions(estimate.programme))
    assert len(found) > len(estimate.programme.runs)
    assert {each.source for each in found} <= titles
