"""Efficiencies and what is not known of them, from measured steps of several labs.

A hierarchical model: efficiencies of one name share a mean (``prior_covariance``); the logarithm
of a step's time is off by its lab's effect, its source's and its own; rows that are far off count
less. The most likely efficiencies are found by Gauss-Newton steps through the kernels that
predict; their covariance is the inverse of the curvature there (Laplace).

References:
    Gelman and Hill 2007, "Data Analysis Using Regression and Multilevel/Hierarchical Models".
    Huber 1964, "Robust Estimation of a Location Parameter" (rows that are far off).
    MacKay 1992, "Bayesian Interpolation" (widths of effects from the data).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from computebill.base.constants import number
from computebill.base.errors import RequestError
from computebill.training.cases import log_gradients
from computebill.training.doubts import Reach, reach_of
from computebill.training.parameters import INDEX, prior_covariance, priors, spreads

from .measurements import Measurements, log_errors

# base/constants.toml has what these are.
CORNER = number("accuracy.posterior.CORNER")
SHARING = number("accuracy.posterior.SHARING")
OWN = number("accuracy.posterior.OWN")

MOST_ROUNDS = 30
"""Gauss-Newton steps of a fit, at most."""

LITTLE = 1e-3
"""Improvement of the fit's objective below which it has converged."""

SHORTEST = 1 / 64
"""Shortest part of a Gauss-Newton step that is tried."""


class Prior(NamedTuple):
    """What is known of efficiencies beforehand, free of bounds.

    Attributes:
        middle: most likely values; ``(parameters,)``.
        covariance: how far off they may be; ``(parameters, parameters)``.
    """

    middle: Tensor
    covariance: Tensor


class Widths(NamedTuple):
    """Standard deviations of effects on the logarithm of a step's time.

    Attributes:
        lab: of a lab's: its cluster, its software's build, its habits.
        source: of one publication's, beside its lab's.
        row: of one row's.
    """

    lab: float
    source: float
    row: float


USUAL = Widths(lab=0.12, source=0.06, row=0.08)
"""Where a fit of several labs begins."""

LEAST = Widths(lab=0.03, source=0.015, row=0.02)
"""Least widths: few rows fit exactly, and say nothing of the next."""


@dataclass(frozen=True)
class Posterior:
    """What measured steps tell of efficiencies, free of bounds.

    Attributes:
        free: most likely values; ``(parameters,)``.
        covariance: what is not known of them; ``(parameters, parameters)``.
        widths: of effects.
        labs: effect of each lab that was measured.
    """

    free: Tensor
    covariance: Tensor
    widths: Widths
    labs: dict[str, float]


def prior_of_all() -> Prior:
    """Return what is known before anything was measured; a lab's own pace is no efficiency."""
    covariance = prior_covariance()
    covariance[INDEX["pace"], :] = 0.0
    covariance[:, INDEX["pace"]] = 0.0
    return Prior(priors(), covariance)


def own_covariance() -> Tensor:
    """Return how far one lab's efficiencies lie from those of all, its pace left out.

    ``(parameters, parameters)``: they are its own each.
    """
    own = (OWN * spreads()) ** 2
    own[INDEX["pace"]] = 0.0
    return torch.diag(own)


class Problem:
    """Measured rows as a sum of squares of efficiencies and effects, whitened by their priors."""

    def __init__(
        self, measured: Measurements, prior: Prior, widths: Widths, keep: Tensor | None = None
    ) -> None:
        self.measured, self.prior, self.widths = measured, prior, widths
        count = len(measured.rows)
        self.root = _root(prior.covariance)
        one_lab, one_source = [""] * count, [""] * count
        self.labs, self._lab = _places(
            [row.lab for row in measured.rows] if widths.lab else one_lab
        )
        self.sources, self._source = _places(
            [row.source for row in measured.rows] if widths.source else one_source
        )
        kept = torch.ones(count, dtype=torch.float64) if keep is None else keep
        in_source = torch.zeros(len(self.sources), dtype=torch.float64)
        in_source.index_add_(0, self._source, kept)
        # Rows of one source share what no effect tells, and count as fewer than they are.
        self.weights = kept * in_source.clamp_min(1.0)[self._source] ** -SHARING
        self.size = len(prior.middle) + len(self.labs) + len(self.sources)

    def free(self, x: Tensor) -> Tensor:
        """Efficiencies at whitened ``x``."""
        return self.prior.middle + self.root @ x[: len(self.prior.middle)]

    def at(self, free: Tensor) -> Tensor:
        """Whitened ``x`` at efficiencies, without any lab's effect."""
        x = torch.zeros(self.size, dtype=torch.float64)
        x[: len(free)] = torch.linalg.pinv(self.root) @ (free - self.prior.middle)
        return x

    def effects(self, x: Tensor) -> Tensor:
        """Effects of each row's lab and source; ``(rows,)``."""
        _, labs, sources = self.split(x)
        return self.widths.lab * labs[self._lab] + self.widths.source * sources[self._source]

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Whitened efficiencies, labs' effects, sources' effects."""
        one, other, last = torch.split(
            x, [len(self.prior.middle), len(self.labs), len(self.sources)]
        )
        return one, other, last

    def objective(self, x: Tensor, errors: Tensor) -> Tensor:
        """Robust squares of what is off, and of what is unlikely; ``()``."""
        size = self._residual(x, errors).abs()
        robust = torch.where(size < CORNER, size**2 / 2, CORNER * size - CORNER**2 / 2)
        return (robust * self.weights).sum() + (x**2).sum() / 2

    def system(self, x: Tensor, errors: Tensor, slopes: Tensor) -> tuple[Tensor, Tensor]:
        """Curvature and slope of the objective, rows far off counting less."""
        rows = len(errors)
        lab, source = (
            torch.zeros(rows, len(names), dtype=torch.float64)
            for names in (self.labs, self.sources)
        )
        lab[torch.arange(rows), self._lab] = -self.widths.lab
        source[torch.arange(rows), self._source] = -self.widths.source
        design = torch.cat([slopes @ self.root, lab, source], 1) / self.widths.row
        residual = self._residual(x, errors)
        counted = self._counted(residual)
        weighed = design * counted.unsqueeze(1)
        curvature = design.T @ weighed + torch.eye(self.size, dtype=torch.float64)
        return curvature, weighed.T @ residual + x

    def _residual(self, x: Tensor, errors: Tensor) -> Tensor:
        return (errors - self.effects(x)) / self.widths.row

    def _counted(self, residual: Tensor) -> Tensor:
        """Weights of rows, those that are far off counting less."""
        return self.weights * (CORNER / residual.abs().clamp_min(CORNER))

    def widened(self, x: Tensor, errors: Tensor, inverse: Tensor) -> Widths:
        """Widths of effects that the data speak for: their mean square, and what is not known."""
        _, labs, sources = self.split(x)
        of_known, of_labs, of_sources = self.split(inverse.diagonal())
        residual = self._residual(x, errors)
        counted = self._counted(residual)
        used = len(self.prior.middle) - float(of_known.sum())
        total = float(self.weights.sum())
        row = float((counted * residual**2).sum()) / max(1.0, total - used)
        return Widths(
            lab=max(LEAST.lab, self.widths.lab * _root_mean(labs**2 + of_labs)),
            source=max(LEAST.source, self.widths.source * _root_mean(sources**2 + of_sources)),
            row=max(LEAST.row, self.widths.row * row**0.5),
        )


def _root_mean(squares: Tensor) -> float:
    return math.sqrt(float(squares.mean()))


def _places(names: Sequence[str]) -> tuple[list[str], Tensor]:
    """Return different names, and where each is among them."""
    different = list(dict.fromkeys(names))
    place = {name: index for index, name in enumerate(different)}
    return different, torch.tensor([place[name] for name in names])


def _root(covariance: Tensor) -> Tensor:
    """Return a square root; of what does not vary, zero."""
    values, vectors = torch.linalg.eigh(covariance)
    root: Tensor = vectors * values.clamp_min(0.0).sqrt()
    return root


def fit_posterior(
    measured: Measurements,
    prior: Prior,
    widths: Widths = USUAL,
    keep: Tensor | None = None,
    start: Tensor | None = None,
) -> Posterior:
    """Return the most likely efficiencies and what is not known of them.

    Args:
        measured: rows.
        prior: what is known beforehand.
        widths: of effects; a width of 0: there is no such effect.
        keep: 1 for rows that count, 0 for those left out; ``(rows,)``.
        start: efficiencies to begin at, free of bounds, where other than the prior's middle; the
            result does not hang on it.

    Raises:
        RequestError: naming the row that is farthest off, where nothing fits.
    """
    problem = Problem(measured, prior, widths, keep)
    x, inverse = least(problem, problem.at(prior.middle if start is None else start))
    return _posterior(problem, x, inverse)


def fit_widths(measured: Measurements, prior: Prior, rounds: int = 4) -> Posterior:
    """Return the same, with the widths of effects as the rows speak for them."""
    found = fit_posterior(measured, prior)
    for _ in range(rounds):
        problem = Problem(measured, prior, found.widths)
        x, inverse = least(problem, problem.at(found.free))
        errors = log_errors(measured, problem.free(x))
        widths = problem.widened(x, errors, inverse)
        found = fit_posterior(measured, prior, widths, start=problem.free(x))
    return found


def least(problem: Problem, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return where the objective is least, and the inverse of its curvature there."""
    errors, slopes = _linear(problem, x)
    value = float(problem.objective(x, errors))
    for _ in range(MOST_ROUNDS):
        curvature, slope = problem.system(x, errors, slopes)
        if not bool(curvature.isfinite().all()):
            raise _unfitted(problem.measured, problem.prior.middle)
        step = torch.linalg.solve(curvature, -slope)
        part, better = 1.0, math.inf
        while part >= SHORTEST:
            tried = x + part * step
            errors_there = log_errors(problem.measured, problem.free(tried))
            better = float(problem.objective(tried, errors_there))
            if better < value:
                break
            part /= 2
        if not better < value - LITTLE:
            break
        x = x + part * step
        errors, slopes = _linear(problem, x)
        value = better
    curvature, _ = problem.system(x, errors, slopes)
    return x, torch.linalg.inv(curvature)


def _linear(problem: Problem, x: Tensor) -> tuple[Tensor, Tensor]:
    """Errors of rows, and their derivatives by efficiencies."""
    logs, slopes = log_gradients(problem.measured.cases, problem.free(x))
    return logs - problem.measured.log_seconds, slopes


def _posterior(problem: Problem, x: Tensor, inverse: Tensor) -> Posterior:
    _, labs, _ = problem.split(x)
    count = len(problem.prior.middle)
    covariance = problem.root @ inverse[:count, :count] @ problem.root.T
    widths = problem.widths
    if widths.lab:  # of a lab that had no part: pace and efficiencies are drawn as theirs were
        covariance += own_covariance()
        covariance[INDEX["pace"], INDEX["pace"]] = widths.lab**2 + widths.source**2
    effects = dict(zip(problem.labs, (problem.widths.lab * labs).tolist(), strict=True))
    return Posterior(problem.free(x), covariance, problem.widths, effects)


def _unfitted(measured: Measurements, middle: Tensor) -> RequestError:
    """Return the error of rows that no efficiencies fit, naming the one that is farthest off."""
    errors = log_errors(measured, middle)
    worst = int(errors.abs().nan_to_num(math.inf).argmax())
    return RequestError(
        f"row {measured.rows[worst].row}",
        f"measured is {math.exp(-float(errors[worst])):.3g} times what is predicted, and nothing "
        "fits it; allowed: measured times, in the unit of their column",
    )


def reach(measured: Measurements, posterior: Posterior) -> Reach:
    """Return what rows speak of: efficiencies that their times hang on, and their sizes."""
    _, slopes = log_gradients(measured.cases, posterior.free)
    every = torch.ones(len(measured.rows), dtype=torch.bool)
    return reach_of([row.case for row in measured.rows], measured.cases, slopes, every)
