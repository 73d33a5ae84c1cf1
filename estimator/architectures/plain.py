"""One architecture counted in plain numbers: what the kernels give, without loading torch.

The kernels count many architectures at once; loading what they stand on takes longer than counting
one. Tests hold both to each other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from .beside import UNADAPTED, elements_beside, low_rank, saved_operators
from .counts import CONVENTIONS, FlopPerToken, Parameters
from .operators import Architecture, Beside, Operator

FORWARD = 2.0
"""FLOP of the forward pass for each parameter that a token meets."""


class _Place(NamedTuple):
    """An operator of one architecture, where it stands, and what is trained beside it.

    Its sizes are numbers, not tensors of many architectures.

    Attributes:
        operator: the operator.
        layers: that have it.
        tokens: share of the tokens that meet it.
        low_rank: elements of an adapter beside it.
        beside: elements trained beside it besides.
        is_trained: whether its weights' gradient is computed.
    """

    operator: Any
    layers: int
    tokens: float
    low_rank: Any
    beside: Any
    is_trained: bool


class Trained(NamedTuple):
    """What is trained in the place of all weights.

    Attributes:
        rank: of low-rank adapters; 0 trains all weights.
        beside: what they are put beside, and what is trained with them.
    """

    rank: int = 0
    beside: Beside = UNADAPTED


def _places(architecture: Architecture, trained: Trained) -> Iterator[_Place]:
    saved = {id(each) for each in saved_operators(architecture, trained.beside)}

    def placed(row: Sequence[Operator], layers: int, tokens: float) -> Iterator[_Place]:
        ranks = low_rank(row, trained.beside)
        for operator, each in zip(row, ranks, strict=True):
            is_saved = id(operator) in saved
            beside = elements_beside(operator, trained.beside, is_saved=is_saved)
            is_trained = is_saved or not trained.rank
            yield _Place(operator, layers, tokens, trained.rank * each, beside, is_trained)

    yield from placed(architecture.inputs, 1, 1.0)
    yield from placed(architecture.outputs, 1, 1.0)
    for kind in architecture.kinds:
        yield from placed(kind.operators, len(kind.layers.indices()), kind.tokens)


WHOLE = Trained()


def plain_parameters(architecture: Architecture, trained: Trained = WHOLE) -> Parameters:
    """Count the parameters of one architecture; see ``count_parameters``."""
    total = active = embedding = adapters = 0
    for operator, layers, _, adapter, beside, _ in _places(architecture, trained):
        each = operator.d_in * operator.d_out + operator.vectors
        met = min(operator.uses, operator.copies) if operator.expert else operator.copies
        total += operator.copies * each * layers
        active += met * each * layers
        embedding += operator.copies * operator.lookup * operator.vectors * layers
        adapters += (operator.copies * adapter + beside) * layers
    return Parameters(total=total, active=active, embedding=embedding, adapters=adapters)


def plain_flop(architecture: Architecture, sequence: int, trained: Trained = WHOLE) -> FlopPerToken:
    """Count the FLOP of a token of one architecture; see ``count_flop``."""
    passes: dict[str, tuple[float, float]] = {}
    counted = dict.fromkeys(CONVENTIONS, 0.0)
    for place in _places(architecture, trained):
        operator, times = place.operator, place.layers * place.tokens
        product = FORWARD * operator.uses * operator.d_in * operator.d_out
        # Gradients of inputs take as much again, and those of weights where there are any.
        back = (1.0 + place.is_trained) * product
        adapter = FORWARD * operator.uses * place.low_rank
        others = adapter + operator.per_token
        scores = FORWARD * operator.per_key * _keys(operator, sequence)
        every = FORWARD * operator.per_key * (operator.window if operator.is_apart else sequence)
        forward = (product + others + scores) * times
        backward = (back + 2.0 * (others + scores)) * times
        before = passes.get(operator.name, (0.0, 0.0))
        passes[operator.name] = (before[0] + forward, before[1] + backward)
        met = min(operator.uses, operator.copies) if operator.expert else operator.copies
        held = met * (operator.d_in * operator.d_out + operator.vectors) * place.layers
        six_nd = (2.0 * FORWARD + FORWARD * place.is_trained) * held + 3.0 * adapter * times
        counted["6nd"] += six_nd
        counted["palm"] += six_nd + 3.0 * every * times
        counted["megatron"] += (product + back + 3.0 * (others + every)) * times
        counted["causal"] += forward + backward
    return FlopPerToken(
        forward=sum(forward for forward, _ in passes.values()),
        backward=sum(backward for _, backward in passes.values()),
        recomputed=0.0,
        by_operator={name: each for name, each in passes.items() if each[0]},
        conventions=counted,
    )


def _keys(operator: Any, sequence: int) -> float:
    """Keys that a query attends on average."""
    if operator.attended:
        return float(operator.attended)
    return attended_keys(
        sequence, operator.window, causal=operator.causal, chunked=operator.chunked
    )


def attended_keys(sequence: int, window: float, *, causal: bool, chunked: bool) -> float:
    """Keys that a query attends on average over a sequence; see the kernel of that name."""
    if chunked and not causal:
        return float(window)
    reach = min(float(window), float(sequence))
    if not causal:
        return reach
    if not chunked:
        return reach - reach * (reach - 1) / (2 * sequence)
    chunks = math.floor(sequence / reach)
    rest = sequence - chunks * reach
    return (chunks * reach * (reach + 1) + rest * (rest + 1)) / (2 * sequence)
