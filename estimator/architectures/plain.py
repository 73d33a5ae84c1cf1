"""One architecture counted in plain numbers: what the kernels give, without loading torch.

The kernels count many architectures at once; loading what they stand on takes longer than counting
one. Tests hold both to each other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, cast

from .counts import CONVENTIONS, FlopPerToken, Parameters
from .operators import Architecture

FORWARD, BACKWARD = 2.0, 4.0
"""FLOP of a pass for each parameter that a token meets."""


def weighted(architecture: Architecture) -> Iterator[tuple[Any, int, float]]:
    """Yield each operator, its layers, and the share of the tokens that meet it.

    Its sizes are numbers, not tensors of many architectures.
    """
    for operator in (*architecture.inputs, *architecture.outputs):
        yield operator, 1, 1.0
    for kind in architecture.kinds:
        for operator in kind.operators:
            yield operator, len(kind.layers.indices()), kind.tokens


def plain_parameters(architecture: Architecture) -> Parameters:
    """Count the parameters of one architecture; see ``count_parameters``."""
    total = active = embedding = 0
    for operator, layers, _ in weighted(architecture):
        each = operator.d_in * operator.d_out + operator.vectors
        met = min(operator.uses, operator.copies) if operator.expert else operator.copies
        total += operator.copies * each * layers
        active += met * each * layers
        embedding += operator.copies * operator.lookup * operator.vectors * layers
    return Parameters(total=total, active=active, embedding=embedding, adapters=0)


def plain_flop(architecture: Architecture, sequence: int) -> FlopPerToken:
    """Count the FLOP of a token of one architecture whose weights are trained."""
    forward: dict[str, float] = {}
    whole = products = scores = six_nd = 0.0
    for operator, layers, share in weighted(architecture):
        times = layers * share
        product = FORWARD * operator.uses * operator.d_in * operator.d_out
        attended = FORWARD * operator.per_key * _keys(operator, sequence)
        found = product + attended + operator.per_token
        forward[operator.name] = forward.get(operator.name, 0.0) + found * times
        keys = operator.window if operator.is_apart else sequence
        every = FORWARD * operator.per_key * keys * times
        scores += every
        whole += (product + operator.per_token) * times + every
        products += found * times
    active = cast("float", plain_parameters(architecture).active)
    six_nd = (FORWARD + BACKWARD) * active
    counted = (six_nd, six_nd + 3 * scores, 3 * whole, 3 * products)
    return FlopPerToken(
        forward=products,
        backward=2 * products,
        recomputed=0.0,
        by_operator={name: (each, 2 * each) for name, each in forward.items() if each},
        conventions=dict(zip(CONVENTIONS, counted, strict=True)),
    )


def _keys(operator: Any, sequence: int) -> float:
    """Keys that a query attends on average; see the kernel's ``attended_keys``."""
    if operator.attended:
        return float(operator.attended)
    if operator.is_apart:
        return float(operator.window)
    reach = min(float(operator.window), float(sequence))
    if not operator.causal:
        return reach
    if not operator.chunked:
        return reach - reach * (reach - 1) / (2 * sequence)
    chunks = math.floor(sequence / reach)
    rest = sequence - chunks * reach
    return (chunks * reach * (reach + 1) + rest * (rest + 1)) / (2 * sequence)
