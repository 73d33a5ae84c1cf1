"""The oracle: modules of transformers, built without memory, and what they hold."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest
import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from torch import nn

transformers.logging.set_verbosity_error()
# Imported when it is first named, and its own imports look at values: before any meta device.
_ = transformers.GenerationMixin

CLASSES = {
    "bert": "BertForMaskedLM",
    "t5": "T5ForConditionalGeneration",
    "vit": "ViTForImageClassification",
}
SAME_SHAPE = {"kimi_k2": "deepseek_v3"}
EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts")


class Held(NamedTuple):
    """Parameters of a module: all, those that a token meets, those that are looked up."""

    total: int
    active: int
    embedding: int


def published_configuration(config: Mapping[str, Any]) -> Any:
    """Return what ``configuration`` does, or skip where this transformers refuses it."""
    try:
        return configuration(config)
    except StrictDataclassError as error:
        pytest.skip(f"transformers {transformers.__version__} refuses it: {error}")


def configuration(config: Mapping[str, Any]) -> Any:
    """Return the transformers configuration of a ``config.json``."""
    given = {key: value for key, value in config.items() if key != "model_type"}
    model_type = SAME_SHAPE.get(config["model_type"], config["model_type"])
    return transformers.AutoConfig.for_model(model_type, **given)


def module(config: Mapping[str, Any], device: str = "meta") -> nn.Module:
    """Build the module of a ``config.json``; on the meta device it takes no memory."""
    made = configuration(config)
    # So that FLOP can be counted: attention as products, experts one by one.
    made._attn_implementation = "eager"
    made._experts_implementation = "eager"
    name = CLASSES.get(made.model_type)
    build = (
        transformers.AutoModelForCausalLM.from_config
        if name is None
        else getattr(transformers, name)
    )
    with torch.device(device), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        built = build(made).eval()
    for name, each in built.named_modules():
        # So in transformers 5.6.
        if name.endswith("ffn.router.layer") and each.in_features != made.d_model:
            pytest.skip(
                f"transformers {transformers.__version__} takes DBRX's router to be as wide as "
                "an expert: its module cannot run"
            )
    return built


def held(built: nn.Module) -> Held:
    """Count what a module holds, by its own parameters and modules."""
    config = built.config.get_text_config()
    parameters = dict(built.named_parameters())
    total = sum(each.numel() for each in parameters.values())
    routed = sum(
        each.numel()
        for name, each in parameters.items()
        # One by one, or stacked; Granite's stacks had another name before transformers 5.10.
        if ".experts." in name or (".block_sparse_moe." in name and each.ndim == 3)
    )
    tables = {
        id(each.weight): each.weight.numel()
        for each in built.modules()
        if isinstance(each, nn.Embedding)
    }
    embedding = sum(tables.values()) + sum(
        each.numel() for name, each in parameters.items() if name.endswith("position_embeddings")
    )
    if not routed:
        return Held(total, total, embedding)
    experts, top_k = routing(config)
    return Held(total, total - routed + routed * top_k // experts, embedding)


def routing(config: Any) -> tuple[int, int]:
    """Return how many experts there are, and how many a token meets."""
    if config.model_type == "dbrx":
        return config.ffn_config.moe_num_experts, config.ffn_config.moe_top_k
    experts = next(getattr(config, name) for name in EXPERTS if hasattr(config, name))
    return experts, config.num_experts_per_tok
