"""Open models whose makers published stages and hours, stated by both methods."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

import computebill as cb
from computebill.base.specfile import read_toml

ROOT = Path(__file__).parents[2]
OLMO, DEEPSEEK = "examples/stages.toml", "tests/data/stages/deepseek.toml"
SEEN = {"p10": 0.187, "p50": 0.312, "p90": 0.516}
"""Utilisation of 37 runs: Epoch AI, Data on AI Models (CC-BY-4.0), of July 2026."""

# Olmo 3 (arXiv:2512.13961, section 1): 9.5 days on 512 GPUs and 35 on 1,024. DeepSeek-V3, table 1
# (arXiv:2412.19437); R1-Zero: 512 GPUs for 198 hours (arXiv:2501.12948v2).
HOURS = {
    OLMO: {"pretraining": 976_896},
    DEEPSEEK: {"pretraining": 2_664_000, "R1-Zero": 101_376},
}


@cache
def stated(path: str) -> cb.Statement:
    """State a file of a run's stages, with the hours that its makers reported."""
    data: dict[str, Any] = read_toml(ROOT / path)
    data["model"] = {"name": data["name"], "config": data["model"]}
    for stage in data["stage"]:
        if (hours := HOURS[path].get(stage["name"])) is not None:
            # Dense BF16 of H100 and H800 (NVIDIA): what utilisation of FP8 training is told by too.
            stage |= {"gpu_hours": hours, "mfu": SEEN, "peak_tflops": 989.4}
    return cb.state(data, rules=["eu-updates", "eu-cumulative"], samples=1024)


def lines(found: cb.Statement) -> dict[tuple[str, str], float]:
    return {
        (line.source, line.item): flop.p50
        for line, flop in zip(found.lines, found.flop, strict=True)
    }


@pytest.mark.parametrize(
    ("path", "flop", "implied"),
    [
        # 6 N D of 32.2 B and 5.5 T; Epoch's catalogue has 1.1e24 (CC-BY-4.0).
        (OLMO, 6 * 32.2e9 * 5.5e12, 0.306),
        # 6 N D of 37 B active of 671 B and 14.8 T.
        (DEEPSEEK, 6 * 37e9 * 14.8e12, 0.346),
    ],
)
def test_pretraining_by_both_methods(path: str, flop: float, implied: float) -> None:
    found = stated(path)
    told = found.methods[0]
    assert told.architecture.p50 == pytest.approx(flop, rel=0.02)
    peak = 989.4e12  # dense BF16 of H100 and H800, NVIDIA
    hours = HOURS[path]["pretraining"]
    assert told.hardware.p50 == pytest.approx(hours * 3600 * peak * SEEN["p50"], rel=0.01)
    assert told.implied.p50 == pytest.approx(implied, rel=0.02)
    assert told.warning is None
    assert abs(told.apart or 1.0) < 0.15  # of the 30 % that the rule allows


def test_olmo_3_is_above_the_first_threshold_and_below_the_second() -> None:
    found = stated(OLMO)
    updates, whole = (found.total(name).total for name in ("eu-updates", "eu-cumulative"))
    assert updates.flop.p50 == pytest.approx(1.1e24, rel=0.1)  # Epoch's, which is pretraining
    assert [each.odds for each in whole.held] == [1.0, 0.0, 0.0]
    # Both learning rates of fine-tuning are in, as the file does not say that one was dropped.
    told = lines(found)
    assert told["SFT", "fine_tuning"] == told["SFT, other rates", "fine_tuning"]
    # No reference policy, and rollouts are the cumulative number's alone.
    made = sum(flop for (_, item), flop in told.items() if item == "rl_rollouts")
    assert made > 0
    assert whole.flop.p50 - updates.flop.p50 == pytest.approx(made, rel=1e-3)


def test_what_r1_zero_adds_to_deepseek_v3_is_little_beside_its_hours() -> None:
    found = stated(DEEPSEEK)
    told = lines(found)
    added = sum(flop for (source, _), flop in told.items() if source == "R1-Zero")
    hours = HOURS[DEEPSEEK]["R1-Zero"] / HOURS[DEEPSEEK]["pretraining"]
    assert 0 < added / told["pretraining", "pretraining"] < 0.2 * hours
    # Most hours of reinforcement learning write, token by token: no method's margin holds there.
    rl = next(each for each in found.methods if each.stage.label == "R1-Zero")
    assert rl.warning is not None
    assert rl.implied.p50 < 0.2 * SEEN["p50"]
    assert [each.odds for each in found.total("eu-cumulative").total.held] == [1.0, 0.0, 0.0]
