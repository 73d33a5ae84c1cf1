"""Pipeline schedules: how long stages wait for each other.

References:
    Narayanan et al. 2021, arXiv 2104.04473, section 2.2 (1F1B and interleaved schedules).
    Qi et al. 2023, "Zero Bubble Pipeline Parallelism", arXiv 2401.10241, table 2 (ZB-H1).
    DeepSeek-AI 2024, arXiv 2412.19437, table 2 (DualPipe).
"""

from __future__ import annotations

from collections.abc import Sequence

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


def ends_seconds(
    pipeline: Tensor, batches: Tensor, forward: Sequence[Tensor], backward: Sequence[Tensor]
) -> Tensor:
    """Time of a step in 1F1B, of stages that are alike but for the first and the last.

    That of ``listed_seconds`` in closed form: of stages that are alike the last waits longest.

    Args:
        pipeline: stages; any shape, as all that follow.
        batches: micro-batches of a step.
        forward: seconds of a micro-batch's forward pass on the first stage, one between and the
            last.
        backward: the same of its backward pass.
    """
    first, between, last = (one + two for one, two in zip(forward, backward, strict=True))

    def took(place: int, before: Tensor, behind: Tensor, after: Tensor) -> Tensor:
        """Time of a stage; passes of so many stages after it."""
        more = torch.minimum(after, batches - 1).clamp_min(0.0)
        come, gone = ((behind - more * each[place]).clamp_min(0.0) for each in (forward, backward))
        both = torch.where(batches > more + 1, come + gone, torch.maximum(come, gone))
        return batches * (forward[place] + backward[place]) + before + both

    nothing = torch.zeros_like(first)
    inner = (pipeline - 2).clamp_min(0.0)
    found = torch.maximum(
        took(0, nothing, inner * between + torch.where(pipeline > 1, last, 0.0), pipeline - 1),
        took(2, torch.where(pipeline > 1, first, 0.0) + inner * between, nothing, nothing),
    )
    middle = took(1, first + (inner - 1) * between, last, torch.ones_like(pipeline))
    return torch.where(pipeline > 2, torch.maximum(found, middle), found)


def listed_seconds(
    pipeline: Tensor, virtual: Tensor, batches: Tensor, forward: Tensor, backward: Tensor
) -> Tensor:
    r"""Time of a step in 1F1B, plain or interleaved, of chunks that each take their own time.

    No stage :math:`s` is through sooner than it has been busy and has waited: for the stages
    before it to fill and to drain; for its first backward pass until a micro-batch has come back
    from all chunks behind it, less the forward passes that the schedule has for it meanwhile; and
    likewise, with time turned back, after its last forward pass. The longest of all stages is
    told. It is exact where the stages between the ends are alike and have one chunk each, and
    else falls short by what waits for waits take (``tests/kernels/test_pipeline.py``).

    Args:
        pipeline: stages, :math:`p`; ``(*batch)``.
        virtual: chunks of a stage, :math:`v`.
        batches: micro-batches of a step, :math:`m`; of an interleaved schedule a multiple of
            :math:`p`.
        forward: seconds of a micro-batch's forward pass on each chunk of each stage; ``(stages,
            chunks, *batch)``, zero of what a pipeline does not have.
        backward: the same of its backward pass.
    """
    stages, chunks = (_numbers(length, pipeline) for length in forward.shape[:2])
    warm = torch.where(
        virtual > 1,
        2.0 * (pipeline - stages - 1) + (virtual - 1) * pipeline,
        pipeline - stages - 1,
    )
    ahead = torch.minimum(warm.clamp_min(0.0) + 1.0, batches * virtual)
    # Chunks take turns, as many micro-batches at a time as there are stages.
    rounds = torch.floor(ahead / (pipeline * virtual))
    left = (ahead - rounds * pipeline * virtual).unsqueeze(1) - chunks * pipeline
    times = (rounds * pipeline).unsqueeze(1) + torch.minimum(left.clamp_min(0.0), pipeline)

    def way(there: Tensor, back: Tensor) -> tuple[Tensor, Tensor]:
        """Time until a first pass comes to a stage, and that it then waits for it to come back."""
        final = torch.where(chunks == virtual - 1, back, 0.0).sum(1)
        behind = final.sum(0) - final.cumsum(0)
        before = there[:, 0].cumsum(0) - there[:, 0]
        waits = there.sum((0, 1)) + behind - before - (times * there).sum(1)
        return before, waits.clamp_min(0.0)

    filling, first = way(forward, backward)
    draining, last = way(backward, forward)
    gaps = torch.where(batches * virtual > ahead, first + last, torch.maximum(first, last))
    took = batches * (forward + backward).sum(1) + filling + draining + gaps
    return torch.where(stages < pipeline, took, 0.0).amax(0)


def _numbers(count: int, like: Tensor) -> Tensor:
    """Numbers from 0 in a dimension before those of a batch."""
    found = torch.arange(count, dtype=like.dtype, device=like.device)
    return found.reshape(-1, *[1] * like.dim())
