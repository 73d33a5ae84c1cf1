"""Models of which only weights are there."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from modules import configuration

import computebill as cb
from computebill.architectures.plain import plain_parameters

LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "vocab_size": 256,
    "tie_word_embeddings": False,
}


def safetensors(header: Any, data: bytes = b"") -> bytes:
    raw = json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data


def refusal(source: Path) -> str:
    with pytest.raises(cb.RequestError) as caught:
        cb.read_architecture(source)
    return str(caught.value)


def test_a_folder_of_weights_is_counted_by_their_headers(tmp_path: Path) -> None:
    built = transformers.LlamaForCausalLM(configuration(LLAMA)).to(torch.bfloat16)
    built.save_pretrained(tmp_path, max_shard_size="100KB")
    (tmp_path / "config.json").unlink()
    (tmp_path / "generation_config.json").unlink(missing_ok=True)
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    found = cb.read_architecture(tmp_path)
    assert plain_parameters(found).total == sum(each.numel() for each in built.parameters())
    assert (found.counted_by, found.layer_count, found.hidden) == ("weights", 3, 64)
    whole, ours = cb.describe_model(LLAMA), cb.describe_model(tmp_path)
    scores = whole.flop.by_operator["attention_scores"][0]
    assert float(ours.flop.forward) == float(whole.flop.forward - scores)
    assert ours.to_dict()["memory_gb"][0]["weights"] == pytest.approx(
        whole.to_dict()["memory_gb"][0]["weights"]
    )


ONE = {"w": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]}}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is no safetensors file"),
        (struct.pack("<Q", 2**60) + b"{}", "its header would be 1152921504606846976 bytes"),
        (struct.pack("<Q", 10) + b"{}", "is no safetensors file"),
        (struct.pack("<Q", 2) + b"{]", "has no header of JSON"),
        (safetensors([1]), "is no table of tensors"),
        (safetensors({}), "holds no tensors"),
        (safetensors(ONE, b"\0" * 11), "data_offsets: got [0, 12]; the file has 11 bytes"),
        (
            safetensors({"w": {**ONE["w"], "shape": [2, 10**9]}}, b"\0" * 12),
            "not those of [2, 1000000000]",
        ),
        (safetensors({"w": {**ONE["w"], "shape": [-2, -3]}}, b"\0" * 12), "shape: got [-2, -3]"),
        (safetensors({"w": {**ONE["w"], "dtype": "U8"}}, b"\0" * 12), "dtype: got 'U8'"),
        (safetensors({"w": 3}), "dtype: got None"),
    ],
)
def test_headers_that_lie_are_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    assert problem in refusal(tmp_path)
    assert problem in refusal(path)


def test_tensors_that_share_bytes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    here = {"v": {**ONE["w"], "data_offsets": [4, 16]}}
    path.write_bytes(safetensors(ONE | here, b"\0" * 16))
    assert "'v': shares bytes with 'w'; allowed: its own" in refusal(path)
    beside = {"v": {**ONE["w"], "data_offsets": [12, 24]}}
    path.write_bytes(safetensors(ONE | beside, b"\0" * 24))
    assert plain_parameters(cb.read_architecture(path)).total == 12


def test_a_shard_that_the_index_names_and_is_missing_is_refused(tmp_path: Path) -> None:
    names = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"w": names[0], "v": names[1]}}))
    assert f"weight_map: names '{names[0]}', which is not there" in refusal(tmp_path)
    (tmp_path / names[0]).write_bytes(safetensors(ONE, b"\0" * 12))
    assert f"weight_map: names '{names[1]}', which is not there" in refusal(tmp_path)
    (tmp_path / names[1]).write_bytes(safetensors({"v": ONE["w"]}, b"\0" * 12))
    # What the index does not name is another copy.
    (tmp_path / "consolidated.safetensors").write_bytes(safetensors(ONE, b"\0" * 12))
    assert plain_parameters(cb.read_architecture(tmp_path)).total == 12
    index.write_text("[1]")
    assert "index.json: got [1]; allowed: a JSON object" in refusal(tmp_path)
    index.write_text(json.dumps({"weight_map": {"w": "../other.safetensors"}}))
    assert "names '../other.safetensors'" in refusal(tmp_path)


def test_shards_without_an_index_are_one_model(tmp_path: Path) -> None:
    built = transformers.LlamaForCausalLM(configuration(LLAMA)).to(torch.bfloat16)
    built.save_pretrained(tmp_path, max_shard_size="100KB")
    for name in ("config.json", "generation_config.json", "model.safetensors.index.json"):
        (tmp_path / name).unlink(missing_ok=True)
    shards = sorted(tmp_path.glob("*.safetensors"))
    # Other files of a repository: the same weights by other names, and an adapter.
    for other in ("consolidated.safetensors", "adapter_model.safetensors"):
        (tmp_path / other).write_bytes(safetensors(ONE, b"\0" * 12))
    total = sum(each.numel() for each in built.parameters())
    assert len(shards) > 2
    for source in (tmp_path, shards[1]):
        assert plain_parameters(cb.read_architecture(source)).total == total
    shards[1].rename(tmp_path / "aside")
    for source in (tmp_path, shards[0]):
        told = f"{shards[1].name} is not there; allowed: all {len(shards)} of its shards"
        assert told in refusal(source)
    shards[1].write_bytes(safetensors(ONE, b"\0" * 11))
    assert "data_offsets: got [0, 12]; the file has 11 bytes" in refusal(tmp_path)


def test_a_tensor_of_two_files_is_refused(tmp_path: Path) -> None:
    for name in ("model.safetensors", "model-00001-of-00001.safetensors"):
        (tmp_path / name).write_bytes(safetensors(ONE, b"\0" * 12))
    assert "'w': is in another file of the folder too; allowed: one file" in refusal(tmp_path)


def test_places_that_are_kept_with_weights_are_no_parameters(tmp_path: Path) -> None:
    places = {"position_ids": {"dtype": "I64", "shape": [1, 4], "data_offsets": [12, 44]}}
    path = tmp_path / "model.safetensors"
    path.write_bytes(safetensors(ONE | places, b"\0" * 44))
    assert plain_parameters(cb.read_architecture(path)).total == 6


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def gguf(
    tensors: list[tuple[str, tuple[int, ...]]],
    *,
    keys: bytes = b"",
    count: int = 0,
    shift: int = 0,
    cut: int = 0,
) -> bytes:
    """Return a file of tensors in F16, ``shift`` bytes of the first two shared, cut at its end."""
    head, start = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), count) + keys, 0
    for name, shape in tensors:
        head += text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
        head += struct.pack("<IQ", 1, start)
        start += 2 * math.prod(shape) - shift
        shift = 0
    return (head + bytes(-len(head) % 32 + start))[: -cut or None]


def test_gguf_tensors_that_the_file_has_no_bytes_for_are_refused(tmp_path: Path) -> None:
    tensors = [("blk.0.v", (4, 4)), ("blk.0.w", (4, 8))]
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf(tensors))
    assert plain_parameters(cb.read_architecture(path)).total == 48
    path.write_bytes(gguf(tensors, cut=1))
    assert "'blk.0.w': ends at byte 96 of its tensors; the file has 95" in refusal(path)
    path.write_bytes(gguf(tensors, shift=2))
    assert "'blk.0.w': shares bytes with 'blk.0.v'" in refusal(path)
    path.write_bytes(gguf(tensors, cut=100))
    assert "the file has 0 of them" in refusal(path)


def test_a_gguf_file_is_counted_by_its_table(tmp_path: Path) -> None:
    keys = text("general.architecture") + struct.pack("<I", 8) + text("llama")
    keys += text("llama.context_length") + struct.pack("<II", 4, 2048)
    keys += text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("b")
    layer = [("attn_q.weight", (64, 64)), ("ffn_up.weight", (64, 128)), ("attn_norm.weight", (64,))]
    tensors = [("token_embd.weight", (64, 256)), ("rope_freqs.weight", (32,))]
    tensors += [(f"blk.{index}.{name}", shape) for index in range(2) for name, shape in layer]
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf(tensors, keys=keys, count=3))
    found = cb.read_architecture(path)
    each = 64 * 64 + 64 * 128 + 64
    assert plain_parameters(found).total == 256 * 64 + 2 * each
    assert (found.model_type, found.hidden, found.layer_count) == ("llama", 64, 2)
    assert found.sequence_length == 2048


def of_experts(held: int, chosen: int) -> dict[str, Any]:
    """Return the metadata of a mixture, as llama.cpp writes it."""
    keys = text("general.architecture") + struct.pack("<I", 8) + text("qwen3moe")
    keys += text("qwen3moe.expert_count") + struct.pack("<II", 4, held)
    keys += text("qwen3moe.expert_used_count") + struct.pack("<II", 4, chosen)
    return {"keys": keys, "count": 3}


STACKED = [("gate_exps.weight", (64, 32, 8)), ("down_exps.weight", (32, 64, 8))]
BIASED = [("gate_exps.bias", (32, 8)), ("down_exps.bias", (64, 8))]
APART = [(f"gate.{each}.weight", (64, 32)) for each in range(8)]


@pytest.mark.parametrize(
    ("tensors", "matrices", "biases"),
    [(STACKED, 2 * 64 * 32, 0), (STACKED + BIASED, 2 * 64 * 32, 96), (APART, 64 * 32, 0)],
)
def test_a_token_meets_as_many_experts_of_a_gguf_file_as_its_metadata_say(
    tmp_path: Path, tensors: list[tuple[str, tuple[int, ...]]], matrices: int, biases: int
) -> None:
    others = [("token_embd.weight", (64, 256)), ("blk.0.ffn_gate_inp.weight", (64, 8))]
    every = [*others, *((f"blk.0.ffn_{name}", shape) for name, shape in tensors)]
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf(every, **of_experts(8, 2)))
    found = cb.read_architecture(path)
    counts, outside = plain_parameters(found), 64 * 256 + 64 * 8
    assert counts.total == outside + 8 * (matrices + biases)
    assert counts.active == outside + 2 * (matrices + biases)
    assert "but experts', of which it meets 2" in found.notes[0]
    assert float(cb.describe_model(path).flop.forward) == 2 * (64 * 8 + 2 * matrices)


@pytest.mark.parametrize(
    ("held", "chosen", "told"),
    [
        (8, 9, "qwen3moe.expert_used_count: got 9; allowed: a whole number from 1 to"),
        (16, 2, "shape: got [8, 32, 64]; allowed: of qwen3moe.expert_count, 16 experts"),
    ],
)
def test_metadata_of_experts_that_contradict_tensors_are_refused(
    tmp_path: Path, held: int, chosen: int, told: str
) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(
        gguf([("blk.0.ffn_gate_exps.weight", (64, 32, 8))], **of_experts(held, chosen))
    )
    assert told in refusal(path)


def test_a_gguf_model_in_several_files_is_counted_whole(tmp_path: Path) -> None:
    names = [f"model-0000{number}-of-00002.gguf" for number in (1, 2)]
    (tmp_path / names[0]).write_bytes(gguf([("blk.0.w", (4, 4))], **of_experts(8, 2)))
    assert f"{names[1]} is not there; allowed: all 2 of its shards" in refusal(tmp_path / names[0])
    (tmp_path / names[1]).write_bytes(gguf([("blk.1.w", (4, 8))]))
    (tmp_path / "mmproj-model.gguf").write_bytes(gguf([("v.w", (4, 4))]))
    for source in (tmp_path, tmp_path / names[0], tmp_path / names[1]):
        found = cb.read_architecture(source)
        assert (found.model_type, plain_parameters(found).total) == ("qwen3moe", 48)
    (tmp_path / "other.gguf").write_bytes(gguf([("blk.0.w", (4, 4))]))
    assert "holds several models; allowed: one of model-00001-of-00002.gguf" in refusal(tmp_path)


@settings(max_examples=200)
@given(cut=st.integers(0, 200), byte=st.integers(0, 255))
def test_a_gguf_file_that_is_broken_is_counted_or_refused(
    tmp_path_factory: pytest.TempPathFactory, cut: int, byte: int
) -> None:
    keys = text("general.architecture") + struct.pack("<I", 8) + text("llama")
    whole = bytearray(
        gguf([("blk.0.w", (4, 4)), ("token_embd.weight", (4, 9))], keys=keys, count=1)
    )
    if cut < len(whole):
        whole[cut] = byte
    path = tmp_path_factory.mktemp("gguf") / "model.gguf"
    for content in (whole, whole[:cut]):
        path.write_bytes(bytes(content))
        try:
            assert plain_parameters(cb.read_architecture(path)).total >= 0
        except cb.RequestError as error:
            assert str(path) in str(error)  # noqa: PT017 -- either way is right
