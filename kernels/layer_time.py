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
from .flop import attends_apart, keys_of
from .memory import kept_shares, spread
from .operators import Groups, Model, Operators
from .roofline import RESULT_BYTES, ProductRate, ProductShape, product_seconds
from .setting import Setting

RECURRENCE_SHARE = number("layer_time.RECURRENCE_SHARE")
"""Share of the dense 16-bit peak that recurrences of state-space layers reach."""

LOGIT_BYTES = number("layer_time.LOGIT_BYTES")
"""Traffic of a pass over logits [B a token and entry of the vocabulary]."""

REPEATED_PRODUCTS = number("layer_time.REPEATED_PRODUCTS")
"""Share of a forward pass's products computed again where every second one is (torchtitan's)."""

ADAPTER_BYTES = number("layer_time.ADAPTER_BYTES")
"""Size of an element that an adapter reads, adds and writes [B]."""

USUAL_WIDTH = number("layer_time.USUAL_WIDTH")
"""Width of a head that attention's share of the peak is told for [elements]."""

SEPARATE_PASSES = number("layer_time.SEPARATE_PASSES")
"""Times that stored scores are moved by kernels of their own that scale and mask them."""

DROPOUT_PASSES = number("layer_time.DROPOUT_PASSES")
"""Times that dropout moves stored scores, its mask counted by its size."""

DROPOUTS = number("layer_time.DROPOUTS")
"""Dropouts of the residual stream in a layer."""

MASK_BYTES = number("layer_time.MASK_BYTES")
"""Size of an element of a dropout's mask [B]."""

DROPPED_BYTES = number("layer_time.DROPPED_BYTES")
"""Size of an element that a dropout kernel of its own reads and writes [B]."""

UNFUSED_BACKWARD = number("layer_time.UNFUSED_BACKWARD")
"""Work of unfused attention's backward pass, over its forward pass."""


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
    """A layer's forward and backward pass; ``(groups, *batch)``.

    Attributes:
        forward: forward pass.
        backward: backward pass.
        weights: part of the backward pass for gradients of weights.
        unread: part of the forward pass whose results nothing in the layer reads.
    """

    forward: Pass
    backward: Pass
    weights: Tensor
    unread: Tensor


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
        products[3],
    )


def _products(model: Model, setting: Setting) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Times of products for results, inputs' gradients, weights' gradients, unread results [s]."""
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
    # Results of the third are added to gradients that stand in memory.
    adding = rate._replace(result_bytes=setting.work.adding_bytes)
    sums = launching + product_seconds(ProductShape(k, joined, m, count), adding)
    results, inputs = product(m, joined, k) * part, product(m, k, joined) * part
    beside = _adapters(operators, ProductShape(m, n, k, count), rate, setting)
    trained = torch.maximum(operators.saved, setting.work.trained)
    weights = trained * sums * part + beside.weights
    forward, backward = results + beside.results, inputs + beside.inputs
    unread = operators.unread * results
    return forward.sum(1), backward.sum(1), weights.sum(1), unread.sum(1)


class _Adapters(NamedTuple):
    """Seconds of low-rank adapters beside each product; ``(groups, slots, *batch)``."""

    results: Tensor
    inputs: Tensor
    weights: Tensor


def _adapters(
    operators: Operators, shape: ProductShape, rate: ProductRate, setting: Setting
) -> _Adapters:
    """Of each pass: a product down to their rank and one up, and a sum but for weights' gradients.

    References:
        Hu et al. 2021, "LoRA", arXiv 2106.09685, section 4.1.
    """
    rank = setting.work.adapter_rank
    there = (operators.adapted > 0) & (rank > 0)
    down = product_seconds(shape._replace(n=rank), rate)
    up = product_seconds(shape._replace(k=rank), rate)
    both = torch.where(there, down + up, 0.0)

    def added(width: Tensor) -> Tensor:
        """Of two results read, and their sum written."""
        size = 3.0 * ADAPTER_BYTES * shape.m * width * shape.copies
        return both + torch.where(there, size / setting.bandwidth, 0.0)

    return _Adapters(added(shape.n), added(shape.k), both)


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
        result_bytes=torch.full_like(device.element_bytes, RESULT_BYTES),
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
    # A rank that holds every expert has all tokens; of several, their ups and downs cancel.
    beyond = (setting.efficiency.expert_imbalance - 1.0) / torch.sqrt(local)
    busy = pairs * (1.0 + torch.where(layout.expert > 1, beyond, 0.0))
    m = torch.where(is_expert, busy / local, tokens * operators.uses)
    count = torch.where(is_expert, local, 1.0)
    return ProductShape(m, n, k, count)


def _attention(operators: Operators, setting: Setting) -> tuple[Tensor, Tensor]:
    """Times of scores, values and recurrences, forward and backward [s]."""
    efficiency, tokens = setting.efficiency, setting.tokens
    peak, sequence = setting.device.peak_16, setting.work.sequence
    ways = torch.minimum(operators.ways, setting.layout.tensor)
    unfused = efficiency.score_passes > 0
    attended = keys_of(operators, sequence)
    # Without a fused kernel the whole square is computed, whatever the mask.
    square = torch.where(attends_apart(operators), attended, sequence)
    keys = torch.where(unfused, square, attended)
    scores = 2.0 * operators.per_key * keys * tokens / ways
    width = operators.per_key / operators.heads.clamp_min(1.0) / 2.0
    wide = width * (USUAL_WIDTH + efficiency.half_width)
    narrow = wide / (USUAL_WIDTH * (width + efficiency.half_width)).clamp_min(1e-9)
    reached = efficiency.attention * keys / (keys + efficiency.half_keys)
    reached = reached * torch.where(unfused | (width <= 0), 1.0, narrow)
    separate = torch.where(setting.work.fused > 0, 0.0, SEPARATE_PASSES)
    moved = efficiency.score_passes + separate + DROPOUT_PASSES * setting.work.dropout
    stored = operators.heads * sequence * tokens / ways * 2.0 * torch.where(unfused, moved, 0.0)
    # Rows of a batched product that are no multiple of 16 bytes are moved one by one.
    crooked = unfused & (torch.remainder(width, 8.0) > 0)
    scores = scores * torch.where(crooked, efficiency.misaligned, 1.0)
    forward = scores / (peak * reached) + stored / setting.bandwidth
    backward = torch.where(unfused, UNFUSED_BACKWARD, efficiency.attention_backward)
    recurrence = operators.per_token * tokens / ways / (peak * RECURRENCE_SHARE)
    return (
        (forward + recurrence).sum(1),
        (forward * backward + 2.0 * recurrence).sum(1),
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
    inside = setting.work.width * tokens * (moved + casts + sorting) / bandwidth
    shape = _shapes(operators, setting)
    is_inner = (model.groups.place == 0).unsqueeze(1)
    elements = torch.where(is_inner, shape.n * shape.k * shape.copies, 0.0)
    unpacking = elements * setting.work.unpacked_bytes / bandwidth
    ways = torch.minimum(operators.ways, setting.layout.tensor)
    is_head = (model.groups.place == 2).unsqueeze(1) & (operators.d_in > 0)
    logits = torch.where(is_head, tokens * operators.d_out / ways * LOGIT_BYTES / bandwidth, 0.0)
    beside = unpacking.sum(1) + _dropped(model, setting)
    return (inside + logits).sum(1) + beside, (2.0 * inside + logits).sum(1) + beside


def _dropped(model: Model, setting: Setting) -> Tensor:
    """Time of the residual stream's dropouts in one layer of each group, forward or backward [s].

    Fused with the sum that follows, a dropout moves its mask alone.
    """
    work = setting.work
    each = MASK_BYTES + torch.where(work.fused > 0, 0.0, DROPPED_BYTES)
    size = setting.tokens * model.hidden / spread(setting.layout) * each * DROPOUTS
    seconds = work.dropout * size / setting.bandwidth
    return torch.where(model.groups.place == 0, seconds, 0.0)


def repeated_seconds(groups: Groups, passes: Passes, setting: Setting) -> Tensor:
    """Seconds of what one layer computes again; ``(groups, *batch)``.

    A compiler of whole steps leaves out what nothing reads: where a layer's input is kept, the
    result of its last product is the next one's.

    Args:
        groups: ``(groups, *batch)``.
        passes: the layer's forward and backward pass.
        setting: what it runs on, and how.

    References:
        Korthikanti et al. 2022, section 5: selective recomputation repeats attention's scores.
        XLA, "XLA architecture": dead code is eliminated from the step's whole program.
    """
    forward, recompute = passes.forward, setting.work.recompute
    # Scores need no repeating where they are not stored.
    scores = torch.where(setting.efficiency.score_passes > 0, forward.attention, 0.0)
    # By operator, every second product, and all that lies between.
    partial = REPEATED_PRODUCTS * forward.products + forward.elementwise
    again = torch.where(recompute == 1, scores, torch.where(recompute == 2, partial, 0.0))
    whole = forward.total - setting.work.prunes * passes.unread
    again = torch.where(recompute == 3, whole, again)
    # A loss in parts makes logits again for their gradients.
    head = torch.where(groups.place == 2, setting.work.loss_again * forward.products, 0.0)
    return torch.where(groups.place == 0, again, head)
