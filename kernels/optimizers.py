"""Time of an optimizer's step on one rank.

References:
    Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks" (Newton-Schulz).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .constants import number
from .layout import Layout
from .operators import Model
from .setting import Setting

NEWTON_SCHULZ_STEPS = number("optimizers.NEWTON_SCHULZ_STEPS")
"""Newton-Schulz iterations of Muon's step."""


class RankParameters(NamedTuple):
    """Parameters of each operator that a rank holds, undivided by data parallelism.

    Attributes:
        matrices: elements of matrices; ``(groups, slots, *batch)``.
        vectors: elements beside them; the same shape.
    """

    matrices: Tensor
    vectors: Tensor


def optimizer_seconds(model: Model, held: RankParameters, setting: Setting) -> Tensor:
    """Seconds in which every state is read and written once; ``(*batch)``.

    Muon's Newton-Schulz iterations are computed besides, each matrix by one of the ranks that
    hold it. On the host its memory bounds the pass; gradients go there and weights come back, if
    not with each unit.

    Args:
        model: its operators, and where they stand.
        held: what a rank holds.
        setting: what the step runs on, and how.
    """
    work, layout = setting.work, setting.layout
    inside = (model.groups.place == 0).unsqueeze(1)
    is_expert = model.operators.expert > 0
    inner = torch.where(inside, held.matrices, 0.0)
    rest = held.matrices - inner + held.vectors
    moved = inner * work.state_bytes + rest * work.other_bytes
    bytes_ = _own(moved, is_expert, layout) * setting.efficiency.optimizer_traffic
    times = torch.where(work.gradients_away > 0, layout.micro_batches, 1.0)
    each = times * work.gradient_bytes + work.weight_bytes
    sent = _own(inner + rest, is_expert, layout) * each
    sent = torch.where(work.away_bytes > 0, 0.0, sent) / setting.device.host_link
    on_host = bytes_ / setting.device.host_memory + sent
    passed = torch.where(work.states_away > 0, on_host, bytes_ / setting.bandwidth)
    short = torch.minimum(model.operators.d_in, model.operators.d_out)
    flop = held.matrices * orthogonal_flop(short, torch.maximum(*_sides(model)))
    computed = _own(torch.where(inside, flop, 0.0), is_expert, layout) * work.orthogonal
    rate = setting.device.peak_16 * setting.efficiency.products
    return work.trained * (passed + computed / rate)


def orthogonal_flop(short: Tensor, long: Tensor) -> Tensor:
    r"""FLOP for each element of an :math:`a \times b` matrix that Newton-Schulz takes.

    Each iteration computes :math:`A = X X^T`, :math:`A A` and :math:`B X`:
    :math:`4 a^2 b + 2 a^3` FLOP, :math:`a` the shorter side.

    Args:
        short: shorter side; any shape.
        long: longer side; broadcasts with it.
    """
    return NEWTON_SCHULZ_STEPS * (4.0 * short + 2.0 * short**2 / long.clamp_min(1.0))


def _sides(model: Model) -> tuple[Tensor, Tensor]:
    return model.operators.d_in, model.operators.d_out


def _own(figure: Tensor, is_expert: Tensor, layout: Layout) -> Tensor:
    """A rank's part of what all parameters take, where ZeRO divides the optimizer's states."""
    dense = torch.where(is_expert, 0.0, figure).sum((0, 1))
    routed = torch.where(is_expert, figure, 0.0).sum((0, 1))
    divided = dense / layout.shards + routed / layout.expert_shards
    return torch.where(layout.zero >= 1, divided, dense + routed)
