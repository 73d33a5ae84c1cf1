from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from measured_table import Write

import computebill as cb
from computebill.accuracy.measured import (
    MeasuredRow,
    read_measured,
    read_sources,
)
from computebill.training.cases import case_columns


def test_the_shipped_table_says_where_every_row_is_from(
    shipped_cells: list[dict[str, str]],
) -> None:
    sources = read_sources()
    assert len(shipped_cells) == 2142
    assert {row["source_id"] for row in shipped_cells} == set(sources)
    assert len(sources) == 73
    assert len({row["lab"] for row in shipped_cells}) == 32
    assert all(cited.title and cited.address for cited in sources.values())


def test_the_shipped_table_holds_facts_and_no_sentence(shipped_cells: list[dict[str, str]]) -> None:
    assert "notes" not in shipped_cells[0]
    # Names of models are the longest cells.
    assert max(len(value) for row in shipped_cells for value in row.values()) < 45
    said = {
        value for row in shipped_cells for key, value in row.items() if key not in ("model", "lab")
    }
    assert not [value for value in said if value.count(" ") > 2]


def test_most_shipped_rows_are_cases_and_the_others_say_why() -> None:
    rows, skipped = read_measured()
    assert len(rows) + len(skipped) == 2142
    assert len(rows) >= 1778
    assert all(each.reason for each in skipped)
    assert len({row.lab for row in rows}) < len({row.source for row in rows})
    assert rows[0].cited == read_sources()[rows[0].source]


def test_a_row_becomes_a_case(write: Write) -> None:
    (row,), skipped = read_measured(write({"zero_stage": 3, "recompute": "full"}))
    assert not skipped
    assert row.row == 2
    assert row.case.layout.zero == 3
    assert row.case.layout.recompute == "full"
    assert row.case.layout.micro_batches == 8
    assert row.case.software == "modern"
    assert row.tokens == 64 * 4096
    assert row.seconds == 3.0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"n_layers": ""}, "not stated: n_layers"),
        ({"tp": "", "pp": ""}, "not stated: tp, pp"),
        ({"precision": ""}, "not stated: precision"),
        ({"precision": "fp32"}, "precision: fp32 is not modelled"),
        ({"precision": "fp16 (int4 base)"}, "4-bit base weights"),
        ({"iter_seconds": ""}, "no speed was measured"),
        ({"global_batch_seqs": ""}, "not stated: global_batch_seqs"),
        ({"gpu": "Abacus"}, "Abacus"),
        ({"gpu": "A100-SXM-80GB", "precision": "fp8"}, "a100-sxm-80gb has no 'fp8' peak"),
        ({"hidden": "wide"}, "hidden: got 'wide'; allowed: a number"),
        ({"hidden": "-1"}, "hidden: got '-1'"),
        ({"n_layers": "3.5"}, "n_layers: got '3.5'; allowed: a whole number"),
        ({"n_kv_heads": 5}, "num_key_value_heads: got 5"),
        ({"zero_stage": 7}, "layout:"),
        ({"pp": 64, "dp": 1}, "pp: got 64; contradicts 32 layers"),
        ({"global_batch_seqs": 4}, "global_batch_seqs: got 4; contradicts 8 replicas"),
        ({"offload": "states"}, "not stated: the host that states are offloaded to"),
        ({"packed": "within"}, "not stated: lengths of the documents"),
        ({"n_experts": 8, "dispatcher": "deepep"}, "not stated: ep"),
        ({"reduce_bits": 8}, "layout: "),
        ({"task": "lora", "lora_targets": "attention+head"}, "layout: "),
        ({"release": "26.06"}, "release: got 26.06; allowed: a month, 2026-06"),
        ({"compiled": "maybe"}, "compiled: got 'maybe'; allowed: yes, no"),
        ({"node_network_gbit": 0}, "node_network_gbit: got '0'; allowed: 0.001 to 1000000"),
        ({"chips_per_node": 0.5}, "chips_per_node: got '0.5'; allowed: 1 to"),
        ({"n_gpus": 0}, "n_gpus: got '0'; allowed: 1 to 1000000000"),
        ({"n_gpus": "-0.0", "dp": ""}, "n_gpus: got '-0.0'; allowed: 1 to"),
        ({"n_gpus": "1e300"}, "n_gpus: got '1e300'; allowed: 1 to 1000000000"),
        ({"tp": 0}, "tp: got '0'; allowed: 1 to"),
        ({"cp": "0"}, "cp: got '0'; allowed: 1 to"),
        ({"dp": 0}, "dp: got '0'; allowed: 1 to"),
        ({"n_heads": 0}, "n_heads: got '0'; allowed: 1 to"),
        ({"seq_len": 0}, "seq_len: got '0'; allowed: 1 to"),
        ({"seq_len": 0, "global_batch_seqs": "", "global_batch_tokens": 1e6}, "seq_len: got '0'"),
        ({"n_layers": "1e9", "pp": 2, "dp": 4}, "n_layers: got '1e9'; allowed: 1 to 10000"),
        ({"micro_batch": "1e300"}, "micro_batch: got '1e300'; allowed: 0 to 1e+15"),
        ({"global_batch_seqs": "1e308"}, "global_batch_seqs: got '1e308'; allowed: 0 to 1e+15"),
        ({"iter_seconds": 0}, "iter_seconds: got '0'; allowed: 1e-12 to 1e+12"),
        ({"iter_seconds": "1e308"}, "iter_seconds: got '1e308'; allowed: 1e-12 to 1e+12"),
        ({"iter_seconds": "nan"}, "iter_seconds: got 'nan'; allowed: 1e-12 to 1e+12"),
        ({"mem_gb": "0"}, "mem_gb: got '0'; allowed: 1e-12 to 1e+12"),
    ],
)
def test_a_row_that_cannot_be_used_says_why(
    write: Write, change: dict[str, Any], reason: str
) -> None:
    rows, skipped = read_measured(write(change))
    assert not rows
    assert reason in skipped[0].reason
    assert skipped[0].row == 2


def test_headings_that_people_and_frameworks_use_are_offered(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("model,gpus,gpu,layers,hidden_size,num_attention_heads,tp,pp,batch\n")
    with pytest.raises(cb.RequestError) as caught:
        read_measured(path)
    told = str(caught.value)
    assert "has no column n_gpus, n_layers, hidden, n_heads, ffn_hidden, seq_len; rename " in told
    for each in (
        "gpus to n_gpus",
        "layers to n_layers",
        "hidden_size to hidden",
        "num_attention_heads to n_heads",
        "batch to global_batch_seqs",
    ):
        assert each in told


def one(write: Write, change: dict[str, Any]) -> MeasuredRow:
    (row,), skipped = read_measured(write(change))
    assert not skipped
    return row


def layout_of(write: Write, change: dict[str, Any]) -> cb.Layout:
    return one(write, change).case.layout


def test_columns_of_the_software_are_part_of_the_case(write: Write) -> None:
    pipeline = {"pp": 4, "dp": 2, "global_batch_seqs": 64}
    titan = {**pipeline, "framework": "torchtitan"}
    # Its schedules have as many micro-batches as stages, unless it is told.
    assert layout_of(write, {**titan, "micro_batch": ""}).micro_batch == 8
    assert layout_of(write, titan).vpp == 1
    assert layout_of(write, {**titan, "schedule": "interleaved"}).vpp == 2
    assert layout_of(write, {**pipeline, "schedule": "dualpipe"}).hides_experts
    assert layout_of(write, {"ep_overlap": "yes"}).hides_experts
    experts = {"n_experts": 8, "experts_per_token": 2, "ep": 8}
    assert layout_of(write, {**experts, "dispatcher": "hybridep"}).dispatcher == "deepep"
    assert layout_of(write, {**experts, "dispatcher": "all-to-all"}).dispatcher == "all-to-all"
    assert layout_of(write, {**experts, "dispatcher": "mega-moe"}).hides_experts
    assert layout_of(write, experts).dispatcher is None
    assert layout_of(write, {"framework": "torchtitan"}).kernels == "eager"
    assert layout_of(write, {"framework": "torchtitan", "compiled": "yes"}).kernels == "fused"
    overlaps = [{"tp_overlap": told} for told in ("yes", "no", "")]
    found = [layout_of(write, {"tp": 8, "dp": 1, **told}).tp_overlap for told in overlaps]
    assert found == [True, False, None]
    assert layout_of(write, {"zero_stage": 3, "shards": 4}).shards == 4
    assert layout_of(write, {"cp": 2, "dp": 4, "cp_exchange": "all-to-all"}).cp_exchange != "ring"
    assert layout_of(write, {"optimizer": "muon"}).optimizer == "muon"
    assert layout_of(write, {"task": "lora", "lora_rank": 64}).lora_rank == 64
    assert layout_of(write, {"task": "lora"}).beside.modules == {"attention", "mlp"}
    told = {"task": "lora", "lora_targets": "attention"}
    assert layout_of(write, told).beside.modules == {"attention"}
    assert one(write, {"precision": "fp8", "scaling": "rowwise"}).case.precision == "fp8-rowwise"
    assert one(write, {"release": "2026-08"}).case.software == "graphed"
    assert one(write, {"release": "2026-04"}).case.software == "modern"


def test_the_attention_kernel_goes_before_the_software_s_own(write: Write) -> None:
    early = {"framework": "megatron", "year": 2021}
    assert layout_of(write, early).attention == "unfused"
    assert layout_of(write, {**early, "attention_kernel": "flash1"}).attention == "flash"
    assert layout_of(write, {"attention_kernel": "unfused"}).attention == "unfused"
    # A flash kernel of no version is that of the framework's day; else its software's.
    some = {"framework": "fsdp", "attention_kernel": "flash"}
    assert layout_of(write, {**some, "year": 2023}).attention_kernel == "flash1"
    assert layout_of(write, {**some, "year": 2024}).attention_kernel == "flash2"
    assert layout_of(write, {**early, "attention_kernel": "flash"}).attention_kernel is None
    assert layout_of(write, {**early, "attention_kernel": "flash1"}).attention_kernel == "flash1"


def test_gradients_between_replicas_have_the_bits_of_the_row_its_states_or_its_software(
    write: Write,
) -> None:
    assert layout_of(write, {"framework": "torchtitan"}).reduce_bits is None
    assert layout_of(write, {"framework": "internevo"}).reduce_bits == "16"
    assert layout_of(write, {"framework": "internevo", "reduce_bits": 32}).reduce_bits == "32"
    assert layout_of(write, {"state_precision": "bf16"}).reduce_bits == "16"
    assert layout_of(write, {"state_precision": "fp32"}).reduce_bits is None


def test_words_of_notes_are_not_read(write: Write) -> None:
    words = "torch.compile; CPU offload; 4/node; container 26.08; shard degree 4; rowwise"
    told = one(write, {"framework": "torchtitan", "notes": words})
    assert told.case == one(write, {"framework": "torchtitan"}).case


def test_columns_of_the_machine_are_part_of_the_case(write: Write) -> None:
    usual = one(write, {}).case
    assert usual.domain is None
    assert usual.power == 1.0
    # Four cards of 100 Gb/s for eight GPUs: 6.25 GB/s each.
    node = one(write, {"node_network_gbit": 400, "chips_per_node": 8}).case
    across = node.accelerator.links.across.bandwidth_gb_s
    assert across is not None
    assert across.value == pytest.approx(6.25)
    assert node.domain == 8
    assert one(write, {"power_limit_w": 350}).case.power == pytest.approx(0.5)
    slow = one(write, {"gpu": "H100-96GB-HBM2e-500W"}).case
    limited = one(write, {"power_limit_w": 500}).case
    assert slow.power == 1.0
    both = case_columns([slow, limited]).device
    # A part of 500 W is as fast as one of 700 W that may take 500; its memory is its own.
    assert float(both.peak[0]) == pytest.approx(float(both.peak[1]), rel=1e-3)
    assert both.bytes_per_s.tolist() == pytest.approx([2.4e12, 3.35e12])


@pytest.mark.parametrize(
    ("change", "mode"),
    [
        ({"recompute": "full"}, "full"),
        ({"recompute": "block-5layers"}, "full"),
        ({"recompute": "selective"}, "selective"),
        ({"recompute": "selective", "framework": "torchtitan"}, "operators"),
        ({"recompute": "selective:mla_up_proj"}, "none"),
        ({"recompute": "selective:layernorm+moe"}, "operators"),
        ({"recompute": "selective:mlp"}, "full"),
        # Of a mixture of experts in Megatron these are the few dense blocks.
        ({"recompute": "selective:mlp", "n_experts": 8, "experts_per_token": 2}, "none"),
        ({"recompute": "selective:mlp,core_attn", "remat": "offload:qkv"}, "full"),
        ({}, "none"),
    ],
)
def test_recomputation_is_the_nearest_mode(write: Write, change: dict[str, Any], mode: str) -> None:
    found = layout_of(write, change)
    assert found.recompute == mode
    # Megatron's block method computes so many layers of a stage again.
    layers = 5 if change.get("recompute") == "block-5layers" else None
    assert found.recompute_layers == layers


def test_what_nemo_s_recipes_leave_out(write: Write) -> None:
    pipeline = {"pp": 4, "dp": 2, "global_batch_seqs": 64}
    experts = {"n_experts": 8, "experts_per_token": 2, "tp": 4, "dp": 2, "ep": 2}
    # One layer a chunk where nothing is told, and experts divided as all else.
    assert layout_of(write, pipeline).vpp == 8
    assert layout_of(write, {**pipeline, "vp": 2}).vpp == 2
    assert layout_of(write, {**pipeline, "n_layers": 30}).vpp == 1
    assert layout_of(write, experts).expert_tensor == 4
    assert layout_of(write, {**experts, "etp": 1}).expert_tensor == 1
    other = {"framework": "megatron-bridge"}
    assert layout_of(write, {**pipeline, **other}).vpp == 1
    assert layout_of(write, {**experts, **other}).expert_tensor == 1
