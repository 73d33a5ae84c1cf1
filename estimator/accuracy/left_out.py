"""Rows predicted from the others: whole labs, whole sources or single rows left out of the fit.

References:
    Roberts et al. 2017, "Cross-validation strategies for data with temporal, spatial, hierarchical,
    or phylogenetic structure", Ecography 40 (why whole labs).
    Dunn, Wasserman and Ramdas 2023, "Distribution-Free Prediction Sets for Two-Layer Hierarchical
    Models", Journal of the American Statistical Association 118 (intervals from labs as groups).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from computebill.training.cases import log_gradients
from computebill.training.doubts import DOUBTS, Reach, doubt_columns, reach_of, widening
from computebill.training.intervals import widths_of

from .doubted import Block, block, fit_factors
from .measurements import Measurements, alike
from .posterior import Posterior, Prior, Widths, fit_posterior

Unit = Literal["lab", "source", "row"]
"""What is left out together."""

ENDS = (0.05, 0.95)
"""Probabilities of an interval's ends."""

FEW = (0, 1, 3, 5)
"""Numbers of rows of one's own that are tried."""

LAB_SHARE = 1 / 3
"""Weight of labs, each counting once, beside rows in an interval's ends."""

DRAWS = 3
"""Times that rows are drawn from each lab."""

LEAST_OTHERS = 5
"""Rows of a lab that have to be left to judge by."""


LEAST_LABS = 8
"""Labs without which the ends of an interval that holds nine rows in ten are chance."""

NOTICED = 0.01
"""Least of a doubt, in its unit, with which a row is counted as one that has it."""

LEAST_TAIL = 1e-3
"""Least number of standard deviations to an end."""

Tails = tuple[float, float]
"""Standard deviations from a prediction to the ends of its interval."""


@dataclass(frozen=True)
class Judged:
    """Rows set beside predictions that had no part in them.

    Attributes:
        errors: logarithm of predicted over measured time; ``(rows,)``.
        widths: standard deviation of that, as predicted too; ``(rows,)``.
        labs: lab of each row.
        columns: how much of each doubt there is, ``(rows, doubts)``; None where nobody asked.
    """

    errors: Tensor
    widths: Tensor
    labs: tuple[str, ...]
    columns: Tensor | None = None

    def of_doubt(self) -> dict[str, Tensor]:
        """Return which rows have each doubt, and which have none, ``(rows,)`` of true and false."""
        if self.columns is None:
            return {}
        found = self.columns > NOTICED
        named = dict(zip(DOUBTS, found.T, strict=True))
        return {"none": ~found.any(1), **named}

    @property
    def scores(self) -> Tensor:
        """Logarithm of measured over predicted time, in its standard deviations; ``(rows,)``."""
        return -self.errors / self.widths

    def inside(self, tails: Tails) -> Tensor:
        """Whether rows are inside intervals with such tails; ``(rows,)``."""
        low, high = tails
        return (self.scores >= -low) & (self.scores <= high)

    def tails(self) -> Tails:
        """Standard deviations to the ends of an interval that holds nine rows in ten.

        A third of the weight is shared by labs alike, the rest by rows: an interval is to be right
        in a lab of few rows too.
        """
        return _tails(self.scores, self.labs)

    def covered_by_others(self) -> float | None:
        """Return the share of rows inside an interval whose ends other labs' rows set.

        That of :meth:`tails` holds nine rows in ten of those that it was found with, whatever they
        are. None of fewer labs than ``LEAST_LABS``.
        """
        inside, scores = torch.zeros_like(self.scores), self.scores
        if len(set(self.labs)) < LEAST_LABS:
            return None
        for lab, own in alike(self.labs):
            others = tuple(name for name in self.labs if name != lab)
            low, high = _tails(scores[~own], others)
            inside[own] = ((scores[own] >= -low) & (scores[own] <= high)).to(scores.dtype)
        return float(inside.mean())


def _tails(scores: Tensor, labs: Sequence[str]) -> tuple[float, float]:
    weights = torch.full_like(scores, (1 - LAB_SHARE) / len(scores))
    groups = list(alike(labs))
    for _, own in groups:
        weights[own] += LAB_SHARE / (len(groups) * float(own.sum()))
    ordered, order = scores.sort()
    rising = weights[order].cumsum(0)
    low, high = (
        float(ordered[int((rising < end).sum().clamp_max(len(ordered) - 1))]) for end in ENDS
    )
    return max(-low, LEAST_TAIL), max(high, LEAST_TAIL)


class Without(NamedTuple):
    """A fit without some rows.

    Attributes:
        own: rows that were left out.
        posterior: what the others tell.
        reach: what the others speak of.
        factors: what a unit of each doubt adds to the logarithm of a width, from rows of other
            labs that were left out.
    """

    own: list[int]
    posterior: Posterior
    reach: Reach
    factors: Mapping[str, float]


def fits_without(
    measured: Measurements, prior: Prior, full: Posterior, unit: Unit
) -> list[Without]:
    """Return a fit without each lab (or source, or row) in turn.

    Args:
        measured: rows.
        prior: what is known beforehand.
        full: fit of all rows, whose widths of effects are kept; a fit without some rows begins
            there, and ends where it would have from anywhere.
        unit: what is left out together.
    """
    _, slopes = log_gradients(measured.cases, full.free)
    cases = [row.case for row in measured.rows]
    found = []
    for _, own in alike(_units(measured, unit)):
        keep = (~own).to(torch.float64)
        posterior = fit_posterior(measured, prior, full.widths, keep, start=full.free)
        reach = reach_of(cases, measured.cases, slopes, ~own)
        found.append(Without(torch.nonzero(own).flatten().tolist(), posterior, reach, {}))
    blocks = _blocks(measured, found)
    by_lab = {
        lab: fit_factors([each for each in blocks if each.lab != lab])
        for lab in dict.fromkeys(each.lab for each in blocks)
    }
    return [each._replace(factors=by_lab[own.lab]) for each, own in zip(found, blocks, strict=True)]


def factors_of(measured: Measurements, fits: Sequence[Without]) -> dict[str, float]:
    """Return what a unit of each doubt adds to the logarithm of a width, from all labs.

    Args:
        measured: rows.
        fits: a fit without each lab.
    """
    return fit_factors(_blocks(measured, fits))


def _blocks(measured: Measurements, fits: Sequence[Without]) -> list[Block]:
    found = []
    for own, posterior, reach, _ in fits:
        some = measured.some(own)
        logs, slopes = log_gradients(some.cases, posterior.free)
        columns = doubt_columns([row.case for row in some.rows], some.cases, slopes, reach)
        unknown = (slopes, posterior.covariance, posterior.widths.row)
        found.append(block(some.rows[0].lab, logs - some.log_seconds, columns, unknown))
    return found


def judged_by(measured: Measurements, fits: Sequence[Without]) -> Judged:
    """Return each row beside the prediction of the fit that it had no part in."""
    errors = torch.zeros_like(measured.log_seconds)
    widths = torch.zeros_like(errors)
    columns = torch.zeros(len(errors), len(DOUBTS), dtype=torch.float64)
    for each in fits:
        errors[each.own], widths[each.own], columns[each.own] = _predicted(
            measured.some(each.own), each.posterior, each
        )
    return Judged(errors, widths, tuple(row.lab for row in measured.rows), columns)


def few_rows(measured: Measurements, fits: Sequence[Without], seed: int = 0) -> dict[int, Judged]:
    """Return rows of labs of which so many others were measured, by their number.

    A lab is left out of the fit; some of its rows, drawn at random, then update what the others
    tell, as ``calibrate`` does, and its other rows are predicted.

    Args:
        measured: rows.
        fits: a fit without each lab.
        seed: of the draws.
    """
    generator = torch.Generator().manual_seed(seed)
    found: dict[int, list[tuple[Tensor, Tensor, str]]] = {count: [] for count in FEW}
    labs = [row.lab for row in measured.rows]
    for each in fits:
        own, posterior = each.own, each.posterior
        if len(own) < max(FEW) + LEAST_OTHERS:
            continue
        for count in FEW:
            for _ in range(DRAWS if count else 1):
                order = torch.randperm(len(own), generator=generator).tolist()
                drawn, others = (
                    [own[place] for place in places] for places in (order[:count], order[count:])
                )
                updated = posterior
                if drawn:
                    updated = own_posterior(measured.some(drawn), posterior)
                errors, widths, _ = _predicted(measured.some(others), updated, each)
                found[count].append((errors, widths, labs[own[0]]))
    return {count: _joined(parts) for count, parts in found.items() if parts}


def own_posterior(measured: Measurements, others: Posterior) -> Posterior:
    """Return what rows of one's own make of what others tell; the pace is one's own, too."""
    alone = Widths(lab=0.0, source=0.0, row=others.widths.row)
    return fit_posterior(measured, Prior(others.free, others.covariance), alone)


def _joined(parts: Sequence[tuple[Tensor, Tensor, str]]) -> Judged:
    labs = tuple(lab for errors, _, lab in parts for _ in range(len(errors)))
    return Judged(
        torch.cat([errors for errors, _, _ in parts]),
        torch.cat([each for _, each, _ in parts]),
        labs,
    )


def _units(measured: Measurements, unit: Unit) -> list[str]:
    if unit == "row":
        return [str(index) for index in range(len(measured.rows))]
    return [getattr(row, unit) for row in measured.rows]


def _predicted(
    measured: Measurements, posterior: Posterior, without: Without
) -> tuple[Tensor, Tensor, Tensor]:
    """Errors of rows, their standard deviations, doubts among them, and how much of each doubt."""
    logs, slopes = log_gradients(measured.cases, posterior.free)
    cases = [row.case for row in measured.rows]
    columns = doubt_columns(cases, measured.cases, slopes, without.reach)
    widths = widths_of(slopes, posterior.covariance, posterior.widths.row)
    return logs - measured.log_seconds, widths * widening(columns, without.factors), columns
