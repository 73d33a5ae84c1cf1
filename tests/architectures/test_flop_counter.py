"""Forward FLOP are those that PyTorch counts on the modules of transformers.

The counter sees every matrix product and convolution. Where a module computes otherwise than the
architecture asks, the difference is told operator by operator:

- Masked attention is computed in full: ours is compared with every key counted.
- Recurrences (state spaces, delta rule, lightning attention) are computed in chunks, as products
  that depend on the chunk, or element by element, which the counter does not see. All that such
  a mixer does beside its projections and convolution is left out on both sides.
- Newer releases of Jamba multiply by the time step's matrix outside the module that holds it; the
  counter sees it among the products of the scan, so that it is left out on both sides.
- A causal convolution pads its input, and computes kernel - 1 outputs that are cut off.
- Angles of rotary positions are a product in some releases of transformers; they are left out.
- DiffLlama's module computes the scores of each head twice, once for each half of its values: four
  products for each query and key, where three are asked for.
- Llama 4's module runs every expert on every token, with zeros for those not chosen.
"""

from __future__ import annotations

import json
from typing import Any

import known
import pytest
import torch
import transformers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from modules import module, routing
from small import SMALL, small_config
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import computebill as cb
from computebill.architectures.columns import columns
from computebill.kernels import flop as kernel

PUBLISHED = json.loads(known.PUBLISHED.read_text("utf-8"))
SEQUENCE = 12
MIXERS = ("linear_attn", "mamba", "mixer", "self_attn")
MASK_BY_ITSELF = {"bert", "bloom", "mpt"}
RECURRENT = {"qwen3_next", "qwen3_5_text", "olmo_hybrid", "minimax", "mamba2", "bamba", "jamba"}


def by_name(config: dict[str, Any], sequence: float) -> dict[str, float]:
    """Our FLOP per token by operator, every key attended, recurrences left out."""
    batch = columns(cb.read_architecture(config))
    found = kernel.token_flop(
        batch.operators, torch.tensor([sequence], dtype=torch.float64), full_attention=True
    )
    each = found.products + found.scores
    layers = kernel.layers_of(batch.groups) * batch.groups.tokens
    total: dict[str, float] = {}
    for group, names in enumerate(batch.names):
        for slot, name in enumerate(names):
            value = float(each[group, slot] * layers[group])
            total[name] = total.get(name, 0.0) + value
    return total


def run(built: nn.Module, sequence: int) -> tuple[FlopCounterMode, int]:
    """Run a module on one sequence, and return the counter and the tokens."""
    config, device = built.config, next(built.parameters()).device
    tokens = torch.ones((1, sequence), dtype=torch.long, device=device)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        if config.model_type == "vit":
            side = config.image_size
            built(torch.zeros((1, config.num_channels, side, side), device=device))
            return counter, (side // config.patch_size) ** 2 + 1
        if config.model_type == "t5":
            built(input_ids=tokens, decoder_input_ids=tokens)
            return counter, 2 * sequence
        options: dict[str, Any] = {} if config.model_type == "bert" else {"use_cache": False}
        if device.type == "meta" and config.model_type not in MASK_BY_ITSELF:
            # Making a mask looks at values, which are not there; a ready one is taken as it is.
            options["attention_mask"] = torch.zeros((1, 1, sequence, sequence), device=device)
        built(tokens, **options)
    return counter, sequence


def run_without_values(built: nn.Module, sequence: int) -> tuple[FlopCounterMode, int]:
    """Run a module on the meta device, or skip where the libraries cannot."""
    try:
        return run(built, sequence)
    except (NotImplementedError, RuntimeError) as error:
        # A value is asked for; or PyTorch 2.6, which has no autocast there.
        if "meta tensor" not in str(error) and "device type for autocast" not in str(error):
            raise
        versions = f"transformers {transformers.__version__}, torch {torch.__version__}"
        pytest.skip(f"no run on the meta device with {versions}: {error}")


def counted(counter: FlopCounterMode) -> float:
    """FLOP that the counter saw, less those of rotary positions' angles."""
    angles = sum(
        sum(found.values())
        for name, found in counter.get_flop_counts().items()
        if "rotary" in name.rpartition(".")[2]
    )
    return float(counter.get_total_flops() - angles)


def outside_mixers(counter: FlopCounterMode, built: nn.Module) -> float:
    """FLOP that were counted, less what recurrent mixers do beside projections."""
    seen = counted(counter)
    counts = counter.get_flop_counts()
    root = type(built).__name__
    for name, inner in built.named_modules():
        is_attention = hasattr(inner, "q_proj") and not hasattr(inner, "A_log")
        if name.rpartition(".")[2] not in MIXERS or is_attention:
            continue
        whole = counts.get(f"{root}.{name}", {})
        inside = whole.get(torch.ops.aten.convolution, 0) + sum(
            sum(counts.get(f"{root}.{name}.{child}", {}).values())
            for child, part in inner.named_modules()
            if isinstance(part, nn.Linear)
        )
        seen -= sum(whole.values()) - inside
    return seen


def padded_convolutions(built: nn.Module) -> float:
    """FLOP of the outputs that causal convolutions cut off."""
    return sum(
        2.0 * part.weight.numel() * (part.kernel_size[0] - 1)
        for part in built.modules()
        if isinstance(part, nn.Conv1d)
    )


def time_steps(counter: FlopCounterMode, built: nn.Module) -> float:
    """FLOP per token of the time step's product, for modules that do it by hand."""
    counts = counter.get_flop_counts()
    root = type(built).__name__
    return sum(
        2.0 * part.weight.numel()
        for name, part in built.named_modules()
        if name.endswith("dt_proj")
        and isinstance(part, nn.Linear)
        and not counts.get(f"{root}.{name}")
    )


@pytest.mark.parametrize("model_type", SMALL)
@settings(max_examples=4, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_random_configurations(model_type: str, data: st.DataObject) -> None:
    config = data.draw(small_config(model_type))
    built = module(config, "cpu").requires_grad_(False)
    counter, tokens = run(built, SEQUENCE)
    found = by_name(config, SEQUENCE if model_type != "vit" else tokens)
    seen = counted(counter)
    if model_type in RECURRENT:
        seen = outside_mixers(counter, built) - padded_convolutions(built)
    if model_type == "llama4_text":
        experts, top_k = routing(built.config)
        found["experts"] = found.get("experts", 0.0) * experts / top_k
    if model_type == "diffllama":
        found["attention_scores"] *= 4 / 3
    ours = sum(found.values()) - time_steps(counter, built)
    assert ours * tokens == pytest.approx(seen, rel=1e-3)


RUN_ON_META = [
    "meta-llama/Llama-2-7b-hf",
    "meta-llama/Llama-3.1-70B",
    "google/gemma-2-9b",
    "openai-community/gpt2-xl",
    "bigscience/bloom",
    "tiiuae/falcon-180B",
    "google-bert/bert-base-uncased",
    "google-t5/t5-small",
]


@pytest.mark.parametrize(
    "published",
    [each for each in PUBLISHED if any(each["name"].startswith(n) for n in RUN_ON_META)],
    ids=lambda published: published["name"],
)
def test_published_sizes(published: dict[str, Any]) -> None:
    config = published["config"]
    counter, tokens = run_without_values(module(config), 64)
    found = sum(by_name(config, 64.0).values())
    assert found * tokens == pytest.approx(counted(counter), rel=1e-3)
