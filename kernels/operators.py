"""Operators of many architectures at once, as columns; parameters counted from them.

Columns have the shape ``(groups, slots, *batch)``: a group holds the operators of one kind of
layer, of what comes before the first layer, or of what comes after the last. Slots that an
architecture does not use are zero throughout.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Operators(NamedTuple):
    """Sizes of operators; see the estimator's ``Operator`` for each field.

    Attributes:
        d_in: inputs of a matrix product; ``(groups, slots, *batch)``, as all that follow.
        d_out: outputs of it.
        copies: matrices that a layer holds; 0 where another layer's are used.
        uses: matrices that a token meets.
        vectors: parameters beside each matrix.
        per_key: multiply-adds of a query with each attended key and value.
        per_token: FLOP without weights.
        window: keys attended at most; infinite where not bounded.
        causal: 1 where only earlier keys are attended.
        chunked: 1 where the window is a fixed chunk.
        attended: keys that a query attends on average, where documents of a sequence do not attend
            each other; 0 where the sequence decides.
        by_input: 1 where a product is divided by its inputs.
        ways: tensor parallel ranks it can be divided over.
        expert: 1 where divided over expert parallel ranks.
        lookup: 1 where vectors are embeddings.
        adapted: 1 where a low-rank adapter is put beside the matrix.
        low_rank: elements of that adapter for each of its rank.
        beside: elements trained beside frozen matrices whatever the rank, of all copies: magnitudes
            of adapters, a copy of the whole.
        saved: 1 where a copy of the whole is trained, so that its gradient is computed.
        kept: bytes per token kept for the backward pass, undivided.
        kept_split: bytes per token kept, divided with the operator.
        eager: bytes per token kept besides where kernels are not fused, undivided.
        eager_split: the same, divided with the operator.
        exchanged: bytes per token of keys and values that ranks sharing a sequence send on.
        heads: query heads with a score for each key.
        together: outputs of all products that are computed as one with this: of the same input.
        saved_result: bytes per token of the results that per-operator recomputation keeps.
        unread: 1 of a product whose result nothing but the next layer reads.
    """

    d_in: Tensor
    d_out: Tensor
    copies: Tensor
    uses: Tensor
    vectors: Tensor
    per_key: Tensor
    per_token: Tensor
    window: Tensor
    causal: Tensor
    chunked: Tensor
    attended: Tensor
    by_input: Tensor
    ways: Tensor
    expert: Tensor
    lookup: Tensor
    adapted: Tensor
    low_rank: Tensor
    beside: Tensor
    saved: Tensor
    kept: Tensor
    kept_split: Tensor
    eager: Tensor
    eager_split: Tensor
    exchanged: Tensor
    heads: Tensor
    together: Tensor
    saved_result: Tensor
    unread: Tensor


class Groups(NamedTuple):
    """Place of each group of operators in a model; ``(groups, *batch)``.

    Attributes:
        first: first layer of the kind.
        step: layers from one run of the kind to the next.
        run: layers in a run.
        stop: layer before which the kind ends.
        tokens: share of the tokens that meet it.
        place: 0 for layers, 1 for what comes before the first, 2 for what comes after the last.
    """

    first: Tensor
    step: Tensor
    run: Tensor
    stop: Tensor
    tokens: Tensor
    place: Tensor


class Model(NamedTuple):
    """What a batch of architectures is, for every kernel of a training step.

    Attributes:
        operators: operators of one layer of each group; ``(groups, slots, *batch)``.
        groups: place of each group of operators; ``(groups, *batch)``.
        hidden: width of the residual stream; ``(*batch)``, as all that follow.
        layers: number of layers.
        vocabulary: entries of the output.
    """

    operators: Operators
    groups: Groups
    hidden: Tensor
    layers: Tensor
    vocabulary: Tensor


def layers_before(groups: Groups, bound: Tensor) -> Tensor:
    """Layers of each kind among the first ``bound`` of a model.

    Args:
        groups: kinds of layers.
        bound: a number of layers; ``(*batch)``.

    Returns:
        ``(groups, *batch)``; groups that are no layers count one, whatever the bound.
    """
    reach = (torch.minimum(bound, groups.stop) - groups.first).clamp_min(0)
    whole = torch.floor(reach / groups.step.clamp_min(1))
    rest = torch.minimum(reach - whole * groups.step, groups.run)
    return torch.where(groups.place == 0, whole * groups.run + rest, 1.0)


def layers_of(groups: Groups) -> Tensor:
    """All layers of each kind; 1 for what comes before or after them."""
    return layers_before(groups, groups.stop)


def matrix(operators: Operators) -> Tensor:
    """Elements of one matrix of each operator."""
    return operators.d_in * operators.d_out


def parameters(operators: Operators) -> Tensor:
    """Parameters that one layer holds in each operator; ``(groups, slots, *batch)``."""
    return operators.copies * (matrix(operators) + operators.vectors)


def active_parameters(operators: Operators) -> Tensor:
    """Parameters of each operator that one token meets: of experts, those that are chosen."""
    met = torch.where(
        operators.expert > 0, torch.minimum(operators.uses, operators.copies), operators.copies
    )
    return met * (matrix(operators) + operators.vectors)


def embedding_parameters(operators: Operators) -> Tensor:
    """Parameters of each operator that are looked up: of tokens, positions, segments."""
    return operators.copies * operators.lookup * operators.vectors
