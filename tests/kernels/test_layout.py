"""Layers as pipelines deal them out, and the micro-batches that stages keep."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from known import DEEPSEEK_LIKE, LLAMA_8B
from torch import Tensor

import computebill as cb
from computebill.architectures.columns import Columns, columns
from computebill.kernels import layout as kernel
from computebill.training.layout_columns import layout_columns
from computebill.training.memory import peak_memory


def tensor(value: object) -> Tensor:
    return torch.as_tensor(value, dtype=torch.float64)


def batch_of(config: dict[str, Any]) -> Columns:
    return columns(cb.read_architecture(config))


def columns_of(**fields: Any) -> kernel.Layout:
    """Return a layout as columns, unchecked: one stage may have several chunks here."""
    return layout_columns([cb.Layout().model_copy(update=fields)])


def dealt(layers: int, stages: int, chunks: int) -> list[list[int]]:
    """Deal layers out as a list would be: short at the end, and at the front."""
    total = stages * chunks
    size = -(-layers // total)
    front = (size * total - layers) // 2
    slots = [None] * front + list(range(layers))
    slots += [None] * (size * total - len(slots))
    pieces = [slots[n * size : (n + 1) * size] for n in range(total)]
    return [
        [i for turn in range(chunks) for i in pieces[stage + turn * stages] if i is not None]
        for stage in range(stages)
    ]


@settings(max_examples=40)
@given(st.integers(1, 24), st.integers(1, 6), st.integers(1, 3), st.integers(0, 8))
def test_stages_hold_what_dealing_out_gives(
    layers: int, stages: int, chunks: int, dense: int
) -> None:
    config = DEEPSEEK_LIKE | {"num_hidden_layers": layers, "first_k_dense_replace": dense}
    batch = batch_of(config)
    expected = dealt(layers, stages, chunks)
    for stage in range(stages):
        layout = columns_of(pp=stages, vpp=chunks)
        on_stage = kernel.stage_layers(batch.groups, batch.layers, layout, tensor([stage]))
        found = on_stage.held[:, 0].tolist()
        held = expected[stage]
        kinds = [sum(i < dense for i in held), sum(i >= dense for i in held)]
        kinds = [
            n
            for n, total in zip(kinds, (min(dense, layers), layers - dense), strict=True)
            if total > 0
        ]
        assert found[1:-1] == kinds
        assert found[0] == (stage == 0)
        assert found[-1] == (stage == stages - 1)


def schedule(stage: int, stages: int, chunks: int, batches: int) -> int:
    """Most chunks of activations in flight, by walking through Megatron's schedule."""
    if chunks == 1:
        warm_up = min(stages - stage - 1, batches)
    else:
        warm_up = min(2 * (stages - stage - 1) + (chunks - 1) * stages, batches * chunks)
    flying = peak = 0
    passes = ["F"] * warm_up
    left = batches * chunks - warm_up
    passes += ["F", "B"] * left + ["B"] * warm_up
    for each in passes:
        flying += 1 if each == "F" else -1
        peak = max(peak, flying)
    return peak


@given(st.integers(1, 8), st.integers(1, 4), st.integers(1, 6), st.data())
def test_micro_batches_in_flight_are_those_of_the_schedule(
    stages: int, chunks: int, rounds: int, data: st.DataObject
) -> None:
    chunks = 1 if stages == 1 else chunks
    batches = rounds if chunks == 1 else rounds * stages
    stage = data.draw(st.integers(0, stages - 1))
    found = kernel.in_flight(tensor(stages), tensor(chunks), tensor(batches), tensor(stage))
    assert float(found) * chunks == pytest.approx(schedule(stage, stages, chunks, batches))


@pytest.mark.parametrize("stages", [2, 4, 8])
def test_schedules_hold_what_deepseek_s_table_says(stages: int) -> None:
    # Table 2 of arXiv 2412.19437: parameters of one, one and two stages; activations of p, p and
    # p + 1 micro-batches on a stage.
    batch = batch_of(LLAMA_8B)
    zero = tensor([0])

    def held(name: str) -> tuple[float, float]:
        layout = layout_columns([cb.Layout(pp=stages, schedule=name)])
        layers = kernel.rank_layers(batch.groups, batch.layers, layout, zero).held[1, 0]
        flying = kernel.in_flight(
            layout.pipeline, layout.virtual, tensor([99]), zero, layout.schedule
        )
        return float(layers), float(layers * flying)

    of_stage = 32 / stages
    assert held("1f1b") == (of_stage, of_stage * stages)
    assert held("zero-bubble") == (of_stage, of_stage * stages)
    assert held("dualpipe") == (2 * of_stage, of_stage * (stages + 1))


def test_both_ends_have_the_embedding_and_the_head_of_a_dual_pipe() -> None:
    batch = batch_of(LLAMA_8B)
    layout = layout_columns([cb.Layout(pp=4, schedule="dualpipe")])
    for stage, ends in ((0, 1), (1, 0), (3, 1)):
        found = kernel.rank_layers(batch.groups, batch.layers, layout, tensor([stage])).held[:, 0]
        assert found.tolist() == [ends, 16, ends]
    # And with the head its logits; of 1F1B the last stage alone has them.
    dual, plain = (
        peak_memory(batch, 4096.0, [cb.Layout(pp=4, schedule=name)]).logits[:, 0]
        for name in ("dualpipe", "1f1b")
    )
    assert (dual > 0).tolist() == [True, False, False, True]
    assert (plain > 0).tolist() == [False, False, False, True]


@settings(max_examples=40, deadline=None)
@given(
    st.integers(2, 6), st.integers(1, 5), st.integers(0, 7), st.integers(0, 7), st.integers(0, 5)
)
def test_uneven_ends_hold_what_they_are_given(
    stages: int, inner: int, first: int, last: int, dense: int
) -> None:
    held = [first or inner, *[inner] * (stages - 2), last or inner]
    layers = list(itertools.chain(*([stage] * count for stage, count in enumerate(held))))
    config = DEEPSEEK_LIKE | {"num_hidden_layers": len(layers), "first_k_dense_replace": dense}
    batch = batch_of(config)
    ends = {"first_layers": first or None, "last_layers": last or None}
    layout = layout_columns([cb.Layout(pp=stages, **ends)])
    if not first and not last:
        return  # dealt out evenly, as above
    for stage in range(stages):
        found = kernel.rank_layers(batch.groups, batch.layers, layout, tensor([stage])).held[:, 0]
        leading = sum(each == stage for each in layers[:dense])
        rest = sum(each == stage for each in layers[dense:])
        kinds = [
            count
            for count, total in ((leading, min(dense, len(layers))), (rest, len(layers) - dense))
            if total > 0
        ]
        assert found.tolist() == [stage == 0, *kinds, stage == stages - 1]


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(0, 5),
    st.lists(st.integers(0, 12), min_size=4, max_size=4),
    st.data(),
)
def test_lists_of_layers_land_as_they_are_listed(
    stages: int, chunks: int, dense: int, again: list[int], data: st.DataObject
) -> None:
    count = stages * chunks
    listed = data.draw(st.lists(st.integers(0, 4), min_size=count, max_size=count).filter(any))
    total = sum(listed)
    batch = batch_of(DEEPSEEK_LIKE | {"num_hidden_layers": total, "first_k_dense_replace": dense})
    fields = {"layers_per_stage": tuple(listed), "recompute_layers": tuple(again[:stages])}
    layout = columns_of(pp=stages, vpp=chunks, recompute="full", **fields)
    ends = [sum(listed[: n + 1]) for n in range(count)]
    for stage in range(stages):
        mine = [
            layer
            for chunk in range(stage, count, stages)
            for layer in range(ends[chunk] - listed[chunk], ends[chunk])
        ]
        found = kernel.rank_layers(batch.groups, batch.layers, layout, tensor([stage]))
        for layers, expected in (
            (found.held, mine),
            # The first that a micro-batch meets are computed again.
            (found.spared, mine[again[stage] :]),
        ):
            kinds = [sum(i < dense for i in expected)] * (dense > 0) + [
                sum(i >= dense for i in expected)
            ] * (total > dense)
            assert layers[1:-1, 0].tolist() == kinds
        assert found.held[[0, -1], 0].tolist() == [stage == 0, stage == stages - 1]
        assert found.spared[[0, -1], 0].tolist() == [0, 0]
