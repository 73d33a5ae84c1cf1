"""Layouts drawn at random: any, and those that a cluster of whole nodes could run."""

from __future__ import annotations

from random import Random
from typing import Any

from computebill.training.layout import Layout

LAYERS, EXPERTS = 32, 8
"""Of the model that drawn layouts are of, where they have to fit one."""


def any_layout(draw: Random) -> Layout:
    """A layout as a search or a person writes it, whatever its degrees come to."""
    powers, pp, zero = (1, 2, 4, 8), draw.choice((1, 2, 4, 8)), draw.randrange(4)
    fields: dict[str, Any] = {
        "tp": draw.choice(powers), "pp": pp, "cp": draw.choice((1, 1, 2, 4)),
        "dp": draw.choice(powers) * draw.choice((1, 3)), "ep": draw.choice(powers),
        "micro_batch": draw.randint(1, 8), "micro_batches": draw.randint(1, 64), "zero": zero,
        "recompute": draw.choice(("none", "selective", "operators", "full")),
    }  # fmt: skip
    if pp > 1:
        fields |= _stages(draw, pp, zero)
    if fields["recompute"] == "full" and draw.random() < 0.5:
        fields["recompute_layers"] = draw.randint(1, 8)
    options = {**_options(draw, zero), "shards": draw.choice((2, 4, 8)) * fields["cp"]}
    chosen = draw.sample(sorted(options), draw.randrange(6))
    return Layout(**fields, **{name: options[name] for name in chosen})


def _stages(draw: Random, pp: int, zero: int) -> dict[str, Any]:
    """Chunks, or another schedule, ends of their own, or a list of stages: one of them at most."""
    kind = draw.choice(("plain", "chunks", "schedule", "ends", "list"))
    if kind == "chunks":
        return {"vpp": draw.choice((2, 3))}
    if kind == "schedule" and zero < 3:
        return {"schedule": draw.choice(("zero-bubble", "dualpipe"))}
    if kind == "ends":
        first, last = draw.choice(((7, None), (None, 5), (3, 4)))
        return {"first_layers": first, "last_layers": last}
    if kind == "list":
        vpp = draw.choice((1, 2))
        listed = tuple(draw.randrange(9) for _ in range(pp * vpp - 1))
        return {"vpp": vpp, "layers_per_stage": (*listed, draw.randint(1, 8))}
    return {}


def _options(draw: Random, zero: int) -> dict[str, Any]:
    rests = [("optimizer",), ("activations",), *([("weights",)] if zero == 3 else [])]
    return {
        "etp": draw.choice((1, 2, 4, 8)),
        "sequence_parallel": draw.random() < 0.5,
        "dispatcher": draw.choice(("all-to-all", "deepep")),
        "tp_overlap": draw.random() < 0.5,
        "ep_overlap": draw.random() < 0.5,
        "optimizer": draw.choice(("adamw", "muon", "adamw-8bit", "sgd")),
        "offload": draw.choice(rests),
        "dropout": draw.random() < 0.5,
        "gradients": draw.choice(("bf16", "fp32")),
        "cp_exchange": draw.choice(("ring", "all-to-all")),
        "kernels": draw.choice(("fused", "eager")),
        "loss": draw.choice(("plain", "fused", "cut")),
        "lora_rank": draw.choice((8, 64)),
        "reduce_bits": draw.choice(("16", "32")),
    }


def sound_layout(draw: Random, *, has_stages: bool = True) -> Layout:
    """A layout that a mixture of experts of ``LAYERS`` and ``EXPERTS`` can be trained in.

    Its degrees divide what they have to: experts, layers, ranks; norms are divided wherever
    tensor parallel ranks are, as experts demand.

    Args:
        draw: of the numbers.
        has_stages: whether it may have stages of a pipeline.
    """
    tp, cp, dp = (draw.choice((1, 2, 4)) for _ in range(3))
    pp = draw.choice((1, 2, 4)) if has_stages else 1
    ep = draw.choice([n for n in (1, 2, 4, 8) if n <= tp * cp * dp])
    zero = draw.randrange(4)
    fields: dict[str, Any] = {
        "tp": tp, "pp": pp, "cp": cp, "dp": dp, "ep": ep, "zero": zero,
        "micro_batch": draw.choice((1, 2)), "micro_batches": pp * draw.randint(2, 5),
        "recompute": draw.choice(("none", "selective", "operators", "full")),
    }  # fmt: skip
    kind = draw.choice(("plain", "chunks", "ends", "list", "weights"))
    if pp > 1 and kind == "chunks":
        fields["vpp"] = 2
    elif pp > 1 and kind == "ends" and zero < 2:
        even = LAYERS // pp
        fields |= {"first_layers": even - (pp - 1), "last_layers": even - (pp - 1)}
    elif pp > 1 and kind == "list":
        vpp = draw.choice((1, 2))
        even = LAYERS // (pp * vpp)
        fields |= {"vpp": vpp, "layers_per_stage": (even - 1, *[even] * (pp * vpp - 2), even + 1)}
    if fields["recompute"] == "full" and draw.random() < 0.5:
        fields["recompute_layers"] = 2 * fields.get("vpp", 1)
    if zero >= 2 and dp > 1:
        fields["shards"] = draw.choice((dp, dp // 2 if dp > 2 else dp)) * cp
    if kind == "weights":
        fields |= {"zero": 3, "offload": ("weights",)}
    return Layout(**fields)
