"""What rests on the host, and what moving it takes, as worked out on paper."""

from __future__ import annotations

import ideal
import pytest
from ideal import (
    ACTIVATIONS,
    ATTENTION_WEIGHTS,
    HEAD_WEIGHTS,
    HOST,
    LAYERS,
    MEMORY,
    MLP_WEIGHTS,
    PCIE,
    model,
    setting,
)
from known import LLAMA_8B

import computebill as cb
from computebill.architectures.columns import columns
from computebill.kernels import offload, step
from computebill.training.memory import host_bytes, peak_memory

ALL = LAYERS * (ATTENTION_WEIGHTS + MLP_WEIGHTS) + (2 * LAYERS + 1) * 4096 + 2 * HEAD_WEIGHTS
"""Parameters of Llama 3.1 8B."""

BATCH = columns(cb.read_architecture(LLAMA_8B))


def host(layout: cb.Layout) -> float:
    return float(host_bytes(BATCH, 4096.0, [layout])[0, 0])


def test_nothing_is_on_the_host_where_nothing_was_sent() -> None:
    assert host(cb.Layout(dp=8, zero=3)) == 0


@pytest.mark.parametrize(
    ("layout", "each"),
    [
        # Master copy, two moments and a gradient of 4 bytes, divided by eight ranks.
        ({"dp": 8, "offload": ("optimizer",)}, 16 / 8),
        # DeepSpeed: half as much again, and each process loads the whole model in 32 bits.
        ({"dp": 8, "offload": ("optimizer",), "recipe": "deepspeed"}, 1.5 * 4),
        ({"dp": 8, "zero": 3, "offload": ("optimizer",), "recipe": "deepspeed"}, 1.5 * 16 / 8),
        # FSDP: weights of 4 bytes, which are their own master copy, gradient and moments.
        ({"dp": 8, "zero": 3, "offload": ("weights", "optimizer")}, 16 / 8),
        ({"dp": 8, "zero": 3, "offload": ("weights",)}, 4 / 8),
        # Pages of two moments of 4 bytes.
        ({"zero": 0, "optimizer": "paged-adamw"}, 8),
    ],
)
def test_the_host_holds_what_the_optimizer_takes(layout: dict[str, object], each: float) -> None:
    assert host(cb.Layout(**layout)) == pytest.approx(each * ALL)


def test_the_device_is_rid_of_what_the_host_holds() -> None:
    kept, sent = (
        peak_memory(BATCH, 4096.0, [cb.Layout(dp=8, zero=3, offload=where)])
        for where in ((), ("optimizer", "weights"))
    )
    assert float(kept.optimizer) > 0
    assert float(sent.weights) == float(sent.optimizer) == float(sent.gradients) == 0
    assert float(sent.gathered) == float(kept.gathered)


def test_the_host_holds_the_inputs_of_all_layers_and_the_device_of_two() -> None:
    layout = cb.Layout(recompute="full", offload=("activations",))
    # The embedding and the head keep what they take besides: two bytes a unit, the norm and head.
    assert host(layout) == pytest.approx((LAYERS + 2) * ACTIVATIONS)
    kept, sent = (
        float(peak_memory(BATCH, 4096.0, [each]).activations)
        for each in (layout.model_copy(update={"offload": ()}), layout)
    )
    assert kept - sent == pytest.approx((LAYERS + 2 - 2 * 2) * ACTIVATIONS)


def test_a_step_on_the_host_is_bound_by_its_memory_and_link() -> None:
    here, there = (
        float(step.step_seconds(model(), setting(work={"states_away": each})).optimizer)
        for each in (0, 1)
    )
    assert here == pytest.approx(30 * ALL / MEMORY)
    # A gradient of 2 bytes goes and a weight of 2 comes.
    assert there == pytest.approx(30 * ALL / HOST + 4 * ALL / PCIE)
    # DeepSpeed's go with every micro-batch.
    work = {"states_away": 1, "gradients_away": 1}
    each = step.step_seconds(model(), setting(work=work, layout={"micro_batches": 3})).optimizer
    assert float(each) == pytest.approx(30 * ALL / HOST + (3 * 2 + 2) * ALL / PCIE)


def test_weights_on_the_host_come_with_each_gathering() -> None:
    layout = {"data": 8, "shards": 8, "zero": 3, "micro_batches": 3}
    work = {"away_bytes": 4.0}
    here = float(step.step_seconds(model(), setting(layout=layout)).data)
    there = float(step.step_seconds(model(), setting(layout=layout, work=work)).data)
    # Twice a micro-batch an eighth of the weights comes in 32 bits, and of gradients goes in 16.
    assert there - here == pytest.approx(3 * (2 * 4 + 2) * ALL / 8 / PCIE, rel=3e-3)


def test_activations_are_waited_for_as_far_as_computing_does_not_hide_them() -> None:
    run = setting(work={"recompute": 3, "activations_away": 1})
    once = ACTIVATIONS / PCIE
    nothing, long = ideal.tensor([[0.0]] * 3), ideal.tensor([[1.0]] * 3)
    waited = offload.activation_seconds(model(), run, nothing, nothing)[:, 0].tolist()
    assert waited == pytest.approx([0, 2 * once, 0])
    assert float(offload.activation_seconds(model(), run, long, nothing)[1]) == pytest.approx(once)
    assert float(offload.activation_seconds(model(), run, long, long)[1]) == 0


def test_a_quantised_base_is_read_and_unpacked_for_each_product() -> None:
    plain, packed = (
        step.layer_times(model(), setting(work={"trained": 0, "unpacked_bytes": each})).elementwise
        for each in (0, 2.5)
    )
    # Forward and backward.
    layer = ATTENTION_WEIGHTS + MLP_WEIGHTS
    assert float((packed - plain)[1]) == pytest.approx(2 * 2.5 * layer / MEMORY)
    assert float((packed - plain)[2]) == 0


def test_a_loss_in_parts_makes_logits_again() -> None:
    plain, again = (
        step.layer_times(model(), setting(work={"loss_again": each})) for each in (0, 1)
    )
    assert float(plain.recompute[2]) == 0
    flop = 2 * ACTIVATIONS / 2 * HEAD_WEIGHTS / 4096
    assert float(again.recompute[2]) == pytest.approx(flop / ideal.PEAK, rel=1e-3)
