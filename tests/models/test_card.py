from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known import LLAMA_8B

import computebill as cb
from computebill.architectures.columns import columns
from computebill.training.memory import GB, largest_micro_batches, occupied_bytes, peak_memory


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


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([1, 2, 8]),
    st.sampled_from([0, 1, 3]),
    st.sampled_from(["none", "selective", "full"]),
    st.integers(20, 300),
)
def test_the_largest_micro_batch_fits_and_the_next_does_not(
    tp: int, zero: int, recompute: Any, limit: int
) -> None:
    layout = cb.Layout(tp=tp, dp=8, zero=zero, recompute=recompute)
    batch = columns(cb.read_architecture(LLAMA_8B))

    def total(size: int) -> float:
        used = layout.model_copy(update={"micro_batch": size})
        return float(occupied_bytes(peak_memory(batch, 4096, [used]).total, [used]))

    (found,) = largest_micro_batches(batch, 4096, [layout], limit * GB)
    if found:
        assert total(found) <= limit * GB * (1 + 1e-9)
    assert total(found + 1) > limit * GB * (1 - 1e-9)


@pytest.mark.parametrize(
    ("layout", "problem"),
    [
        ({"tp": 3}, "tp: got 3; allowed: a divisor of 32 heads"),
        ({"pp": 5}, "pp: got 5; allowed: what divides 32 layers"),
        ({"pp": 64}, "pp: got 64"),
        ({"pp": 4, "vpp": 5}, "vpp: got 5 x pp 4"),
        ({"ep": 2, "dp": 2}, "ep: got 2; allowed: 1, as the model has no experts"),
        ({"cp": 3}, "cp: got 3; allowed: a divisor of 4096 tokens"),
        ({"ep": 3, "dp": 2}, "ep: got 3 x etp 1; allowed: a divisor of tp x cp x dp, 2"),
        ({"shards": 3, "dp": 4}, "shards: got 3; allowed: a divisor of dp x cp, 4"),
    ],
)
def test_layouts_that_do_not_divide_the_model(layout: dict[str, int], problem: str) -> None:
    with pytest.raises(cb.RequestError) as caught:
        cb.describe_model(LLAMA_8B, layout=cb.Layout(**layout))
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("layout", "problem"),
    [
        ({"vpp": 2}, "vpp: got 2; allowed: 1, as pp is 1"),
        ({"schedule": "zero-bubble"}, "schedule: got zero-bubble; allowed: 1f1b, as pp is 1"),
        ({"pp": 3, "schedule": "dualpipe"}, "pp: got 3; allowed with dualpipe: an even number"),
        ({"pp": 2, "vpp": 2, "schedule": "zero-bubble"}, "vpp: got 2; allowed with zero-bubble: 1"),
        ({"zero": 4}, "less than or equal to 3"),
        ({"tp": 0}, "greater than or equal to 1"),
    ],
)
def test_layouts_that_contradict_themselves(layout: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem.replace("(", r"\(")):
        cb.Layout(**layout)


def test_the_embedding_and_the_head_may_stand_for_a_layer_each() -> None:
    # Llama 3.1 405B: 126 layers on 16 stages, one fewer on the first and on the last.
    config = LLAMA_8B | {"num_hidden_layers": 126}
    card = cb.describe_model(config, layout=cb.Layout(pp=16))
    ends = [card.memory[0].weights, card.memory[-1].weights]
    middle = card.memory[7].weights
    embedding = 4096 * 128256 * 2 / GB
    for end in ends:
        assert end == pytest.approx(middle * 7 / 8 + embedding, rel=1e-3)


QWEN_7B = LLAMA_8B | {
    "hidden_size": 3584,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "intermediate_size": 18944,
}
MIXTRAL = LLAMA_8B | {
    "model_type": "mixtral",
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
}
MAMBA = {
    "model_type": "mamba2",
    "hidden_size": 1536,
    "num_heads": 48,
    "head_dim": 64,
    "n_groups": 1,
    "state_size": 128,
    "num_hidden_layers": 4,
    "vocab_size": 1000,
}


@pytest.mark.parametrize(
    ("config", "layout", "problem"),
    [
        (
            LLAMA_8B,
            {"pp": 4, "schedule": "dualpipe", "micro_batches": 6},
            "micro_batches: got 6; allowed with dualpipe: at least 2 x pp, 8",
        ),
        (
            LLAMA_8B,
            {"tp": 4, "cp": 16, "cp_exchange": "all-to-all"},
            "cp: got 16; allowed with all-to-all: a divisor of 8 heads a rank",
        ),
        (QWEN_7B, {"tp": 7}, "tp: got 7; allowed: a divisor or a multiple of 4, the heads of"),
        (MIXTRAL, {"tp": 8, "etp": 3, "dp": 3}, "etp: got 3; allowed: a divisor of 14336"),
        (MIXTRAL, {"ep": 3, "dp": 3}, "ep: got 3; allowed: a divisor of 8 experts"),
        (LLAMA_8B, {"pp": 4, "vpp": 2, "micro_batches": 6}, "micro_batches: got 6; allowed with"),
        (LLAMA_8B, {"shards": 2, "zero": 0, "dp": 2}, "shards: got 2; needs zero"),
        (LLAMA_8B, {"tp": 1, "lora_targets": ("mlp",)}, "lora_targets: needs lora_rank"),
        (
            LLAMA_8B,
            {"tp": 1, "lora_rank": 8, "lora_targets": ("experts",)},
            "lora_targets: got experts; the model has none of them",
        ),
    ],
)
def test_layouts_that_other_parts_refuse(
    config: dict[str, Any], layout: dict[str, Any], problem: str
) -> None:
    with pytest.raises(cb.RequestError) as caught:
        cb.describe_model(config, layout=layout)
    assert problem in str(caught.value)


def test_heads_of_a_state_space_bound_its_ranks() -> None:
    with pytest.raises(cb.RequestError, match="tp: got 7; allowed: a divisor or a multiple of 48"):
        cb.describe_model(MAMBA, sequence_length=4095, layout={"tp": 7})


def test_sequence_parallel_ranks_share_whole_tokens() -> None:
    with pytest.raises(cb.RequestError, match="tp: got 4; allowed with sequence parallelism"):
        cb.describe_model(LLAMA_8B, sequence_length=4095, layout={"tp": 4})


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
