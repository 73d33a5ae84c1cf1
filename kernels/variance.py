"""Which input drives an output: shares of its variance, first-order and total.

References:
    Saltelli et al. 2010, "Variance based sensitivity analysis of model output", Computer Physics
    Communications 181, table 2: b for the first order, Jansen's f for the total.
"""

from __future__ import annotations

from torch import Tensor


def first_order_share(base: Tensor, other: Tensor, swapped: Tensor) -> Tensor:
    r"""Share of the variance that an input explains alone.

    :math:`S_i = \frac{1}{N}\sum (f(B) - \bar f)(f(A_B^i) - f(A)) / V`: an input without a part
    has exactly none.

    Args:
        base: ``(draws,)``: output on the first sample A.
        other: ``(draws,)``: output on the second sample B.
        swapped: ``(..., draws)``: output on A with input i taken from B.

    Returns:
        Shares of shape ``(...)``; NaN where the output does not vary.
    """
    centred = other - (base.mean() + other.mean()) / 2
    return (centred * (swapped - base)).mean(-1) / _variance(base, other)


def total_share(base: Tensor, other: Tensor, swapped: Tensor) -> Tensor:
    r"""Share of the variance in which an input has a part, alone or with others.

    :math:`T_i = \frac{1}{2N}\sum (f(A) - f(A_B^i))^2 / V`. Arguments as ``first_order_share``.
    """
    return ((base - swapped) ** 2).mean(-1) / (2 * _variance(base, other))


def _variance(base: Tensor, other: Tensor) -> Tensor:
    mean = (base.mean() + other.mean()) / 2
    return (((base - mean) ** 2).mean() + ((other - mean) ** 2).mean()) / 2
