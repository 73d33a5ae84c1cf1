"""Every efficiency before anything was measured: what it is, its value, how far off that may be.

Fits and derivatives work on logarithms and logits, which have no bounds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor


class Parameter(NamedTuple):
    """An efficiency before anything was measured.

    Attributes:
        prior: its sensible value.
        spread: standard deviation of its logarithm, or of its logit where it is a share.
        is_share: whether it lies between 0 and 1.
    """

    prior: float
    spread: float
    is_share: bool


def _share(prior: float, spread: float = 0.5) -> Parameter:
    return Parameter(prior, spread, True)


def _factor(prior: float, spread: float = 0.4) -> Parameter:
    return Parameter(prior, spread, False)


MEANINGS = {
    "products": "share of the datasheet's dense peak that large products of a training step reach",
    "fine_scales": "speed of 8-bit products with a scale for each row or block, over one a tensor",
    "ultra": "speed of low-precision products of Blackwell Ultra, over Blackwell",
    "half_k": "inner size of a product at which half of its share is reached [elements]",
    "harshness": "cost of a wave of tiles that is not full, as a share of a full one",
    "grouped": "speed of experts' grouped products, over a plain product",
    "head": "share of the 16-bit peak that the logits' product reaches",
    "attention": "share of the 16-bit peak that fused attention reaches on long sequences",
    "attention.unfused": "share of the 16-bit peak that unfused attention's products reach on long "
    "sequences",
    "half_width": "width of a head at which fused attention reaches half of that [elements]",
    "half_keys": "keys of a sequence at which fused attention reaches half of that [tokens]",
    "attention_backward": "time of attention's backward pass, over its forward pass",
    "score_passes": "times that stored scores are moved, where attention is not fused",
    "misaligned": "time of unfused attention's products where a head's width is no multiple of 8, "
    "over what it is where it is one",
    "traffic": "element-wise bytes moved, over bytes kept for the backward pass",
    "casts": "bytes moved by casts to 8 and 4 bits, over bytes kept for the backward pass",
    "memory": "share of the memory's bandwidth that is reached",
    "inside": "share of the bandwidth of links inside a domain that is reached",
    "across": "share of the bandwidth of links across domains that is reached",
    "tensor_overlap": "share of tensor parallel communication that hides behind products",
    "data_overlap": "share of a step's computing that data parallel communication hides behind",
    "data_exposed": "share of data parallel communication that is never hidden",
    "imbalance": "tokens of the busiest rank of experts, over the mean",
    "permutation": "bytes moved to sort tokens by expert, over the tokens' own",
    "exchange": "speed of the exchange of experts' tokens in a domain, over the links' own: above "
    "1 where it hides behind computing",
    "exchange.across": "the same across domains",
    "expert_overlap": "share of a layer's computing that this exchange hides behind, where another "
    "micro-batch is at hand",
    "floor": "time that launching a layer's kernels takes in a pass [s]",
    "floor.experts": "time that launching an expert layer adds to that [s]",
    "launch": "time that launching each expert's product adds to that [s]",
    "loop": "the same where experts are computed one after the other [s]",
    "step_floor": "time of a step besides all else [s]",
    "optimizer_traffic": "bytes moved by the optimizer's step, over its states",
    "latency": "time of a hop inside a domain [s]",
    "latency_across": "time of a hop across domains [s]",
    "pace": "time of a step over what all else makes it, of one lab's cluster and habits",
    "straggling": "share of a step that each doubling of the accelerators adds: the slowest sets "
    "the pace",
}
"""What an efficiency is, with its unit where it has one, by its name or the beginning of that."""


PARAMETERS: dict[str, Parameter] = {
    "products.volta.16": _share(0.70),
    "products.ampere.16": _share(0.78),
    "products.ada.16": _share(0.70),
    "products.ada.fp8": _share(0.60),
    "products.hopper.16": _share(0.70),
    "products.hopper.fp8": _share(0.60),
    "products.blackwell.16": _share(0.65),
    "products.blackwell.fp8": _share(0.55),
    "products.blackwell.mxfp8": _share(0.55),
    "products.blackwell.nvfp4": _share(0.42),
    "products.cdna.16": _share(0.50),
    "products.cdna.fp8": _share(0.50),
    "products.tpu.16": _share(0.82),
    "products.tpu.fp8": _share(0.60),
    "products.tpu.int8": _share(0.60),
    "products.other.16": _share(0.55),
    "products.other.32": _share(0.55),
    "products.other.fp8": _share(0.50),
    "fine_scales": _factor(0.8, 0.2),
    "ultra": _factor(1.2, 0.15),
    "half_k.16": _factor(80.0, 0.6),
    "half_k.8": _factor(300.0, 0.6),
    "half_k.4": _factor(600.0, 0.6),
    "harshness": _share(0.4, 0.8),
    "grouped.16": _share(0.9),
    "grouped.low": _share(0.85),
    "head": _share(0.6, 0.6),
    "attention.volta": _share(0.35),
    # Dao 2023, arXiv 2307.08691, on A100: the first FlashAttention reaches 25 to 40 % of the peak,
    # forward and backward, of 3.5 times the forward work where ``attention_backward`` takes 3.7.
    "attention.ampere.flash1": _share(0.35),
    "attention.ampere": _share(0.55),
    "attention.ada": _share(0.40),
    # The first on Hopper: of the second's, made for Ampere, as much as on Ampere.
    "attention.hopper.flash1": _share(0.22),
    "attention.hopper.early": _share(0.35),
    "attention.hopper": _share(0.50),
    "attention.hopper.modern": _share(0.50),
    "attention.blackwell": _share(0.50),
    "attention.cdna": _share(0.30),
    "attention.tpu": _share(0.45),
    "attention.other": _share(0.30),
    "attention.unfused": _share(0.40),
    "half_width": _factor(24.0, 0.4),
    "half_keys": _factor(500.0, 0.6),
    "attention_backward": _factor(2.7, 0.15),
    "score_passes": _factor(5.0, 0.5),
    "misaligned": _factor(6.0, 0.5),
    "traffic.early": _factor(3.0),
    "traffic.megatron": _factor(2.0),
    "traffic.eager": _factor(2.0),
    "traffic.fused": _factor(1.2),
    "traffic.modern": _factor(1.2),
    "traffic.compiled": _factor(1.2),
    "traffic.tpu": _factor(1.2),
    "traffic.scripts": _factor(2.5),
    "casts": _factor(1.5, 0.5),
    "memory": _share(0.85),
    "inside": _share(0.70),
    "inside.volta": _share(0.60),
    "across": _share(0.75),
    "tensor_overlap.early": _share(0.05, 1.0),
    "tensor_overlap.megatron": _share(0.10, 1.0),
    "tensor_overlap.eager": _share(0.10, 1.0),
    "tensor_overlap.fused": _share(0.50, 1.0),
    "tensor_overlap.modern": _share(0.50, 1.0),
    "tensor_overlap.compiled": _share(0.40, 1.0),
    "tensor_overlap.tpu": _share(0.40, 1.0),
    "tensor_overlap.scripts": _share(0.05, 1.0),
    "data_overlap.replicated": _share(0.50, 0.8),
    "data_overlap.sharded": _share(0.80, 0.8),
    "data_exposed.replicated": _share(0.10, 0.8),
    "data_exposed.sharded": _share(0.10, 0.8),
    "imbalance": _factor(1.15, 0.1),
    "permutation": _factor(2.0, 0.5),
    "permutation.graphed": _factor(1.0, 0.5),
    "exchange": _factor(0.8, 0.5),
    "exchange.across": _factor(1.0, 0.5),
    "expert_overlap": _share(0.8),
    "floor.early": _factor(100e-6, 0.5),
    "floor.megatron": _factor(100e-6, 0.5),
    "floor.eager": _factor(100e-6, 0.5),
    "floor.fused": _factor(65e-6, 0.5),
    "floor.modern": _factor(65e-6, 0.5),
    "floor.compiled": _factor(30e-6, 0.5),
    "floor.scripts": _factor(1.2e-3, 0.5),
    "floor.experts": _factor(300e-6, 0.5),
    "launch.expert": _factor(5e-6, 0.7),
    "launch.expert.graphed": _factor(2e-6, 0.7),
    # Ten kernels an expert and forward pass (where, index, three products, activation, two
    # multiplications, index_add, and the wait for where) at some 15 us of an eager host each, on
    # three products; twice that backward: counted in transformers' Qwen3MoeSparseMoeBlock.
    "loop.expert": _factor(50e-6, 0.7),
    "step_floor": _factor(6e-3, 0.7),
    "optimizer_traffic": _factor(1.3, 0.3),
    "latency": _factor(3e-6, 0.4),
    "latency_across": _factor(10e-6, 0.5),
    "straggling": _share(0.006, 0.6),
    "pace": _factor(1.0, 0.15),
}
"""Every efficiency, by its name."""

WITHIN = 0.5
"""How far efficiencies of one name lie from each other, over how far off their mean may be."""

NEAREST = 1e-6
"""Least distance of a share from 0 and from 1, where a time divided by it has no end."""

SMALLEST_FACTOR, LARGEST_FACTOR = 1e-12, 1e6
"""Bounds of what is no share: seconds of a hop are the smallest, half_keys the largest."""

NAMES = tuple(PARAMETERS)
"""Names of the efficiencies, in the order of their tensors."""

INDEX = {name: index for index, name in enumerate(NAMES)}


def meaning(name: str) -> str:
    """Return the noun phrase of an efficiency, with its unit where it has one."""
    return MEANINGS.get(name) or MEANINGS[name.split(".")[0]]


def priors() -> Tensor:
    """Return all efficiencies before anything was measured, free of bounds: logs and logits."""
    return torch.tensor(
        [
            math.log(each.prior / (1 - each.prior)) if each.is_share else math.log(each.prior)
            for each in PARAMETERS.values()
        ],
        dtype=torch.float64,
    )


def spreads() -> Tensor:
    """Return how far off each may be, in the same numbers."""
    return torch.tensor([each.spread for each in PARAMETERS.values()], dtype=torch.float64)


def prior_covariance() -> Tensor:
    """Return the covariance of all efficiencies before measuring, ``(parameters, parameters)``.

    Those of one name, of several generations of hardware or software, are likely off together:
    their mean by a spread, each of them by half a spread besides.
    """
    kinds = [name.split(".")[0] for name in NAMES]
    alike = torch.tensor([[float(one == other) for other in kinds] for one in kinds])
    own = torch.eye(len(NAMES), dtype=torch.float64)
    spread = spreads()
    counts = alike.sum(0)
    # One that stands alone has its own spread and no more.
    within = torch.where(counts > 1, WITHIN**2, 0.0)
    return torch.outer(spread, spread) * (alike.to(torch.float64) + torch.diag(within) * own)


def bounded(free: Tensor) -> Tensor:
    """Return efficiencies from their logs and logits."""
    is_share = torch.tensor([each.is_share for each in PARAMETERS.values()], device=free.device)
    return torch.where(is_share, torch.sigmoid(free), torch.exp(free))


def unbounded(values: Mapping[str, float]) -> Tensor:
    """Return logs and logits of efficiencies; those not given are as before measuring."""
    free = priors()
    for name, value in values.items():
        share = PARAMETERS[name].is_share
        free[INDEX[name]] = math.log(value / (1 - value)) if share else math.log(value)
    return free


def bounds_of(name: str) -> tuple[float, float]:
    """Return the least and the most that an efficiency may be."""
    if PARAMETERS[name].is_share:
        return NEAREST, 1 - NEAREST
    return SMALLEST_FACTOR, LARGEST_FACTOR


def named_values(free: Tensor) -> dict[str, float]:
    """Return efficiencies by name, from their logs and logits, within what each may be."""
    values = bounded(free).tolist()
    found = {}
    for name, value in zip(NAMES, values, strict=True):
        low, high = bounds_of(name)
        found[name] = min(max(value, low), high)
    return found
