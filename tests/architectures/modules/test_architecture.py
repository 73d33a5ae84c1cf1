"""An architecture of modules is what the table's entry says, and what PyTorch counts."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import known
import pytest
import torch
import transformers
from minutes import takes_minutes
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from transformers.models.auto import modeling_auto

from computebill.architectures import Architecture, read_architecture
from computebill.architectures.columns import columns
from computebill.architectures.counting import count_flop, count_parameters
from computebill.architectures.modules import read_modules
from computebill.architectures.modules.architecture import architecture_of
from computebill.architectures.modules.build import build
from computebill.architectures.modules.inputs import Call
from computebill.architectures.modules.measured import measure
from computebill.architectures.modules.stacks import layer_paths
from computebill.architectures.modules.trace import run
from computebill.kernels import flop as kernel
from computebill.training.layout import Layout
from computebill.training.memory import peak_memory

PUBLISHED = json.loads(known.PUBLISHED.read_text("utf-8"))
SEQUENCE = 2048
KEPT = 0.2
"""Share by which activations may differ: heads of low rank and gates are told less finely."""
FEW = [
    "meta-llama/Llama-3.1-8B",
    "google/gemma-2-2b-it",
    "openai/gpt-oss-20b",
    "deepseek-ai/DeepSeek-V2-Lite",
    "Qwen/Qwen3-Next-80B-A3B-Thinking",
    "AntonV/mamba2-780m-hf",
    "google-bert/bert-base-multilingual-cased",
    "google-t5/t5-small",
    "openai-community/gpt2",
]
UNKNOWN_IN_LIBRARY = {"kimi_k2"}


def published(name: str) -> dict[str, Any]:
    return next(each["config"] for each in PUBLISHED if each["name"] == name)


def from_modules(config: Mapping[str, Any], sequence: int = SEQUENCE) -> Architecture:
    found = read_modules(config, "config")
    assert found is not None
    return found.at(sequence)


def forward_flop(found: Architecture) -> float:
    """Return forward FLOP of a sample of ``LENGTH`` tokens, every key attended."""
    batch = columns(found.at(LENGTH))
    each = kernel.token_flop(
        batch.operators, torch.tensor([float(LENGTH)], dtype=torch.float64), full_attention=True
    )
    return float(kernel.over_layers(batch.groups, each.forward)[0]) * LENGTH * found.stacks


def check_alike(config: Mapping[str, Any]) -> None:
    """Compare an architecture of modules with that of the table's entry."""
    told, entry = from_modules(config), read_architecture(config, part="language").at(SEQUENCE)
    counts, expected = (count_parameters(columns(each)) for each in (told, entry))
    assert int(counts.total) == int(expected.total)
    assert int(counts.active) == int(expected.active)
    assert int(counts.embedding) == int(expected.embedding)
    flop, wanted = (count_flop(columns(each), SEQUENCE).conventions for each in (told, entry))
    for name, value in wanted.items():
        assert float(flop[name]) == pytest.approx(float(value), rel=1e-3), name
    kept, entry_kept = (
        float(peak_memory(columns(each), SEQUENCE, [Layout()]).activations[0, 0])
        for each in (told, entry)
    )
    assert kept == pytest.approx(entry_kept, rel=KEPT)
    assert told.layer_count == entry.layer_count
    assert told.hidden == entry.hidden


@pytest.mark.parametrize("name", FEW)
def test_modules_are_what_the_entry_of_their_type_says(name: str) -> None:
    check_alike(published(name))


@pytest.mark.slow
@takes_minutes("builds 40 published models")
@pytest.mark.parametrize("name", [each["name"] for each in PUBLISHED if each["name"] not in FEW])
def test_all_modules_are_what_the_entry_of_their_type_says(name: str) -> None:
    config = published(name)
    if config["model_type"] in {*UNKNOWN_IN_LIBRARY, "vit"}:
        pytest.skip("no such type in the library, or told for a sample")
    check_alike(config)


def test_a_multimodal_model_is_counted_whole_or_its_language_model_alone() -> None:
    # LLaVA 1.5 of class defaults: a Llama 7B, CLIP's vision tower and a projector of two layers.
    config = {
        "model_type": "llava",
        "text_config": {"model_type": "llama"},
        "vision_config": {"model_type": "clip_vision_model"},
    }
    whole, language = read_architecture(config), read_architecture(config, part="language")
    model = transformers.LlavaForConditionalGeneration
    with torch.device("meta"):
        built = model(transformers.LlavaConfig())
    totals = {
        name: sum(each.numel() for each in part.parameters())
        for name, part in (("whole", built), ("tower", built.model.vision_tower))
    }
    assert int(count_parameters(columns(whole.at(SEQUENCE))).total) > totals["tower"]
    counted = int(count_parameters(columns(language.at(SEQUENCE))).total)
    assert counted == sum(
        each.numel()
        for part in (built.model.language_model, built.lm_head)
        for each in part.parameters()
    )


def test_flop_of_images_go_with_their_number_and_are_spread_over_a_sequence() -> None:
    config = {
        "model_type": "llava",
        "text_config": {"model_type": "llama"},
        "vision_config": {"model_type": "clip_vision_model"},
    }

    def seen(images: float, sequence: int) -> float:
        found = read_architecture(config, images_per_sample=images)
        told = count_flop(columns(found.at(sequence)), sequence).by_operator
        return sum(float(each[0]) for name, each in told.items() if name.startswith("vision_"))

    one = seen(1, 1024)
    assert one > 0
    assert seen(0, 1024) == 0
    assert seen(3, 1024) == pytest.approx(3 * one)
    assert seen(1, 2048) == pytest.approx(one / 2)


def test_a_mixture_meets_the_experts_that_are_chosen() -> None:
    config = {
        "model_type": "ernie4_5_moe",
        "hidden_size": 64,
        "intermediate_size": 128,
        "moe_intermediate_size": 32,
        "moe_num_experts": 8,
        "moe_k": 3,
        "moe_num_shared_experts": 0,
        "moe_layer_start_index": 0,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 100,
    }
    counts = count_parameters(columns(from_modules(config)))
    # Of eight experts of three matrices, five are not met, in each of two layers.
    assert int(counts.total - counts.active) == 2 * 5 * 3 * 64 * 32


TABLES = (
    "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
    "MODEL_FOR_MASKED_LM_MAPPING_NAMES",
    "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES",
    "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES",
    "MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES",
)
SAMPLE = ["albert", "electra", "marian", "roberta", "t5", "whisper"]
OTHERWISE = (
    "Recurrences are counted",  # by their state; the library's chunks take other FLOP
    "Experts are counted",  # as chosen; the library's module runs all
    "no polynomial",  # told with the share by which they are off
    "could not be passed",  # FLOP are taken from sizes
)
LENGTH = 160


def classes() -> list[tuple[str, str]]:
    """Types of the library's tables with each class that they name."""
    found: dict[tuple[str, str], None] = {}
    for table in TABLES:
        for model_type, names in getattr(modeling_auto, table, {}).items():
            for name in (names,) if isinstance(names, str) else names:
                found[model_type, name] = None
    return list(found)


class NoModules:
    """Stands for the tracker of modules, which takes no tensors that have no gradient."""

    parents: ClassVar = {"Global"}

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


def counted_by_pytorch(model: nn.Module, calls: Sequence[Call]) -> float:
    """Return forward FLOP of some calls."""
    counter = FlopCounterMode(display=False)
    counter.mod_tracker = NoModules()  # type: ignore[assignment]
    with counter:
        for call in calls:
            run(model, call.run, {})
    return float(counter.get_total_flops())


def check_counted(model_type: str, name: str) -> None:
    """Parameters are exactly the modules', forward FLOP those of PyTorch's counter.

    FLOP are those of a text of ``LENGTH`` tokens, and of an image and a clip of sound where the
    model reads those by themselves.
    """
    try:
        with warnings.catch_warnings(), torch.device("meta"):
            warnings.simplefilter("ignore")
            transformers.CONFIG_MAPPING[model_type]()
        built = build({"model_type": model_type, "architectures": [name]}, "config")
    except Exception as error:
        pytest.skip(f"the library cannot build {name} of its defaults: {error}")
    if built is None:
        pytest.skip(f"the library has no class {name}")
    total = sum(each.numel() for each in built.parameters())
    found = replace(architecture_of(built), images=1.0, clips=1.0)
    assert int(count_parameters(columns(found.at(LENGTH))).total) == total
    if any(told in note for note in found.notes for told in OTHERWISE):
        return
    measured = measure(built, layer_paths(built))
    assert measured.text is not None
    calls = [measured.text(built, LENGTH), *measured.media]
    assert forward_flop(found) == pytest.approx(counted_by_pytorch(built, calls), rel=1e-3)


@pytest.mark.parametrize("model_type", SAMPLE)
def test_some_types_are_counted_as_pytorch_does(model_type: str) -> None:
    check_counted(model_type, dict(reversed(classes()))[model_type])


@pytest.mark.slow
@takes_minutes("builds and runs every type of the library, in ten minutes")
@pytest.mark.parametrize(("model_type", "name"), classes())
def test_every_type_is_counted_as_pytorch_does(model_type: str, name: str) -> None:
    check_counted(model_type, name)


def test_a_token_of_switch_meets_one_expert_as_the_library_runs_it() -> None:
    sizes = {"d_model": 32, "d_ff": 64, "d_kv": 8, "num_heads": 4, "vocab_size": 50}
    layers = {"num_layers": 2, "num_decoder_layers": 2, "num_sparse_encoder_layers": 1}
    config = transformers.SwitchTransformersConfig(
        **sizes, **layers, num_sparse_decoder_layers=1, num_experts=4, expert_capacity=LENGTH
    )
    tokens = torch.arange(LENGTH).remainder(50).unsqueeze(0)
    model = transformers.SwitchTransformersForConditionalGeneration(config).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(input_ids=tokens, decoder_input_ids=tokens, use_cache=False)
    found = from_modules({"model_type": "switch_transformers", **config.to_diff_dict()}, LENGTH)
    assert forward_flop(found) == pytest.approx(counter.get_total_flops(), rel=1e-3)
    assert any("expert_capacity" in note for note in found.notes)
