"""Plain numbers are those of the kernels, and take no torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small import SMALL, small_config

import computebill as cb
from computebill.architectures.columns import columns
from computebill.architectures.counting import count_flop, count_parameters
from computebill.architectures.plain import plain_flop, plain_parameters

COUNTED = """
import sys
from computebill.cli import main
sys.argv = ["computebill", "model", "--no-memory", *sys.argv[1:]]
try:
    main()
finally:
    heavy = {"torch", "transformers", "pandas", "altair"} & set(sys.modules)
    assert not heavy, heavy
"""


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), sequence=st.integers(1, 10_000))
def test_plain_numbers_are_those_of_the_kernels(data: st.DataObject, sequence: int) -> None:
    config = data.draw(small_config(data.draw(st.sampled_from(sorted(SMALL)))))
    architecture = cb.read_architecture(config)
    batch = columns(architecture)
    ours, theirs = plain_parameters(architecture), count_parameters(batch)
    for name in ("total", "active", "embedding"):
        assert getattr(ours, name) == pytest.approx(float(getattr(theirs, name)), rel=1e-12)
    found, kernel = plain_flop(architecture, sequence), count_flop(batch, sequence)
    for name in ("forward", "backward", "recomputed", "hardware"):
        assert getattr(found, name) == pytest.approx(float(getattr(kernel, name)), rel=1e-12)
    assert found.conventions == pytest.approx(
        {name: float(value) for name, value in kernel.conventions.items()}, rel=1e-12
    )
    assert found.by_operator.keys() == kernel.by_operator.keys()
    for name, pair in kernel.by_operator.items():
        assert found.by_operator[name] == pytest.approx([float(each) for each in pair], rel=1e-12)


@pytest.fixture
def llama(tmp_path: Path) -> Path:
    config: dict[str, Any] = {
        "model_type": "llama",
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "vocab_size": 256,
    }
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    return path


def test_a_count_loads_neither_torch_nor_transformers(llama: Path) -> None:
    def told(*flags: str) -> str:
        command = [sys.executable, "-c", COUNTED, str(llama), *flags]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        return run.stdout

    assert "without embeddings" in told()
    found = json.loads(told("--json"))
    whole = cb.describe_model(llama).to_dict()
    left = {"memory_gb", "accelerator", "accelerator_memory_gb", "assumptions", "about"}
    assert {key: found[key] for key in found.keys() - left} == {
        key: whole[key] for key in whole.keys() - left
    }
    assert found["params_active_without_embeddings"] == found["params"] - 256 * 64
