"""Speeds that others published of offloaded and quantised runs, within the step's interval."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from known import PUBLISHED

from computebill.runs.estimate import estimate_run

TORCHTUNE: dict[str, Any] = {"recipe": "torchtune", "micro_batch": 2, "kernels": "fused"}
ADAPTERS: dict[str, Any] = {
    "micro_batch": 4,
    "recompute": "full",
    "lora_rank": 16,
    "lora_targets": "attention",
}


@pytest.mark.parametrize(
    ("model", "gpus", "sequence", "layout", "tokens_per_second"),
    [
        # torchtune, README, memory and training speed: 8 A100, batch 2.
        (
            "meta-llama/Llama-3.1-70B",
            8,
            2048,
            TORCHTUNE | {"zero": 3, "offload": "weights,optimizer"},
            1568,
        ),
        ("meta-llama/Llama-3.1-70B", 8, 2048, TORCHTUNE | {"zero": 3, "lora_rank": 16}, 3497),
        # fms-acceleration, scripts/benchmarks/refs/a100_80gb.csv: an A100, batch 4, in 16 bits
        # and with a base in NF4.
        ("mistralai/Mistral-7B-v0.1", 1, 4096, ADAPTERS, 3598),
        ("mistralai/Mistral-7B-v0.1", 1, 4096, ADAPTERS | {"weights": "nf4-single"}, 3429),
    ],
)
def test_published_speeds_lie_in_the_interval(
    model: str,
    gpus: int,
    sequence: int,
    layout: dict[str, Any],
    tokens_per_second: float,
    tmp_path: Path,
) -> None:
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    path = tmp_path / "config.json"
    path.write_text(json.dumps(next(x["config"] for x in published if x["name"] == model)))
    run = {
        "model": str(path),
        "tokens": "1B",
        "accelerator": "a100-sxm-80gb",
        "count": gpus,
        "sequence_length": sequence,
        "global_batch": gpus * layout["micro_batch"],
        "software": "eager",
        "layout": layout,
    }
    found = estimate_run(run, samples=512).to_dict()["tokens_per_second_per_gpu"]
    assert found["p5"] * gpus <= tokens_per_second <= found["p95"] * gpus
