"""Cases as the step kernel takes them: datasheets in SI units, and one step by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from known import LLAMA_8B

import computebill as cb
from computebill.hardware.generations import reach
from computebill.training.cases import Case, case_columns, case_setting, step_times
from computebill.training.efficiency import INDEX, bounded, priors

PARAMETERS = 8_030_261_248
"""Of Llama 3.1 8B, by its paper's sizes."""


def case(**changes: Any) -> Case:
    """Llama 3.1 8B on eight H100s."""
    given = {
        "architecture": cb.read_architecture(LLAMA_8B),
        "layout": cb.Layout(dp=8, micro_batches=4, zero=0, recipe="deepspeed"),
        "accelerator": cb.find_accelerator("h100-sxm"),
        "precision": "bf16",
        "sequence": 4096,
        "software": "megatron",
        **changes,
    }
    return Case(**given)


def test_a_part_s_figures_are_those_of_its_datasheet() -> None:
    # H100 SXM5: 989.4 TFLOP/s in 16 and 1,978.9 in 8 bits, 3.35 TB/s, 132 multiprocessors, NVLink
    # 450 GB/s a direction, 8 of a DGX, 400 Gb/s of network each.
    one = case()
    found = case_setting(case_columns([one, replace(one, precision="fp8")]), bounded(priors()))
    best = reach(one.accelerator)
    assert found.device.peak.tolist() == pytest.approx([989.4e12 * best, 1978.9e12 * best])
    assert found.device.peak_16.tolist() == pytest.approx([989.4e12 * best] * 2)
    assert found.device.element_bytes.tolist() == [2, 1]
    assert found.device.bytes_per_s.tolist() == [3.35e12] * 2
    assert found.device.units.tolist() == [132] * 2
    assert found.links.inside.tolist() == [450e9] * 2
    assert found.links.across.tolist() == [50e9] * 2
    assert found.links.domain.tolist() == [8] * 2


def test_a_case_may_say_otherwise() -> None:
    changed = case(domain=4, bytes_per_s=2e12, power=0.125)
    found = case_setting(case_columns([case(), changed]), bounded(priors()))
    assert found.links.domain.tolist() == [8, 4]
    assert found.device.bytes_per_s.tolist() == [3.35e12, 2e12]
    # Power grows with the cube of the clock.
    whole, slow = found.device.peak.tolist()
    assert slow == pytest.approx(whole / 2)


def test_adam_s_states_are_passed_over_once_a_step() -> None:
    # Of each parameter a gradient of 2 bytes is read; master copy, mean and variance of 4 bytes
    # are read and written: 26 bytes.
    values = bounded(priors())
    speed = 3.35e12 * values[INDEX["memory"]] / values[INDEX["optimizer_traffic"]]
    sharded = replace(case(), layout=cb.Layout(dp=8, zero=1, recipe="deepspeed"))
    found = step_times(case_columns([case(), sharded]), values).optimizer.tolist()
    whole = PARAMETERS * (2 + 2 * (4 + 4 + 4)) / float(speed)
    assert found == pytest.approx([whole, whole / 8])


def test_gradients_and_weights_travel_in_their_own_width() -> None:
    # Megatron-LM reduces gradients in 32 bits, NVIDIA's recipes since 2023 in 16; DeepSpeed's are
    # of 16 bits. Weights are gathered in 16 bits, or in 8 where those recipes compute with that.
    megatron = cb.Layout(dp=8, recipe="megatron")
    cases = [
        case(),
        case(layout=megatron),
        case(layout=megatron, software="modern"),
        case(layout=megatron, software="modern", precision="fp8"),
        case(layout=megatron, precision="fp8"),
    ]
    work = case_columns(cases).work
    assert work.gradient_bytes.tolist() == [2, 4, 2, 2, 4]
    assert work.weight_bytes.tolist() == [2, 2, 2, 1, 2]


def test_how_a_step_is_run_is_the_layout_s() -> None:
    cases = [
        case(layout=cb.Layout(recompute=name))
        for name in ("none", "selective", "operators", "full")
    ]
    frozen = case(layout=cb.Layout(lora_rank=8, kernels="eager", cp_exchange="all-to-all"))
    work = case_columns([*cases, frozen]).work
    assert work.recompute.tolist()[:4] == [0, 1, 2, 3]
    assert work.trained.tolist() == [1, 1, 1, 1, 0]
    assert work.fused.tolist()[-1] == 0
    assert work.exchanges_heads.tolist() == [0, 0, 0, 0, 1]
