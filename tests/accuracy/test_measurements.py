"""Measured rows as columns: printed FLOP become seconds by the formula of who printed them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from measured_table import Write

from computebill.accuracy.measured import MeasuredRow, read_measured
from computebill.accuracy.measurements import layouts_apart, measurements


def seconds_of(write: Write, speed: dict[str, Any]) -> float:
    rows, _ = read_measured(write({"iter_seconds": "", **speed}))
    return float(measurements(rows).log_seconds.exp())


LLAMA_8B = 8_030_261_248
TOKENS = 64 * 4096


@pytest.mark.parametrize(
    ("speed", "seconds"),
    [
        ({"iter_seconds": 2.0}, 2.0),
        ({"tokens_per_s_per_gpu": 8192}, TOKENS / 8 / 8192),
        # 6nd: FLOP of a step over those of a second.
        (
            {"measured_tflops_per_gpu": 400, "flop_convention": "6n"},
            6 * LLAMA_8B * TOKENS / (8 * 400e12),
        ),
        (
            {"measured_mfu": 0.4, "flop_convention": "6n"},
            6 * LLAMA_8B * TOKENS / (8 * 0.4 * 989.4e12),
        ),
        (
            {"measured_tflops_per_gpu": 400, "flop_convention": "8n"},
            8 * LLAMA_8B * TOKENS / (8 * 400e12),
        ),
    ],
)
def test_speeds_become_seconds(write: Write, speed: dict[str, Any], seconds: float) -> None:
    assert seconds_of(write, speed) == pytest.approx(seconds)


GPT_175B = {
    "model_type": "gpt2", "gpu": "A100-80GB", "n_gpus": 1024, "n_layers": 96, "hidden": 12288,
    "n_heads": 96, "n_kv_heads": 96, "ffn_hidden": 4 * 12288, "gated_mlp": 0, "vocab": 51200,
    "tied": 1, "seq_len": 2048, "tp": 8, "pp": 16, "dp": 8, "micro_batch": 1,
    "global_batch_seqs": 1536, "framework": "megatron", "year": 2022, "recompute": "full",
    "flop_convention": "hardware",
}  # fmt: skip
GPT_1T = {
    **GPT_175B, "n_gpus": 3072, "n_layers": 128, "hidden": 25600, "n_heads": 160,
    "n_kv_heads": 160, "ffn_hidden": 4 * 25600, "pp": 64, "dp": 6, "global_batch_seqs": 3072,
}  # fmt: skip


def test_hardware_flop_are_megatron_s(write: Write) -> None:
    """Megatron-LM's README of 2022: an iteration of GPT-3 takes about 32 s, at 138 TFLOP/s."""
    speed = {**GPT_175B, "measured_tflops_per_gpu": 138}
    assert seconds_of(write, speed) == pytest.approx(32, abs=0.5)


@pytest.mark.parametrize(
    ("row", "tflops", "tokens", "days"), [(GPT_175B, 140, 300e9, 34), (GPT_1T, 163, 450e9, 84)]
)
def test_hardware_flop_give_the_paper_s_days(
    write: Write, row: dict[str, Any], tflops: float, tokens: float, days: float
) -> None:
    """Narayanan et al. 2021, section 5.1: by 8 T P / n X, which leaves out attention, 1 to 3 %."""
    seconds = seconds_of(write, {**row, "measured_tflops_per_gpu": tflops})
    steps = tokens / (2048 * row["global_batch_seqs"])
    assert steps * seconds / 86400 == pytest.approx(days, rel=0.035)


def test_hardware_flop_without_recomputation_are_three_quarters(write: Write) -> None:
    """72 in place of 96, and the logits, which are never computed again, as they were."""
    full, none = (
        seconds_of(write, {**GPT_175B, "recompute": mode, "measured_tflops_per_gpu": 138})
        for mode in ("full", "none")
    )
    h, layers, s, vocabulary = 12288, 96, 2048, 51200
    factors = [times * layers * h**2 * (1 + s / (6 * h)) + 6 * vocabulary * h for times in (96, 72)]
    assert none / full == pytest.approx(factors[1] / factors[0], rel=1e-6)


def printed(row: MeasuredRow, cells: dict[str, str]) -> float | None:
    """A row's printed TFLOP/s of one accelerator, where its seconds were measured, too."""
    given = cells["measured_tflops_per_gpu"]
    return float(given) * 1e12 if given and row.seconds else None


@pytest.mark.parametrize(
    ("source", "convention", "within"),
    [
        ("bloom_prequel", "hardware", 0.002),
        ("megatron_2020", "hardware", 0.002),
        ("glm130b_log", "hardware", 0.002),
        ("bloom_final", "hardware", 0.006),
        # InternLM's block is gated, 8/3 of the hidden size wide, rounded.
        ("internevo", "hardware", 0.04),
        ("bloom_gpt2", "8n", 0.02),
        ("tr8_104b", "8n", 0.002),
        ("nemo_2504", "full", 0.011),
        ("moe_modelzoo", "causal", 0.01),
    ],
)
def test_printed_seconds_and_printed_flop_agree(
    shipped_rows: list[MeasuredRow],
    shipped_cells: list[dict[str, str]],
    source: str,
    convention: str,
    within: float,
) -> None:
    """Rows that print both: their formula gives one from the other."""
    rows = [
        (row, speed)
        for row in shipped_rows
        if (row.source, row.convention) == (source, convention)
        and (speed := printed(row, shipped_cells[row.row - 2])) is not None
    ]
    assert rows
    told = [replace(row, seconds=None, flop_per_s=speed) for row, speed in rows]
    seconds = measurements(told).log_seconds.exp().tolist()
    for (row, _), found in zip(rows, seconds, strict=True):
        assert found == pytest.approx(row.seconds, rel=within)


def test_layouts_of_one_model_tell_how_far_errors_are_apart(write: Write) -> None:
    rows, _ = read_measured(
        write(
            {"tp": 1, "dp": 8},
            {"tp": 2, "dp": 4},
            {"tp": 4, "dp": 2},
            {"tp": 4, "dp": 2, "model": "other"},
        )
    )
    measured = measurements(rows)
    errors = torch.tensor([0.0, 0.1, 0.4, 5.0], dtype=torch.float64)
    # Pairs of the first three are 0.1, 0.3 and 0.4 apart; the fourth is of another model.
    assert layouts_apart(measured, errors) == pytest.approx(0.3)
    assert layouts_apart(measurements(rows[2:]), errors[2:]) is None
