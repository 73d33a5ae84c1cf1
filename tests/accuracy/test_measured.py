"""Rows of measured steps as cases, and why some are none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import computebill as cb
from computebill.accuracy.calibration import (
    measurements,
)
from computebill.accuracy.measured import read_measured

Write = Callable[..., Path]


def test_a_row_becomes_a_case(write: Write) -> None:
    (row,), skipped = read_measured(write({"zero_stage": 3, "recompute": "full"}))
    assert not skipped
    assert row.row == 2
    assert row.case.layout.zero == 3
    assert row.case.layout.recompute == "full"
    assert row.case.layout.micro_batches == 8
    assert row.case.software == "modern"
    assert row.tokens == 64 * 4096
    assert row.seconds == 3.0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"n_layers": ""}, "not stated: n_layers"),
        ({"tp": "", "pp": ""}, "not stated: tp, pp"),
        ({"precision": ""}, "not stated: precision"),
        ({"precision": "fp32"}, "precision: fp32 is not modelled"),
        ({"precision": "fp16 (int4 base)"}, "4-bit base weights"),
        ({"iter_seconds": ""}, "no speed was measured"),
        ({"global_batch_seqs": ""}, "not stated: global_batch_seqs"),
        ({"gpu": "Abacus"}, "Abacus"),
        ({"gpu": "A100-SXM-80GB", "precision": "fp8"}, "a100-sxm-80gb has no 'fp8' peak"),
        ({"hidden": "wide"}, "hidden: got 'wide'; allowed: a number"),
        ({"hidden": "-1"}, "hidden: got '-1'"),
        ({"n_layers": "3.5"}, "n_layers: got '3.5'; allowed: a whole number"),
        ({"n_kv_heads": 5}, "num_key_value_heads: got 5"),
        ({"zero_stage": 7}, "layout:"),
        ({"pp": 64, "dp": 1}, "pp: got 64; contradicts 32 layers"),
        ({"global_batch_seqs": 4}, "global_batch_seqs: got 4; contradicts 8 replicas"),
        ({"notes": "CPU offload"}, "not stated: the host that states are offloaded to"),
        ({"n_gpus": 0}, "n_gpus: got '0'; allowed: 1 to 1000000000"),
        ({"n_gpus": "-0.0", "dp": ""}, "n_gpus: got '-0.0'; allowed: 1 to"),
        ({"n_gpus": "1e300"}, "n_gpus: got '1e300'; allowed: 1 to 1000000000"),
        ({"tp": 0}, "tp: got '0'; allowed: 1 to"),
        ({"cp": "0"}, "cp: got '0'; allowed: 1 to"),
        ({"dp": 0}, "dp: got '0'; allowed: 1 to"),
        ({"n_heads": 0}, "n_heads: got '0'; allowed: 1 to"),
        ({"seq_len": 0}, "seq_len: got '0'; allowed: 1 to"),
        ({"seq_len": 0, "global_batch_seqs": "", "global_batch_tokens": 1e6}, "seq_len: got '0'"),
        ({"n_layers": "1e9", "pp": 2, "dp": 4}, "n_layers: got '1e9'; allowed: 1 to 10000"),
        ({"micro_batch": "1e300"}, "micro_batch: got '1e300'; allowed: 0 to 1e+15"),
        ({"global_batch_seqs": "1e308"}, "global_batch_seqs: got '1e308'; allowed: 0 to 1e+15"),
        ({"iter_seconds": 0}, "iter_seconds: got '0'; allowed: 1e-12 to 1e+12"),
        ({"iter_seconds": "1e308"}, "iter_seconds: got '1e308'; allowed: 1e-12 to 1e+12"),
        ({"iter_seconds": "nan"}, "iter_seconds: got 'nan'; allowed: 1e-12 to 1e+12"),
        ({"mem_gb": "0"}, "mem_gb: got '0'; allowed: 1e-12 to 1e+12"),
    ],
)
def test_a_row_that_cannot_be_used_says_why(
    write: Write, change: dict[str, Any], reason: str
) -> None:
    rows, skipped = read_measured(write(change))
    assert not rows
    assert reason in skipped[0].reason
    assert skipped[0].row == 2


@pytest.mark.parametrize(
    ("speed", "seconds"),
    [
        ({"iter_seconds": 2.0}, 2.0),
        ({"tokens_per_s_per_gpu": 8192}, 64 * 4096 / 8 / 8192),
        # 6nd: FLOP of a step over those of a second.
        (
            {"measured_tflops_per_gpu": 400, "flop_convention": "6n"},
            6 * 8_030_261_248 * 64 * 4096 / (8 * 400e12),
        ),
        (
            {"measured_mfu": 0.4, "flop_convention": "6n"},
            6 * 8_030_261_248 * 64 * 4096 / (8 * 0.4 * 989.4e12),
        ),
        (
            {"measured_tflops_per_gpu": 400, "flop_convention": "hardware"},
            8 * 8_030_261_248 * 64 * 4096 / (8 * 400e12),
        ),
    ],
)
def test_speeds_become_seconds(write: Write, speed: dict[str, Any], seconds: float) -> None:
    rows, _ = read_measured(write({"iter_seconds": "", **speed}))
    assert float(measurements(rows).log_seconds.exp()) == pytest.approx(seconds)


def layout_of(write: Write, change: dict[str, Any]) -> cb.Layout:
    (row,), _ = read_measured(write(change))
    return row.case.layout


def test_what_notes_tell_is_part_of_the_case(write: Write) -> None:
    pipeline = {"pp": 4, "dp": 2, "global_batch_seqs": 64}
    titan = {**pipeline, "framework": "torchtitan"}
    # Its schedules have as many micro-batches as stages, unless it is told.
    assert layout_of(write, {**titan, "micro_batch": ""}).micro_batch == 8
    assert layout_of(write, titan).vpp == 1
    assert layout_of(write, {**titan, "notes": "Interleaved 1F1B"}).vpp == 2
    assert layout_of(write, {"framework": "torchtitan"}).kernels == "eager"
    assert layout_of(write, {"framework": "x", "notes": "torch.compile"}).kernels == "fused"
    assert layout_of(write, {"tp": 8, "dp": 1, "notes": "async TP"}).tp_overlap
    assert layout_of(write, {"zero_stage": 3, "notes": "shard degree 4"}).shards == 4
    (row,), _ = read_measured(write({"precision": "fp8", "notes": "fp8 rowwise"}))
    assert row.case.precision == "fp8-rowwise"
    (row,), _ = read_measured(write({"notes": "NeMo container 26.08"}))
    assert row.case.software == "graphed"


def test_what_nemo_s_recipes_leave_out(write: Write) -> None:
    pipeline = {"pp": 4, "dp": 2, "global_batch_seqs": 64}
    experts = {"n_experts": 8, "experts_per_token": 2, "tp": 4, "dp": 2, "ep": 2}
    # One layer a chunk where nothing is told, and experts divided as all else.
    assert layout_of(write, pipeline).vpp == 8
    assert layout_of(write, {**pipeline, "vp": 2}).vpp == 2
    assert layout_of(write, {**pipeline, "n_layers": 30}).vpp == 1
    assert layout_of(write, experts).expert_tensor == 4
    assert layout_of(write, {**experts, "etp": 1}).expert_tensor == 1
    other = {"framework": "megatron-bridge"}
    assert layout_of(write, {**pipeline, **other}).vpp == 1
    assert layout_of(write, {**experts, **other}).expert_tensor == 1
