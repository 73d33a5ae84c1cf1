from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from known import LLAMA_8B
from sweeping import priced

import computebill as cb
from computebill.training.serving import Requests, request_seconds, served_sizes


def test_models_of_about_a_size_write_about_as_fast() -> None:
    group = {"name": "g", "kind": "generate", "tokens": "20B", "accelerator": "h100"}
    words = {"input_tokens": 500, "output_tokens": 500}
    hours = [
        priced(group | words | {"params": params}).rows["gpu_hours"].p50
        for params in ("5B", "6.7B", "7B", "8B", "13B")
    ]
    assert hours == sorted(hours)
    assert hours[-1] < 4 * hours[0]


def test_a_configuration_s_own_cache_decides_how_fast_it_writes(tmp_path: Path) -> None:
    group = {"name": "g", "kind": "generate", "tokens": "1B", "accelerator": "h100"}
    words = {"input_tokens": 4000, "output_tokens": 1000}

    def hours(**changes: int) -> float:
        path = tmp_path / "config.json"
        path.write_text(json.dumps(LLAMA_8B | changes))
        return float(priced(group | words | {"model": str(path)}).rows["gpu_hours"].p50)

    assert hours(num_key_value_heads=32) > 1.5 * hours(num_key_value_heads=8)


def test_generation_takes_what_the_serving_model_says() -> None:
    group = {"name": "g", "kind": "generate", "params": "8B", "tokens": "1B", "precision": "fp8"}
    found = priced(group | {"accelerator": "h100", "input_tokens": 500, "output_tokens": 2000})
    one = torch.ones(1, dtype=torch.float64)
    seconds = request_seconds(
        served_sizes(one * 8e9, one * 8e9, "fp8"),
        cb.find_accelerator("h100"),
        "fp8",
        Requests(one * 500, one * 2000, one * math.nan, one),
    )
    hours = 1e9 / 2000 * float(seconds) / 3600
    assert found.rows["gpu_hours"].p50 == pytest.approx(hours, rel=0.01)
    assert found.rows["flop"].p50 == pytest.approx(2 * 8e9 * 1e9 / 2000 * 2500)
    fixed = priced(group | {"accelerator": "h100", "output_tokens": 2000, "throughput": 5000})
    assert fixed.rows["gpu_hours"].p50 == pytest.approx(1e9 / 5000 / 3600)
