"""Computing time of a layer on one rank.

References:
    Korthikanti et al. 2022, arXiv 2205.05198 (what is computed again).
    Dao 2023, arXiv 2307.08691 (attention).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .constants import number
from .flop import attended_keys
from .memory import kept_shares
from .operators import Groups, Model, Operators
from .roofline import ProductRate, ProductShape, product_seconds
from .setting import Setting

RECURRENCE_SHARE = number("layer_time.RECURRENCE_SHARE")
"""Share of the dense 16-bit peak that recurrences of state-space layers reach."""

LOGIT_BYTES = number("layer_time.LOGIT_BYTES")
"""Traffic of a pass over logits [B a token and entry of the vocabulary]."""

REPEATED_PRODUCTS = number("layer_time.REPEATED_PRODUCTS")
"""Share of a forward pass's products computed again where every second one is (torchtitan's)."""


class Pass(NamedTuple):
    """Seconds of a micro-batch on one layer of each group; ``(groups, *batch)``."""

    products: Tensor
    attention: Tensor
    elementwise: Tensor

    @property
    def total(self) -> Tensor:
        """All of it."""
        return self.products + self.attention + self.elementwise


class Passes(NamedTuple):
    """A layer's forward and backward pass, and the part of it that weights' gradients take."""

    forward: Pass
    backward: Pass
    weights: Tensor


def layer_passes(model: Model, setting: Setting) -> Passes:
    """Seconds of computing a micro-batch's forward and backward pass on one layer of each group.

    Args:
        model: its operators, and where they stand.
        setting: what they run on, and how.
    """
    products = _products(model, setting)
    attention = _attention(model.operators, setting)
    elementwise = _elementwise(model, setting)
    return Passes(
        Pass(products[0], attention[0], elementwise[0]),
        Pass(products[1] + products[2], attention[1], elementwise[1]),
        products[2],
    )


def _products(model: Model, setting: Setting) -> tuple[Tensor, Tensor, Tensor]:
    """Times of products for results, for inputs' gradients and for weights' gradients [s]."""
    operators = model.operators
    m, n, k, count = _shapes(operators, setting)
    rate = _rate(model, setting)
    is_expert = operators.expert > 0
    launching = torch.where(is_expert, setting.efficiency.expert_launch * count, 0.0)

    def product(rows: Tensor, columns: Tensor, inner: Tensor) -> Tensor:
        return launching + product_seconds(ProductShape(rows, columns, inner, count), rate)

    # Products of one input are computed together: each has its part of their time.
    ways = torch.minimum(operators.ways, setting.layout.tensor)
    joined = torch.where(operators.by_input > 0, n, operators.together / ways)
    joined = torch.where(is_expert, n, joined)
    part = torch.where(joined > 0, n / joined.clamp_min(1e-9), 0.0)
    results, inputs = product(m, joined, k) * part, product(m, k, joined) * part
    weights = setting.work.trained * product(k, joined, m) * part
    return results.sum(1), inputs.sum(1), weights.sum(1)


def _rate(model: Model, setting: Setting) -> ProductRate:
    """What products of each operator reach; the logits' is in 16 bits."""
    device, efficiency = setting.device, setting.efficiency
    is_head = (model.groups.place == 2).unsqueeze(1)
    grouped = torch.where(model.operators.expert > 0, efficiency.grouped, 1.0)
    share = torch.where(is_head, efficiency.head, efficiency.products * grouped)
    return ProductRate(
        flop_per_s=torch.where(is_head, device.peak_16 * share, device.peak * share),
        half_k=efficiency.half_k,
        bytes_per_s=setting.bandwidth,
        units=device.units,
        harshness=efficiency.harshness,
        element_bytes=torch.where(is_head, 2.0, device.element_bytes),
    )


def _shapes(operators: Operators, setting: Setting) -> ProductShape:
    """Sizes of each product on one rank, and how many there are."""
    layout, tokens = setting.layout, setting.tokens
    is_expert = operators.expert > 0
    ways = torch.minimum(operators.ways, layout.tensor)
    split = torch.where(is_expert, layout.expert_tensor, ways)
    by_input = operators.by_input > 0
    n = torch.where(by_input, operators.d_out, operators.d_out / split)
    k = torch.where(by_input, operators.d_in / split, operators.d_in)
    local = (operators.copies / layout.expert).clamp_min(1.0)
    pairs = tokens * operators.uses * layout.expert_tensor / layout.tensor
    busy = pairs * torch.where(layout.expert > 1, setting.efficiency.expert_imbalance, 1.0)
    m = torch.where(is_expert, busy / local, tokens * operators.uses)
    count = torch.where(is_expert, local, 1.0)
    return ProductShape(m, n, k, count)


def _attention(operators: Operators, setting: Setting) -> tuple[Tensor, Tensor]:
    """Times of scores, values and recurrences, forward and backward [s]."""
    efficiency, tokens = setting.efficiency, setting.tokens
    peak, sequence = setting.device.peak_16, setting.work.sequence
    ways = torch.minimum(operators.ways, setting.layout.tensor)
    keys = attended_keys(sequence, operators.window, operators.causal, operators.chunked)
    scores = 2.0 * operators.per_key * keys * tokens / ways
    reached = efficiency.attention * keys / (keys + efficiency.half_keys)
    stored = operators.heads * sequence * tokens / ways * 2.0 * efficiency.score_passes
    # Rows of a batched product that are no multiple of 16 bytes are moved one by one.
    width = operators.per_key / operators.heads.clamp_min(1.0) / 2.0
    crooked = (efficiency.score_passes > 0) & (torch.remainder(width, 8.0) > 0)
    scores = scores * torch.where(crooked, efficiency.misaligned, 1.0)
    forward = scores / (peak * reached) + stored / setting.bandwidth
    recurrence = operators.per_token * tokens / ways / (peak * RECURRENCE_SHARE)
    return (
        (forward + recurrence).sum(1),
        (forward * efficiency.attention_backward + 2.0 * recurrence).sum(1),
    )


def _elementwise(model: Model, setting: Setting) -> tuple[Tensor, Tensor]:
    """Times of what memory's bandwidth bounds, forward and backward [s]."""
    operators, efficiency = model.operators, setting.efficiency
    tokens, bandwidth = setting.tokens, setting.bandwidth
    whole, divided = kept_shares(operators, setting.layout)
    kept = operators.kept * whole + operators.kept_split * divided
    eager = operators.eager * whole + operators.eager_split * divided
    moved = efficiency.traffic * (kept + torch.where(setting.work.fused > 0, 0.0, eager))
    casts = efficiency.cast_traffic * operators.kept * whole
    is_expert = operators.expert > 0
    sorting = efficiency.permutation * torch.where(is_expert, operators.kept * whole, 0.0)
    inside = tokens * (moved + casts + sorting) / bandwidth
    ways = torch.minimum(operators.ways, setting.layout.tensor)
    is_head = (model.groups.place == 2).unsqueeze(1) & (operators.d_in > 0)
    logits = torch.where(is_head, tokens * operators.d_out / ways * LOGIT_BYTES / bandwidth, 0.0)
    return (inside + logits).sum(1), (2.0 * inside + logits).sum(1)


def repeated_seconds(groups: Groups, forward: Pass, recompute: Tensor) -> Tensor:
    """Seconds of what one layer computes again; ``(groups, *batch)``.

    Args:
        groups: ``(groups, *batch)``.
        forward: the layer's forward pass.
        recompute: number of the recomputation, as ``Work`` has it; ``(*batch)``.
    """
    # By operator, every second product, and all that lies between.
    partial = REPEATED_PRODUCTS * forward.products + forward.elementwise
    # Scores need no repeating where they are not stored.
    again = torch.where(recompute == 3, forward.total, torch.where(recompute == 2, partial, 0.0))
    return torch.where(groups.place == 0, again, 0.0)


def optimizer_seconds(parameters: Tensor, setting: Setting) -> Tensor:
    """Seconds in which every state is read and written once; ``(*batch)``.

    Args:
        parameters: number of parameters that the rank holds of each operator, undivided by data
            parallelism; ``(groups, slots, *batch)``.
        setting: what the step runs on, and how.
    """
    layout, work = setting.layout, setting.work
    count = parameters.sum((0, 1))
    divided = torch.where(layout.zero >= 1, count / layout.shards, count)
    moved = divided * work.state_bytes * setting.efficiency.optimizer_traffic * work.trained
    return moved / setting.bandwidth
