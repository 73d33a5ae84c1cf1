"""Communication of a training step, as far as computing does not hide it.

References:
    Narayanan et al. 2021, arXiv 2104.04473 (tensor and pipeline parallelism).
    Rajbhandari et al. 2019, arXiv 1910.02054; Zhao et al. 2023, arXiv 2304.11277 (sharding).
    Liu et al. 2023, arXiv 2310.01889 (ring); Jacobs et al. 2023, arXiv 2309.14509 (all-to-all).
    DeepSeek-AI 2024, arXiv 2412.19437, section 3.2 (exchange of tokens behind computing).
"""

from __future__ import annotations

import torch
from torch import Tensor

from . import collectives
from .constants import number
from .layer_time import Passes
from .operators import Model, Operators
from .setting import Setting

ELEMENT_BYTES = number("communication.ELEMENT_BYTES")
"""Size of an activation's element on its way between ranks [B]."""

HIDING = number("communication.HIDING")
"""Share of attention's time that a ring of keys and values hides behind."""

SENDS_SEEN = number("communication.SENDS_SEEN")
"""Share of the sends between stages that is waited for while a pipeline is full."""


def tensor_seconds(model: Model, setting: Setting) -> Tensor:
    """Sums between tensor parallel ranks, of one layer of each group; ``(groups, *batch)``."""
    operators, groups, layout = model.operators, model.groups, setting.layout
    each = collectives.group(setting.reached, layout.tensor, torch.ones_like(layout.tensor))
    size = setting.work.width * setting.tokens * model.hidden * ELEMENT_BYTES
    once = collectives.reduce_seconds(each, size)
    is_sum = (operators.by_input > 0) & (operators.expert == 0) & (operators.ways > 1)
    sums = is_sum.to(once.dtype).sum(1)
    repeated = 2.0 + (setting.work.recompute == 3).to(once.dtype)
    inside = torch.where(groups.place == 0, sums * repeated, 0.0)
    head = torch.where(groups.place == 2, 1.0, 0.0)
    return once * (1.0 - setting.efficiency.tensor_overlap) * (inside + head)


def expert_seconds(model: Model, setting: Setting, computed: Tensor) -> Tensor:
    """Exchange of tokens between experts, of one layer of each group; ``(groups, *batch)``.

    There and back, forward and backward. Ranks that divide an expert gather the tokens of all of
    them, and sum the results.

    Args:
        model: its operators, and the width of its tokens.
        setting: what the step runs on, and how.
        computed: seconds of computing of one layer, both passes; ``(groups, *batch)``.
    """
    operators, layout, work = model.operators, setting.layout, setting.work
    efficiency, links = setting.efficiency, setting.reached
    is_expert = operators.expert > 0
    chosen = torch.where(is_expert, operators.uses, 0.0).amax(1)
    size = work.width * setting.tokens * model.hidden * ELEMENT_BYTES / layout.tensor
    rate = links._replace(
        inside=links.inside * efficiency.exchange,
        across=links.across * efficiency.exchange_across,
    )
    ranks = collectives.ExpertRanks(layout.expert, layout.expert_tensor, work.sends_once)
    once = collectives.exchange_seconds(rate, ranks, size, chosen)
    dividing = collectives.group(links, layout.expert_tensor, torch.ones_like(layout.tensor))
    shared = collectives.gather_seconds(dividing, size * chosen * layout.expert_tensor)
    repeated = 4.0 + 2.0 * (work.recompute == 3).to(once.dtype)
    moved = (once + shared) * repeated
    hidden_part = torch.minimum(moved, efficiency.expert_overlap * computed)
    exposed = torch.where(work.hides_experts > 0, moved - hidden_part, moved)
    return torch.where(chosen > 0, exposed, 0.0)


def context_seconds(operators: Operators, setting: Setting, passes: Passes) -> Tensor:
    """Seconds of one layer of each group between ranks of a sequence; ``(groups, *batch)``.

    Around a ring go keys and values, as far as attention does not hide them. All-to-all, heads
    are exchanged for tokens: queries, keys and values before attention, its output after it.

    Args:
        operators: ``(groups, slots, *batch)``.
        setting: what the step runs on, and how.
        passes: seconds of computing of one layer, whose attention hides a ring.
    """
    layout, tokens = setting.layout, setting.work.width * setting.tokens
    each = collectives.group(setting.reached, layout.context, layout.tensor)
    is_scores = operators.heads > 0
    queries = torch.where(is_scores, operators.kept_split - 4 * operators.heads, 0.0)
    results = torch.where(is_scores, ELEMENT_BYTES * operators.per_key - queries, 0.0)
    # Fewer heads of keys and values than tensor parallel ranks are copied.
    ways = torch.minimum(operators.ways, layout.tensor)
    keys = (operators.exchanged / ways).sum(1) * tokens
    moved = collectives.gather_seconds(each, keys * layout.context)
    forward = (moved - HIDING * passes.forward.attention).clamp_min(0.0)
    backward = (2.0 * moved - HIDING * passes.backward.attention).clamp_min(0.0)
    turned = keys + (queries + results).sum(1) * tokens / layout.tensor
    # Where whole layers are computed again, so is what goes forward.
    again = 1.0 + (setting.work.recompute == 3).to(moved.dtype)
    exchanged = (1.0 + again) * collectives.gather_seconds(each, turned)
    forward = again * forward
    found = torch.where(setting.work.exchanges_heads > 0, exchanged, forward + backward)
    return torch.where(layout.context > 1, found, 0.0)


def sending_seconds(hidden: Tensor, setting: Setting) -> Tensor:
    """Activations to the next stage and gradients back, as far as they are not hidden.

    While a pipeline fills and drains every send is waited for, from stage to stage; in between,
    the part of them that ``SENDS_SEEN`` tells.

    Args:
        hidden: width of the residual stream; ``(*batch)``.
        setting: what the step runs on, and how.
    """
    layout, links = setting.layout, setting.reached
    stride = layout.tensor * layout.context * layout.data
    size = setting.work.width * setting.tokens * hidden * ELEMENT_BYTES / layout.tensor
    is_inside = stride * layout.pipeline <= links.domain
    rate = torch.where(is_inside, links.inside, links.across)
    latency = torch.where(is_inside, links.latency, links.latency_across)
    times = 2.0 * (layout.micro_batches * layout.virtual * SENDS_SEEN + layout.pipeline - 1)
    return torch.where(layout.pipeline > 1, (size / rate + latency) * times, 0.0)


def data_seconds(
    operators: Operators, setting: Setting, parameters: Tensor, units: Tensor, round_trip: Tensor
) -> Tensor:
    """Gradients and weights between replicas, as far as computing does not hide them.

    Args:
        operators: ``(groups, slots, *batch)``.
        setting: what the step runs on, and how.
        parameters: number of parameters that the rank holds of each, undivided by data parallelism;
            the same shape.
        units: number of units that a fully sharded model is gathered in: its layers; ``(*batch)``.
        round_trip: seconds of a micro-batch on a stage, forward and backward; ``(*batch)``.
    """
    layout, work, links = setting.layout, setting.work, setting.reached
    efficiency = setting.efficiency
    is_expert = operators.expert > 0
    replicas = layout.context * layout.data
    expert_stride = layout.expert * layout.expert_tensor
    is_sharded = layout.zero >= 3
    # What a stage does not hold from one micro-batch to the next goes with each of them.
    each_time = torch.where(layout.holds > 0, 1.0, layout.micro_batches)
    gathers = torch.where(layout.holds > 0, 1.0, 2.0 * layout.micro_batches)
    reduces = torch.where(layout.zero >= 2, each_time, 1.0)

    # Of what rests on the host, a rank's part comes before each gathering, and gradients go.
    sent = torch.where(work.away_bytes > 0, reduces * work.gradient_bytes * work.trained, 0.0)
    to_host = (gathers * work.away_bytes + sent) / setting.device.host_link

    def moved(count: Tensor, ranks: Tensor, stride: Tensor) -> Tensor:
        shards = torch.minimum(torch.where(layout.zero >= 1, layout.shards, ranks), ranks)
        within = collectives.group(links, shards, stride)
        messages = torch.where(is_sharded, units, 1.0)
        gradients = collectives.gather_seconds(within, count * work.gradient_bytes, messages)
        weights = collectives.gather_seconds(within, count * work.weight_bytes, messages)
        between = collectives.group(links, ranks / shards, stride * shards)
        summed = collectives.reduce_seconds(between, count / shards * work.gradient_bytes)
        # Without sharding, the sum of gradients comes back in place of new weights.
        back = torch.where(layout.zero >= 1, weights, gradients)
        whole = gathers * weights + reduces * gradients * work.trained
        parts = (reduces * gradients + back) * work.trained
        own = count * to_host / shards
        return torch.where(is_sharded, whole, parts) + summed * work.trained + own

    dense = torch.where(is_expert, 0.0, parameters).sum((0, 1))
    routed = torch.where(is_expert, parameters, 0.0).sum((0, 1))
    all_moved = moved(dense, replicas, layout.tensor) + moved(
        routed, (layout.tensor * replicas / expert_stride).clamp_min(1.0), expert_stride
    )
    seen = efficiency.data_exposed * all_moved
    behind = efficiency.data_overlap * round_trip * reduces
    # What does not fit behind the computing is waited for; a soft corner.
    excess = all_moved - seen - behind
    waited = 0.5 * (excess + torch.sqrt(excess**2 + (0.1 * all_moved + 1e-6) ** 2))
    return torch.where(all_moved > 0, seen + waited, 0.0)
