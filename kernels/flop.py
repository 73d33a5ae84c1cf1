"""Training FLOP of a model known by its totals.

References:
    Kaplan et al. 2020, "Scaling Laws for Neural Language Models", arXiv 2001.08361, section 2.1.
    Hoffmann et al. 2022, "Training Compute-Optimal Large Language Models", arXiv 2203.15556,
    appendix F.
"""

from __future__ import annotations

from torch import Tensor

FORWARD_FLOP_PER_PARAMETER = 2.0
"""A multiply and an add for each weight a token meets."""

BACKWARD_FLOP_PER_PARAMETER = 4.0
"""Gradients of the inputs and of the weights, each as large as the forward product."""


def training_flop(params_active: Tensor, tokens: Tensor) -> Tensor:
    r"""Model FLOP of training, by the ``6nd`` convention: :math:`6 N D`.

    Attention scores, embeddings and recomputation are left out.

    Args:
        params_active: parameters that one token meets, :math:`N`; any shape.
        tokens: tokens trained on, epochs counted, :math:`D`; broadcasts with it.

    Returns:
        FLOP, in the broadcast shape.

    References:
        Kaplan et al. 2020, section 2.1, :math:`C \approx 6 N D`.
    """
    return (FORWARD_FLOP_PER_PARAMETER + BACKWARD_FLOP_PER_PARAMETER) * params_active * tokens
