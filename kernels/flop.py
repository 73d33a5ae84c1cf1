"""FLOP of a model: per token and operator, forward, backward, recomputed, by convention.

References:
    Kaplan et al. 2020, "Scaling Laws for Neural Language Models", arXiv 2001.08361, section 2.1.
    Hoffmann et al. 2022, "Training Compute-Optimal Large Language Models", arXiv 2203.15556,
    appendix F.
    Chowdhery et al. 2022, "PaLM", arXiv 2204.02311, appendix B.
    Narayanan et al. 2021, "Efficient Large-Scale Language Model Training on GPU Clusters Using
    Megatron-LM", arXiv 2104.04473, section 3.5.
    Korthikanti et al. 2022, "Reducing Activation Recomputation in Large Transformer Models",
    arXiv 2205.05198, section 4.4 and appendix A.
    Hu et al. 2021, "LoRA", arXiv 2106.09685, section 4.1.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .constants import number
from .operators import Groups, Operators, active_parameters, layers_of, matrix

FORWARD_FLOP_PER_PARAMETER = number("flop.FORWARD_FLOP_PER_PARAMETER")
"""FLOP of the forward pass [FLOP a parameter and token]: a multiply and an add."""

BACKWARD_FLOP_PER_PARAMETER = number("flop.BACKWARD_FLOP_PER_PARAMETER")
"""FLOP of the backward pass [FLOP a parameter and token]: gradients of inputs and of weights."""


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


def attended_keys(sequence: Tensor, window: Tensor, causal: Tensor, chunked: Tensor) -> Tensor:
    r"""Keys that a query attends, on average over a sequence.

    Full: :math:`s`. Causal: :math:`(s + 1) / 2`. Of the last :math:`w`:
    :math:`w - w (w - 1) / 2 s`. Within chunks of :math:`w`: :math:`(w + 1) / 2`, and less in the
    chunk that the sequence's end cuts off. Both ways: all, or the nearest :math:`w`; where that is
    "chunked", :math:`w` keys of a sequence of their own, as an image's patches are.

    Args:
        sequence: tokens of a sequence, :math:`s`.
        window: keys attended at most, :math:`w`; infinite where not bounded.
        causal: 1 where a query attends itself and what comes before; 0 where all.
        chunked: 1 where the window is a fixed chunk.

    Returns:
        a mean number of keys, in the broadcast shape.
    """
    reach = torch.minimum(window, sequence)
    sliding = reach - reach * (reach - 1) / (2 * sequence)
    chunks = torch.floor(sequence / reach)
    rest = sequence - chunks * reach
    fixed = (chunks * reach * (reach + 1) + rest * (rest + 1)) / (2 * sequence)
    both_ways = torch.where(chunked > 0, window, reach)
    return torch.where(causal > 0, torch.where(chunked > 0, fixed, sliding), both_ways)


def attends_apart(operators: Operators) -> Tensor:
    """Whether queries attend a fixed number of keys, of a sequence of their own."""
    return (operators.causal <= 0) & (operators.chunked > 0)


def keys_of(operators: Operators, sequence: Tensor) -> Tensor:
    """Keys that a query of each operator attends, on average; ``(groups, slots, *batch)``.

    Args:
        operators: columns.
        sequence: tokens of a sequence; ``(*batch)``.
    """
    alone = attended_keys(sequence, operators.window, operators.causal, operators.chunked)
    return torch.where(operators.attended > 0, operators.attended, alone)


class TokenFlop(NamedTuple):
    """FLOP per token of each operator in one layer; ``(groups, slots, *batch)``.

    Attributes:
        products: FLOP of matrix products with weights, forward.
        adapters: FLOP of products with low-rank adapters, forward.
        scores: FLOP of products of queries, keys and values, forward.
        recurrence: FLOP of state spaces and linear attention, forward.
        trained: 1 where the weights' gradient is computed, 0 where they are frozen.
    """

    products: Tensor
    adapters: Tensor
    scores: Tensor
    recurrence: Tensor
    trained: Tensor

    @property
    def forward(self) -> Tensor:
        """All of the forward pass."""
        return self.products + self.adapters + self.scores + self.recurrence

    @property
    def backward(self) -> Tensor:
        """All of the backward pass: gradients of inputs, and of the weights that are trained."""
        both = self.adapters + self.scores + self.recurrence
        return 2.0 * both + (1.0 + self.trained) * self.products


def token_flop(
    operators: Operators,
    sequence: Tensor,
    *,
    full_attention: bool = False,
    trained: Tensor | None = None,
    adapter_rank: Tensor | None = None,
) -> TokenFlop:
    r"""FLOP per token of each operator of one layer.

    A product of a token with a matrix of :math:`m \times n` takes :math:`2 m n`; scores take
    :math:`2 a (d_{qk} + d_v)` for each key attended; an adapter of rank :math:`r` beside a matrix
    :math:`2 r (m + n)`. Norms, softmax, activation functions and look-ups are left out, as in
    all conventions.

    Args:
        operators: columns.
        sequence: tokens of a sequence; ``(*batch)``.
        full_attention: count every key of the sequence, whatever the mask.
        trained: 1 where weights are trained, 0 where they are frozen; ``(*batch)``, default 1.
        adapter_rank: rank of the low-rank adapters; ``(*batch)``, default none.
    """
    keys = keys_of(operators, sequence)
    if full_attention:
        keys = torch.where(attends_apart(operators), keys, sequence)
    products = 2.0 * operators.uses * matrix(operators)
    rank = torch.zeros_like(sequence) if adapter_rank is None else adapter_rank
    all_trained = torch.ones_like(sequence) if trained is None else trained
    return TokenFlop(
        products=products,
        adapters=2.0 * operators.uses * rank * operators.low_rank,
        scores=2.0 * operators.per_key * keys,
        recurrence=operators.per_token,
        trained=torch.maximum(operators.saved, all_trained),
    )


def over_layers(groups: Groups, values: Tensor) -> Tensor:
    """Sum a per-token figure of ``(groups, slots, *batch)`` over all layers; ``(*batch)``."""
    return (values.sum(1) * layers_of(groups) * groups.tokens).sum(0)


class Conventions(NamedTuple):
    """Model FLOP per token of a training step, as different authors count it; ``(*batch)``.

    Attributes:
        six_nd: 6 for each parameter that a token meets, embeddings included (Kaplan et al.).
        palm: ``six_nd``, and attention over the whole sequence, 12 L H Q T (PaLM, appendix B).
        megatron: products of all layers and of the logits, attention over the whole sequence
            (Narayanan et al. 2021).
        causal: ``megatron`` with attention over only the keys that the mask lets through: what has
            to be computed.
    """

    six_nd: Tensor
    palm: Tensor
    megatron: Tensor
    causal: Tensor


def conventions(
    operators: Operators,
    groups: Groups,
    sequence: Tensor,
    *,
    trained: Tensor | None = None,
    adapter_rank: Tensor | None = None,
) -> Conventions:
    """Model FLOP per token under each convention; see ``token_flop`` for the arguments.

    Frozen weights take no gradient of their own: 4 for each parameter in place of 6.
    """
    masked = token_flop(operators, sequence, trained=trained, adapter_rank=adapter_rank)
    whole = token_flop(
        operators, sequence, full_attention=True, trained=trained, adapter_rank=adapter_rank
    )
    each = (4.0 + 2.0 * masked.trained) * active_parameters(operators)
    six_nd = (each.sum(1) * layers_of(groups)).sum(0)
    six_nd = six_nd + 3.0 * over_layers(groups, masked.adapters)
    return Conventions(
        six_nd=six_nd,
        palm=six_nd + 3.0 * over_layers(groups, whole.scores),
        megatron=over_layers(groups, whole.forward + whole.backward),
        causal=over_layers(groups, masked.forward + masked.backward),
    )


def recomputed_flop(
    operators: Operators,
    groups: Groups,
    flop: TokenFlop,
    selective: Tensor,
    per_operator: Tensor,
    full: Tensor,
) -> Tensor:
    """FLOP per token that recomputation adds.

    Selective recomputation repeats the scores; recomputation by operator every second product,
    but not attention; full recomputation the forward pass of every layer, but not of the
    embedding and the logits. What a fused attention kernel recomputes inside is not counted, as
    in published hardware FLOP.

    Args:
        operators: columns.
        groups: place of the operators in the model.
        flop: FLOP of each operator.
        selective: 1 where scores are recomputed; ``(*batch)``, as those that follow.
        per_operator: 1 where every second product is.
        full: 1 where whole layers are.

    References:
        Korthikanti et al. 2022, appendix A.
    """
    inside = (groups.place == 0).unsqueeze(1)

    def repeated(share: Tensor, what: Tensor) -> Tensor:
        return share * over_layers(groups, torch.where(inside, what, 0.0))

    products = torch.where(operators.saved_result > 0, 0.0, flop.products + flop.adapters)
    return (
        repeated(selective, flop.scores)
        + repeated(per_operator, products)
        + repeated(full, flop.forward)
    )
