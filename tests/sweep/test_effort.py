from __future__ import annotations

import json
from pathlib import Path

import pytest
from known import LLAMA_8B
from sweeping import RUNS, priced

import computebill as cb


def test_a_model_s_configuration_may_be_an_axis(tmp_path: Path) -> None:
    paths = []
    for layers in (16, 32):
        path = tmp_path / f"{layers}.json"
        path.write_text(json.dumps(LLAMA_8B | {"num_hidden_layers": layers}))
        paths.append(str(path))
    group = {"name": "g", "accelerator": "h100", "count": 64, "tokens": "10B"}
    both = priced({**group, "grid": {"model": paths}})
    alone = [priced({**group, "model": path}) for path in paths]
    flop = [one.rows["flop"].p50 for one in alone]
    counted = cb.describe_model(paths[1]).parameters.total
    assert flop[1] == pytest.approx(6 * float(counted) * 10e9)
    assert both.rows["flop"].p50 == pytest.approx(sum(flop))


def test_reinforcement_learning_is_rollouts_updates_and_references() -> None:
    group = {
        "name": "rl", "kind": "rl", "params": "8B", "accelerator": "h100", "count": 64,
        "steps": 100,
        "prompts": 64, "samples_per_prompt": 16, "input_tokens": 500, "output_tokens": 3500,
    }  # fmt: skip
    found = priced(group)
    tokens = 100 * 64 * 16 * 4000
    # Written and read once, one pass of the reference, one update.
    assert found.rows["flop"].p50 == pytest.approx((2 + 2 + 6) * 8e9 * tokens)
    waiting = priced(group | {"tail": 4})
    assert waiting.rows["gpu_hours"].p50 > 1.2 * found.rows["gpu_hours"].p50
    without = priced(group | {"references": 0, "epochs": 2})
    assert without.rows["flop"].p50 == pytest.approx((2 + 12) * 8e9 * tokens)


def test_distillation_has_its_teacher_and_adapters_their_frozen_weights() -> None:
    student = priced(RUNS).rows["flop"].p50
    taught = priced(RUNS | {"kind": "distill", "teacher_params": "70B"}).rows["flop"].p50
    assert taught - student == pytest.approx(2 * 70e9 * 20e9)
    low = priced(RUNS | {"kind": "finetune", "trained_share": 0.001}).rows["flop"].p50
    assert low == pytest.approx((4 + 0.002) * 1e9 * 20e9)


def test_filtering_takes_about_what_fineweb_reports() -> None:
    # 6,000 H100-hours to score 15 T tokens with a classifier of 109 M parameters that reads 512
    # (Penedo et al. 2024, arXiv:2406.17557, section 4).
    found = priced(
        {"name": "filter", "kind": "filter", "params": "109M", "tokens": "15T"}
        | {"accelerator": "h100", "sequence_length": 512}
    )
    assert found.rows["gpu_hours"].p50 == pytest.approx(6000, rel=0.75)
