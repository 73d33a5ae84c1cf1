"""The table of recipes: whole, sourced, and as its sources state bytes a parameter."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from known import LLAMA_8B

import computebill as cb
from computebill.training.layout_columns import host_columns, recipe_columns
from computebill.training.recipes import (
    MODULES,
    MOMENTS,
    RECIPES,
    TRAINERS,
    WEIGHTS,
    Optimizer,
    Recipe,
    Weights,
)


def test_names_that_a_layout_takes_are_those_of_the_table() -> None:
    assert set(get_args(Recipe)) == RECIPES.keys() | TRAINERS.keys()
    assert set(get_args(Optimizer)) == MOMENTS.keys()
    assert set(get_args(Weights)) == WEIGHTS.keys()
    assert not RECIPES.keys() & TRAINERS.keys()


def test_every_row_has_a_source() -> None:
    rows = [*RECIPES.values(), *MOMENTS.values(), *WEIGHTS.values(), *TRAINERS.values()]
    assert all(row.source for row in rows)


@pytest.mark.parametrize("name", TRAINERS)
def test_a_trainer_sets_fields_that_a_layout_has(name: Any) -> None:
    trainer = TRAINERS[name]
    layout = cb.Layout(recipe=name)
    for field, value in trainer.settings.items():
        assert getattr(layout, field) == value
        assert field not in layout.model_fields_set
    assert trainer.bookkeeping in RECIPES
    # What its user says goes before it.
    assert cb.Layout(recipe=name, kernels="fused", recompute="none").recompute == "none"


@pytest.mark.parametrize(
    ("layout", "bytes_"),
    [
        # transformers, model_memory_anatomy: 4 + 4 + 8 in 32 bits; mixed 6 + 4 + 8.
        ({"recipe": "fp32"}, 16),
        ({"recipe": "amp"}, 18),
        # LLaMA-Factory's README: 18 with bf16, 8 with pure_bf16.
        ({"recipe": "llama-factory"}, 18),
        ({"recipe": "llama-factory", "weights": "bf16"}, 8),
        ({"recipe": "bf16"}, 8),
        # NVIDIA/Megatron-LM, issue 654: 18.
        ({"recipe": "megatron"}, 18),
        ({"recipe": "megatron-fp8"}, 16),
        # DeepSpeed's estimator: 4 psi + 16 psi / n on one GPU.
        ({"recipe": "deepspeed"}, 20),
        # Of 2 + 2 bytes with no moments at all.
        ({"recipe": "bf16", "optimizer": "sgd"}, 4),
        ({"recipe": "bf16", "optimizer": "adafactor"}, 4),
        ({"recipe": "fp32", "optimizer": "lion"}, 12),
        ({"recipe": "fp32", "optimizer": "sgd-momentum"}, 12),
        # A gradient that is applied as it comes is not held.
        ({"recipe": "bf16", "gradients": "fused"}, 6),
        ({"recipe": "megatron", "gradients": "bf16"}, 16),
    ],
)
def test_bytes_a_parameter_are_those_that_sources_state(
    layout: dict[str, Any], bytes_: float
) -> None:
    held = recipe_columns([cb.Layout(**layout)])
    parts = (held.weight, held.copied, held.gradient, held.matrix_state, held.step)
    assert sum(float(each) for each in parts) == bytes_


@pytest.mark.parametrize(
    ("optimizer", "bytes_"),
    [
        # bitsandbytes: a byte a moment, 32 bits a block of 256.
        ("adamw_bnb_8bit", 2 + 2 * 4 / 256),
        ("lion_8bit", 1 + 4 / 256),
        ("adamw_torch_fused", 8),
    ],
)
def test_optimizers_go_by_their_usual_names(optimizer: Any, bytes_: float) -> None:
    held = recipe_columns([cb.Layout(recipe="fp32", optimizer=optimizer)])
    assert float(held.matrix_state) == bytes_


def test_a_quantised_base_takes_the_bits_of_its_paper() -> None:
    # Dettmers et al. 2023, section 3: 0.5 bits a parameter for scales, 0.127 quantised twice.
    assert WEIGHTS["nf4-single"].bytes * 8 == 4.5
    assert WEIGHTS["nf4"].bytes * 8 == pytest.approx(4.127, abs=5e-4)


def test_lora_is_short_for_a_rank_beside_weights_of_16_bits() -> None:
    short, given = cb.Layout(lora=True), cb.Layout(lora_rank=16)
    assert (short.lora_rank, short.used_weights, short.recompute) == (16, "bf16", "none")
    assert short.to_dict() == given.to_dict()
    with pytest.raises(ValueError, match="lora_rank: got 0; allowed with lora: 1 or more"):
        cb.Layout(lora=True, lora_rank=0)
    told = cb.describe_model(LLAMA_8B, layout={"dp": 1, "lora": True}).assumptions
    assert "TRL" in next(each for each in told if each.name == "rank of adapters").source


def test_qlora_is_short_for_four_fields() -> None:
    given = cb.Layout(weights="nf4", optimizer="paged-adamw-8bit", lora_rank=16, recompute="full")
    short = cb.Layout(qlora=True)
    assert short.to_dict() == given.to_dict()
    assert cb.Layout(qlora=True, recompute="none").recompute == "none"
    for one, other in zip(recipe_columns([given]), recipe_columns([short]), strict=True):
        assert float(one) == float(other)
    assert cb.Layout(qlora=True, lora_rank=64).lora_rank == 64


def test_a_frozen_base_rests_as_its_configuration_stores_it() -> None:
    stored = LLAMA_8B | {"quantization_config": {"quant_method": "fp8"}}
    plain, own, told = (
        cb.describe_model(config, layout={"dp": 1, "lora_rank": 8, **given})
        for config, given in ((LLAMA_8B, {}), (stored, {}), (LLAMA_8B, {"weights": "fp8"}))
    )
    assert own.memory[0].weights == told.memory[0].weights < plain.memory[0].weights
    source = next(each for each in own.assumptions if each.name == "frozen weights").source
    assert "configuration" in source
    # Where all weights are trained, a line says that they are not.
    trained = cb.describe_model(
        LLAMA_8B | {"quantization_config": {"load_in_4bit": True}}, layout={"dp": 1}
    )
    assert trained.memory[0].weights == 2 * 8_030_261_248 / 1e9
    assert any("stores weights in nf4-single" in note for note in trained.notes)


def test_peft_s_names_are_parts_of_those_of_a_layer() -> None:
    # Hu et al. 2021: r (d_in + d_out) beside each matrix. Llama 3.1 8B: queries and values.
    found = cb.describe_model(LLAMA_8B, layout={"lora_rank": 16, "lora_targets": "q_proj,v_proj"})
    assert int(found.parameters.adapters) == 32 * 16 * ((4096 + 4096) + (4096 + 1024))
    everything, parts = (
        cb.describe_model(LLAMA_8B, layout={"lora_rank": 16, "lora_targets": names})
        for names in ("all-linear", "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj")
    )
    assert everything.parameters.adapters == parts.parameters.adapters
    assert {name for names in MODULES.values() for name in names} <= {
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
        "gate_proj",
        "up_proj",
        "down_proj",
        "attention",
        "mlp",
        "experts",
    }


def test_what_rests_on_the_host_is_what_its_step_takes() -> None:
    # torchao's CPUOffloadOptimizer: four times a model in 16 bits; ZeRO-Offload: 16 bytes.
    own, theirs = (
        host_columns([cb.Layout(recipe=name, offload=("optimizer",))])
        for name in ("bf16", "deepspeed")
    )
    assert float(own.state) == 4 * 2
    assert float(theirs.state) == 16
