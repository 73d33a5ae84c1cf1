from __future__ import annotations

from typing import Any

import pytest
from known import LLAMA_8B
from rich.text import Text

import computebill as cb
from computebill.training.memory import GB
from computebill.views.model import full
from computebill.views.text import digits


def test_the_card_has_the_contract_s_keys() -> None:
    card = cb.describe_model(LLAMA_8B).to_dict()
    assert card["model_type"] == "llama"
    assert card["params"] == card["params_active"] == 8_030_261_248  # its model card
    assert card["params_embedding"] == 4096 * 128256
    flop = card["flop_per_token"]
    assert set(flop["conventions"]) == {"6nd", "palm", "megatron", "causal"}
    assert flop["forward"] + flop["backward"] == pytest.approx(flop["conventions"]["causal"])
    assert flop["hardware"] == flop["forward"] + flop["backward"]
    assert card["sequence_length"] == 4096
    parts = ("weights", "gradients", "optimizer", "activations", "other")
    for use in card["memory_gb"]:
        assert use["total"] == pytest.approx(sum(use[part] for part in parts))
        assert all(use[part] >= 0 for part in parts)


def test_a_card_tells_how_sure_its_memory_is() -> None:
    card = cb.describe_model(LLAMA_8B, layout={"micro_batch": 8}, accelerator="h200")
    assert {use.would_fit is None for use in card.memory} == {True, False}
    for use, told in zip(card.memory, card.to_dict()["memory_gb"], strict=True):
        ends = told["memory_interval_gb"]
        assert ends["p5"] < ends["p50"] < ends["p95"]
        assert told["fit_odds"] == use.fit_odds
        # What fits needs no change, and its micro-batch is among those that do.
        assert (use.fit_odds >= 0.9) == ((use.largest_micro_batch or 0) >= 8)
        if use.fit_odds >= 0.9:
            assert told["would_fit"] is None
        elif use.would_fit is not None:
            assert set(told["would_fit"]) == {"change", "total_gb", "fit_odds"}
            assert use.would_fit.fit_odds >= 0.9


def test_a_layout_shows_each_of_its_stages() -> None:
    card = cb.describe_model(LLAMA_8B, layout=cb.Layout(tp=2, pp=4, dp=2))
    assert [use.stage for use in card.memory] == [0, 1, 2, 3]
    assert card.memory[0].name == "stage 1 of 4"
    frame = card.to_frame()
    assert len(frame) == 4
    assert {"name", "tp", "pp", "optimizer", "optimizer_gb", "total_gb"} <= set(frame.columns)


def test_the_sequence_length_is_the_model_s_own_up_to_4096() -> None:
    assert cb.describe_model(LLAMA_8B | {"max_position_embeddings": 512}).sequence == 512
    assert cb.describe_model(LLAMA_8B).sequence == 4096
    assert cb.describe_model(LLAMA_8B, sequence_length=8192).sequence == 8192


def test_the_embedding_and_the_head_may_stand_for_a_layer_each() -> None:
    # Llama 3.1 405B: 126 layers on 16 stages, one fewer on the first and on the last.
    config = LLAMA_8B | {"num_hidden_layers": 126}
    card = cb.describe_model(config, layout=cb.Layout(pp=16))
    ends = [card.memory[0].weights, card.memory[-1].weights]
    middle = card.memory[7].weights
    embedding = 4096 * 128256 * 2 / GB
    for end in ends:
        assert end == pytest.approx(middle * 7 / 8 + embedding, rel=1e-3)


def test_settings_without_a_degree_are_those_of_common_layouts() -> None:
    plain, full = (cb.describe_model(LLAMA_8B, layout=how) for how in ({}, {"recompute": "full"}))
    assert [use.name for use in plain.memory] == [use.name for use in full.memory]
    assert full.memory[0].activations < plain.memory[0].activations
    assert full.memory[1].layout.zero == 3


def test_positions_in_a_table_bound_a_sequence() -> None:
    gpt2 = {"model_type": "gpt2", "n_embd": 64, "n_layer": 2, "n_head": 4, "vocab_size": 100}
    with pytest.raises(cb.RequestError, match="got 1025; allowed: a whole number from 1 to 1,024"):
        cb.describe_model(gpt2, sequence_length=1025)
    # Rotary positions go on.
    assert cb.describe_model(LLAMA_8B, sequence_length=1_000_000).sequence == 1_000_000


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"sequence_length": "8192"}, "sequence_length: got '8192'"),
        ({"sequence_length": float("nan")}, "sequence_length: got nan"),
        ({"sequence_length": 10**18}, "sequence_length: got 1000000000000000000"),
        ({"layout": {"recompute": "foo"}}, "recompute: got 'foo'"),
        ({"layout": {"tp": 0}}, "tp: got 0"),
    ],
)
def test_wrong_values_are_refused_by_name(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(cb.RequestError) as caught:
        cb.describe_model(LLAMA_8B, **given)
    assert problem in str(caught.value)


def test_an_interleaved_schedule_may_leave_the_ends_to_embedding_and_head() -> None:
    # Llama 3.1 405B: one layer a chunk, 8 chunks on each of 16 stages.
    config = LLAMA_8B | {"num_hidden_layers": 126}
    card = cb.describe_model(config, layout={"pp": 16, "vpp": 8, "micro_batches": 16})
    embedding = 4096 * 128256 * 2 / GB
    layer = card.memory[7].weights / 8
    assert card.memory[0].weights == pytest.approx(7 * layer + embedding, rel=1e-3)
    assert card.memory[15].weights == pytest.approx(7 * layer + embedding, rel=1e-3)


def test_unknown_accelerators_and_lengths_are_refused() -> None:
    with pytest.raises(cb.RequestError, match="sequence_length: got 0"):
        cb.describe_model(LLAMA_8B, sequence_length=0)
    with pytest.raises(cb.RequestError, match="accelerator"):
        cb.describe_model(LLAMA_8B, accelerator="h1000")


def test_a_layout_that_fits_by_fused_kernels_alone_says_so() -> None:
    # SmolLM2 1.7B at 16,384 tokens, which ran out of memory on an H100 under eager kernels
    # (Axolotl, pull 2412).
    smollm = LLAMA_8B | {
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 24,
        "num_key_value_heads": 32,
        "vocab_size": 49152,
        "tie_word_embeddings": True,
    }

    def notes(**layout: Any) -> list[str]:
        layout = {"dp": 1, "optimizer": "adamw-8bit", **layout}
        card = cb.describe_model(smollm, sequence_length=16384, layout=layout)
        return [note for note in card.to_dict()["notes"] if "--kernels eager" in note]

    assert len(notes()) == 1
    assert not notes(kernels="fused")
    assert not notes(kernels="eager")
    assert not notes(recompute="full")


def test_the_screen_tells_the_host_s_memory_and_what_a_preset_sets() -> None:
    layout = {"dp": 1, "recipe": "trl", "offload": "optimizer,activations"}
    card = cb.describe_model(LLAMA_8B, layout=layout)
    screen = "\n".join(str(each) for each in full(card) if isinstance(each, Text))
    assert f"each process: {digits(card.memory[0].host)} GB" in screen
    assert "Recipe trl: bookkeeping amp" in screen
