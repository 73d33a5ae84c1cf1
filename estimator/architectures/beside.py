"""What is trained beside frozen weights, operator by operator: adapters, copies of modules."""

from __future__ import annotations

from collections.abc import Sequence

from .operators import Architecture, Beside, Count, Operator

UNADAPTED = Beside()
"""All weights are trained, and nothing beside them."""

HEAD, EMBEDDING = "head", "embedding"
"""Modules of which a copy may be trained in the place of the frozen one."""


def is_adapted(operator: Operator, beside: Beside) -> bool:
    """Whether a low-rank adapter is put beside an operator's matrix."""
    return bool(beside.modules & {operator.adapted, operator.module})


def saved_operators(architecture: Architecture, beside: Beside) -> list[Operator]:
    """Return the operators of which a copy is trained: the head, the table of tokens."""
    found: list[Operator] = []
    if HEAD in beside.saved:
        found += [each for each in architecture.outputs if each.name == "logits"]
    if EMBEDDING in beside.saved:
        # What follows the tokens' own are tables of positions, of segments, of layers' inputs.
        tables = [each for each in architecture.inputs if each.lookup and each.ways != 1]
        found += [each for each in tables if each.name == "embedding"][:1]
    return found


def low_rank(row: Sequence[Operator], beside: Beside) -> list[Count]:
    """Elements of an adapter beside each operator of a layer, for each of its rank.

    Of several products that are one matrix, the first has the adapter's inputs for all.
    """
    found: list[Count] = []
    met: set[tuple[str, frozenset[str]]] = set()
    for each in row:
        if not is_adapted(each, beside):
            found.append(0)
            continue
        matrix = next((group for group in beside.fused if each.module in group), None)
        is_later = matrix is not None and (each.name, matrix) in met
        if matrix is not None:
            met.add((each.name, matrix))
        found.append(each.d_out if is_later else each.d_in + each.d_out)
    return found


def elements_beside(operator: Operator, beside: Beside, *, is_saved: bool) -> Count:
    """Elements trained beside all copies of an operator, whatever the adapters' rank.

    Args:
        operator: of a layer, or before or after all.
        beside: what is trained.
        is_saved: whether a copy of the operator is.
    """
    if is_saved:
        is_tied = isinstance(operator.copies, int) and operator.copies == 0
        # A tied head, which holds no matrix of its own, has one of its own once it is trained.
        copies = 1 if is_tied else operator.copies
        return copies * (operator.d_in * operator.d_out + operator.vectors)
    if beside.has_magnitudes and is_adapted(operator, beside):
        return operator.copies * operator.d_out
    return 0
