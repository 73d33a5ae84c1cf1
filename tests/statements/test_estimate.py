from __future__ import annotations

import math
from typing import Any

import pytest

import computebill as cb
from computebill.statements.estimate import DISCLAIMER

HALF = {"low": 0.5e12, "high": 1.5e12}


def of(*stages: dict[str, Any], **more: Any) -> cb.Statement:
    data = {"model": {"name": "m", "params": 1e10}, "stage": list(stages), **more}
    return cb.state(data)


def p50(found: cb.Statement, rule_set: str, reading: str = "counted") -> float:
    return found.total(rule_set).readings[reading].flop.p50  # type: ignore[index]


PRETRAIN = {"tokens": 1e12}
SIX = 6 * 1e10 * 1e12


def test_updates_are_what_updates_parameters_and_cumulative_what_adds_to_capabilities() -> None:
    # Each made token is a forward pass of 2 FLOP a parameter; one in ten was kept.
    made = {"kind": "generate", "requests": 1e9, "answer_length": 1000, "kept": 1e8}
    found = of(PRETRAIN, made)
    assert p50(found, "eu-updates") == pytest.approx(SIX)
    assert p50(found, "eu-cumulative") == pytest.approx(SIX + 2 * 1e10 * 1e12)
    # Discarded samples count: of 100 made and 10 kept, 100.
    treated = {line.part: line.item for line in found.lines}
    assert treated["discarded"] == "synthetic_private_discarded"


def test_public_data_and_what_was_dropped_need_not_count() -> None:
    public = {"kind": "generate", "tokens": 1e12, "public": True}
    dropped = {"name": "dropped", "tokens": 1e12, "fate": "dropped"}
    found = of(PRETRAIN, public, dropped)
    assert p50(found, "eu-cumulative") == pytest.approx(SIX)
    both = SIX + SIX + SIX / 3
    assert p50(found, "eu-cumulative", "with_need_not") == pytest.approx(both)
    assert p50(found, "all") == pytest.approx(both)


def test_silence_is_shown_both_ways() -> None:
    base = {"name": "base", "flop": 5e23, "basis": "known"}
    found = of(PRETRAIN, lineage=[base])
    assert found.total("sb53").is_open
    assert p50(found, "sb53") == pytest.approx(SIX)
    assert p50(found, "sb53", "with_silent") == pytest.approx(SIX + 5e23)
    assert p50(found, "eu-cumulative") == pytest.approx(SIX + 5e23)
    assert not found.total("eu-cumulative").is_open


def test_reinforcement_learning_in_its_parts() -> None:
    rl = {"kind": "rl", "steps": 100, "prompts": 64, "samples_per_prompt": 8}
    rl |= {"prompt_length": 200, "answer_length": 800, "reward_params": 1e9}
    found = of({**rl, "params": 1e10})
    tokens = 100 * 64 * 8 * 1000
    flop = {line.part: each.p50 for line, each in zip(found.lines, found.flop, strict=True)}
    assert flop == pytest.approx(
        {
            "updates": 6e10 * tokens,
            "samples": 2e10 * tokens,
            "reference": 2e10 * tokens,
            "reward": 2e9 * tokens,
        }
    )
    assert p50(found, "eu-updates") == pytest.approx(6e10 * tokens)
    assert p50(found, "eu-cumulative") == pytest.approx(8e10 * tokens)


def test_odds_are_the_share_of_draws_above() -> None:
    # 6 N D of tokens that are uniform about a threshold of 1e23: D of 1.6667e12 with N of 1e10.
    found = of({"tokens": {"low": 1e12, "high": 2e12}})
    (held,) = (each for each in found.total("eu-updates").total.held if each.mark.value == 1e23)
    assert held.applies
    assert held.odds == pytest.approx(1 / 3, abs=2e-3)
    assert held.within_margin  # 9e22 is reported, and 1e23 is 11 % off


def test_the_margin_used_is_the_wider_end() -> None:
    found = of({"tokens": {"p5": 0.8e12, "p50": 1e12, "p95": 1.1e12}})
    assert found.total("eu-updates").total.margin_used == pytest.approx(0.2 / 0.3, rel=0.02)


def test_an_unknown_base_makes_the_total_a_least() -> None:
    found = of(PRETRAIN, lineage=[{"name": "base"}])
    total = found.to_dict()["totals"]["eu-cumulative"]
    assert total["is_lower_bound"]
    assert total["unknown"] == ["base"]
    assert p50(found, "eu-cumulative") == pytest.approx(SIX)
    assert any("at least so much" in note for note in found.notes)


def test_the_json_has_the_keys_of_the_contract() -> None:
    found = of(PRETRAIN).to_dict()
    assert {"stages", "totals", "modification", "crossing"} <= set(found)
    total = found["totals"]["eu-cumulative"]
    assert set(total) >= {"flop", "two_figures", "thresholds"}
    assert set(total["flop"]) >= {"p5", "p50", "p95", "mean"}
    assert [each["value"] for each in total["thresholds"]] == [1e23, 1e25, 1e26]
    assert total["two_figures"] == "6.0e22"
    assert found["notes"][-1] == DISCLAIMER
    assert {"computebill", "torch"} <= set(found["versions"])


def test_the_hash_is_of_what_went_in() -> None:
    one, same = of(PRETRAIN), of(PRETRAIN)
    assert one.inputs_hash == same.inputs_hash
    assert one.inputs_hash != of({"tokens": 1.1e12}).inputs_hash
    assert one.inputs_hash != of({"tokens": HALF}).inputs_hash
    given = {"model": {"name": "m", "params": 1e10}, "stage": [PRETRAIN]}
    assert one.inputs_hash != cb.state(given, rules=["sb53"]).inputs_hash
    assert one.inputs_hash != cb.state(given, seed=1).inputs_hash


def test_the_frame_has_a_row_a_line() -> None:
    frame = of(PRETRAIN, {"kind": "evaluate", "tokens": 1e9}).to_frame()
    assert frame["item"].tolist() == ["pretraining", "evaluation"]
    assert frame["eu-cumulative"].tolist() == ["counts", "need_not"]
    assert frame["flop_p50"].tolist() == pytest.approx([SIX, 2e19])


def test_what_moves_a_total_is_told() -> None:
    found = of({"tokens": HALF})
    assert found.swings_of == "eu-cumulative"
    (moved,) = found.swings
    assert "tokens" in moved.assumption
    assert moved.p5 == pytest.approx(6e10 * 0.55e12, rel=1e-6)
    assert moved.p95 == pytest.approx(6e10 * 1.45e12, rel=1e-6)
    assert not of(PRETRAIN).swings


def test_electricity_is_metered_or_of_the_hours() -> None:
    hours = {"gpu_hours": 1e5, "accelerator": "h100-sxm", **PRETRAIN}
    found = of(hours, {**hours, "name": "metered", "energy_mwh": 50})
    # 700 W, a server 1.82 times that, drawn in part, and the building: 1e5 h are 70 MWh rated.
    assert 70 < found.energy[0].p50 < 70 * 1.83 * 1.4
    assert found.energy[1].p50 == 50
    assert found.whole_energy.p50 == pytest.approx(found.energy[0].p50 + 50)


def test_second_hand_rules_and_exact_numbers_are_told() -> None:
    notes = " ".join(of(PRETRAIN).notes)
    for told in ("Read second-hand", "raise", "Not read whole", "fmf", "odds are 0 or 1"):
        assert told in notes
    assert not any(math.isnan(each.total.flop.p50) for each in of(PRETRAIN).totals)
