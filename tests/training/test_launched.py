"""Launch files as fields of a run and of its layout."""

from __future__ import annotations

from typing import Any

import pytest

from computebill.base.errors import RequestError
from computebill.launch import Fact, Launch, Said
from computebill.training.launched import Launched, launched
from computebill.training.layout import Layout

SAID = Said("--x", "a.sh", 3)
MODEL = {"model": "Qwen/Qwen3-8B"}


def of(framework: str = "megatron-lm", **facts: Any) -> Launch:
    """Launch files that say facts."""
    said = {name: Fact(value, SAID) for name, value in facts.items()}
    return Launch(framework, framework, ("a.sh",), said)


def fields(*names: str, **facts: Any) -> tuple[Any, ...]:
    """Fields of a run or a layout that facts come to."""
    found = launched(of(**facts))
    both = {**found.fields, **found.layout}
    return tuple(both.get(name) for name in names)


@pytest.mark.parametrize(
    ("facts", "count", "dp"),
    [
        ({"nodes": 4, "node_devices": 8, "tp": 4, "pp": 2}, 32, 4),
        ({"node_devices": 8, "tp": 4}, 8, 2),
        ({"count": 64, "cp": 2}, 64, 32),
        ({"dp": 4, "tp": 2, "pp": 3}, 24, 4),
        ({"dp_replicas": 2, "dp_shards": 8, "tp": 4}, 64, 16),
        ({"dp_replicas": 1, "dp_shards": -1}, None, None),
        ({"global_batch": 64, "micro_batch": 2, "micro_batches": 4, "tp": 2}, 16, 8),
        ({"tp": 4}, None, None),
    ],
)
def test_accelerators_and_replicas_follow_of_each_other(
    facts: dict[str, Any], count: int | None, dp: int | None
) -> None:
    assert fields("count", "dp", **facts) == (count, dp)


@pytest.mark.parametrize(
    ("facts", "micro", "batch"),
    [
        ({"micro_batch": 2, "global_batch": 256}, 2, 256),
        ({"micro_batch": 2, "micro_batches": 4}, 2, 64),  # dp 8
        ({"rank_batch": 4}, 4, 32),
        ({"rank_batch": 4, "pp": 2, "stage_batch": 1}, 1, 16),
        ({"rank_batch": 4, "pp": 2}, 1, 16),
        ({"rank_batch": 2, "global_batch": -1}, 2, 16),
        ({"device_batch": 4.0, "tp": 2}, 8, 32),
        ({"device_batch": 0.5, "tp": 4, "micro_batches": 2}, 2, 8),
        ({"micro_batch_tokens": 8192, "global_batch_tokens": 2**20}, 2, 256),
        ({"batch_schedule": "0:16 1B:512", "micro_batch": 1}, 1, 512),
        ({"rl_prompts": 64, "rl_answers": 8, "micro_batch": 2}, 2, 512),
    ],
)
def test_batches_are_counted_in_sequences_of_a_step(
    facts: dict[str, Any], micro: int, batch: int
) -> None:
    found = fields("micro_batch", "global_batch", count=8, sequence_length=4096, **facts)
    assert found == (micro, batch)


@pytest.mark.parametrize(
    ("facts", "zero", "shards"),
    [
        ({"zero": 1}, 1, None),
        ({"dp_shards": -1, "dp_replicas": 1}, 3, None),
        ({"dp_shards": 1, "dp_replicas": 8}, 0, None),
        ({"dp_shards": 4, "dp_replicas": 2}, 3, 4),
        ({"dp_shards": 2, "dp_replicas": 2, "cp": 2, "zero": 2}, 2, 4),
    ],
)
def test_what_is_sharded_over_how_many(
    facts: dict[str, Any], zero: int, shards: int | None
) -> None:
    assert fields("zero", "shards", count=8, **facts) == (zero, shards)


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        ({"pp": 4, "vpp": 2}, {"vpp": 2}),
        ({"pp": 1, "vpp": 2}, {}),
        ({"pp": 4, "chunk_layers": 3, **MODEL}, {"vpp": 3}),  # 36 layers
        ({"pp": 4, "pipeline": "Interleaved1F1B"}, {"vpp": 2}),
        ({"pp": 4, "pipeline": "ZBVZeroBubble", "zero": 1}, {"schedule": "zero-bubble"}),
        ({"pp": 4, "pipeline": "DualPipeV", "zero": 3}, {}),
        ({"pp": 4, "pipeline": "1F1B"}, {}),
    ],
)
def test_stages_have_chunks_and_a_schedule(facts: dict[str, Any], found: dict[str, Any]) -> None:
    layout = launched(of(**facts)).layout
    assert {name: layout[name] for name in ("vpp", "schedule") if name in layout} == found


def test_adapters_and_what_rests_where() -> None:
    found = launched(
        of("axolotl", has_lora=True, lora_rank=16, lora_targets=("all-linear", "nosuch"),
           in_4_bits=True, is_double_quantised=True, optimizer="paged_adamw_8bit",
           offload_weights=True, offload_optimizer=False, zero=3, recipe="axolotl")
    )  # fmt: skip
    layout = Layout(**found.layout)
    assert (layout.lora_rank, layout.lora_targets) == (16, ("all-linear",))
    assert (layout.weights, layout.optimizer) == ("nf4", "paged-adamw-8bit")
    assert layout.offload == ("weights",)
    assert "lora_rank" not in launched(of(has_lora=False, lora_rank=16)).layout
    assert launched(of(has_lora=True)).layout["lora_rank"] == 8


def test_an_optimizer_that_is_not_counted_is_named() -> None:
    found = launched(of(optimizer="galore_adamw"))
    assert "optimizer" not in found.layout
    assert found.notes[0].startswith("a.sh line 3, --x: 'galore_adamw' is no optimizer that is co")


def test_flags_go_before_files_and_what_hangs_on_them_follows() -> None:
    launch = of(count=8, tp=8, micro_batch=1, global_batch=64, sequence_length=2048, steps=100)
    found = launched(launch, {"count": "32", "sequence_length": "4k"}, {"tp": "4"})
    assert (found.layout["tp"], found.layout["dp"], found.fields["count"]) == ("4", 8, 32)
    assert found.fields["tokens"] == 100 * 64 * 4000
    assert launched(launch, {"tokens": "1B", "params": "7B"}).fields.get("model") is None


def test_experts_are_divided_as_all_else_where_megatron_says_nothing() -> None:
    assert fields("etp", tp=4, ep=8) == (4,)
    assert fields("etp", tp=4, ep=8, etp=1) == (1,)
    assert launched(of("torchtitan", tp=4, ep=8)).layout.get("etp") is None


def test_experts_exchange_nothing_where_each_rank_has_all() -> None:
    assert "dispatcher" not in launched(of(dispatcher="all-to-all")).layout
    assert fields("dispatcher", dispatcher="deepep", ep=8) == ("deepep",)


def test_a_name_goes_before_a_configuration_without_sizes() -> None:
    told = {"config.model_type": "mpt", "config.max_seq_len": 2048}
    assert launched(of(**MODEL, **told)).fields["model"] == "Qwen/Qwen3-8B"
    sized = {**told, "config.d_model": 768}
    assert launched(of(**sized)).fields["model"]["d_model"] == 768


def test_accelerators_that_no_replica_fits_are_told_with_the_setting() -> None:
    with pytest.raises(
        RequestError, match=r"a\.sh line 3, --x: got 8 accelerators; allowed: a mul"
    ):
        launched(of(node_devices=8, nodes=1, tp=8, pp=16))


def test_degrees_that_contradict_the_nodes_count_and_are_told() -> None:
    found = launched(of(count=16, dp=4, tp=2))
    assert (found.fields["count"], found.layout["dp"]) == (8, 4)
    assert "8, are the accelerators that count, and not 16" in found.notes[0]


def test_a_model_of_the_same_shape_is_taken_and_said() -> None:
    found = launched(of(model="NousResearch/Meta-Llama-3-8B-Instruct"))
    assert found.fields["model"] == "meta-llama/Llama-3.1-8B"
    assert "taken to have the shape of meta-llama/Llama-3.1-8B" in found.notes[0]


@pytest.mark.parametrize(
    ("facts", "given", "told"),
    [
        ({}, {}, "the model (--model); the tokens that it trains on (--tokens); the acc"),
        (MODEL, {"tokens": "1T", "accelerator": "h100"}, "does not say: how many accelerators"),
        (
            {**MODEL, "epochs": 3.0},
            {"accelerator": "h100", "count": 8},
            "--x counts passes over da",
        ),
        ({"layers": 2, "hidden": 8, "heads": 2}, {}, "but not the entries of its vocabulary"),
    ],
)
def test_what_no_file_says_is_asked_for_by_its_flag(
    facts: dict[str, Any], given: dict[str, Any], told: str
) -> None:
    found = launched(of(**facts))
    with pytest.raises(RequestError) as caught:
        found.need(("model", "tokens", "accelerator", "count"), given)
    assert told in str(caught.value)


def test_what_is_told_is_json() -> None:
    found: Launched = launched(of(model="Qwen/Qwen3-8B", node_devices=8))
    told = found.to_dict()
    assert told["facts"][0] == {
        "name": "model", "value": "Qwen/Qwen3-8B", "setting": "--x", "file": "a.sh", "line": 3,
        "usual": False,
    }  # fmt: skip
    assert told["notes"] == ["one node, as no file says more (a.sh line 3, --x)"]


def test_replicas_by_flag_go_before_the_accelerators_of_a_file() -> None:
    told = of(node_devices=8, tp=4, pp=4)
    with pytest.raises(RequestError, match="multiple of tp x pp x cp, 16; give --count, or --dp"):
        launched(told)
    found = launched(told, {}, {"dp": 2})
    assert (found.fields["count"], found.layout["dp"]) == (32, 2)


@pytest.mark.parametrize(
    ("field", "problem", "told"),
    [
        ("ep", "got 8; allowed: 1", "got 8; allowed: 1 (a.sh line 3, --x; 8 accelerators: a.sh"),
        ("config: num_key_value_heads", "got 7; allowed: 8", "allowed: 8 (a.sh line 3, --x)"),
        ("Qwen/Qwen9", "is no file", "is no file (a.sh line 3, --x)"),
        ("goodput", "got 2; allowed: up to 1", "allowed: up to 1"),
        ("tp", "got 2; allowed: 1", "got 2; allowed: 1"),
    ],
)
def test_a_message_tells_the_place_of_what_a_file_says(field: str, problem: str, told: str) -> None:
    """Of what a flag gave, as tp here, it tells none; nor of what no file says."""
    files = of(ep=8, kv_heads=7, model="Qwen/Qwen9", count=8, tp=1)
    found = launched(files, {"count": "8"} if field == "tp" else {}, {"tp": 2})
    assert told in str(found.placed(RequestError(field, problem)))
    if field in ("goodput", "tp"):
        assert str(found.placed(RequestError(field, problem))) == f"{field}: {problem}"
