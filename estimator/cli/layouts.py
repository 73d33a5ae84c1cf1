"""Flags that describe a layout; the same in every command."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from .options import Command, flag, with_options

if TYPE_CHECKING:
    from computebill.training.layout import Layout

FIELDS = (
    ("tp", "Tensor parallel ranks."),
    ("pp", "Pipeline stages."),
    ("vpp", "Chunks of layers on a stage (interleaved schedule)."),
    ("schedule", "Of the pipeline: 1f1b, zero-bubble, dualpipe."),
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
    ("early-stop", "true: full recomputation stops at what the backward pass needs."),
    ("sequence-parallel", "true or false; as a rule true wherever tp is more than 1."),
    ("tp-overlap", "true or false: tensor parallel sums hide behind products."),
    ("reduce-bits", "Of a gradient on its way between replicas: 16 or 32."),
    ("dispatcher", "Who moves experts' tokens: all-to-all, or deepep (once to a rank and domain)."),
    ("experts", "Their products: grouped, or looped (one expert after the other)."),
    ("ep-overlap", "true: exchanged tokens hide behind another micro-batch."),
    ("recipe", "Mixed precision: megatron, deepspeed, deepspeed-bf16, fsdp."),
    ("optimizer", "adamw, adamw-8bit, muon."),
    ("attention", "flash, or unfused."),
    ("attention-kernel", "Which fused one: flash1, flash2, flash3, sdpa, flex, fused."),
    ("kernels", "fused, or eager element-wise kernels."),
    ("dropout", "true: dropout masks are kept."),
    ("lora-rank", "Rank of low-rank adapters beside frozen weights."),
    ("lora-targets", "What they are put beside: attention,mlp,experts."),
    ("overhead-gb", "Context, communicators and workspaces of one process."),
)


def layout_options(command: Command) -> Command:
    """Add the flags of a layout, collected as ``layout_flags``: those that were given."""
    names = [name.replace("-", "_") for name, _ in FIELDS]

    @wraps(command)
    def collecting(**given: Any) -> Any:
        flags = {name: value for name in names if (value := given.pop(name)) is not None}
        return command(layout_flags=flags, **given)

    options = (flag([f"--{name}"], text) for name, text in FIELDS)
    return with_options(collecting, *options)


def read_layout(flags: dict[str, str]) -> Layout | None:
    """Return the layout that flags describe; None where there are none.

    Raises:
        RequestError: naming the flag.
    """
    from computebill.base.specfile import validate
    from computebill.training.layout import Layout

    if not flags:
        return None
    given: dict[str, Any] = dict(flags)
    if "lora_targets" in given:
        given["lora_targets"] = tuple(given["lora_targets"].split(","))
    return validate(Layout, given, "layout", frozenset(flags))
