"""Flags that describe a layout; the same in every command."""

from __future__ import annotations

from collections.abc import Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from .options import Command, flag, with_options

if TYPE_CHECKING:
    from computebill.training.layout import Layout

FIELDS = (
    ("tp", "Tensor parallel ranks."),
    ("pp", "Pipeline stages."),
    ("vpp", "Chunks of layers on a stage (interleaved schedule)."),
    ("schedule", "Of the pipeline: 1f1b, zero-bubble, dualpipe."),
    ("first-layers", "Layers of the first stage, where the others share the rest evenly."),
    ("last-layers", "Layers of the last stage, likewise."),
    (
        "layers-per-stage",
        "Layers of every stage: 7,8,8,7; with --vpp of every chunk, in the order they are met.",
    ),
    ("dp", "Data parallel ranks."),
    ("cp", "Ranks that share a sequence."),
    ("cp-exchange", "What they exchange: ring (keys and values), all-to-all (heads)."),
    ("ep", "Expert parallel ranks."),
    ("etp", "Tensor parallel ranks of an expert."),
    ("micro-batch", "Sequences of a micro-batch."),
    ("micro-batches", "Micro-batches of a step."),
    ("zero", "ZeRO stage: 0 none, 1 optimizer, 2 gradients, 3 weights (FSDP)."),
    ("shards", "Ranks that ZeRO divides over, where fewer than dp x cp."),
    ("recompute", "none, selective (scores), operators (torchtitan's), full."),
    (
        "recompute-layers",
        "Layers of a stage that full recomputation repeats: 4, or of each stage 4,3,2,1.",
    ),
    ("early-stop", "true: full recomputation stops at what the backward pass needs."),
    ("sequence-parallel", "true or false; as a rule true wherever tp is more than 1."),
    ("tp-overlap", "true or false: tensor parallel sums hide behind products."),
    ("reduce-bits", "Of a gradient on its way between replicas: 16 or 32."),
    ("dispatcher", "Who moves experts' tokens: all-to-all, or deepep (once to a rank and domain)."),
    ("experts", "Their products: grouped, or looped (one expert after the other)."),
    ("ep-overlap", "true: exchanged tokens hide behind another micro-batch."),
    (
        "recipe",
        "Mixed precision: megatron, megatron-fp8, deepspeed, deepspeed-bf16, fsdp, bf16 (8 bytes a "
        "parameter), fp32, amp; or a trainer and what it sets: trl, torchtune, axolotl, "
        "llama-factory, unsloth, fsdp2.",
    ),
    (
        "weights",
        "What they rest in: fp32, bf16; the frozen base of --lora-rank also int8, fp8, nf4 (double "
        "quantised), nf4-single, gptq, mxfp4, nvfp4.",
    ),
    ("gradients", "bf16, fp32, or fused (applied in the backward pass as they come)."),
    (
        "optimizer",
        "adamw, adamw-8bit, paged-adamw-8bit, adafactor, sgd, sgd-momentum, lion, lion-8bit, muon.",
    ),
    ("offload", "What rests on the host: optimizer,weights,activations."),
    ("loss", "plain; chunked (logits of a part at a time), fused (Liger's), cut (none at all)."),
    ("loss-chunk", "Tokens whose logits are there at once, with --loss chunked."),
    ("attention", "flash, or unfused."),
    ("attention-kernel", "Which fused one: flash1, flash2, flash3, sdpa, flex, fused."),
    ("kernels", "fused, or eager element-wise kernels."),
    ("dropout", "true: dropout masks are kept."),
    ("lora-rank", "Rank of low-rank adapters beside frozen weights."),
    (
        "lora-targets",
        "What they are put beside: attention,mlp,experts, all-linear, or peft's names: "
        "q_proj,v_proj.",
    ),
    ("modules-to-save", "Of which a copy is trained whole beside them: lm_head,embed_tokens."),
    ("dora", "true: each adapter has a magnitude for every output."),
    ("overhead-gb", "Context, communicators and workspaces of one process."),
)


SEARCHED = (
    "tp", "pp", "vpp", "schedule", "first-layers", "last-layers", "layers-per-stage", "dp", "cp",
    "ep", "etp", "micro-batch", "micro-batches", "zero", "shards", "recompute", "recompute-layers",
    "sequence-parallel",
)  # fmt: skip
"""Flags of a layout that a search decides, or takes choices of."""

qlora_option = click.option(
    "--qlora",
    is_flag=True,
    default=None,
    help="Short for --weights nf4 --optimizer paged-adamw-8bit --recompute full and a --lora-rank.",
)
lora_option = click.option(
    "--lora",
    is_flag=True,
    default=None,
    help="Short for a --lora-rank (16) beside frozen weights of 16 bits.",
)


def layout_options(command: Command) -> Command:
    """Add the flags of a layout, collected as ``layout_flags``: those that were given."""
    return _collected(command, FIELDS)


def setting_options(command: Command) -> Command:
    """Add the flags of a layout that no search decides, collected as ``layout_flags``."""
    return _collected(command, [each for each in FIELDS if each[0] not in SEARCHED])


def _collected(command: Command, fields: Sequence[tuple[str, str]]) -> Command:
    names = ["qlora", "lora", *(name.replace("-", "_") for name, _ in fields)]

    @wraps(command)
    def collecting(**given: Any) -> Any:
        flags = {name: value for name in names if (value := given.pop(name)) is not None}
        return command(layout_flags=flags, **given)

    options = (flag([f"--{name}"], text) for name, text in fields)
    return with_options(collecting, *options, qlora_option, lora_option)


def read_layout(flags: dict[str, Any]) -> Layout | None:
    """Return the layout that flags describe; None where there are none.

    Raises:
        RequestError: naming the flag.
    """
    from computebill.base.specfile import validate
    from computebill.training.layout import Layout

    if not flags:
        return None
    return validate(Layout, flags, "layout", frozenset(flags))
