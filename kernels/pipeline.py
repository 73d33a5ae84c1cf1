"""Pipeline schedules: how long stages wait for each other.

References:
    Narayanan et al. 2021, arXiv 2104.04473, section 2.2 (1F1B and interleaved schedules).
"""

from __future__ import annotations

from torch import Tensor


def bubble(pipeline: Tensor, virtual: Tensor, micro_batches: Tensor) -> Tensor:
    r"""Idle time over busy time: :math:`(p - 1) / (v m)`.

    Args:
        pipeline: stages, :math:`p`.
        virtual: chunks of a stage, :math:`v`.
        micro_batches: of a step, :math:`m`.
    """
    return (pipeline - 1) / (virtual * micro_batches)
