"""Layouts that do not divide a model, each refused by the name of its field."""

from __future__ import annotations

from typing import Any

import pytest
from known import LLAMA_8B

import computebill as cb
from computebill.base.errors import RequestError
from computebill.training.rules import check_layout, check_part


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


def test_a_dispatcher_needs_experts_and_a_part_that_it_is_made_for() -> None:
    dense = cb.read_architecture(LLAMA_8B)
    with pytest.raises(RequestError, match=r"dispatcher: got deepep; allowed: none, as the model"):
        check_layout(dense, cb.Layout(dispatcher="deepep"), 4096)
    for name in ("tpu-v5p", "rtx-4090", "ascend-910b", "gaudi2"):
        with pytest.raises(RequestError, match=rf"allowed on {name}: all-to-all"):
            check_part(cb.Layout(dispatcher="deepep"), cb.find_accelerator(name))
    for name in ("h100-sxm", "b200", "mi300x", "a100-sxm-80gb"):
        check_part(cb.Layout(dispatcher="deepep"), cb.find_accelerator(name))
    check_part(cb.Layout(), cb.find_accelerator("tpu-v5p"))
