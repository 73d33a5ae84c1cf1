from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import computebill as cb

LLAMA_405B: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 16384,
    "intermediate_size": 53248,
    "num_hidden_layers": 126,
    "num_attention_heads": 128,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
}


def read(**speed: Any) -> cb.Utilisation:
    options = {
        key: speed.pop(key)
        for key in ("config", "accelerator", "sequence_length", "recompute", "params_active")
        if key in speed
    }
    given = {"config": LLAMA_405B, "accelerator": "h100-sxm", "sequence_length": 8192, **options}
    return cb.utilisation(given.pop("config"), speed=cb.Speed(**speed), **given)


def test_llama_3_405b_as_its_report_prints_it() -> None:
    # Grattafiori et al. 2024, table 4: 16,384 GPUs, batch 16M tokens, 400 TFLOP/s a GPU, 41 %.
    # They count the masked half of attention, and the GPU's peak as 989 TFLOP/s.
    flop = read(tokens_per_second_per_gpu=1.0).flop_per_token["causal"]
    assert flop is not None
    found = read(tokens_per_second_per_gpu=400e12 / flop)
    assert found.mfu["causal"] == pytest.approx(0.404, abs=0.001)


def test_a_step_s_time_is_a_speed() -> None:
    stepwise = read(step_seconds=10.0, global_batch=2048, count=16384)
    direct = read(tokens_per_second_per_gpu=2048 * 8192 / 10 / 16384)
    assert stepwise.mfu == direct.mfu


@given(st.floats(0.05, 0.9), st.sampled_from(["6nd", "palm", "megatron", "causal"]))
def test_a_published_utilisation_is_read_back(mfu: float, convention: str) -> None:
    assert read(mfu=mfu, convention=convention).mfu[convention] == pytest.approx(mfu)


def test_hardware_counts_recomputation() -> None:
    none, full = (read(tokens_per_second_per_gpu=100, recompute=how) for how in ("none", "full"))
    assert none.hfu == pytest.approx(none.mfu["causal"])
    assert full.hfu == pytest.approx(none.hfu * 4 / 3, rel=0.01)  # type: ignore[operator]


def test_totals_alone_give_6nd_alone() -> None:
    found = read(config=None, params_active=405e9, tokens_per_second_per_gpu=150)
    assert found.mfu["6nd"] == pytest.approx(6 * 405e9 * 150 / 989.4e12, rel=1e-3)
    assert found.mfu["palm"] is None
    assert found.hfu is None
    assert found.to_dict()["model_type"] is None


def test_a_sample_of_an_encoder_decoder_is_two_sequences() -> None:
    t5 = {
        "model_type": "t5",
        "d_model": 512,
        "d_kv": 64,
        "d_ff": 2048,
        "num_layers": 6,
        "num_heads": 8,
        "vocab_size": 32128,
    }
    stepwise = read(config=t5, sequence_length=512, step_seconds=1.0, global_batch=128, count=1)
    direct = read(config=t5, sequence_length=512, tokens_per_second_per_gpu=2 * 128 * 512)
    assert stepwise.mfu == direct.mfu


def test_rows_and_keys() -> None:
    found = read(tokens_per_second_per_gpu=150)
    assert list(found.to_frame()["convention"]) == ["6nd", "palm", "megatron", "causal", "hfu"]
    assert {"mfu", "hfu"} <= set(found.to_dict())


@pytest.mark.parametrize(
    ("speed", "problem"),
    [
        ({}, "give one of"),
        ({"tokens_per_second_per_gpu": 1, "mfu": 0.4}, "give one of"),
        ({"tokens_per_second_per_gpu": -1}, "tokens_per_second_per_gpu: got -1"),
        ({"tokens_per_second_per_gpu": float("inf")}, "got inf"),
        ({"mfu": 0.4}, "convention: is missing; a published MFU needs it: 6nd, palm"),
        ({"mfu": 0.4, "convention": "8nd"}, "convention: got '8nd'"),
        ({"step_seconds": 3}, "step_seconds: needs the global batch"),
        ({"step_seconds": 0, "global_batch": 1, "count": 1}, "step_seconds: got 0"),
        ({"tokens_per_second_per_gpu": 1, "recompute": "half"}, "recompute: got 'half'"),
        ({"tokens_per_second_per_gpu": 1, "config": None}, "model: is missing; allowed: a config"),
        ({"tokens_per_second_per_gpu": 1, "params_active": 1e9}, "params: give a config.json or"),
        ({"tokens_per_second_per_gpu": 1, "sequence_length": 0}, "sequence_length: got 0"),
        ({"tokens_per_second_per_gpu": 1, "sequence_length": -5}, "sequence_length: got -5"),
        ({"tokens_per_second_per_gpu": "100"}, "tokens_per_second_per_gpu: got '100'"),
        ({"mfu": 40, "convention": "palm"}, "mfu: got 40; allowed: above 0, up to 1"),
        ({"step_seconds": 3, "global_batch": 8, "count": 0.5}, "count: got 0.5; allowed: 1 or"),
        (
            {"config": None, "params_active": 1e9, "mfu": 0.4, "convention": "palm"},
            "needs a config",
        ),
    ],
)
def test_requests_that_cannot_be_met(speed: dict[str, Any], problem: str) -> None:
    with pytest.raises(cb.RequestError) as caught:
        read(**speed)
    assert problem in str(caught.value)
