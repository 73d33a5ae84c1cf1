"""How much wider each doubt makes an interval, from labs that fits had no part in.

The errors of a lab that was left out are drawn together: from what the fit does not know, the
lab's effect and the rows' own, each row's times the exponential of a sum over its doubts; and
all of a lab's from a distribution with tails (Student's), since a few labs are far off. The most
likely factors are positive, about one that is sensible beforehand: what no lab speaks of stays
there.

References:
    Lange, Little and Taylor 1989, "Robust Statistical Modeling Using the t Distribution".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from computebill.base.constants import number
from computebill.training.doubts import DOUBTS

# base/constants.toml has what these are.
FACTOR = number("accuracy.doubted.FACTOR")
FACTOR_SPREAD = number("accuracy.doubted.FACTOR_SPREAD")
SHARING = number("accuracy.posterior.SHARING")

FREEDOM = 4.0
"""Degrees of freedom of a lab's errors: few enough that one lab far off is no surprise."""

FARTHEST_ERROR = 0.7
"""Logarithm of predicted over measured time beyond which a row counts as being so far off."""

SCALE_SPREAD = 0.5
"""Standard deviation beforehand of the logarithm of what all widths are multiplied by."""

MOST_ROUNDS = 60
"""Steps of the search, at most."""


class Block(NamedTuple):
    """Rows of one lab beside a fit that they had no part in.

    Attributes:
        lab: who measured them.
        errors: logarithm of predicted over measured time; ``(rows,)``.
        columns: how much of each doubt there is; ``(rows, doubts)``.
        inverse: inverse of the errors' covariance without doubts; ``(rows, rows)``.
        determinant: logarithm of that covariance's determinant.
    """

    lab: str
    errors: Tensor
    columns: Tensor
    inverse: Tensor
    determinant: Tensor


def block(
    lab: str, errors: Tensor, columns: Tensor, unknown: tuple[Tensor, Tensor, float]
) -> Block:
    """Return rows of one lab, their covariance without doubts being that of a fit.

    Args:
        lab: who measured them.
        errors: logarithm of predicted over measured time; ``(rows,)``.
        columns: how much of each doubt there is; ``(rows, doubts)``.
        unknown: derivatives of the logarithm of seconds by efficiencies, ``(rows, parameters)``;
            what the fit does not know of these, ``(parameters, parameters)``; and the standard
            deviation of one row's error beside.
    """
    slopes, covariance, row = unknown
    own = row**2 * torch.eye(len(errors), dtype=torch.float64)
    together = slopes @ covariance @ slopes.T + own
    root: Tensor = torch.linalg.cholesky(together)
    errors = errors.clamp(-FARTHEST_ERROR, FARTHEST_ERROR)
    determinant = 2 * root.diagonal().log().sum()
    return Block(lab, errors, columns, torch.cholesky_inverse(root), determinant)


def unlikely(blocks: Sequence[Block], scale: Tensor, logs: Tensor) -> Tensor:
    """Return minus the logarithm of how likely errors and factors are.

    A lab of many rows counts as fewer than they are, as in the fit.

    Args:
        blocks: labs.
        scale: logarithm of what all widths are multiplied by.
        logs: logarithms of the doubts' factors; ``(doubts,)``.
    """
    beforehand = ((logs - math.log(FACTOR)) / FACTOR_SPREAD).square().sum()
    found = (beforehand + (scale / SCALE_SPREAD) ** 2) / 2
    for each in blocks:
        rows = len(each.errors)
        wider = scale + each.columns @ logs.exp()
        whitened = each.errors * (-wider).exp()
        squares = whitened @ (each.inverse @ whitened)
        tails = (FREEDOM + rows) / 2 * torch.log1p(squares / FREEDOM)
        found = found + (each.determinant / 2 + wider.sum() + tails) * rows**-SHARING
    return found


def fit_factors(blocks: Sequence[Block]) -> dict[str, float]:
    """Return the most likely factor of each doubt: what a unit adds to the logarithm of a width."""
    start = torch.full((len(DOUBTS) + 1,), math.log(FACTOR), dtype=torch.float64)
    start[0] = 0.0
    found = start.requires_grad_(True)
    search = torch.optim.LBFGS(
        [found], max_iter=MOST_ROUNDS, tolerance_change=1e-6, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        search.zero_grad()
        value = unlikely(blocks, found[0], found[1:])
        value.backward()  # type: ignore[no-untyped-call]
        return value

    search.step(closure)  # type: ignore[no-untyped-call]
    return dict(zip(DOUBTS, found.detach()[1:].exp().tolist(), strict=True))
