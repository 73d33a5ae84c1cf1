"""FLOP of models that nobody published, read off lines through models that were."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from computebill.base.errors import RequestError, shown
from computebill.base.quantity import Quantity, between, from_table
from computebill.kernels import regression as kernel
from computebill.uncertainty.distribution import Collector, Distribution
from computebill.uncertainty.draws import Columns, Settings
from computebill.uncertainty.side_by_side import in_order

from .loading import RegressionModel
from .spec import Regression, RegressionDraw

FEWEST_MODELS = 5
RESAMPLES = 2**17
MOST_KEPT = 8
"""Sets of resamples that are kept, a few megabytes each."""

RESIDUAL = Quantity("normal", (0.0, 1.0), "residual", lower=-math.inf)
OWN_NAMES = ("parameters", "size", "residual")
"""What a prediction draws beside its line."""


class Prediction(NamedTuple):
    """What a regression says of one run.

    Attributes:
        flop: FLOP as the run draws it.
        line: FLOP on the resampled lines, no scatter about them.
        quantities: the distribution the run draws from, one for each replicate of the
            regression: so that its own Monte Carlo error shows in what is made of it.
        models: how many published models the line goes through.
        residual_sd: scatter about the line, in orders of magnitude.
    """

    flop: Distribution
    line: Distribution
    quantities: tuple[Quantity, ...]
    models: int
    residual_sd: float


class Regressions:
    """The regressions of one programme; each distinct question is answered once."""

    def __init__(
        self, models: Mapping[str, Sequence[RegressionModel]], seed: int, device: str
    ) -> None:
        """Take published models by the regression's name."""
        self._models = models
        self._settings = Settings(RESAMPLES, seed, device)
        self._known: dict[tuple[Regression, RegressionDraw], Prediction] = {}

    def predict(self, regression: Regression, draw: RegressionDraw, field: str) -> Prediction:
        """Predict the FLOP of a run.

        Args:
            regression: which line, and the run's parameters and size.
            draw: ``line``: the resampled line itself; ``uniform``: evenly between the 5th and
                the 95th percentile of it; ``predictive``: the line plus scatter about it.
            field: the run's path, for messages.

        Raises:
            RequestError: where there is no such regression, or too few models in it.
        """
        key = (regression, draw)
        if key not in self._known:
            self._known[key] = self._predict(regression, draw, field)
        return self._known[key]

    def _predict(self, regression: Regression, draw: RegressionDraw, field: str) -> Prediction:
        models = tuple(self._models.get(regression.on, ()))
        if len(models) < FEWEST_MODELS:
            known = ", ".join(self._models)
            raise RequestError(
                f"{field}.regression.on",
                f"got {shown(regression.on)} with {len(models)} models; allowed: one of {known}, "
                f"of at least {FEWEST_MODELS} models",
            )
        settings = self._settings
        own = Columns([regression.params, regression.size, RESIDUAL], OWN_NAMES, settings.device)
        resampled = _resample(models, own.dimensions, settings)
        if bool(resampled.whole.slope.isnan()):
            raise RequestError(f"{field}.regression.on", "all its models have the same size")
        line, predictive = Collector(1, settings), Collector(1, settings)
        for replicate, points, lines in resampled.chunks:
            params, size, normal = own.draw(points)
            mean = lines.at(torch.log10(params * size))
            line.add(replicate, 10 ** mean[None])
            if draw == "predictive":
                predictive.add(replicate, 10 ** (mean + resampled.scatter * normal)[None])
        on_line = line.finish()[0]
        if draw == "uniform":
            bounds = line.replicate_quantiles()[:, 0]
            quantities = [_uniform(low, high) for low, _, high in bounds.tolist()]
            flop = _uniform_distribution(on_line)
        else:
            drawn = predictive if draw == "predictive" else line
            flop = predictive.finish()[0] if draw == "predictive" else on_line
            text = f"{flop.p5:.3g}–{flop.p95:.3g} (p5–p95, regression)"
            quantities = [
                from_table(drawn.replicate_draws(replicate)[0].tolist(), text)
                for replicate in range(settings.replicates)
            ]
        scatter = float(resampled.scatter)
        return Prediction(flop, on_line, tuple(quantities), len(models), scatter)


class _Resampled(NamedTuple):
    """Lines through resamples of published models.

    Attributes:
        whole: the line through all of them.
        scatter: about that line, in orders of magnitude.
        chunks: of each the replicate; uniform points of what a run itself is uncertain by,
            ``(dimensions, resamples)``; lines ``(resamples,)``.
    """

    whole: kernel.Lines
    scatter: Tensor
    chunks: tuple[tuple[int, Tensor, kernel.Lines], ...]


@lru_cache(maxsize=MOST_KEPT)
def _resample(models: tuple[RegressionModel, ...], own: int, settings: Settings) -> _Resampled:
    """Draw resamples of some models and fit a line to each: once for all runs read off them.

    Args:
        models: published ones.
        own: dimensions that a run takes itself, before those that resample.
        settings: draws, seed and device.
    """
    device, count = settings.device, len(models)
    table = torch.tensor(models, dtype=torch.float64, device=device)
    x, y = torch.log10(table[:, 0] * table[:, 1]), torch.log10(table[:, 2])
    whole = kernel.fit_lines(x, y)
    uniform = Columns([between(0.0, 1.0, "")] * (own + count), [""] * (own + count), device)

    def fitted(chunk: tuple[int, Tensor]) -> tuple[int, Tensor, kernel.Lines]:
        replicate, points = chunk
        index = kernel.resample_index(points[own:], count)
        lines = kernel.bootstrap_lines(x, y, index)
        # A resample of one size only has no slope of its own; it takes the whole sample's.
        lines = lines._replace(slope=lines.slope.nan_to_num(float(whole.slope)))
        return replicate, points[:own].clone(), lines

    chunks = tuple(in_order(fitted, uniform.chunks(settings), settings))
    return _Resampled(whole, kernel.residual_sd(x, y), chunks)


def _uniform(low: float, high: float) -> Quantity:
    return between(low, high, f"{low:.3g}–{high:.3g} (uniform, regression)")


def _uniform_distribution(line: Distribution) -> Distribution:
    middle, reach = (line.p5 + line.p95) / 2, (line.p95 - line.p5) / 2
    return Distribution(middle - 0.9 * reach, middle, middle + 0.9 * reach, middle)
