"""A model is built of classes that the library has, within bounds, or one message says why not."""

from __future__ import annotations

import time
from typing import Any

import pytest

import computebill as cb
from computebill.architectures.modules.build import build

TINY = {
    "model_type": "apertus",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 50,
}


def refusal(config: dict[str, Any]) -> str:
    with pytest.raises(cb.RequestError) as caught:
        build(config, "config.json")
    return str(caught.value)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"num_hidden_layers": 10**9}, "num_hidden_layers: got 1000000000; allowed: up to 10,000"),
        ({"hidden_size": 10**12}, "hidden_size: got 1000000000000; allowed: up to 1,000,000,000"),
        ({"text_config": {"num_layers": 10**7}}, "text_config.num_layers: got 10000000"),
    ],
)
def test_sizes_without_end_are_refused_at_once(fields: dict[str, Any], problem: str) -> None:
    started = time.monotonic()
    assert problem in refusal(TINY | fields)
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    "fields",
    [
        {"hidden_size": "wide"},
        {"num_hidden_layers": None},
        {"num_attention_heads": 0},
        {"rope_parameters": [1, 2]},
        {"hidden_act": "no such function"},
    ],
)
def test_what_the_library_cannot_build_is_one_message(fields: dict[str, Any]) -> None:
    message = refusal(TINY | fields)
    assert "cannot build apertus from it" in message
    assert "\n" not in message


def test_code_of_a_repository_is_not_run() -> None:
    # A class of another's repository, and its place: what is built is the library's own.
    remote = {
        "auto_map": {"AutoModelForCausalLM": "evil/model--modeling.Evil"},
        "trust_remote_code": True,
        "attn_implementation": "evil/kernel",
        "_name_or_path": "evil/model",
    }
    built = build(TINY | remote | {"architectures": ["Evil"]}, "config.json")
    assert type(built).__module__ == "transformers.models.apertus.modeling_apertus"


@pytest.mark.parametrize("model_type", ["nothing_like_it", None, 7, ["apertus"], {}])
def test_a_type_that_the_library_lacks_is_none(model_type: object) -> None:
    assert build({**TINY, "model_type": model_type}, "config.json") is None


def test_the_class_that_a_file_names_is_built() -> None:
    classifier = TINY | {"architectures": ["ApertusForTokenClassification"]}
    assert type(build(classifier, "config.json")).__name__ == "ApertusForTokenClassification"
