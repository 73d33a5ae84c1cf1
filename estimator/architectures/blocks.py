"""The blocks that architectures are made of, as operators.

What is kept for the backward pass follows Korthikanti et al. 2022, "Reducing Activation
Recomputation in Large Transformer Models", arXiv 2205.05198, section 4.1, part by part: each
product keeps its input, each norm and each activation function its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from .operators import UNLIMITED, Count, Operator

BYTES = 2
"""Size of an element of an activation in 16 bits [B]."""


def vector(name: str, size: Count) -> Operator:
    """Return parameters that each tensor parallel rank holds whole."""
    return Operator(name, vectors=size, ways=1)


def norm(name: str, size: Count, kind: str) -> Operator:
    """Return a norm: ``rms`` (a gain), ``layer`` (gain and bias), ``gain``, or ``none``.

    It keeps its input. An unfused root-mean-square norm keeps it in 32 bits, and what it scales
    by the gain.
    """
    vectors = {"rms": 1, "gain": 1, "layer": 2, "none": 0}[kind] * size
    eager = 2 * BYTES * size if kind == "rms" else 0
    return Operator(name, vectors=vectors, ways=1, kept=BYTES * size, eager=eager)


def column(name: str, d_in: Count, d_out: Count, bias: bool = False, **more: Any) -> Operator:
    """Return a product divided by its outputs over tensor parallel ranks."""
    vectors, result = d_out if bias else 0, d_out * more.get("uses", 1)
    return Operator(name, d_in, d_out, vectors=vectors, result=result, **more)


def row(name: str, d_in: Count, d_out: Count, bias: bool = False, **more: Any) -> list[Operator]:
    """Return a product divided by its inputs; its bias is held by each rank."""
    product = column(name, d_in, d_out, by_input=True, **more)
    return [product, vector(name, d_out)] if bias else [product]


class Experts(NamedTuple):
    """Experts of a layer.

    Attributes:
        held: how many there are.
        chosen: how many of them a token meets.
    """

    held: Count
    chosen: Count


def mlp(
    hidden: Count,
    width: Count,
    *,
    gated: bool = True,
    bias: bool = False,
    name: str = "mlp",
    experts: Experts | None = None,
) -> list[Operator]:
    """Return a feed-forward block: two matrices, or three where gated.

    It keeps its input, what goes into the activation function, and what comes out of it.

    Args:
        hidden: width of the residual stream.
        width: width of the block.
        gated: whether it has three matrices.
        bias: whether they have one each.
        name: what its figures are added up under.
        experts: how many such blocks a layer has; None for one.
    """
    copies, uses = experts or (1, 1)
    shared: dict[str, Any] = {
        "uses": uses,
        "copies": copies,
        "expert": experts is not None,
        "adapted": "experts" if experts else "mlp",
    }
    into, inner = uses * BYTES * hidden, uses * BYTES * width
    first = shared | {"module": "gate_proj" if gated else "up_proj"}
    parts = [column(name, hidden, width, bias, kept=into, kept_split=inner, **first)]
    if gated:
        # Unfused, the activated gate is kept as well as what it was made from.
        unfused = shared | {"module": "up_proj", "eager_split": inner}
        parts.append(column(name, hidden, width, bias, kept_split=inner, **unfused))
    last = shared | {"module": "down_proj"}
    if experts:
        # Its bias goes with it to another rank.
        down = column(name, width, hidden, bias, by_input=True, kept_split=inner, **last)
        return [*parts, down]
    return [*parts, *row(name, width, hidden, bias, kept_split=inner, **last)]


class Shared(NamedTuple):
    """An expert that every token meets.

    Attributes:
        width: width of the expert; the number 0 where there is none.
        is_weighted: whether a gate weights its output.
        bias: whether its matrices have one.
    """

    width: Count = 0
    is_weighted: bool = False
    bias: bool = False


UNSHARED = Shared()


def mixture(
    hidden: Count,
    width: Count,
    experts: Experts,
    shared: Shared = UNSHARED,
    *,
    bias: bool = False,
    gated: bool = True,
) -> list[Operator]:
    """Return a mixture of experts, and of one that all tokens share.

    Each chosen expert keeps its own copy of the token. The router keeps its input, which is the
    shared expert's too, and its scores in 32 bits.

    Args:
        hidden: width of the residual stream.
        width: width of an expert.
        experts: how many there are and how many are chosen.
        shared: the expert that every token meets.
        bias: whether experts have one.
        gated: whether experts have three matrices.
    """
    has_shared = not isinstance(shared.width, int) or shared.width > 0
    kept = 4 * experts.held if has_shared else 4 * experts.held + BYTES * hidden
    parts = [
        column("router", hidden, experts.held, ways=1, kept=kept),
        *mlp(hidden, width, gated=gated, bias=bias, name="experts", experts=experts),
    ]
    if has_shared:
        parts += mlp(hidden, shared.width, gated=gated, bias=shared.bias, name="shared_experts")
        if shared.is_weighted:
            parts.append(column("shared_experts", hidden, 1, ways=1, kept=BYTES * hidden))
    return parts


def embedding(name: str, entries: Count, width: Count, *, ways: Count = UNLIMITED) -> Operator:
    """Return a table that tokens or positions are looked up in."""
    return Operator(name, vectors=entries * width, ways=ways, lookup=True)


def head(
    hidden: Count, outputs: Count, *, tied: bool, bias: bool = False, uses: Count = 1
) -> list[Operator]:
    """Return the product that gives the logits; a tied one holds no matrix of its own."""
    product = Operator(
        "logits", hidden, outputs, copies=0 if tied else 1, uses=uses, kept=BYTES * hidden
    )
    return [product, Operator("logits", vectors=outputs)] if bias else [product]


def of_another(operator: Operator) -> Operator:
    """Return the same operator with another layer's parameters."""
    return replace(operator, copies=0)
