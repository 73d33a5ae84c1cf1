"""Efficiencies fitted to measured steps: those that ship, and one's own from a few rows."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from computebill.hardware.fitted import FARTHEST, UNFITTED_APART, Fitted, Spread
from computebill.training.intervals import covariance_of
from computebill.training.parameters import named_values, prior_covariance, unbounded

from .left_out import (
    LEAST_LABS,
    Judged,
    factors_of,
    few_rows,
    fits_without,
    judged_by,
    own_posterior,
)
from .measurements import Measurements, layouts_apart
from .posterior import (
    Posterior,
    Prior,
    Widths,
    fit_posterior,
    fit_widths,
    prior_of_all,
    reach,
)

LEAST_APART = 1e-3
"""Least ``Fitted.apart``: rows that differ in nothing tell nothing."""

MOST_APART = math.log(FARTHEST)
"""Largest ``Fitted.apart``."""

OWN_ROWS = 3
"""Rows of one's own that ``Spread.own_tails`` are found with."""

DEVICE_ROW = 0.03
"""Standard deviation of a step's time that one device repeats under one's own eyes."""

Sizes = Mapping[str, tuple[float, float]]
"""Least and most of each size that was measured."""

UNJUDGED = (1.645, 1.645)
"""Tails where there are few labs or one: those of a normal distribution."""


class Found(NamedTuple):
    """Efficiencies fitted to rows of many labs, and how that was judged.

    Attributes:
        posterior: what the rows tell.
        judged: each row beside a fit without its lab; None of rows of one lab.
        few: rows of labs of which so many others were measured, by their number.
        doubts: what a unit of each doubt adds to the logarithm of an interval's width.
    """

    posterior: Posterior
    judged: Judged | None = None
    few: Mapping[int, Judged] = {}
    doubts: Mapping[str, float] = {}


def fit_all(measured: Measurements) -> Found:
    """Fit efficiencies to rows of many labs, from what is sensible before measuring."""
    prior = prior_of_all()
    full = fit_widths(measured, prior)
    if len({row.lab for row in measured.rows}) < 2:
        return Found(full)
    fits = fits_without(measured, prior, full, "lab")
    return Found(
        posterior=full,
        judged=judged_by(measured, fits),
        few=few_rows(measured, fits),
        doubts=factors_of(measured, fits),
    )


def fit_own(measured: Measurements, known: Fitted) -> Posterior:
    """Fit efficiencies to rows of one's own, from what is known of others', one row upward."""
    return own_posterior(measured, posterior_of(known))


def fit_device(measured: Measurements, middle: Tensor) -> Posterior:
    """Return efficiencies of one device that was measured; a lab's pace it has none.

    Args:
        measured: its steps.
        middle: where the fit begins, free of bounds.
    """
    prior = Prior(middle, prior_of_all().covariance)
    return fit_posterior(measured, prior, Widths(lab=0.0, source=0.0, row=DEVICE_ROW))


def posterior_of(known: Fitted) -> Posterior:
    """Return what a profile tells, as it was fitted; of one without a spread, what is sensible."""
    spread = known.spread
    free = unbounded(known.values)
    if spread is None:
        return Posterior(free, prior_covariance(), Widths(0.0, 0.0, DEVICE_ROW), {})
    covariance = covariance_of(known, spread)
    return Posterior(free, covariance, Widths(0.0, 0.0, spread.row), {})


def profile(measured: Measurements, found: Found, note: str = "") -> Fitted:
    """Return fitted values as they are kept in a file, with what is not known of them.

    Args:
        measured: rows.
        found: what they tell.
        note: what is to be remembered about them.
    """
    seen = reach(measured, found.posterior)
    spread = Spread(
        row=found.posterior.widths.row,
        tails=_tails(found.judged),
        own_tails=_tails(found.few.get(OWN_ROWS)),
        unseen=seen.unseen,
        sizes=dict(seen.sizes),
        makers=seen.makers,
        doubts=dict(found.doubts),
        covariance=_triangle(found.posterior.covariance),
    )
    apart = None if found.judged is None else layouts_apart(measured, found.judged.errors)
    return _fitted(measured, found.posterior, spread, apart=apart, note=note)


def own_profile(measured: Measurements, found: Posterior, known: Fitted, note: str = "") -> Fitted:
    """Return a profile of one's own rows on top of another, whose judgement of few rows it has."""
    before = known.spread
    tails = UNJUDGED if before is None else before.own_tails
    seen = reach(measured, found)
    spread = Spread(
        row=found.widths.row,
        tails=tails,
        own_tails=tails,
        unseen=tuple(name for name in (before.unseen if before else ()) if name in seen.unseen),
        sizes=_wider(before.sizes, seen.sizes) if before else {},
        makers=tuple(dict.fromkeys((*before.makers, *seen.makers))) if before else (),
        doubts=before.doubts if before else {},
        covariance=_triangle(found.covariance),
    )
    return _fitted(measured, found, spread, apart=known.apart, note=note)


def _wider(before: Sizes, own: Sizes) -> dict[str, tuple[float, float]]:
    """Least and most of sizes that either of two tables has."""
    return {
        name: (min(low, own[name][0]), max(high, own[name][1]))
        for name, (low, high) in before.items()
    }


def _fitted(
    measured: Measurements, found: Posterior, spread: Spread, *, apart: float | None, note: str
) -> Fitted:
    return Fitted(
        fitted=dt.date.today(),
        rows=len(measured.rows),
        sources=tuple(dict.fromkeys(row.source for row in measured.rows)),
        note=note,
        apart=min(max(apart or UNFITTED_APART, LEAST_APART), MOST_APART),
        values=named_values(found.free),
        spread=spread,
    )


def _tails(judged: Judged | None) -> tuple[float, float]:
    """Tails as labs tell them; of few labs, whose ends are chance, those of no lab."""
    if judged is None or len(set(judged.labs)) < LEAST_LABS:
        return UNJUDGED
    return judged.tails()


def _triangle(covariance: Tensor) -> tuple[tuple[float, ...], ...]:
    rows = covariance.tolist()
    return tuple(tuple(row[: index + 1]) for index, row in enumerate(rows))
