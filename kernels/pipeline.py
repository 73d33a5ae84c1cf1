"""Pipeline schedules: how long stages wait for each other.

References:
    Narayanan et al. 2021, arXiv 2104.04473, section 2.2 (1F1B and interleaved schedules).
    Qi et al. 2023, "Zero Bubble Pipeline Parallelism", arXiv 2401.10241, table 2 (ZB-H1).
    DeepSeek-AI 2024, arXiv 2412.19437, table 2 (DualPipe).
"""

from __future__ import annotations

import torch
from torch import Tensor

from .schedules import DUAL, ZERO_BUBBLE


def bubble_seconds(
    schedule: Tensor,
    pipeline: Tensor,
    virtual: Tensor,
    forward: Tensor,
    backward: Tensor,
    weights: Tensor,
) -> Tensor:
    r"""Idle time of a step, with :math:`F, B, W` seconds of a micro-batch on a stage.

    1F1B: :math:`(p - 1)(F + B) / v`. Where the gradients of weights wait (ZB-H1):
    :math:`(p - 1)(F + B - 2 W)`. From both ends at once (DualPipe):
    :math:`(p / 2 - 1)(F + 2 B - 3 W)`, a forward and a backward pass together taking what they
    take one after the other.

    Args:
        schedule: 0 for 1F1B, 1 for ZB-H1, 2 for DualPipe; any shape, as all that follow.
        pipeline: stages, :math:`p`.
        virtual: chunks of a stage, :math:`v`.
        forward: seconds of a micro-batch's forward pass on a stage, :math:`F`.
        backward: time of its backward pass, gradients of weights included, :math:`B`.
        weights: time of the gradients of weights, :math:`W`.
    """
    plain = (pipeline - 1) * (forward + backward) / virtual
    zero = (pipeline - 1) * (forward + backward - 2 * weights)
    dual = (pipeline / 2 - 1).clamp_min(0.0) * (forward + 2 * backward - 3 * weights)
    found = torch.where(schedule == ZERO_BUBBLE, zero, torch.where(schedule == DUAL, dual, plain))
    return found.clamp_min(0.0)
