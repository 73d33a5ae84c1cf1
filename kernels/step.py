"""Time of a training step, from an architecture, a layout and a cluster.

References:
    Narayanan et al. 2021, arXiv 2104.04473 (tensor and pipeline parallelism).
    Korthikanti et al. 2022, arXiv 2205.05198 (sequence parallelism, recomputation).
    Zhao et al. 2023, arXiv 2304.11277 (full sharding, prefetch).
    Dao 2023, arXiv 2307.08691 (attention).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from . import collectives, pipeline
from .collectives import Links
from .flop import attended_keys
from .memory import Layout, held_parameters, kept_shares, stage_layers
from .operators import Groups, Operators
from .roofline import product_seconds


class Device(NamedTuple):
    """An accelerator; every field ``(*batch)``.

    Attributes:
        peak: FLOP a second of the products' precision.
        peak_16: FLOP a second in 16 bits.
        bytes_per_s: of memory.
        units: multiprocessors.
        element_bytes: of a product's operands.
    """

    peak: Tensor
    peak_16: Tensor
    bytes_per_s: Tensor
    units: Tensor
    element_bytes: Tensor


class Efficiency(NamedTuple):
    """What hardware and software reach; every field ``(*batch)``; see ``estimator/efficiency``.

    Attributes:
        products: share of the peak that large products reach.
        half_k: inner size at which half of that is reached.
        harshness: of partial waves, 0 to 1.
        grouped: share of that which the products of many experts at once reach.
        head: share of the 16-bit peak that the logits' product reaches.
        attention: share of the 16-bit peak that attention reaches on long sequences.
        half_keys: keys of a query at which half of that is reached.
        attention_backward: time of its backward pass over the work's.
        score_passes: times that stored scores are moved; 0 for fused attention.
        traffic: element-wise bytes moved, over those kept.
        cast_traffic: the same, of casts to low precision.
        memory: share of the memory's bandwidth.
        inside: share of the links' bandwidth inside a domain.
        across: share of it between domains.
        tensor_overlap: share of tensor parallel communication hidden behind products.
        data_overlap: share of a step's computing behind which data parallel traffic hides.
        exchange: speed of all-to-all inside a domain over the links'; more than 1 where it is
            hidden behind computing.
        exchange_across: the same between domains.
        expert_imbalance: load of the busiest rank over the mean.
        permutation: bytes moved to sort tokens by expert, over the tokens' own.
        layer_floor: seconds a layer and pass takes at least, for launching its kernels.
        expert_floor: the same of a mixture of experts, besides.
        step_floor: seconds a step takes besides.
        optimizer_traffic: bytes moved for each byte of states.
    """

    products: Tensor
    half_k: Tensor
    harshness: Tensor
    grouped: Tensor
    head: Tensor
    attention: Tensor
    half_keys: Tensor
    attention_backward: Tensor
    score_passes: Tensor
    traffic: Tensor
    cast_traffic: Tensor
    memory: Tensor
    inside: Tensor
    across: Tensor
    tensor_overlap: Tensor
    data_overlap: Tensor
    exchange: Tensor
    exchange_across: Tensor
    expert_imbalance: Tensor
    permutation: Tensor
    layer_floor: Tensor
    expert_floor: Tensor
    step_floor: Tensor
    optimizer_traffic: Tensor


class Work(NamedTuple):
    """How a step is run; every field ``(*batch)``.

    Attributes:
        sequence: tokens of a sequence.
        recompute: as in ``memory.Activations``: 0 none, 1 scores, 2 by operator, 3 layers.
        fused: 1 where element-wise kernels are.
        trained: 1 where weights are trained.
        state_bytes: of weight, gradient and states of a parameter.
        gradient_bytes: of a gradient on its way to other ranks.
    """

    sequence: Tensor
    recompute: Tensor
    fused: Tensor
    trained: Tensor
    state_bytes: Tensor
    gradient_bytes: Tensor


class StepTime(NamedTuple):
    """Seconds of a step by what they are spent on; every field ``(*batch)``.

    Attributes:
        products: matrix products with weights.
        attention: scores and values.
        elementwise: everything that is bound by memory.
        recompute: what is computed again.
        tensor: tensor parallel communication that is not hidden.
        expert: exchange of tokens between experts' ranks.
        context: exchange of keys and values.
        bubble: waiting for other pipeline stages, and sending to them.
        data: gradients and weights between replicas, not hidden.
        optimizer: the optimizer's step.
        host: launches, and what else takes a step's time.
    """

    products: Tensor
    attention: Tensor
    elementwise: Tensor
    recompute: Tensor
    tensor: Tensor
    expert: Tensor
    context: Tensor
    bubble: Tensor
    data: Tensor
    optimizer: Tensor
    host: Tensor

    @property
    def total(self) -> Tensor:
        """All of the step."""
        return torch.stack(list(self)).sum(0)


class _Pass(NamedTuple):
    """Seconds of a micro-batch on one layer of each group; ``(groups, *batch)``."""

    products: Tensor
    attention: Tensor
    elementwise: Tensor


def step_seconds(
    operators: Operators,
    groups: Groups,
    hidden: Tensor,
    layers: Tensor,
    layout: Layout,
    work: Work,
    device: Device,
    links: Links,
    efficiency: Efficiency,
    turns: int | None = None,
) -> StepTime:
    """Time of a training step.

    The slowest pipeline stage sets the pace; it is looked for among the first, a middle one and
    the last.

    Args:
        operators: ``(groups, slots, *batch)``.
        groups: ``(groups, *batch)``.
        hidden: width of the residual stream; ``(*batch)``, as all that follow.
        layers: number of layers.
        layout: how the model is laid out.
        work: how a step is run.
        device: the accelerator.
        links: between accelerators.
        efficiency: what hardware and software reach.
        turns: most chunks of a stage, as in ``stage_layers``.
    """
    real = links._replace(
        inside=links.inside * efficiency.inside, across=links.across * efficiency.across
    )
    tokens = layout.micro_batch * work.sequence / layout.context
    forward, backward = _passes(operators, groups, layout, work, device, efficiency, tokens)
    again = _repeated(operators, groups, forward, work)
    tensor = _tensor_seconds(operators, groups, hidden, layout, real, efficiency, tokens, work)
    expert = _expert_seconds(operators, groups, hidden, layout, real, efficiency, tokens, work)
    context = _context_seconds(operators, groups, layout, real, tokens, work, forward, backward)
    routed = operators.expert.amax(1) > 0
    floor = efficiency.layer_floor + torch.where(routed, efficiency.expert_floor, 0.0)
    floor = torch.where(groups.place == 0, floor, 0.0)
    passes = 2.0 + (work.recompute == 3).to(floor.dtype)

    busy = {
        "products": forward.products + backward.products,
        "attention": forward.attention + backward.attention,
        "elementwise": forward.elementwise + backward.elementwise,
        "recompute": again,
        "tensor": tensor,
        "expert": expert,
        "context": context,
    }
    computed = busy["products"] + busy["attention"] + busy["elementwise"] + again
    # A layer whose kernels are short waits for the host instead; a soft corner.
    least = floor * passes
    host = (computed**4 + least**4 + 1e-30) ** 0.25 - computed
    each_layer = torch.stack([*busy.values(), host])

    def on_stage(stage: Tensor) -> Tensor:
        held = stage_layers(groups, layers, layout.pipeline, layout.virtual, stage, turns)
        return (each_layer * held).sum(1)

    last = layout.pipeline - 1
    stages = [torch.zeros_like(last), torch.floor(last / 2), last]
    found = torch.stack([on_stage(stage) for stage in stages])
    slowest = found.sum(1).argmax(0, keepdim=True).unsqueeze(0).expand(1, *found.shape[1:])
    pace = found.gather(0, slowest)[0]
    micro = layout.micro_batches
    spent = dict(zip([*busy, "host"], pace * micro, strict=True))
    round_trip = pace.sum(0)
    waiting = pipeline.bubble(layout.pipeline, layout.virtual, micro) * round_trip * micro
    sending = _sending_seconds(hidden, layout, real, tokens)
    # Of the first stage, which has the embedding besides its layers.
    none = torch.zeros_like(layout.tensor)
    held = held_parameters(operators, groups, layout, none)
    on_first = stage_layers(groups, layers, layout.pipeline, layout.virtual, none, turns)
    parameters = on_first.unsqueeze(1) * (held.matrices + held.vectors)
    data = _data_seconds(operators, parameters, layout, real, efficiency, work, round_trip)
    optimizer = _optimizer_seconds(parameters, layout, device, efficiency, work)
    return StepTime(
        products=spent["products"],
        attention=spent["attention"],
        elementwise=spent["elementwise"],
        recompute=spent["recompute"],
        tensor=spent["tensor"],
        expert=spent["expert"],
        context=spent["context"],
        bubble=waiting + sending,
        data=data,
        optimizer=optimizer,
        host=spent["host"] + efficiency.step_floor,
    )


def _passes(
    operators: Operators,
    groups: Groups,
    layout: Layout,
    work: Work,
    device: Device,
    efficiency: Efficiency,
    tokens: Tensor,
) -> tuple[_Pass, _Pass]:
    """Forward and backward of one layer of each group."""
    m, n, k, count = _shapes(operators, layout, tokens, efficiency)
    is_head = (groups.place == 2).unsqueeze(1)
    grouped = torch.where(operators.expert > 0, efficiency.grouped, 1.0)
    share = torch.where(is_head, efficiency.head, efficiency.products * grouped)
    flop_per_s = torch.where(is_head, device.peak_16 * share, device.peak * share)
    size = torch.where(is_head, 2.0, device.element_bytes)
    bandwidth = device.bytes_per_s * efficiency.memory

    def product(rows: Tensor, columns: Tensor, inner: Tensor) -> Tensor:
        return product_seconds(
            rows,
            columns,
            inner,
            count,
            flop_per_s,
            efficiency.half_k,
            bandwidth,
            device.units,
            efficiency.harshness,
            size,
        )

    # Products of one input are computed together: each has its part of their time.
    ways = torch.minimum(operators.ways, layout.tensor)
    joined = torch.where(operators.by_input > 0, n, operators.together / ways)
    joined = torch.where(operators.expert > 0, n, joined)
    part = torch.where(joined > 0, n / joined.clamp_min(1e-9), 0.0)
    forward = product(m, joined, k) * part
    backward = (product(m, k, joined) + work.trained * product(k, joined, m)) * part

    keys = attended_keys(work.sequence, operators.window, operators.causal, operators.chunked)
    scores = 2.0 * operators.per_key * keys * tokens / ways
    reached = efficiency.attention * keys / (keys + efficiency.half_keys)
    attention = scores / (device.peak_16 * reached)
    stored = operators.heads * work.sequence * tokens / ways * 2.0 * efficiency.score_passes
    attention = attention + stored / bandwidth
    recurrence = 3.0 * operators.per_token * tokens / ways / (device.peak_16 * 0.1)

    is_expert = operators.expert > 0
    whole, divided = kept_shares(operators, layout)
    kept = operators.kept * whole + operators.kept_split * divided
    eager = operators.eager * whole + operators.eager_split * divided
    moved = tokens * efficiency.traffic * (kept + torch.where(work.fused > 0, 0.0, eager))
    sorted_ = torch.where(is_expert, operators.kept * whole, 0.0) * tokens
    casts = tokens * efficiency.cast_traffic * operators.kept * whole
    elementwise = (moved + casts + efficiency.permutation * sorted_) / bandwidth
    logits = torch.where(is_head, tokens * operators.d_out / ways * 10.0 / bandwidth, 0.0)
    logits = torch.where(operators.d_in > 0, logits, 0.0)
    return (
        _Pass(forward.sum(1), (attention + recurrence).sum(1), (elementwise + logits).sum(1)),
        _Pass(
            backward.sum(1),
            (attention * efficiency.attention_backward + 2.0 * recurrence).sum(1),
            (2.0 * elementwise + logits).sum(1),
        ),
    )


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


def _repeated(operators: Operators, groups: Groups, forward: _Pass, work: Work) -> Tensor:
    """Seconds of what one layer computes again."""
    inside = groups.place == 0
    mode = work.recompute
    whole = forward.products + forward.attention + forward.elementwise
    # By operator, every second product, and all that lies between.
    partial = 0.4 * forward.products + forward.elementwise
    # Scores need no repeating where they are not stored.
    again = torch.where(mode == 3, whole, torch.where(mode == 2, partial, 0.0))
    return torch.where(inside, again, 0.0)


def _tensor_seconds(
    operators: Operators,
    groups: Groups,
    hidden: Tensor,
    layout: Layout,
    links: Links,
    efficiency: Efficiency,
    tokens: Tensor,
    work: Work,
) -> Tensor:
    """Communication of one layer of each group between tensor parallel ranks."""
    each = collectives.group(links, layout.tensor, torch.ones_like(layout.tensor))
    once = collectives.reduce_seconds(each, tokens * hidden * 2.0)
    is_sum = (operators.by_input > 0) & (operators.expert == 0) & (operators.ways > 1)
    sums = is_sum.to(once.dtype).sum(1)
    repeated = 2.0 + (work.recompute == 3).to(once.dtype)
    inside = torch.where(groups.place == 0, sums * repeated, 0.0)
    head = torch.where(groups.place == 2, 1.0, 0.0)
    return once * (1.0 - efficiency.tensor_overlap) * (inside + head)


def _expert_seconds(
    operators: Operators,
    groups: Groups,
    hidden: Tensor,
    layout: Layout,
    links: Links,
    efficiency: Efficiency,
    tokens: Tensor,
    work: Work,
) -> Tensor:
    """Exchange of tokens, there and back, forward and backward."""
    is_expert = operators.expert > 0
    chosen = torch.where(is_expert, operators.uses, 0.0).amax(1)
    size = tokens * hidden * 2.0 / layout.tensor
    rate = links._replace(
        inside=links.inside * efficiency.exchange,
        across=links.across * efficiency.exchange_across,
    )
    once = collectives.exchange_seconds(rate, layout.expert, layout.expert_tensor, size, chosen)
    repeated = 4.0 + 2.0 * (work.recompute == 3).to(once.dtype)
    return torch.where(chosen > 0, once * repeated, 0.0)


def _context_seconds(
    operators: Operators,
    groups: Groups,
    layout: Layout,
    links: Links,
    tokens: Tensor,
    work: Work,
    forward: _Pass,
    backward: _Pass,
) -> Tensor:
    """Keys and values around the ring, as far as attention does not hide them."""
    each = collectives.group(links, layout.context, layout.tensor)
    is_scores = operators.heads > 0
    kept = torch.where(is_scores, operators.kept_split - 4 * operators.heads, 0.0).sum(1)
    size = kept * tokens * layout.context / layout.tensor * 0.5
    moved = collectives.gather_seconds(each, size)
    exposed = (moved - 0.7 * forward.attention).clamp_min(0.0) + (
        2.0 * moved - 0.7 * backward.attention
    ).clamp_min(0.0)
    return torch.where(layout.context > 1, exposed, 0.0)


def _sending_seconds(hidden: Tensor, layout: Layout, links: Links, tokens: Tensor) -> Tensor:
    """Activations to the next stage and gradients back; one of each is not hidden."""
    stride = layout.tensor * layout.context * layout.data
    size = tokens * hidden * 2.0 / layout.tensor
    rate = torch.where(stride * layout.pipeline <= links.domain, links.inside, links.across)
    once = size / rate
    times = 2.0 * (layout.micro_batches * layout.virtual * 0.5 + layout.pipeline)
    return torch.where(layout.pipeline > 1, once * times, 0.0)


def _data_seconds(
    operators: Operators,
    parameters: Tensor,
    layout: Layout,
    links: Links,
    efficiency: Efficiency,
    work: Work,
    round_trip: Tensor,
) -> Tensor:
    """Gradients and weights between replicas, as far as computing does not hide them."""
    is_expert = operators.expert > 0
    dense = torch.where(is_expert, 0.0, parameters).sum((0, 1))
    routed = torch.where(is_expert, parameters, 0.0).sum((0, 1))
    replicas = layout.context * layout.data
    expert_replicas = layout.tensor * replicas / (layout.expert * layout.expert_tensor)
    stride = layout.tensor
    sharded = layout.zero >= 3

    def traffic(count: Tensor, ranks: Tensor, apart: Tensor) -> Tensor:
        each = collectives.group(links, ranks, apart)
        gradients = collectives.gather_seconds(each, count * work.gradient_bytes)
        weights = collectives.gather_seconds(each, count * 2.0)
        once = (gradients + weights) * work.trained
        # Fully sharded, weights are gathered for each pass, and gradients go each time.
        often = layout.micro_batches * (2.0 * weights + gradients * work.trained)
        return torch.where(sharded, often, once)

    moved = traffic(dense, replicas, stride) + traffic(
        routed, expert_replicas, layout.expert * layout.expert_tensor
    )
    micro = torch.where(sharded, layout.micro_batches, 1.0)
    behind = efficiency.data_overlap * round_trip * micro
    # What does not fit behind the computing is waited for; a soft corner.
    excess = moved - behind
    exposed = 0.5 * (excess + torch.sqrt(excess**2 + (0.1 * moved + 1e-6) ** 2))
    return torch.where(replicas > 1, exposed, 0.0)


def _optimizer_seconds(
    parameters: Tensor,
    layout: Layout,
    device: Device,
    efficiency: Efficiency,
    work: Work,
) -> Tensor:
    """Every state read and written once."""
    count = parameters.sum((0, 1))
    divided = torch.where(layout.zero >= 1, count / layout.shards, count)
    moved = divided * work.state_bytes * efficiency.optimizer_traffic * work.trained
    return moved / (device.bytes_per_s * efficiency.memory)
