"""Configurations that transformers knows, with a field or two of them changed or left out."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import torch
import transformers
from hypothesis import strategies as st
from transformers.models.auto import modeling_auto as tables
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

Config = dict[str, Any]

transformers.logging.set_verbosity_error()
# Imported when it is first named, and its own imports look at values: before any meta device.
_ = transformers.GenerationMixin

LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers")
KEPT = (
    "_token_id", "add_cross", "architectures", "attn_impl", "chunk_size_feed", "dtype",
    "generation", "id2label", "is_encoder", "label2id", "model_type", "output_", "problem_type",
    "return_dict", "transformers_version", "use_cache",
)  # fmt: skip
"""Parts of names of fields that are let be."""

BUILDERS = {
    "CAUSAL_LM": transformers.AutoModelForCausalLM,
    "MASKED_LM": transformers.AutoModelForMaskedLM,
    "SEQ_TO_SEQ_CAUSAL_LM": transformers.AutoModelForSeq2SeqLM,
}


def types_of(table: str) -> list[str]:
    """Return the types of one of transformers' own tables."""
    return list(getattr(tables, f"MODEL_FOR_{table}_MAPPING_NAMES"))


def small(name: str) -> Config | None:
    """Return a type's defaults with few layers, as a file would hold them."""
    try:
        made = CONFIG_MAPPING[name]()
        fewer = {key: 6 for key in LAYERS if isinstance(made.to_dict().get(key), int)}
        made = CONFIG_MAPPING[name](**fewer)
        return dict(json.loads(made.to_json_string(use_diff=False)))
    except Exception:  # defaults that make no configuration
        return None


def variants(value: Any) -> list[Any]:
    """Return other values of a field's kind."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [2 * value, value // 2, value + 1]
    if value is None:
        return [8, True]
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        return [value[::-1], [value[-1]] * len(value), [value[0]] * len(value)]
    if isinstance(value, list) and value and all(type(each) is int for each in value):
        return [value[::-1], value[:1]]
    return [[0]] if value == [] else []


def changes(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield each field with another value."""
    for key, value in config.items():
        if not any(part in key for part in KEPT) and not key.endswith("_config"):
            yield from ((key, each) for each in variants(value))


ADDED = {
    "qk_norm": True, "num_experts": 9, "n_layer": 7, "d_model": 96, "n_head": 5, "n_layers": 9,
    "ffn_dim": 72, "kv_lora_rank": 16, "attention_output_bias": True, "num_extra_layers": 3,
    "vision_config": {"hidden_size": 32, "image_size": 32, "patch_size": 8},
    "auto_map": {"AutoModel": "modeling_own.Own"},
}  # fmt: skip
"""Fields that other types have, or no type, or that say a size by another name."""


@st.composite
def mutated(draw: Any, configs: Mapping[str, Config]) -> Config:
    """A configuration with up to two fields changed, and up to two left out."""
    config = dict(configs[draw(st.sampled_from(sorted(configs)))])
    possible = list(changes(config))
    for key, value in draw(st.lists(st.sampled_from(possible), max_size=2)):
        config[key] = value
    for key in draw(st.lists(st.sampled_from(sorted(config)), max_size=2)):
        if key != "model_type":
            config.pop(key, None)
    return config


def modules_total(config: Mapping[str, Any], table: str) -> int | None:
    """Return the parameters of transformers' modules; None where it builds none."""
    given = {key: value for key, value in config.items() if key != "model_type"}
    try:
        made = transformers.AutoConfig.for_model(config["model_type"], **given)
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            built = BUILDERS[table].from_config(made)
    except Exception:  # no model: whatever it raises
        return None
    return sum(each.numel() for each in built.parameters())
