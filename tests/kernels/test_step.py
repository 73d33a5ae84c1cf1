"""A whole step on eight accelerators, as worked out on paper."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ideal import (
    ACTIVATIONS,
    HEAD_WEIGHTS,
    LAYER_WEIGHTS,
    LAYERS,
    MEMORY,
    NVLINK,
    PEAK,
    SEQUENCE,
    mixture,
    model,
    setting,
    tensor,
)
from torch import Tensor

from computebill.kernels import step
from computebill.kernels.setting import Efficiency, Setting
from computebill.kernels.stage_times import pipeline_stages

FAST = {"bytes_per_s": math.inf}
"""Memory that takes no time, so that products take what their FLOP take."""

LAYER = 6 * LAYER_WEIGHTS * SEQUENCE / PEAK
"""Seconds of a layer's products, forward and backward."""

TOP = 6 * HEAD_WEIGHTS * SEQUENCE / PEAK
ATTENTION = 2 * 2 * 2 * 32 * 128 * 2048.5 * SEQUENCE / PEAK
"""Of a layer, its backward pass as long as the forward pass."""


def parts(**changes: dict[str, float]) -> dict[str, float]:
    found = step.step_seconds(model(), setting(**changes))
    return {name: float(value) for name, value in found._asdict().items()}


def test_replicas_take_six_flop_a_weight_and_token() -> None:
    layout = {"data": 8, "shards": 8, "micro_batches": 3, "micro_batch": 2}
    found = parts(device=FAST, layout=layout)
    assert found["products"] == pytest.approx(3 * 2 * (LAYERS * LAYER + TOP))
    assert found["attention"] == pytest.approx(3 * 2 * LAYERS * ATTENTION)
    gradients = 2 * 7 / 8 * 8_030_261_248 * 2 / NVLINK
    assert found["data"] == pytest.approx(gradients, rel=3e-3)
    others = found.keys() - {"products", "attention", "data", "host"}
    assert {name: found[name] for name in others} == dict.fromkeys(others, 0.0)
    assert found["host"] == pytest.approx(0, abs=1e-6)


def test_the_optimizer_passes_over_what_a_rank_holds() -> None:
    found = parts(layout={"data": 8, "shards": 8, "zero": 1})
    assert found["optimizer"] == pytest.approx(30 * 8_030_261_248 / 8 / MEMORY)


def test_the_slowest_stage_sets_the_pace_and_others_wait() -> None:
    # Four layers of each of eight stages, and on the last the head, which is longer than four
    # layers' attention and half as long as their products.
    found = parts(device=FAST, layout={"pipeline": 8, "micro_batches": 16})
    others = 4 * (LAYER + ATTENTION)
    busy = others + TOP
    assert found["products"] == pytest.approx(16 * (4 * LAYER + TOP))
    assert found["attention"] == pytest.approx(16 * 4 * ATTENTION)
    # They wait for the last stage as long as the first micro-batch is on its way to it and the
    # last one on its way back: for all stages but the last (Narayanan et al. 2021, section 2.2).
    assert busy > others
    sends = 2 * (16 / 2 + 7) * ACTIVATIONS / NVLINK
    assert found["bubble"] == pytest.approx(7 * others + sends)


def test_tensor_parallel_ranks_sum_in_every_layer_and_micro_batch() -> None:
    found = parts(layout={"tensor": 8, "micro_batches": 5})
    ring = 2 * 7 / 8 * ACTIVATIONS / NVLINK
    assert found["tensor"] == pytest.approx(5 * (4 * LAYERS + 1) * ring)


def test_whole_layers_computed_again_take_a_forward_pass() -> None:
    found = parts(device=FAST, work={"recompute": 3})
    assert found["recompute"] == pytest.approx(LAYERS * (LAYER / 3 + ATTENTION / 2))


def test_unfused_scores_that_are_not_kept_take_attention_s_forward_pass_again() -> None:
    unfused = {"efficiency": {"score_passes": 5.0}}
    plain = parts(device=FAST, **unfused)
    again = parts(device=FAST, work={"recompute": 1}, **unfused)
    # The backward pass takes two thirds of attention's time.
    assert again.pop("recompute") == pytest.approx(plain["attention"] / 3)
    assert plain.pop("recompute") == 0
    assert again == pytest.approx(plain, abs=1e-6)
    assert parts(device=FAST, work={"recompute": 1})["recompute"] == 0


@pytest.mark.parametrize("batches", [1, 2, 16])
def test_a_step_of_unequal_stages_is_that_of_its_schedule(batches: int) -> None:
    # Of four stages the last has the head. A micro-batch's way there and back is each stage's
    # time once; all others follow it at the slowest stage's pace.
    layout = {"pipeline": 4, "micro_batches": batches}
    found = parts(device={**FAST}, layout=layout, links={"inside": math.inf})
    stage = LAYERS / 4 * (LAYER + ATTENTION)
    expected = 4 * stage + TOP + (batches - 1) * (stage + TOP)
    assert sum(found.values()) == pytest.approx(expected, abs=1e-6)


def test_a_lab_s_pace_is_that_of_the_whole_step() -> None:
    layout = {"data": 4, "pipeline": 2, "shards": 4, "micro_batches": 8}
    losses = {"straggling": 0.01, "step_floor": 0.1, "layer_floor": 1e-4}
    plain = parts(layout=layout, efficiency=losses)
    slow = parts(layout=layout, efficiency={**losses, "pace": 1.25})
    assert slow == pytest.approx({name: 1.25 * value for name, value in plain.items()})
    run = setting(layout=layout, efficiency={**losses, "pace": 1.25})
    times, stages = step.layer_times(model(), run), pipeline_stages(model(), run.layout)
    whole = float(step.total_seconds(model(), run, times, stages))
    assert whole == pytest.approx(1.25 * sum(plain.values()))


def test_launches_are_waited_for_where_kernels_are_short() -> None:
    # A second for each layer and pass, forward and backward; layers themselves take 7 ms.
    slow = {"layer_floor": 1.0, "step_floor": 0.5}
    found = parts(device=FAST, efficiency=slow)
    busy = LAYERS * (LAYER + ATTENTION)
    assert found["host"] == pytest.approx(LAYERS * 2 * 1.0 - busy + 0.5)
    again = parts(device=FAST, efficiency=slow, work={"recompute": 3})
    busy += again["recompute"]
    assert again["host"] == pytest.approx(LAYERS * 3 * 1.0 - busy + 0.5)
    # Experts' layers launch more, and long kernels hide it all.
    experts = step.step_seconds(
        mixture(), setting(device=FAST, efficiency={**slow, "expert_floor": 1.0})
    )
    assert float(experts.host) > 1.9 * found["host"]
    hidden = parts(device=FAST, efficiency={"layer_floor": 1e-5})
    assert hidden["host"] == pytest.approx(0, abs=1e-6)


def test_each_doubling_waits_for_a_slower_accelerator() -> None:
    # Eight are three doublings.
    layout = {"data": 2, "tensor": 2, "pipeline": 2, "shards": 2}
    found = parts(layout=layout, efficiency={"straggling": 0.01})
    late = found.pop("stragglers")
    assert late == pytest.approx(0.03 * sum(found.values()))


def test_ranks_of_a_dual_pipe_meet_each_micro_batch_with_half_of_what_they_hold() -> None:
    layout = {"pipeline": 8, "micro_batches": 16, "schedule": 2}
    found = parts(device=FAST, layout=layout)
    # The first and the last stage are held together: eight layers, and the head.
    assert found["products"] == pytest.approx(16 * (4 * LAYER + TOP / 2))


RANKS = st.sampled_from([1, 2, 4, 8])


@settings(max_examples=40, deadline=None)
@given(RANKS, RANKS, st.sampled_from([1, 2]), st.integers(0, 3), st.integers(0, 3), st.booleans())
def test_a_step_is_the_same_whole_and_in_parts(
    tensor_ranks: int, stages: int, chunks: int, zero: int, recompute: int, is_mixture: bool
) -> None:
    layout = {
        "tensor": tensor_ranks,
        "pipeline": stages,
        "virtual": chunks,
        "micro_batches": 16,
        "data": 4,
        "shards": 4,
        "zero": zero,
    }
    lost = {"straggling": 0.01, "step_floor": 1e-3, "layer_floor": 1e-4, "data_overlap": 0.5}
    lost["pace"] = 1.2
    run = setting(layout=layout, work={"recompute": recompute}, efficiency=lost)
    of = mixture() if is_mixture else model()
    whole = step.step_seconds(of, run).total
    times, held = step.layer_times(of, run), pipeline_stages(of, run.layout)
    torch.testing.assert_close(step.total_seconds(of, run, times, held), whole, rtol=1e-12, atol=0)
    # As many chunks as are looked up, or as a compiled kernel is told.
    told = step.step_seconds(of, run, turns=chunks).total
    torch.testing.assert_close(told, whole, rtol=0, atol=0)


LOST = {
    "half_k": 80.0,
    "harshness": 0.4,
    "half_width": 24.0,
    "half_keys": 500.0,
    "score_passes": 5.0,
    "cast_traffic": 1.5,
    "tensor_overlap": 0.2,
    "data_overlap": 0.5,
    "data_exposed": 0.1,
    "expert_overlap": 0.8,
    "expert_imbalance": 1.13,
    "permutation": 2.0,
    "layer_floor": 1e-4,
    "expert_floor": 3e-4,
    "expert_launch": 5e-6,
    "step_floor": 6e-3,
    "straggling": 0.006,
}


def lossy() -> tuple[Any, Setting]:
    """A mixture of heads of a crooked width on nodes of four and of eight: all takes time."""
    of = model(model_type="mixtral", num_local_experts=8, num_experts_per_tok=2, head_dim=108)
    run = setting(
        layout={"tensor": 2, "data": 8, "expert": 8, "shards": 8, "micro_batches": 4},
        work={"hides_experts": 1},
        device={"units": 132},
        links={"latency": 1e-6, "latency_across": 1e-5},
        efficiency={**LOST, "exchange": 0.01, "exchange_across": 0.01, "misaligned": 3.0},
    )
    return of, run._replace(links=run.links._replace(domain=tensor([4.0, 8.0])))


def seconds(*efficiencies: Tensor, given: tuple[Any, Setting] | None = None) -> Tensor:
    of, run = given or lossy()
    used = Efficiency(*efficiencies)
    # Attention without a fused kernel, and with one.
    passes = torch.stack([used.score_passes, 0.0 * used.score_passes])
    run = run._replace(efficiency=used._replace(score_passes=passes))
    return step.step_seconds(of, run, 1).total.sum()


def test_a_step_has_a_gradient_in_every_efficiency() -> None:
    _, run = lossy()
    columns = [each.clone().requires_grad_() for each in run.efficiency]
    gradients = torch.autograd.grad(seconds(*columns), columns, allow_unused=True)
    without = {
        name
        for name, found in zip(Efficiency._fields, gradients, strict=True)
        if found is None or not float(found)
    }
    assert without == set()
    for place, found in enumerate(gradients):
        step_size = 1e-6 * float(columns[place].detach())
        ends = []
        for sign in (1, -1):
            moved = [each.detach().clone() for each in columns]
            moved[place] += sign * step_size
            ends.append(float(seconds(*moved)))
        slope = (ends[0] - ends[1]) / (2 * step_size)
        assert float(found) == pytest.approx(slope, rel=1e-3), Efficiency._fields[place]


@pytest.mark.slow
def test_a_step_is_one_graph() -> None:
    # As torch.compile wants it, whatever its back end does with the graph then.
    compiled: Callable[..., Tensor] = torch.compile(seconds, backend="eager", fullgraph=True)
    given = lossy()
    efficiency = given[1].efficiency
    torch.testing.assert_close(
        compiled(*efficiency, given=given), seconds(*efficiency, given=given), rtol=1e-12, atol=0
    )
