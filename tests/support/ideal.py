"""Eight H100s that reach all of their datasheet: steps that can be worked out on paper.

Nothing is lost or hidden: products reach the peak whatever their size, links and memory their
bandwidth, hops and launches take no time. A test changes what it is about.
"""

from __future__ import annotations

from typing import Any

import torch
from known import LLAMA_8B
from torch import Tensor

import computebill as cb
from computebill.architectures.columns import columns
from computebill.kernels.collectives import Links
from computebill.kernels.layout import Layout
from computebill.kernels.operators import Model
from computebill.kernels.setting import Device, Efficiency, Setting, Work

PEAK, MEMORY, NVLINK, NETWORK = 989e12, 3.35e12, 450e9, 50e9
"""FLOP a second in 16 bits, bytes a second (NVIDIA H100 SXM5 datasheet: NVLink and the network card
in one direction)."""

PCIE, HOST = 50e9, 100e9
"""Bytes a second to the host, and of its memory."""

HIDDEN, LAYERS, SEQUENCE = 4096, 32, 4096
ACTIVATIONS = SEQUENCE * HIDDEN * 2
"""Bytes of the residual stream of a sequence, in 16 bits."""

ATTENTION_WEIGHTS = 4096 * (4096 + 2 * 1024) + 4096 * 4096
"""Of a layer of Llama 3.1 8B: queries, 8 heads of keys and of values, output."""

MLP_WEIGHTS = 3 * 4096 * 14336
LAYER_WEIGHTS = ATTENTION_WEIGHTS + MLP_WEIGHTS
HEAD_WEIGHTS = 4096 * 128256


def tensor(value: object) -> Tensor:
    return torch.as_tensor(value, dtype=torch.float64)


def model(**changes: Any) -> Model:
    """Llama 3.1 8B, or what changes of its ``config.json`` make of it."""
    return columns(cb.read_architecture(LLAMA_8B | changes)).model


def mixture(chosen: int = 1) -> Model:
    """Llama 3.1 8B with eight experts, of which a token meets so many."""
    return model(model_type="mixtral", num_local_experts=8, num_experts_per_tok=chosen)


def setting(**changes: dict[str, float]) -> Setting:
    """Eight accelerators, one sequence of a micro-batch; changes by part and field."""
    parts: dict[str, Any] = {
        "layout": _filled(Layout, 1.0, **dict.fromkeys(PLAIN, 0.0), **dict.fromkeys(LISTS, ())),
        "work": _filled(Work, 0.0, **ADAM),
        "device": Device(*map(tensor, (PEAK, PEAK, MEMORY, 0, 2, PCIE, HOST))),
        "links": Links(*map(tensor, (NVLINK, NETWORK, 8, 0, 0))),
        "efficiency": _filled(Efficiency, 1.0, **dict.fromkeys(LOSSES, 0.0)),
    }
    for part, fields in changes.items():
        parts[part] = parts[part]._replace(**{name: tensor(v) for name, v in fields.items()})
    return Setting(**parts)


PLAIN = ("sequence_parallel", "zero", "holds", "keeps_outputs", "schedule")
"""What a layout has not, where one rank holds the whole model."""

LISTS = ("ends", "dealt", "repeated")
"""What is listed of stages: nothing."""

ADAM = {
    "sequence": SEQUENCE,
    "fused": 1,
    "trained": 1,
    "adding_bytes": 8,
    "state_bytes": 30,
    "other_bytes": 30,
    "gradient_bytes": 2,
    "weight_bytes": 2,
    "width": 1,
}
"""Mixed precision as Megatron-LM keeps its books, where gradients add up in 32 bits: of each
parameter the optimizer reads a gradient of 4 bytes, reads and writes a master copy, a mean and a
variance of 4, and writes a weight of 2."""

LOSSES = (
    "half_k",
    "harshness",
    "half_width",
    "half_keys",
    "score_passes",
    "cast_traffic",
    "tensor_overlap",
    "data_overlap",
    "data_exposed",
    "expert_overlap",
    "permutation",
    "layer_floor",
    "expert_floor",
    "expert_launch",
    "step_floor",
    "straggling",
)
"""Efficiencies that are 0 where nothing is lost or hidden; all others are 1."""


def _filled(kind: Any, value: float, **fields: object) -> Any:
    return kind(**{name: tensor(fields.get(name, value)) for name in kind._fields})
