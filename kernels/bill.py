"""A set of runs priced draw by draw, however each run's size is known.

A run's size is known as FLOP, as accelerator-time or as dollars; the other two follow from its
peak, utilisation and price. NaN stands for what nobody gave, and stays NaN.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .cost import accelerator_seconds, cloud
from .sampling import resolve_references

FLOP, SECONDS, DOLLARS = 0, 1, 2
"""Numbers of the units that a run's own size is given in."""


class Bill(NamedTuple):
    """Each ``(runs, draws)``."""

    flop: Tensor
    seconds: Tensor
    """Accelerator-seconds."""
    usd: Tensor


class Runs(NamedTuple):
    """How large runs are, each in what is known of it.

    Attributes:
        own: ``(runs, draws)``: a run's own size, or its fraction of the run ``base``.
        given_in: int64 ``(runs, 1)``: FLOP, SECONDS or DOLLARS.
        base: int64 ``(runs,)``: the run whose FLOP ``own`` is a fraction of, or -1.
        depth: length of the longest chain of bases.
    """

    own: Tensor
    given_in: Tensor
    base: Tensor
    depth: int


class Rates(NamedTuple):
    """What turns one size of a run into another; each ``(runs, 1)`` or ``(runs, draws)``.

    Attributes:
        peak_flop_per_s: dense peak of an accelerator, P [FLOP/s].
        mfu: share of that peak that runs reach, u.
        usd_per_second: price of an accelerator's time, p [USD/s].
    """

    peak_flop_per_s: Tensor
    mfu: Tensor
    usd_per_second: Tensor


def price_runs(runs: Runs, rates: Rates) -> Bill:
    r"""Price runs: :math:`C = \frac{F}{P u} p`, read from whichever of F, time and C is given.

    Args:
        runs: sizes.
        rates: peak, utilisation and price.

    Returns:
        FLOP, accelerator-seconds and USD of every run in every draw.

    References:
        Denain & Wu 2026, "Final training runs account for a minority of R&D compute spending"
        (Epoch AI): the programme's arithmetic.
    """
    own, given_in, base, depth = runs
    peak, mfu, price = rates
    by_flop = given_in == FLOP
    own_seconds = torch.where(given_in == SECONDS, own, own / price)
    own_flop = torch.where(by_flop, own, own_seconds * peak * mfu)
    flop = resolve_references(own_flop, base, depth)
    computed = accelerator_seconds(flop, peak, mfu)
    seconds = torch.where(by_flop, computed, own_seconds)
    usd = torch.where(given_in == DOLLARS, own, cloud(seconds, price))
    return Bill(flop, seconds, usd)
