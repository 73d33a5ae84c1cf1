"""Quantiles of rows: exact by sorting, or from counts over bins when the draws do not fit.

A bin is a float64's sign, exponent and the first bits of its mantissa, so bins are equally wide
in relative terms and need no range in advance.
"""

from __future__ import annotations

import torch
from torch import Tensor

MANTISSA_BITS = 11
"""A bin is at most ``2**-MANTISSA_BITS`` of its value wide; quantiles interpolate inside it."""

MOST_SELECTED = 16
"""Places that are selected one by one; more are sorted at once."""

BETA_STEPS = 2**14
"""Steps that a beta distribution is added up over."""

_SHIFT = 52 - MANTISSA_BITS
_LOWEST_EXPONENT, _HIGHEST_EXPONENT = -40, 110
LOWEST = 2.0**_LOWEST_EXPONENT
HIGHEST = 2.0**_HIGHEST_EXPONENT
"""Magnitudes outside are counted in the outermost bins: FLOP, dollars and shares lie inside."""

_FIRST = (1023 + _LOWEST_EXPONENT) << MANTISSA_BITS
_POSITIVE = (_HIGHEST_EXPONENT - _LOWEST_EXPONENT) << MANTISSA_BITS
_MAGNITUDE = (1 << (63 - _SHIFT)) - 1
BINS = 2 * _POSITIVE


def sorted_quantiles(values: Tensor, probabilities: Tensor, *, reorder: bool = False) -> Tensor:
    """Quantiles along the last axis, interpolated linearly (Hyndman & Fan 1996, type 7).

    Args:
        values: ``(..., draws)``.
        probabilities: ``(quantiles,)``, in [0, 1].
        reorder: whether the values themselves may be put in another order, which saves a copy.

    Returns:
        ``(..., quantiles)``.
    """
    place = probabilities.to(values) * (values.shape[-1] - 1)
    below = place.floor()
    index = below.to(torch.int64)
    above = (index + 1).clamp(max=values.shape[-1] - 1)
    ordered = _in_place(values, torch.cat([index, above]), reorder)
    low, high = ordered[..., index], ordered[..., above]
    return torch.lerp(low, high, (place - below).expand_as(low))


def _in_place(values: Tensor, places: Tensor, reorder: bool) -> Tensor:
    """Order along the last axis so far that some places hold what they would if sorted, NaN last.

    On the CPU through NumPy, whose sort and selection are vectorised.
    """
    if values.device.type != "cpu" or values.requires_grad:
        return values.sort(dim=-1).values
    ordered = values if reorder else values.clone(memory_format=torch.contiguous_format)
    wanted = sorted(set(places.tolist()))
    if len(wanted) > MOST_SELECTED:
        ordered.numpy().sort(axis=-1)
    else:
        ordered.numpy().partition(wanted, axis=-1)
    return ordered


def beta_quantiles(a: Tensor, b: Tensor, probabilities: Tensor) -> Tensor:
    r"""Quantiles of beta distributions, the parts of a Dirichlet distribution.

    With :math:`c = \min(a, 1)` and :math:`t = x^c` the density :math:`x^{a-1} (1-x)^{b-1}` is
    proportional to :math:`x^{a-c} (1-x)^{b-1}`, which is bounded, and is added up over even steps
    of t.

    Args:
        a: first parameter, above 0, ``(rows,)``.
        b: second parameter, 1 or more, ``(rows,)``.
        probabilities: ``(quantiles,)``, in [0, 1].

    Returns:
        ``(rows, quantiles)``, to about 1e-4.
    """
    edges = torch.linspace(0, 1, BETA_STEPS + 1, dtype=torch.float64, device=a.device)
    middles = (edges[:-1] + edges[1:]) / 2
    a, b = a[:, None], b[:, None]
    power = a.clamp(max=1.0)
    x = middles ** (1 / power)
    mass = x ** (a - power) * (1 - x) ** (b - 1)
    running = torch.nn.functional.pad(mass.cumsum(1), (1, 0))
    target = probabilities.to(running) * running[:, -1:]
    above = torch.searchsorted(running, target).clamp(1, BETA_STEPS)
    low, high = running.gather(1, above - 1), running.gather(1, above)
    inside = ((target - low) / (high - low)).clamp(0, 1)
    return torch.lerp(edges[above - 1], edges[above], inside) ** (1 / power)


def bin_index(values: Tensor) -> Tensor:
    """Bin of each value, ascending from the most negative; NaN falls into an outermost bin.

    Args:
        values: float64, any shape.

    Returns:
        int64 of the same shape, in [0, BINS).
    """
    bits = values.view(torch.int64)
    magnitude = (bits >> _SHIFT).bitwise_and_(_MAGNITUDE).sub_(_FIRST).clamp_(0, _POSITIVE - 1)
    # Shifted down, the sign is 0 or -1; XOR with -1 turns n into -1 - n.
    return magnitude.bitwise_xor_(bits >> 63).add_(_POSITIVE)


def bin_edges(index: Tensor) -> tuple[Tensor, Tensor]:
    """Lower and upper edge of each bin."""
    magnitude = torch.where(index < _POSITIVE, _POSITIVE - 1 - index, index - _POSITIVE)
    inner = ((magnitude + _FIRST) << _SHIFT).view(torch.float64)
    outer = ((magnitude + 1 + _FIRST) << _SHIFT).view(torch.float64)
    negative = index < _POSITIVE
    return torch.where(negative, -outer, inner), torch.where(negative, -inner, outer)


def count_bins(values: Tensor, counts: Tensor | None = None) -> Tensor:
    """Histogram of each row.

    Args:
        values: float64 ``(rows, draws)``.
        counts: an earlier histogram to add to, in place; fewer than ``2**31`` draws in all.

    Returns:
        int32 ``(rows, BINS)``.
    """
    if counts is None:
        counts = torch.zeros(values.shape[0], BINS, dtype=torch.int32, device=values.device)
    one = torch.ones((), dtype=torch.int32, device=values.device)
    return counts.scatter_add_(1, bin_index(values), one.expand(values.shape))


def counted_quantiles(counts: Tensor, probabilities: Tensor) -> Tensor:
    """Quantiles from histograms, a bin's mass spread evenly over it.

    Args:
        counts: int32 ``(rows, BINS)``, of ``count_bins``, added up over chunks.
        probabilities: ``(quantiles,)``.

    Returns:
        float64 ``(rows, quantiles)``, within a bin's width (5e-4 relative) of the exact ones.
    """
    running = counts.cumsum(1, dtype=torch.int32)
    target = probabilities.to(torch.float64) * running[:, -1:]
    # The first bin whose running count reaches the target, found without a float copy.
    index = torch.searchsorted(running, target.ceil().clamp(min=1).to(torch.int32))
    inside = counts.gather(1, index)
    before = running.gather(1, index) - inside
    low, high = bin_edges(index)
    return torch.lerp(low, high, ((target - before) / inside).clamp(0, 1))


def joint_counts(x: Tensor, y: Tensor, edges_x: Tensor, edges_y: Tensor) -> Tensor:
    """Count pairs in the cells of a grid; values beyond the outer edges go to the outer cells.

    Args:
        x: ``(draws,)``.
        y: ``(draws,)``.
        edges_x: ascending, one more than there are cells.
        edges_y: edges of the cells along y.

    Returns:
        int64 ``(cells_x, cells_y)``.
    """
    cells_x, cells_y = len(edges_x) - 1, len(edges_y) - 1
    at_x = torch.bucketize(x, edges_x[1:-1].contiguous())
    at_y = torch.bucketize(y, edges_y[1:-1].contiguous())
    counts = torch.bincount(at_x * cells_y + at_y, minlength=cells_x * cells_y)
    return counts.reshape(cells_x, cells_y)


def rank_correlation(x: Tensor, y: Tensor) -> Tensor:
    """Spearman's rank correlation of two samples without ties worth minding."""
    ranks = torch.stack([x, y]).argsort(dim=-1).argsort(dim=-1).to(torch.float64)
    return torch.corrcoef(ranks)[0, 1]
