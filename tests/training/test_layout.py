"""Layouts that contradict themselves, and what a layout makes of what it is given."""

from __future__ import annotations

import re
from typing import Any

import pytest

import computebill as cb


@pytest.mark.parametrize(
    ("layout", "problem"),
    [
        ({"vpp": 2}, "vpp: got 2; allowed: 1, as pp is 1"),
        ({"schedule": "zero-bubble"}, "schedule: got zero-bubble; allowed: 1f1b, as pp is 1"),
        ({"pp": 3, "schedule": "dualpipe"}, "pp: got 3; allowed with dualpipe: an even number"),
        ({"pp": 2, "vpp": 2, "schedule": "zero-bubble"}, "vpp: got 2; allowed with zero-bubble: 1"),
        (
            {"pp": 2, "schedule": "zero-bubble", "zero": 3},
            "zero: got 3; allowed with zero-bubble: 0",
        ),
        (
            {"weights": "nf4"},
            "weights: got nf4; allowed where all are trained (no lora_rank): fp32, bf16",
        ),
        (
            {"recipe": "megatron", "weights": "fp32"},
            "weights: got fp32; allowed with megatron: bf16",
        ),
        ({"recipe": "fp32", "gradients": "bf16"}, "gradients: got bf16; allowed with fp32: fp32"),
        ({"qlora": True, "lora_rank": 0}, "lora_rank: got 0; allowed with qlora: 1 or more"),
        (
            {"qlora": True, "weights": "bf16"},
            "weights: got bf16; allowed with qlora: fp8, int8, nf4",
        ),
        (
            {"offload": "weights", "zero": 1},
            "offload: got weights; allowed with zero 1: optimizer, activations",
        ),
        (
            {"offload": "optimizer", "optimizer": "paged-adamw-8bit"},
            "offload: got optimizer; allowed with paged-adamw-8bit, which is paged: weights",
        ),
        (
            {"gradients": "fused", "micro_batches": 2},
            "micro_batches: got 2; allowed with gradients",
        ),
        ({"loss_chunk": 256}, "loss_chunk: got 256; needs loss chunked"),
        ({"lora_rank": 8, "lora_targets": "q_proj,w9"}, "got 'w9'; allowed: W_pack, Wqkv"),
        ({"recipe": "lightning"}, "Input should be 'megatron'"),
        ({"optimizer": "adam_9bit"}, "Input should be 'adamw'"),
        ({"zero": 4}, "less than or equal to 3"),
        ({"tp": 0}, "greater than or equal to 1"),
    ],
)
def test_layouts_that_contradict_themselves(layout: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        cb.Layout(**layout)


def test_loss_is_in_the_parts_of_its_trainer_or_of_its_user() -> None:
    def parts(**given: Any) -> tuple[float, float]:
        return cb.Layout(**given).loss_parts

    assert parts() == (1, float("inf"))
    assert parts(recipe="trl") == (1, 256)
    assert parts(recipe="torchtune") == (8, float("inf"))
    assert parts(recipe="torchtune", loss_chunk=512) == (1, 512)
    assert parts(loss="chunked") == (1, 1024)
    assert parts(loss="cut") == (1, 0)


def test_trainers_make_one_micro_batch_a_step_where_nobody_says() -> None:
    assert cb.Layout(recipe="trl").filled_batches == 1
    assert cb.Layout(recipe="trl", micro_batches=4).filled_batches == 4
    assert cb.Layout(recipe="trl", pp=2).filled_batches == cb.Layout(pp=2).filled_batches
    assert cb.Layout(gradients="fused").filled_batches == 1
