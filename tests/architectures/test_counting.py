"""Parameters are those of the modules of transformers, exactly."""

from __future__ import annotations

import json
from typing import Any

import known
import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from modules import held, module, published_configuration
from small import SMALL, small_config

import computebill as cb
from computebill.architectures.columns import columns
from computebill.architectures.counting import count_parameters
from computebill.architectures.families import FAMILIES

PUBLISHED = json.loads(known.PUBLISHED.read_text("utf-8"))


def counted(config: Any) -> tuple[int, int, int]:
    found = count_parameters(columns(cb.read_architecture(config)))
    return int(found.total), int(found.active), int(found.embedding)


def test_every_architecture_has_random_configurations() -> None:
    assert set(SMALL) <= set(FAMILIES)


@pytest.mark.parametrize("model_type", SMALL)
@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_random_configurations(model_type: str, data: st.DataObject) -> None:
    config = data.draw(small_config(model_type))
    assert counted(config) == held(module(config))


@pytest.mark.parametrize("model_type", SMALL)
@settings(max_examples=6, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_fields_that_are_left_out_take_the_defaults_of_transformers(
    model_type: str, data: st.DataObject
) -> None:
    config = data.draw(small_config(model_type))
    family = FAMILIES[model_type]
    written = {family.names.get(name, name) for name in family.defaults}
    for key in written & set(config):
        config.pop(key)
    try:
        expected = held(module(config))
    except (ValueError, ZeroDivisionError, StrictDataclassError):
        return  # not a model: heads that the default key heads do not divide
    try:
        found = counted(config)
    except cb.RequestError:
        return  # refused; it would be counted with heads of broken width
    assert found == expected


@pytest.mark.parametrize("published", PUBLISHED, ids=lambda published: published["name"])
def test_published_sizes(published: dict[str, Any]) -> None:
    published_configuration(published["config"])
    assert counted(published["config"]) == held(module(published["config"]))


MAKERS_COUNT = [each for each in PUBLISHED if each["params"] and not each.get("params_note")]


@pytest.mark.parametrize("published", MAKERS_COUNT, ids=lambda published: published["name"])
def test_totals_as_their_makers_state_them(published: dict[str, Any]) -> None:
    counts = {"bert": "encoder and pooler", "vit": "without a head"}
    if published["config"]["model_type"] in counts:
        pytest.skip(f"stated {counts[published['config']['model_type']]}")
    assert counted(published["config"])[0] == published["params"]


@pytest.mark.parametrize("published", PUBLISHED, ids=lambda published: published["name"])
def test_what_transformers_saves_is_read_as_what_its_makers_wrote(
    published: dict[str, Any],
) -> None:
    saved = json.loads(published_configuration(published["config"]).to_json_string())
    assert counted(saved) == counted(published["config"])


@settings(max_examples=20)
@given(
    rows=st.lists(
        st.tuples(st.integers(1, 8), st.integers(1, 4), st.integers(1, 4), st.integers(1, 12)),
        min_size=1,
        max_size=5,
    ),
    model_type=st.sampled_from(["llama", "qwen3_moe", "gemma", "deepseek_v3", "nemotron"]),
)
def test_many_architectures_at_once(rows: list[tuple[int, ...]], model_type: str) -> None:
    def config(heads: Any, kv_heads: Any, width: Any, layers: Any) -> dict[str, Any]:
        return {
            "model_type": model_type,
            "hidden_size": 16 * heads * kv_heads,
            "num_attention_heads": heads * kv_heads,
            "num_key_value_heads": kv_heads,
            "head_dim": 16,
            "intermediate_size": 32 * width,
            "moe_intermediate_size": 8 * width,
            "num_experts": 8,
            "num_experts_per_tok": 2,
            "first_k_dense_replace": 1,
            "num_hidden_layers": layers if model_type != "qwen3_moe" else 3,
            "vocab_size": 100 * width,
        }

    together = config(*torch.tensor(rows).T)
    found = count_parameters(columns(cb.read_architecture(together)))
    for index, row in enumerate(rows):
        one = (found.total, found.active, found.embedding)
        assert tuple(int(each[index]) for each in one) == counted(config(*row))
