"""Counts that people mistype: parameters, tokens, and sequences of a step."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BeforeValidator

from .errors import RequestError
from .quantity import AS_TEXT, P90, Quantity, number_text, parse_number, parse_quantity

FEWEST = 1e4
"""Parameters and tokens below it are taken to lack their unit, a rule of this tool's own: nobody
writes billions with five digits before the B."""

MOST_TOKENS = 1e9
"""Most tokens of a step, a rule of this tool's own. DeepSeek-V3 had 15,360 sequences of 4,096
tokens, 63M (arXiv:2412.19437, 4.2); far beyond, a batch was meant in tokens, not in sequences."""


STEP_LAW = (0.58, 0.571)
"""Tokens of a step where nobody says: 0.58 D^0.571 (Li et al. 2025, arXiv:2503.04715)."""

LARGEST = 10**9
"""Of what is counted in whole numbers: accelerators, sequences of a step."""


def check_amount(low: float, text: str, units: str) -> None:
    """Refuse parameters or tokens that lack their unit.

    Args:
        low: the least of what was given.
        text: the amount as it was given.
        units: suffixes that may have been meant, one letter each.

    Raises:
        ValueError: with what may have been meant.
    """
    if 0 < low < FEWEST:
        meant = " or ".join(f"{number_text(low)}{unit}" for unit in units)
        raise ValueError(f"got {text}; allowed: {FEWEST:,.0f} or more; did you mean {meant}?")


def parse_parameters(value: object) -> Quantity:
    """Read a number of parameters.

    Raises:
        ValueError: with what was given and what is allowed, or may have been meant.
    """
    return _parse(value, "B")


def parse_tokens(value: object) -> Quantity:
    """Read a number of tokens.

    Raises:
        ValueError: with what was given and what is allowed, or may have been meant.
    """
    return _parse(value, "BT")


def _parse(value: object, units: str) -> Quantity:
    quantity = parse_quantity(value)
    check_amount(_low_end(quantity), quantity.text, units)
    return quantity


def _low_end(quantity: Quantity) -> float:
    """Return the 10th percentile; of a uniform quantity or a table the least."""
    first, *others = quantity.parameters
    if quantity.family == "lognormal":
        return first * math.exp(-P90 * others[0])
    return first - P90 * others[0] if quantity.family == "normal" else first


def parse_whole(value: object) -> int:
    """Read a whole number of accelerators, of sequences or of experiments.

    Raises:
        ValueError: with what was given and what is allowed.
    """
    number = parse_number(value)
    if number % 1 or not 1 <= number <= LARGEST:
        raise ValueError(f"got {number:g}; allowed: a whole number, 1 or more, to {LARGEST:,}")
    return int(number)


Parameters = Annotated[Quantity, BeforeValidator(parse_parameters), AS_TEXT]
"""A number of parameters of a model, 10,000 or more."""
Tokens = Annotated[Quantity, BeforeValidator(parse_tokens), AS_TEXT]
"""Trained on, 10,000 or more."""
Whole = Annotated[int, BeforeValidator(parse_whole)]
"""A whole number, 1 or more."""


def whole_sequences(tokens: float, sequence: float) -> int:
    """Return the whole sequences that a step's tokens hold, rounded down.

    Raises:
        RequestError: where they hold none, or are more than a step may have.
    """
    if not sequence <= tokens <= MOST_TOKENS:
        raise RequestError(
            "global_batch_tokens",
            f"got {number_text(tokens)}; allowed: one sequence, {sequence:,.0f}, "
            f"to {number_text(MOST_TOKENS)}",
        )
    return int(tokens // sequence)


def usual_sequences(tokens: float, sequence: float) -> int:
    """Return the sequences of a step where nobody says: Step Law's, the power of two below.

    Ranks divide a power of two as they do accelerators.

    Args:
        tokens: that are trained on.
        sequence: tokens of a sequence.
    """
    constant, power = STEP_LAW
    most = min(constant * tokens**power, MOST_TOKENS) / sequence
    return int(2.0 ** max(0, math.floor(math.log2(most))))


def check_batch(sequences: float, sequence: float) -> None:
    """Refuse a step of more tokens than any has: a batch given in tokens as if in sequences.

    Raises:
        RequestError: with what it would be as tokens.
    """
    if sequences * sequence <= MOST_TOKENS:
        return
    given = number_text(sequences)
    problem = (
        f"got {given}; {given} sequences of {sequence:,.0f} tokens are "
        f"{sequences * sequence / 1e9:,.3g} G tokens a step, allowed: {MOST_TOKENS / 1e9:g} G"
    )
    if sequences >= sequence:
        whole = int(sequences // sequence)
        problem += (
            f"; is this tokens? --global-batch-tokens {given} is {whole:,} "
            f"sequence{'s' * (whole != 1)}"
        )
    raise RequestError("global_batch", problem)
