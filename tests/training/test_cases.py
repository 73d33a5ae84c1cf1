"""Cases as the step kernel takes them: datasheets in SI units, and one step by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from known import LLAMA_8B

import computebill as cb
from computebill.base.errors import RequestError
from computebill.hardware.generations import reach
from computebill.training.cases import (
    Case,
    case_columns,
    case_setting,
    step_times,
    usual_precision,
)
from computebill.training.efficiency import attention_name, kernel_efficiency
from computebill.training.parameters import INDEX, bounded, priors

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
    changed = case(domain=4, power=0.125)
    found = case_setting(case_columns([case(), changed]), bounded(priors()))
    assert found.links.domain.tolist() == [8, 4]
    # Power grows with the cube of the clock.
    whole, slow = found.device.peak.tolist()
    assert slow == pytest.approx(whole / 2)


def optimizer(*layouts: cb.Layout) -> list[float]:
    """Bytes that the optimizer's step moves on a rank."""
    values = bounded(priors())
    speed = 3.35e12 * values[INDEX["memory"]] / values[INDEX["optimizer_traffic"]]
    times = step_times(case_columns([case(layout=each) for each in layouts]), values)
    return (times.optimizer * speed).tolist()


@pytest.mark.parametrize(
    ("recipe", "each"),
    [
        # A gradient of 4 bytes is read, master copy, mean and variance of 4 are read and written,
        # and a weight of 2 is written.
        ("megatron", 4 + 2 * (4 + 4 + 4) + 2),
        # A gradient of 2 bytes is read, and written and read in 32 bits.
        ("deepspeed", 2 + 2 * 4 + 2 * (4 + 4 + 4) + 2),
        # Weights rest in 32 bits and are their own master copy.
        ("fsdp", 4 + 2 * (4 + 4 + 4)),
    ],
)
def test_adam_s_states_are_passed_over_once_a_step(recipe: Any, each: int) -> None:
    whole, sharded = optimizer(
        cb.Layout(dp=8, zero=0, recipe=recipe), cb.Layout(dp=8, zero=1, recipe=recipe)
    )
    assert whole == pytest.approx(PARAMETERS * each)
    assert sharded == pytest.approx(PARAMETERS * each / 8)


def test_smaller_states_are_passed_over_faster() -> None:
    # Adam in 8 bits has two moments of a byte and a scale of 32 bits for each 256, but for the
    # embedding, the head and norms: Dettmers et al. 2021.
    rest = 2 * 128256 * 4096 + (2 * 32 + 1) * 4096
    (found,) = optimizer(cb.Layout(dp=8, zero=0, recipe="megatron", optimizer="adamw-8bit"))
    small = 4 + 2 * (4 + 2 + 2 * 4 / 256) + 2
    assert found == pytest.approx((PARAMETERS - rest) * small + rest * 30)


def test_muon_has_one_moment_of_matrices_and_computes() -> None:
    layouts = [cb.Layout(recipe="megatron", optimizer=name) for name in ("muon", "adamw")]
    work = case_columns([case(layout=layout) for layout in layouts]).work
    assert work.state_bytes.tolist() == [4 + 2 * (4 + 4) + 2, 30]
    assert work.other_bytes.tolist() == [30, 30]
    assert work.orthogonal.tolist() == [1, 0]


def test_gradients_add_up_as_the_software_does_it() -> None:
    # 32 bits read and written in the product's own kernel (Megatron's fusion), after a gradient
    # of 16 bits was written, or 16 bits written, read and written (torch autograd).
    names: tuple[Any, ...] = ("megatron", "modern", "early", "eager", "compiled")
    work = case_columns([case(software=name) for name in names]).work
    assert work.adding_bytes.tolist() == [4 + 4, 4 + 4, 2 + 4 + 4, 2 + 2 + 2, 2 + 2 + 2]


def test_gradients_go_between_replicas_in_as_many_bits_as_told_or_as_the_software_does() -> None:
    # NVIDIA's recipes since 2023 reduce in 16 bits, Megatron-LM before them in 32.
    told: tuple[Any, ...] = ("16", "32")
    layouts = [cb.Layout(reduce_bits=bits) for bits in told]
    cases = [case(layout=layout) for layout in layouts]
    cases += [case(software="modern", layout=layout) for layout in (cb.Layout(), *layouts)]
    cases.append(case(layout=cb.Layout()))
    assert case_columns(cases).work.gradient_bytes.tolist() == [2, 4, 2, 2, 4, 4]


@pytest.mark.parametrize(
    ("part", "software", "layout", "name"),
    [
        ("a100-sxm-80gb", "eager", {}, "ampere"),
        ("a100-sxm-80gb", "eager", {"attention_kernel": "flash1"}, "ampere.flash1"),
        ("a100-sxm-80gb", "megatron", {}, "ampere.flash1"),
        ("a100-sxm-80gb", "megatron", {"attention_kernel": "sdpa"}, "ampere"),
        ("a100-sxm-80gb", "megatron", {"attention": "unfused"}, "unfused"),
        ("h100-sxm", "eager", {"attention_kernel": "flash1"}, "hopper.flash1"),
        ("h100-sxm", "eager", {}, "hopper.early"),
        ("h100-sxm", "eager", {"attention_kernel": "flex"}, "hopper.early"),
        ("h100-sxm", "eager", {"attention_kernel": "fused"}, "hopper"),
        ("h100-sxm", "eager", {"attention_kernel": "flash3"}, "hopper.modern"),
        ("h100-sxm", "fused", {}, "hopper"),
        ("h100-sxm", "compiled", {}, "hopper"),
        ("h100-sxm", "graphed", {}, "hopper.modern"),
        ("h100-sxm", "modern", {"attention_kernel": "flash2"}, "hopper.early"),
        ("b200", "eager", {"attention_kernel": "flash1"}, "blackwell"),
        ("tpu-v6e", "compiled", {}, "tpu"),
    ],
)
def test_attention_has_the_speed_of_its_kernel(
    part: str, software: Any, layout: dict[str, Any], name: str
) -> None:
    given = cb.Layout(**layout)
    one = case(accelerator=cb.find_accelerator(part), software=software, layout=given)
    assert attention_name(one.kind) == f"attention.{name}"


def test_full_recomputation_stops_early_where_told_and_in_compilers() -> None:
    names: tuple[Any, ...] = ("compiled", "eager")
    cases = [
        case(software=name, layout=cb.Layout(early_stop=told))
        for name in names
        for told in (None, True, False)
    ]
    assert case_columns(cases).work.prunes.tolist() == [1, 1, 0, 0, 1, 0]


def test_experts_that_are_looped_over_are_launched_one_by_one() -> None:
    # Eight experts on a rank, three products each, launched forward and twice as often backward.
    mixture = LLAMA_8B | {
        "model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": 2
    }  # fmt: skip
    kinds: tuple[Any, ...] = ("grouped", "looped")
    cases = [
        case(
            architecture=cb.read_architecture(mixture),
            layout=cb.Layout(micro_batches=1, zero=0, experts=kind),
            software="eager",
        )
        for kind in kinds
    ]
    values = bounded(priors())
    grouped, looped = step_times(case_columns(cases), values).products.tolist()
    beside = values[INDEX["loop.expert"]] - values[INDEX["launch.expert"]]
    assert looped - grouped == pytest.approx(float(32 * 8 * 3 * 3 * beside))


def test_a_dispatcher_is_the_software_s_unless_it_is_told() -> None:
    told = replace(case(), layout=cb.Layout(dispatcher="all-to-all"), software="modern")
    early = replace(told, layout=cb.Layout(dispatcher="deepep"), software="early")
    cases = [case(), case(software="modern"), told, early]
    assert case_columns(cases).work.sends_once.tolist() == [0, 1, 0, 1]


def test_stages_of_torch_fsdp_hold_what_they_gathered() -> None:
    layouts = [
        cb.Layout(zero=3, dp=4, pp=2),
        cb.Layout(zero=3, dp=4, pp=2, recipe="deepspeed"),
        cb.Layout(zero=3, dp=8),
        cb.Layout(zero=2, dp=4, pp=2, recipe="fsdp"),
    ]
    columns = case_columns([case(layout=layout) for layout in layouts])
    assert columns.layouts.holds.tolist() == [1, 0, 0, 0]


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
    assert work.adapter_rank.tolist() == [0, 0, 0, 0, 8]
    assert work.fused.tolist()[-1] == 0
    assert work.exchanges_heads.tolist() == [0, 0, 0, 0, 1]


def test_cases_are_timed_on_the_device_of_their_efficiencies() -> None:
    # Without numbers: a line that mixes devices, or asks for a number, fails.
    kinds: tuple[Any, ...] = ("h100-sxm", "v100-sxm-32gb", "mi300x", "gb300-nvl72")
    cases = [case(accelerator=cb.find_accelerator(name)) for name in kinds]
    fused = cb.Layout(dp=8, zero=3, pp=2, lora_rank=4)
    cases += [case(precision="fp8", software="graphed"), case(layout=fused)]
    cases.append(case(layout=cb.Layout(attention="unfused", pp=2, vpp=2, recompute="selective")))
    columns = case_columns(cases)
    here = step_times(columns, bounded(priors()))
    there = step_times(columns, bounded(priors().to("meta")))
    assert {each.device.type for each in there} == {"meta"}
    assert [each.shape for each in there] == [each.shape for each in here]
    efficiency = kernel_efficiency(bounded(priors().to("meta")), columns.kinds)
    assert {each.device.type for each in efficiency} == {"meta"}
    assert {each.dtype for each in efficiency} == {torch.float64}
    assert {each.shape for each in efficiency} == {(len(cases),)}


def test_a_recipe_of_8_bits_multiplies_in_8_bits_or_is_refused() -> None:
    layout = cb.Layout(recipe="megatron-fp8")
    assert usual_precision(cb.find_accelerator("h100-sxm"), layout) == "fp8"
    with pytest.raises(RequestError, match=r"recipe: got megatron-fp8; allowed on a100-sxm-80gb"):
        usual_precision(cb.find_accelerator("a100-sxm-80gb"), layout)
    run = {"model": "llama-3.1-8b", "tokens": "1T", "accelerator": "h100", "count": 8}
    with pytest.raises(RequestError, match=r"precision: got bf16; allowed with recipe megatron"):
        cb.estimate_run({**run, "precision": "bf16", "layout": {"recipe": "megatron-fp8"}})
