"""Documents in a sequence, against every pair of a query and a key counted one by one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import computebill as cb
from computebill.architectures import read_architecture
from computebill.architectures.columns import columns
from computebill.architectures.counting import count_flop
from computebill.base.errors import RequestError
from computebill.kernels.flop import keys_of
from computebill.models.mfu import Speed, utilisation
from computebill.training.documents import Documents, packed, read_documents

WINDOW = 5
SMALL: dict[str, Any] = {
    "model_type": "mistral",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 100,
    "sliding_window": WINDOW,
    "max_position_embeddings": 4096,
}


def pairs(pieces: list[int], window: float) -> int:
    """Pairs of a query and a key that a mask of blocks lets through."""
    return sum(min(query + 1, window) for piece in pieces for query in range(piece))


def pieces_of(lengths: list[int], sequence: int) -> list[int]:
    """Documents cut at sequences' ends, one by one."""
    found = []
    for length in lengths:
        while length > sequence:
            found.append(sequence)
            length -= sequence
        found.append(length)
    return found


@given(st.lists(st.integers(1, 60), min_size=1, max_size=30), st.integers(1, 40), st.booleans())
def test_keys_are_those_of_a_mask_of_blocks(
    lengths: list[int], sequence: int, is_windowed: bool
) -> None:
    config = SMALL if is_windowed else {**SMALL, "sliding_window": None}
    trained = packed(read_architecture(config), sequence, read_documents(lengths))
    operators = columns(trained.architecture).operators
    keys = keys_of(operators, torch.tensor([float(sequence)], dtype=torch.float64))
    found = keys[operators.per_key.expand_as(keys) > 0]
    window = WINDOW if is_windowed else float("inf")
    expected = pairs(pieces_of(lengths, sequence), window) / sum(lengths)
    assert found.tolist() == pytest.approx([expected] * len(found))


def test_attention_grows_with_the_sum_of_squares() -> None:
    # Ten documents of 100 tokens and one of 1,000: sum of l (l + 1) / 2 over 2,000 tokens.
    architecture = read_architecture({**SMALL, "sliding_window": None})
    documents = Documents({100: 10, 1000: 1}, "on paper")
    trained = packed(architecture, 2000, documents)
    alone, whole = (
        count_flop(columns(each), 2000).by_operator["attention_scores"][0]
        for each in (trained.architecture, architecture)
    )
    keys = (10 * 100 * 101 / 2 + 1000 * 1001 / 2) / 2000
    assert float(alone / whole) == pytest.approx(keys / (2001 / 2))


def test_documents_as_long_as_the_sequence_change_nothing() -> None:
    architecture = read_architecture(SMALL)
    trained = packed(architecture, 1024, read_documents([1024, 1024]))
    for name, value in count_flop(columns(architecture), 1024).conventions.items():
        same = count_flop(columns(trained.architecture), 1024).conventions[name]
        assert float(same) == pytest.approx(float(value))


def test_attention_across_documents_is_that_of_the_sequence() -> None:
    architecture = read_architecture(SMALL)
    trained = packed(architecture, 512, read_documents([3, 700], "across"))
    assert trained.architecture == architecture
    assert [each.value for each in trained.told][2:] == ["across", "1 longer than 512 tokens"]


def test_the_longest_document_is_the_sequence_where_none_is_given() -> None:
    trained = packed(read_architecture(SMALL), None, read_documents([10, 300, 20]))
    assert trained.sequence == 300
    assert trained.told[0].source == "the longest document"


def test_an_encoder_attends_every_key_of_a_document() -> None:
    # Sum of squares over tokens: (3 * 16 + 64) / 20, without a mask.
    architecture = read_architecture(SMALL)
    kinds = tuple(
        replace(
            kind,
            operators=tuple(replace(o, causal=False, window=float("inf")) for o in kind.operators),
        )
        for kind in architecture.kinds
    )
    trained = packed(replace(architecture, kinds=kinds), 8, read_documents([4, 4, 4, 8]))
    keys = {o.attended for kind in trained.architecture.kinds for o in kind.operators if o.per_key}
    assert list(keys) == pytest.approx([(3 * 16 + 64) / 20])


def test_a_log_normal_of_lengths_has_its_moments() -> None:
    # E[l^2] / E[l] of a log-normal is exp(mu + 1.5 sigma^2); p10..p90 are 1.2816 sigma apart.
    documents = read_documents("500..2000")
    sigma = torch.log(torch.tensor(4.0)) / (2 * 1.2815515655)
    expected = 1000 * torch.exp(1.5 * sigma**2)
    squares = sum(length**2 * count for length, count in documents.counts.items())
    assert squares / documents.tokens == pytest.approx(float(expected), rel=0.01)


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("tokens,count\n512,4\n2048,1\n", {512: 4, 2048: 1}),
        ("7\n7\n\n9\n", {7: 2, 9: 1}),
        ("Length\n12\n", {12: 1}),
        ("id,n_tokens\na,3\nb,3\n", {3: 2}),
    ],
)
def test_files_of_lengths(tmp_path: Path, text: str, counts: dict[int, int]) -> None:
    path = tmp_path / "lengths.csv"
    path.write_text(text)
    assert read_documents(path).counts == counts


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("tokens\n12\nlong\n", "line 3: got 'long'"),
        ("tokens\n0\n", "line 2: got '0'"),
        ("tokens\n1.5\n", "allowed: a whole number from 1"),
        ("tokens,count\n5\n", "line 2: has 1 cells"),
        ("tokens,count\n5,0\n", "no document"),
        ("a,b\n1,2\n", "allowed: one named tokens"),
    ],
)
def test_wrong_files_are_told_with_their_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "lengths.csv"
    path.write_text(text)
    with pytest.raises(RequestError, match=message):
        read_documents(path)


def test_wrong_lengths_and_packings_are_refused() -> None:
    for lengths, packing, message in (
        ("2000..500", "within", "lengths: p10"),
        ([5, -1], "within", "lengths: number 2: got -1"),
        ([5], "none", "packing: got 'none'; allowed: within, across"),
    ):
        with pytest.raises(RequestError, match=message):
            read_documents(lengths, packing)


def test_a_utilisation_counts_what_documents_attend() -> None:
    documents = read_documents([100] * 10 + [1000])
    config = {**SMALL, "sliding_window": None}
    speed = Speed(tokens_per_second_per_gpu=1e6)
    given = {"speed": speed, "accelerator": "h100", "sequence_length": 2000}
    whole, within = (utilisation(config, documents=each, **given) for each in (None, documents))
    assert within.mfu["causal"] < whole.mfu["causal"]  # type: ignore[operator]
    # Published counts over the whole sequence stay what they are.
    assert within.mfu["megatron"] == whole.mfu["megatron"]
    assert "documents" in {each.name for each in within.assumptions}


def test_a_run_s_step_is_faster_where_documents_are_short(tmp_path: Path) -> None:
    (tmp_path / "lengths.csv").write_text("tokens\n64\n")
    run = (
        'model = "config.json"\ntokens = "1B"\naccelerator = "h100"\ncount = 1\n'
        "sequence_length = 4096\nglobal_batch = 1\nlayout = {dp = 1}\n"
    )
    import json

    (tmp_path / "config.json").write_text(json.dumps({**SMALL, "sliding_window": None}))
    (tmp_path / "across.toml").write_text(run)
    (tmp_path / "within.toml").write_text(run + 'lengths = "lengths.csv"\n')
    across, within = (
        cb.estimate_run(tmp_path / name, samples=64) for name in ("across.toml", "within.toml")
    )
    assert within.to_dict()["step_seconds"]["p50"] < across.to_dict()["step_seconds"]["p50"]
    told = {each.name: each.source for each in within.assumptions}
    assert told["packing"] == "attention stays within a document"
