from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modules import held, module

import computebill as cb
from computebill.architectures.columns import columns
from computebill.architectures.counting import count_parameters
from computebill.architectures.families import FAMILIES

LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 256,
}
MIXTRAL = LLAMA | {"model_type": "mixtral", "num_local_experts": 4, "num_experts_per_tok": 2}
GEMMA2 = LLAMA | {"model_type": "gemma2", "head_dim": 16}


def refusal(config: Any) -> str:
    with pytest.raises(cb.RequestError) as caught:
        cb.read_architecture(config)
    return str(caught.value)


def total(config: Any) -> int:
    return int(count_parameters(columns(cb.read_architecture(config))).total)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"hidden_size": -64}, "hidden_size: got -64; allowed: a whole number from 1"),
        ({"hidden_size": "64"}, "hidden_size: got '64'; allowed: a whole number"),
        ({"hidden_size": 64.5}, "hidden_size: got 64.5"),
        ({"hidden_size": True}, "hidden_size: got True"),
        ({"hidden_size": None}, "hidden_size is missing"),
        ({"hidden_size": 10**12}, "hidden_size: got 1000000000000"),
        ({"hidden_size": [64]}, "hidden_size: got [64]"),
        ({"num_hidden_layers": 0}, "num_hidden_layers: got 0"),
        (
            {"num_hidden_layers": 10**6},
            "num_hidden_layers: got 1000000; allowed: a whole number from 1 to 10000",
        ),
        (
            {"num_attention_heads": 3, "num_key_value_heads": None},
            "num_attention_heads: got 3; allowed: a divisor of hidden_size, 64",
        ),
        (
            {"num_key_value_heads": 3},
            "num_key_value_heads: got 3; allowed: a divisor of num_attention_heads, 4",
        ),
        ({"attention_bias": "yes"}, "attention_bias: got 'yes'; allowed: true or false"),
        ({"tie_word_embeddings": 1}, "tie_word_embeddings: got 1; allowed: true or false"),
        ({"vocab_size": float("nan")}, "vocab_size: got nan"),
        (
            {"model_type": "gemma2", "num_hidden_layers": 2, "layer_types": [["full"], {}]},
            "layer_types: got [['full'], {}]; allowed: a list of 2, one a layer",
        ),
    ],
)
def test_fields_that_cannot_be(change: dict[str, Any], problem: str) -> None:
    message = refusal(LLAMA | change)
    assert message.startswith("config: ")
    assert problem in message


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (
            MIXTRAL | {"num_experts_per_tok": 5},
            "num_experts_per_tok: got 5; allowed: up to num_local_experts, 4",
        ),
        (
            GEMMA2 | {"layer_types": ["full_attention"]},
            "layer_types: got ['full_attention']; allowed: a list of 2, one a layer",
        ),
        (GEMMA2 | {"sliding_window": "4k"}, "sliding_window: got '4k'"),
        (
            LLAMA
            | {
                "model_type": "qwen3_moe",
                "num_experts": 4,
                "num_experts_per_tok": 1,
                "moe_intermediate_size": 8,
                "mlp_only_layers": [7],
            },
            "mlp_only_layers: got [7]; allowed: a list of layer numbers from 0 to 1",
        ),
        (
            {"model_type": "gpt2", "n_embd": 64, "n_layer": 2, "n_head": 3, "vocab_size": 10},
            "n_head: got 3; allowed: a divisor of n_embd, 64",
        ),
        (
            {
                "model_type": "minimax",
                **{k: v for k, v in MIXTRAL.items() if k != "model_type"},
                "layer_types": ["full_attention", "odd"],
            },
            "'odd' is none",
        ),
    ],
)
def test_fields_of_single_architectures_that_cannot_be(
    config: dict[str, Any], problem: str
) -> None:
    assert problem in refusal(config)


def test_an_unknown_type_names_near_ones_and_the_other_way() -> None:
    message = refusal({"model_type": "lama"})
    assert "'lama', which is not known; fields that" not in message
    assert "computebill run --params" in message
    assert "nearest" not in message
    assert "nearest: llama, which has every field" in refusal(LLAMA | {"model_type": "lama"})
    assert "nearest" not in refusal(LLAMA | {"model_type": "lama", "kv_lora_rank": 8})
    assert "nearest" not in refusal(LLAMA | {"model_type": "zzzzzzzz"})
    assert "model_type is missing; allowed: one of" in refusal({})
    assert "model_type: got 7" in refusal({"model_type": 7})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ("{", "is not valid JSON: Expecting property name"),
        ('{"a": 1', "line 1 column 8"),
        ("[]", "got []; allowed: a JSON object"),
        ("3", "got 3; allowed: a JSON object"),
        ('{"hidden_size": 1, "hidden_size": 2}', "gives 'hidden_size' twice"),
        ('{"a": ' * 30 + "1" + "}" * 30, "is nested more than 20 levels deep"),
        ("[" * 100_000, "is nested more than 20 levels deep"),
        ('{"vocab_size": ' + "9" * 5000 + "}", "is not valid JSON"),
        ('{"a": "' + "x" * (5 * 2**20) + '"}', "is larger than 4 MiB"),
    ],
)
def test_files_that_are_no_configuration(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(text)
    message = refusal(path)
    assert message.startswith(str(path))
    assert problem in message


def test_a_name_that_no_file_can_have_cannot_be_read() -> None:
    for name in ("a" * 5000, "a/" * 3000, "a\0b"):
        with pytest.raises(cb.RequestError, match="cannot be read"):
            cb.read_architecture(name)


def test_a_file_a_directory_standard_input_and_a_mapping_say_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(LLAMA))
    expected = total(LLAMA)
    assert total(path) == total(str(tmp_path)) == expected
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
    assert total("-") == expected
    assert "cannot be read: No such file" in refusal(tmp_path / "none.json")
    path.write_bytes(b"\xff\xfe")
    assert "is not UTF-8 text" in refusal(path)


def test_the_language_model_of_a_multimodal_one_is_counted() -> None:
    whole = {"model_type": "gemma3", "text_config": GEMMA2 | {"model_type": "gemma3_text"}}
    architecture = cb.read_architecture(whole)
    assert architecture.model_type == "gemma3_text"
    assert "Only the language model" in architecture.notes[0]
    assert total(whole) == total(whole["text_config"])
    nameless = {"model_type": "some_vlm", "text_config": LLAMA}
    assert total(nameless) == total(LLAMA)


@pytest.mark.parametrize(
    ("inner", "problem"),
    [
        ({"model_type": "foo"}, "text_config.model_type: got 'foo', which is not known"),
        ({"model_type": ["a"]}, "text_config.model_type: got ['a']; allowed: one of"),
        ({"model_type": {}}, "text_config.model_type: got {}"),
    ],
)
def test_the_inner_type_is_the_one_that_is_named(inner: dict[str, Any], problem: str) -> None:
    assert problem in refusal({"model_type": "llava", "text_config": inner})


@pytest.mark.parametrize("source", [None, 3, [1]])
def test_only_paths_and_mappings_are_read(source: Any) -> None:
    assert "config: got" in refusal(source)


def test_an_untied_t5_is_told() -> None:
    t5 = {
        "model_type": "t5",
        "d_model": 64,
        "d_kv": 16,
        "d_ff": 128,
        "num_layers": 2,
        "num_heads": 4,
        "vocab_size": 100,
        "tie_word_embeddings": False,
    }
    assert "a head of 6,400 more" in cb.read_architecture(t5).notes[1]


def test_layers_for_further_tokens_are_told() -> None:
    assert "3 layer(s)" in cb.read_architecture(LLAMA | {"num_mtp_modules": 3}).notes[0]
    config = LLAMA | {"num_nextn_predict_layers": 1}
    assert "MTP" in cb.read_architecture(config).notes[0]
    assert total(config) == total(LLAMA)


def test_older_spellings_are_read() -> None:
    minimax = MIXTRAL | {"model_type": "minimax_text_01", "attn_type_list": [0, 1]}
    labels = {"layer_types": ["linear_attention", "full_attention"]}
    assert total(minimax) == total(MIXTRAL | {"model_type": "minimax"} | labels)
    bloom = {"model_type": "bloom", "n_layer": 2, "num_attention_heads": 4, "vocab_size": 50}
    assert total(bloom | {"n_embed": 64}) == total(bloom | {"hidden_size": 64})


def test_null_is_what_it_says_and_not_the_default() -> None:
    config = {
        **LLAMA,
        "model_type": "deepseek_v3",
        "moe_intermediate_size": 16,
        "n_routed_experts": 8,
        "num_experts_per_tok": 2,
        "num_key_value_heads": 4,
        "q_lora_rank": None,
    }
    assert total(config) == held(module(config)).total


LISTS = (
    "attention_types",
    "block_configs",
    "block_types",
    "compress_ratios",
    "hybrid_override_pattern",
    "indexer_types",
    "layer_types",
    "linear_attn_config",
    "mlp_layer_types",
    "per_layer_config",
    "sliding_window_pattern",
    "sparse_attention_config",
)
"""Fields that say something of each layer."""


@settings(max_examples=400)
@given(
    st.sampled_from(sorted(FAMILIES)),
    st.dictionaries(
        st.sampled_from([*LLAMA, "head_dim", "num_experts", "attn_config", *LISTS]),
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.floats(),
            st.text(max_size=5),
            st.lists(st.one_of(st.integers(), st.text(max_size=3), st.just([1])), max_size=3),
            st.dictionaries(st.text(max_size=3), st.none()),
        ),
        max_size=8,
    ),
)
def test_whatever_is_given_is_counted_or_refused(model_type: str, fields: dict[str, Any]) -> None:
    try:
        cb.read_architecture({**LLAMA, **fields, "model_type": model_type})
    except cb.RequestError as error:
        assert len(str(error)) < 2600  # noqa: PT017 -- either way is right


def test_an_answer_says_how_it_was_counted() -> None:
    assert cb.read_architecture(LLAMA).counted_by == "family"
    other = LLAMA | {"model_type": "minimax_text_01", "num_experts": 4, "num_experts_per_tok": 2}
    assert cb.read_architecture(other).counted_by == "alias"
    assert cb.describe_model(LLAMA).to_dict()["counted_by"] == "family"
