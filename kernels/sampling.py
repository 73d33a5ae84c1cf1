"""Uniform points and inverse-CDF draws.

A quantity is one row; a draw is one column: tensors are ``(rows, draws)``, so that a row is
contiguous for sorting. Points are addressed by their index, so a chunk of them is the same
whatever the chunk size and the device.

References:
    Sobol' 1967; Joe & Kuo 2008 (direction numbers); Matousek 1998 (linear matrix scramble),
    all as in ``torch.quasirandom.SobolEngine``.
    Owen 1998, "Latin supercube sampling for very high-dimensional simulations".
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.quasirandom import SobolEngine

SOBOL_BITS = SobolEngine.MAXBIT
"""Bits of a point: a sequence has ``2**SOBOL_BITS`` points."""

MOST_DIMENSIONS = SobolEngine.MAXDIM
BLOCK_BITS = 14
"""Plain Monte Carlo is drawn in blocks of ``2**BLOCK_BITS`` columns, each from its own seed."""


class SobolMatrix(NamedTuple):
    """A scrambled Sobol sequence in closed form: point i is the XOR of the columns of its bits."""

    directions: Tensor
    """``(dimensions, SOBOL_BITS)`` int64: the column of each bit of the index."""
    shift: Tensor
    """``(dimensions,)`` int64: the digital shift."""


def sobol_matrix(dimensions: int, seed: int, device: torch.device | str = "cpu") -> SobolMatrix:
    """Direction numbers of ``dimensions`` rows, scrambled by ``seed``, the same on every device."""
    engine: Any = SobolEngine(dimensions, scramble=True, seed=seed)  # type: ignore[no-untyped-call]
    return SobolMatrix(engine.sobolstate.to(device), engine.shift.to(device))


def sobol_points(matrix: SobolMatrix, start: int, count: int) -> Tensor:
    """Points ``start`` to ``start + count`` of the sequence, strictly between 0 and 1.

    The index is read in natural, not in Gray-code order: the first ``2**k`` points are the same
    set as SobolEngine's for every k, and aligned block ``b ^ (b >> 1)`` is its block b.

    Args:
        matrix: matrix of ``sobol_matrix``.
        start: index of the first point.
        count: how many; ``start + count`` at most ``2**SOBOL_BITS``.

    Returns:
        float64 ``(dimensions, count)``, multiples of ``2**-(SOBOL_BITS + 1)``.

    Raises:
        ValueError: where the sequence has no such point.
    """
    if start + count > 2**SOBOL_BITS:
        raise ValueError(f"a Sobol sequence has {2**SOBOL_BITS} points")
    # Whole blocks of 2**low points that cover [start, start + count): inside one, points differ
    # from the first by a table that is built once, by doubling.
    low = max(0, min(BLOCK_BITS, (count - 1).bit_length()))
    first, last = start >> low, (start + count - 1) >> low
    table = torch.zeros_like(matrix.shift)[:, None]
    for bit in range(low):
        table = torch.cat([table, table ^ matrix.directions[:, bit : bit + 1]], dim=1)
    blocks = torch.arange(first, last + 1, device=matrix.shift.device)
    heads = matrix.shift[:, None].expand(-1, len(blocks))
    for bit in range(low, low + last.bit_length()):
        on = (blocks >> (bit - low)) & 1
        heads = heads ^ (matrix.directions[:, bit : bit + 1] * on)
    bits = (heads[:, :, None] ^ table[:, None, :]).flatten(1)
    offset = start - (first << low)
    return bits[:, offset : offset + count].to(torch.float64).add_(0.5).mul_(2.0**-SOBOL_BITS)


def random_points(
    dimensions: int, seed: int, start: int, count: int, device: torch.device | str = "cpu"
) -> Tensor:
    """Independent uniform points, addressed as ``sobol_points`` are; drawn on the CPU and moved.

    Returns:
        float64 ``(dimensions, count)``, strictly between 0 and 1.
    """
    size = 2**BLOCK_BITS
    blocks = []
    for block in range(start // size, (start + count - 1) // size + 1):
        # The golden ratio spreads neighbouring seeds and blocks over the generator's state.
        mixed = (seed * 0x9E3779B97F4A7C15 + block * 0xD1B54A32D192ED03) % 2**63
        generator = torch.Generator().manual_seed(mixed)
        blocks.append(torch.rand(dimensions, size, dtype=torch.float64, generator=generator))
    points = torch.cat(blocks, dim=1)[:, start % size :][:, :count]
    return points.clamp(2.0**-54, 1 - 2.0**-53).to(device)


def standard_normal(u: Tensor) -> Tensor:
    r"""Standard normal quantile: :math:`\sqrt 2\,\mathrm{erf}^{-1}(2u-1)`.

    ``2u - 1`` is exact for the points above, so the tails keep their digits.
    """
    return torch.erfinv(u * 2 - 1).mul_(math.sqrt(2))


def lognormal(u: Tensor, median: Tensor, sigma_below: Tensor, sigma_above: Tensor) -> Tensor:
    r"""Split log-normal quantile: :math:`m\,e^{\sigma z(u)}`, its own sigma on each side of m.

    Args:
        u: ``(rows, draws)``, in (0, 1).
        median: ``(rows, 1)``, in the quantity's unit.
        sigma_below: standard deviation of the logarithm below the median; equal to
            ``sigma_above`` for a log-normal.
        sigma_above: standard deviation of the logarithm above it.
    """
    z = standard_normal(u)
    return torch.exp_(z.mul_(torch.where(z < 0, sigma_below, sigma_above))).mul_(median)


def normal(u: Tensor, mean: Tensor, sd: Tensor) -> Tensor:
    """Normal quantile; ``u`` is ``(rows, draws)``, the parameters ``(rows, 1)``."""
    return standard_normal(u).mul_(sd).add_(mean)


def uniform(u: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Uniform quantile; ``u`` is ``(rows, draws)``, the bounds ``(rows, 1)``."""
    return low + (high - low) * u


def tabulated(u: Tensor, table: Tensor) -> Tensor:
    """Quantile of an empirical distribution, interpolated between its sorted values.

    Args:
        u: ``(rows, draws)``.
        table: ``(rows, points)``, ascending; point i stands at probability (i + 1/2) / points.
    """
    points = table.shape[-1]
    place = (u * points - 0.5).clamp(0, points - 1)
    below = place.floor().clamp(max=max(points - 2, 0))
    index = below.to(torch.int64)
    low = table.gather(-1, index)
    high = table.gather(-1, (index + 1).clamp(max=points - 1))
    return torch.lerp(low, high, place - below)


def truncated(u: Tensor, mass_below: Tensor, mass_above: Tensor) -> Tensor:
    """Squeeze ``u`` so that a quantile function leaves out the mass beyond its bounds.

    Args:
        u: ``(rows, draws)``.
        mass_below: ``(rows, 1)``, probability below the lower bound.
        mass_above: ``(rows, 1)``, probability above the upper bound.
    """
    return mass_below + u * (1 - mass_below - mass_above)


def resolve_references(own: Tensor, base: Tensor, depth: int) -> Tensor:
    """Multiply the rows that are fractions of other rows by what they refer to, draw by draw.

    Args:
        own: ``(rows, draws)``: a row's own value, or its fraction of the row ``base``.
        base: int64 ``(rows,)``: the row referred to, or -1; no circles.
        depth: length of the longest chain of references.

    Returns:
        ``(rows, draws)``.
    """
    refers = (base >= 0)[:, None]
    source = base.clamp(min=0)
    values = own
    for _ in range(depth):
        values = torch.where(refers, own * values[source], own)
    return values
