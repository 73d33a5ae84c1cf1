"""Computing time of a layer on one rank.

References:
    Korthikanti et al. 2022, arXiv 2205.05198 (what is computed again).
    Dao 2023, arXiv 2307.08691 (attention).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .flop import attended_keys
from .memory import Layout, kept_shares
from .operators import Groups, Operators
from .roofline import product_seconds
from .setting import Device, Efficiency, Work

RECURRENCE_SHARE = 1 / 30
"""Of the 16-bit peak, that recurrences of state-space layers reach. A rule of thumb."""

LOGIT_BYTES = 10.0
"""Moved for each token and entry of the vocabulary in a pass over logits: in 16 and in 32 bits,
and their softmax. A rule of thumb."""

REPEATED_PRODUCTS = 0.4
"""Of a forward pass's products, computed again where every second one is (torchtitan's)."""


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


def layer_passes(
    operators: Operators,
    groups: Groups,
    layout: Layout,
    work: Work,
    device: Device,
    efficiency: Efficiency,
    tokens: Tensor,
) -> Passes:
    """Forward and backward of one layer of each group.

    Args:
        operators: ``(groups, slots, *batch)``.
        groups: ``(groups, *batch)``.
        layout: how the model is laid out; ``(*batch)``, as all that follow.
        work: how a step is run.
        device: the accelerator.
        efficiency: what hardware and software reach.
        tokens: of a micro-batch, on one context parallel rank.
    """
    products = _products(operators, groups, layout, work, device, efficiency, tokens)
    attention = _attention(operators, layout, work, device, efficiency, tokens)
    elementwise = _elementwise(operators, groups, layout, work, device, efficiency, tokens)
    return Passes(
        Pass(products[0], attention[0], elementwise[0]),
        Pass(products[1] + products[2], attention[1], elementwise[1]),
        products[2],
    )


def _products(
    operators: Operators,
    groups: Groups,
    layout: Layout,
    work: Work,
    device: Device,
    efficiency: Efficiency,
    tokens: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Of results, of inputs' gradients, of weights' gradients."""
    m, n, k, count = _shapes(operators, layout, tokens, efficiency)
    is_head = (groups.place == 2).unsqueeze(1)
    grouped = torch.where(operators.expert > 0, efficiency.grouped, 1.0)
    share = torch.where(is_head, efficiency.head, efficiency.products * grouped)
    flop_per_s = torch.where(is_head, device.peak_16 * share, device.peak * share)
    size = torch.where(is_head, 2.0, device.element_bytes)

    launching = torch.where(operators.expert > 0, efficiency.expert_launch * count, 0.0)

    def product(rows: Tensor, columns: Tensor, inner: Tensor) -> Tensor:
        return launching + product_seconds(
            rows,
            columns,
            inner,
            count,
            flop_per_s,
            efficiency.half_k,
            device.bytes_per_s * efficiency.memory,
            device.units,
            efficiency.harshness,
            size,
        )

    # Products of one input are computed together: each has its part of their time.
    ways = torch.minimum(operators.ways, layout.tensor)
    joined = torch.where(operators.by_input > 0, n, operators.together / ways)
    joined = torch.where(operators.expert > 0, n, joined)
    part = torch.where(joined > 0, n / joined.clamp_min(1e-9), 0.0)
    results, inputs = product(m, joined, k) * part, product(m, k, joined) * part
    weights = work.trained * product(k, joined, m) * part
    return results.sum(1), inputs.sum(1), weights.sum(1)


def _shapes(
    operators: Operators, layout: Layout, tokens: Tensor, efficiency: Efficiency
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Rows, columns and inner size of each product on one rank, and how many there are."""
    is_expert = operators.expert > 0
    ways = torch.minimum(operators.ways, layout.tensor)
    split = torch.where(is_expert, layout.expert_tensor, ways)
    by_input = operators.by_input > 0
    n = torch.where(by_input, operators.d_out, operators.d_out / split)
    k = torch.where(by_input, operators.d_in / split, operators.d_in)
    local = (operators.copies / layout.expert).clamp_min(1.0)
    pairs = tokens * operators.uses * layout.expert_tensor / layout.tensor
    busy = pairs * torch.where(layout.expert > 1, efficiency.expert_imbalance, 1.0)
    m = torch.where(is_expert, busy / local, tokens * operators.uses)
    count = torch.where(is_expert, local, 1.0)
    return m, n, k, count


def _attention(
    operators: Operators,
    layout: Layout,
    work: Work,
    device: Device,
    efficiency: Efficiency,
    tokens: Tensor,
) -> tuple[Tensor, Tensor]:
    ways = torch.minimum(operators.ways, layout.tensor)
    keys = attended_keys(work.sequence, operators.window, operators.causal, operators.chunked)
    scores = 2.0 * operators.per_key * keys * tokens / ways
    reached = efficiency.attention * keys / (keys + efficiency.half_keys)
    stored = operators.heads * work.sequence * tokens / ways * 2.0 * efficiency.score_passes
    # Rows of a batched product that are no multiple of 16 bytes are moved one by one.
    width = operators.per_key / operators.heads.clamp_min(1.0) / 2.0
    crooked = (efficiency.score_passes > 0) & (torch.remainder(width, 8.0) > 0)
    scores = scores * torch.where(crooked, efficiency.misaligned, 1.0)
    forward = scores / (device.peak_16 * reached)
    forward = forward + stored / (device.bytes_per_s * efficiency.memory)
    recurrence = operators.per_token * tokens / ways / (device.peak_16 * RECURRENCE_SHARE)
    return (
        (forward + recurrence).sum(1),
        (forward * efficiency.attention_backward + 2.0 * recurrence).sum(1),
    )


def _elementwise(
    operators: Operators,
    groups: Groups,
    layout: Layout,
    work: Work,
    device: Device,
    efficiency: Efficiency,
    tokens: Tensor,
) -> tuple[Tensor, Tensor]:
    bandwidth = device.bytes_per_s * efficiency.memory
    whole, divided = kept_shares(operators, layout)
    kept = operators.kept * whole + operators.kept_split * divided
    eager = operators.eager * whole + operators.eager_split * divided
    moved = efficiency.traffic * (kept + torch.where(work.fused > 0, 0.0, eager))
    casts = efficiency.cast_traffic * operators.kept * whole
    is_expert = operators.expert > 0
    sorting = efficiency.permutation * torch.where(is_expert, operators.kept * whole, 0.0)
    inside = tokens * (moved + casts + sorting) / bandwidth
    ways = torch.minimum(operators.ways, layout.tensor)
    is_head = (groups.place == 2).unsqueeze(1) & (operators.d_in > 0)
    logits = torch.where(is_head, tokens * operators.d_out / ways * LOGIT_BYTES / bandwidth, 0.0)
    return (inside + logits).sum(1), (2.0 * inside + logits).sum(1)


def repeated_seconds(groups: Groups, forward: Pass, work: Work) -> Tensor:
    """Seconds of what one layer computes again; ``(groups, *batch)``."""
    # By operator, every second product, and all that lies between.
    partial = REPEATED_PRODUCTS * forward.products + forward.elementwise
    # Scores need no repeating where they are not stored.
    again = torch.where(
        work.recompute == 3, forward.total, torch.where(work.recompute == 2, partial, 0.0)
    )
    return torch.where(groups.place == 0, again, 0.0)


def optimizer_seconds(
    parameters: Tensor,
    layout: Layout,
    device: Device,
    efficiency: Efficiency,
    work: Work,
) -> Tensor:
    """Every state read and written once; ``parameters`` as held, ``(groups, slots, *batch)``."""
    count = parameters.sum((0, 1))
    divided = torch.where(layout.zero >= 1, count / layout.shards, count)
    moved = divided * work.state_bytes * efficiency.optimizer_traffic * work.trained
    return moved / (device.bytes_per_s * efficiency.memory)
