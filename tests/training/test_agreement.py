"""Time and memory of one step hold the same: what time need not move, memory has."""

from __future__ import annotations

import math
from functools import cache

import ideal
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from known import LLAMA_8B
from torch import Tensor

import computebill as cb
from computebill.architectures.columns import Columns, columns
from computebill.architectures.operators import Beside
from computebill.kernels import step
from computebill.kernels.memory import Memory, training_memory
from computebill.kernels.setting import Setting
from computebill.training.layout_columns import activation_columns, layout_columns, recipe_columns
from computebill.training.rules import check_layout

DENSE = LLAMA_8B | {"hidden_size": 512, "intermediate_size": 1024, "num_hidden_layers": 8}
MIXTURE = DENSE | {
    "model_type": "mixtral",
    "num_attention_heads": 8,
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
}
ARCHITECTURES = (cb.read_architecture(DENSE), cb.read_architecture(MIXTURE))
SEQUENCE = 256

DEGREES = {
    "tp": st.sampled_from([1, 2, 4]),
    "pp": st.sampled_from([1, 2, 4]),
    "dp": st.sampled_from([1, 2, 4, 8]),
    "cp": st.sampled_from([1, 2]),
    "ep": st.sampled_from([1, 2, 8]),
    "etp": st.sampled_from([None, 1, 2]),
    "zero": st.integers(0, 3),
    "shards": st.sampled_from([None, 2, 4]),
    "recipe": st.sampled_from(
        [None, "megatron", "deepspeed", "deepspeed-bf16", "fsdp", "bf16", "fp32", "amp", "trl"]
    ),
    "optimizer": st.sampled_from(["adamw", "adamw-8bit", "muon", "lion", "adafactor"]),
    "lora_rank": st.sampled_from([0, 0, 8]),
    "schedule": st.sampled_from(["1f1b", "zero-bubble", "dualpipe"]),
}


@cache
def batch_of(is_mixture: bool, beside: Beside) -> Columns:
    return columns(ARCHITECTURES[is_mixture], beside)


@st.composite
def legal(draw: st.DrawFn) -> tuple[Columns, cb.Layout]:
    """A model and a layout that divides it."""
    is_mixture = draw(st.booleans())
    degrees = DEGREES if is_mixture else DEGREES | {"ep": st.just(1), "etp": st.none()}
    given = draw(st.fixed_dictionaries(degrees))
    if given["lora_rank"]:
        given["weights"] = draw(st.sampled_from([None, "fp32", "int8", "nf4"]))
    away = ["optimizer", "activations", *(["weights"] if given["zero"] == 3 else [])]
    given["offload"] = draw(st.sampled_from([(), (), *((each,) for each in away), away]))
    try:
        layout = cb.Layout(micro_batches=8, **given)
        check_layout(ARCHITECTURES[is_mixture], layout, SEQUENCE)
    except ValueError:  # of which a refusal is one
        assume(False)
    return batch_of(is_mixture, layout.beside), layout


def memory(batch: Columns, layout: cb.Layout, **recipe: float) -> Memory:
    """Bytes on the first stage."""
    held = recipe_columns([layout])
    held = held._replace(**{name: ideal.tensor([value]) for name, value in recipe.items()})
    kept = activation_columns([layout], SEQUENCE)
    stage = torch.zeros(1, dtype=torch.float64)
    return training_memory(batch.model, layout_columns([layout]), held, kept, stage)


def unsharded(batch: Columns, layout: cb.Layout) -> Memory:
    """Elements on the first stage, of a byte each: all of them, and none of adapters."""
    plain = layout.model_copy(update={"zero": 0, "lora_rank": 0, "weights": None, "offload": ()})
    return memory(batch, plain, gradient=1.0, **OF_A_BYTE)


OF_A_BYTE = dict.fromkeys(("weight", "inner_weight", "gathered", "inner_gathered"), 1.0)


def parts(batch: Columns, layout: cb.Layout, batches: int, **work: float) -> step.StepTime:
    """A step where a byte takes a second, between ranks and in memory, and nothing hides."""
    given: Setting = ideal.setting(
        work={"sequence": SEQUENCE, "trained": float(not layout.lora_rank), **work},
        device={"bytes_per_s": 1.0, "host_link": 1.0, "host_memory": 1.0},
        links={"inside": 1.0, "across": 1.0, "domain": math.inf},
    )
    laid_out = layout_columns([layout])._replace(micro_batches=ideal.tensor([float(batches)]))
    return step.step_seconds(batch.model, given._replace(layout=laid_out))


def moved(batch: Columns, layout: cb.Layout, batches: int, what: str) -> float:
    """Bytes that go to or come from other ranks or the host, of elements of one byte."""
    sizes = {"weight_bytes": 0.0, "gradient_bytes": 0.0, what: 1.0}
    if "weights" in layout.offload:
        sizes["away_bytes"] = 1.0 if what == "weight_bytes" else 1e-300
    found = parts(batch, layout, batches, **sizes)
    if not layout.sends_gradients or what == "weight_bytes":
        return float(found.data)
    sizes |= {"states_away": 1.0, "gradients_away": 1.0, "state_bytes": 0.0, "other_bytes": 0.0}
    found = parts(batch, layout, batches, **sizes)
    return float(found.data + found.optimizer)


def number(held: Tensor) -> float:
    return float(held.sum())


ROOM = 1 - 1e-9


@settings(max_examples=60, deadline=None)
@given(legal())
def test_what_is_not_moved_with_every_micro_batch_is_held(
    case: tuple[Columns, cb.Layout],
) -> None:
    batch, layout = case
    here = memory(batch, layout, gradient=1.0, **OF_A_BYTE)
    whole = unsharded(batch, layout)

    once, twice = (moved(batch, layout, count, "weight_bytes") for count in (8, 16))
    if twice <= once:
        # Weights are here from one micro-batch to the next: at rest, or gathered.
        held = number(here.weights + here.gathered)
        assert held >= number(whole.weights) * ROOM
    else:
        # Gathered for each: forward and backward.
        assert math.isclose(twice, 2 * once, rel_tol=1e-9)

    if layout.lora_rank:
        return
    once, twice = (moved(batch, layout, count, "gradient_bytes") for count in (8, 16))
    if twice <= once:
        # Gradients add up here until the step's end.
        assert number(here.gradients) >= number(whole.gradients) * ROOM


@settings(max_examples=60, deadline=None)
@given(legal())
def test_the_optimizer_passes_over_the_states_that_memory_holds(
    case: tuple[Columns, cb.Layout],
) -> None:
    batch, layout = case
    layout = layout.model_copy(update={"offload": ()})
    time = parts(batch, layout, 8, state_bytes=3.0, other_bytes=5.0).optimizer
    held = memory(batch, layout, matrix_state=3.0, other_state=5.0, adapter_state=0.0).optimizer
    torch.testing.assert_close(time, held, rtol=1e-12, atol=0)


@settings(max_examples=60, deadline=None)
@given(legal())
def test_a_gathered_model_moves_as_often_as_it_is_thrown_away(
    case: tuple[Columns, cb.Layout],
) -> None:
    # Fully sharded, a rank that holds a unit or two gathers all others for each pass; with ZeRO 1
    # it gathers all of them once a step.
    batch, layout = case
    layout = layout.model_copy(
        update={"zero": 3, "lora_rank": 0, "weights": None, "offload": (), "schedule": "1f1b"}
    )
    once = moved(batch, layout.model_copy(update={"zero": 1}), 8, "weight_bytes")
    found = moved(batch, layout, 8, "weight_bytes")
    assert math.isclose(found, once if layout.holds_gathered else 16 * once, rel_tol=1e-9)
    # The step's memory says the same: all of the stage, or few of its layers.
    gathered = number(memory(batch, layout, **OF_A_BYTE).gathered)
    elements = number(unsharded(batch, layout).weights)
    if once and layout.holds_gathered:
        assert gathered >= elements * ROOM
