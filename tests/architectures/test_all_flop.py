"""Forward FLOP of every entry whose type transformers has are those that PyTorch counts on it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from minutes import takes_minutes
from mutated import small
from small import SMALL
from torch.utils.flop_counter import FlopCounterMode

from computebill.architectures.columns import columns
from computebill.architectures.entries import counted
from computebill.architectures.families import FAMILIES
from computebill.architectures.modules.build import build
from computebill.architectures.modules.inputs import text_call
from computebill.architectures.modules.trace import run
from computebill.architectures.operators import Architecture
from computebill.kernels import flop as kernel

LENGTH = 64
GIVEN: dict[str, dict[str, Any]] = {
    "dots1": {"n_routed_experts": 8, "n_shared_experts": 1, "num_experts_per_tok": 2},
    "granitemoehybrid": {"layer_types": ["mamba", "attention"] * 3},
    "hunyuan_v1_dense": {"head_dim": 128},
    "hunyuan_v1_moe": {"head_dim": 128},
    "mllama_text_model": {"cross_attention_layers": []},
}
"""What is given for defaults that make no model."""
UNBUILT = {"gemma3n_text", "gpt_neo", "lfm2_moe"}
"""Whose defaults make no model of few layers; in ``test_flop_counter`` or the modules' tests."""
CLASSES = {
    "bart": "BartForConditionalGeneration",
    "distilbert": "DistilBertForMaskedLM",
    "mbart": "MBartForConditionalGeneration",
    "mllama_text_model": "MllamaForCausalLM",
    "whisper": "WhisperForConditionalGeneration",
}
"""Classes that their entries count, where the first of the type is another."""
APART = {
    "falcon_h1": "the scan is counted by its state, the library computes chunks",
    "falcon_mamba": "the scan is counted by its state, and is no product of the library's",
    "granitemoehybrid": "the scan is counted by its state, the library computes chunks",
    "kimi_linear": "the delta rule is counted by its state, the library computes chunks",
    "longcat_flash": "a token meets part of the experts that hold nothing; the pass runs none",
    "mamba": "the scan is counted by its state, and is no product of the library's",
    "nemotron_h": "the scan is counted by its state, the library computes chunks",
    "whisper": "a clip of sound has 1,500 tokens, and the text that goes with it as many as it has",
}
"""Types whose figure is another, with the reason."""
KNOWN = [name for name in FAMILIES if name not in {*SMALL, *UNBUILT} and small(name) is not None]
FEW = ["apertus", "gpt_bigcode", "phimoe", "glm_moe_dsa", "modernbert", "siglip_vision_model"]


def forward(found: Architecture, length: int) -> float:
    """Return forward FLOP of a sequence, every key attended."""
    batch = columns(found.at(length))
    each = kernel.token_flop(
        batch.operators, torch.tensor([float(length)], dtype=torch.float64), full_attention=True
    )
    return float(kernel.over_layers(batch.groups, each.forward)[0]) * length * found.stacks


class NoModules:
    """Stands for the tracker of modules, which takes no tensors that have no gradient."""

    parents = frozenset({"Global"})

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


def check(name: str) -> None:
    config = {**(small(name) or {}), **GIVEN.get(name, {})}
    config.pop("architectures", None)
    config.pop("time_step_limit", None)  # infinite, which no file can say
    found = counted(config, name, "config", [], is_inner=False)
    named = {"architectures": [CLASSES[name]]} if name in CLASSES else {}
    model = build({**config, **named}, "config")
    assert model is not None
    # Of an image, its patches; the call has one in place of text.
    length = found.sequence_length if found.is_limit and not found.vocabulary else LENGTH
    assert isinstance(length, int)
    counter = FlopCounterMode(display=False)
    counter.mod_tracker = NoModules()  # type: ignore[assignment]
    with counter:
        run(model, text_call(model, length).run, {})
    close = forward(found, length) == pytest.approx(float(counter.get_total_flops()), rel=1e-3)
    assert close or name in APART, forward(found, length) / counter.get_total_flops()


@pytest.mark.parametrize("name", FEW)
def test_some_entries_are_counted_as_pytorch_does(name: str) -> None:
    check(name)


@pytest.mark.slow
@takes_minutes("builds and runs 70 models")
@pytest.mark.parametrize("name", [each for each in KNOWN if each not in FEW])
def test_all_entries_are_counted_as_pytorch_does(name: str) -> None:
    check(name)
