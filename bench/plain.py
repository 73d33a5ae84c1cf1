"""The plain way: the published analysis as an analyst scripts it, with SciPy and NumPy.

A loop over resamples with ``scipy.stats.linregress``, a loop over runs with NumPy's random draws
and ``np.percentile``. The inputs are those of the shipped programmes, so that both ways answer
the same question.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy import stats

from computebill.base.quantity import Quantity
from computebill.programmes.loading import load_programme
from computebill.programmes.spec import BASE_VARIANT, Programme, Regression, Run

PERCENTILES = (5, 50, 95)
SECONDS_PER_HOUR = 3600.0


class Question(NamedTuple):
    """One prediction: a run whose FLOP is read off a line through published models."""

    run: str
    regression: Regression
    x: np.ndarray
    """log10(parameters x size) of the published models."""
    y: np.ndarray
    """log10 FLOP."""


class Resamples(NamedTuple):
    """What a prediction draws."""

    index: np.ndarray
    """``(models, resamples)``."""
    params: np.ndarray
    """``(resamples,)``."""


def programme(name: str) -> Programme:
    return load_programme(name).stages(BASE_VARIANT)[0][1]


def questions(name: str) -> list[Question]:
    """The predictions of a shipped programme."""
    loaded = load_programme(name)
    models = loaded.regression_models()
    found = []
    for run in loaded.programme.runs:
        if run.regression is not None:
            params, size, flop = np.array(models[run.regression.on]).T
            found.append(
                Question(run.name, run.regression, np.log10(params * size), np.log10(flop))
            )
    return found


def all_questions() -> list[Question]:
    return questions("minimax-2025") + questions("zai-2025")


def resample(question: Question, resamples: int, rng: np.random.Generator) -> Resamples:
    index = rng.integers(0, len(question.x), size=(len(question.x), resamples))
    params = draw(question.regression.params, rng, resamples)
    return Resamples(index, np.broadcast_to(params, resamples))


def predict(question: Question, drawn: Resamples) -> np.ndarray:
    """FLOP on the line of each resample."""
    at = np.log10(drawn.params * question.regression.size.value)
    flop = np.empty(len(at))
    for i in range(len(at)):
        rows = drawn.index[:, i]
        fit = stats.linregress(question.x[rows], question.y[rows])
        flop[i] = 10 ** (fit.intercept + fit.slope * at[i])
    return flop


def draw(quantity: Quantity, rng: np.random.Generator, draws: int) -> np.ndarray | float:
    if quantity.family == "constant":
        return quantity.value
    if quantity.family == "uniform":
        return rng.uniform(*quantity.parameters, draws)
    if quantity.family == "lognormal":
        median, sigma, _ = quantity.parameters
        return rng.lognormal(np.log(median), sigma, draws)
    raise ValueError(f"the shipped programmes have no {quantity.family} quantity")


Ranges = Mapping[str, tuple[float, float]]
"""p5 and p95 of the FLOP of the runs that a regression predicts."""


class Sampled(NamedTuple):
    """The programme in every draw."""

    costs: dict[str, np.ndarray]
    final: np.ndarray
    share: np.ndarray

    def percentiles(self) -> dict[str, np.ndarray]:
        rows = {**self.costs, "final": self.final, "share": self.share}
        return {name: np.percentile(row, PERCENTILES) for name, row in rows.items()}


def monte_carlo(spec: Programme, ranges: Ranges, rng: np.random.Generator, draws: int) -> Sampled:
    """Price every run of a programme in every draw."""
    assumed = spec.assumptions
    assert assumed.mfu
    assert assumed.price
    assert assumed.peak_flop_per_s
    mfu, price = (draw(one.value, rng, draws) for one in (assumed.mfu, assumed.price))
    runs = {run.name: run for run in spec.runs}
    flop: dict[str, np.ndarray] = {}

    def size(run: Run) -> np.ndarray:
        if run.name not in flop:
            if run.base:
                assert run.fraction
                found = size(runs[run.base]) * draw(run.fraction, rng, draws)
            elif run.regression:
                found = rng.uniform(*ranges[run.name], draws)
            else:
                assert run.flop
                found = np.broadcast_to(draw(run.flop, rng, draws), draws)
            if run.multiplier:
                found = found * draw(run.multiplier, rng, draws)
            flop[run.name] = found
        return flop[run.name]

    costs = {}
    for run in spec.runs:
        peak = (run.peak_flop_per_s or assumed.peak_flop_per_s).value
        used = draw(run.mfu, rng, draws) if run.mfu else mfu
        costs[run.name] = size(run) / (peak * used) / SECONDS_PER_HOUR * price
    final = np.sum([costs[run.name] for run in spec.runs if spec.counts(run)], axis=0)
    return Sampled(costs, final, final / research_usd(spec))


def research_usd(spec: Programme) -> float:
    """R&D compute as reported; constant in the shipped programmes of MiniMax and Z.ai."""
    total = 0.0
    for item in spec.reported:
        if item.counts_as == "rnd_compute":
            rate = 1.0 if item.currency == "USD" else spec.currencies[item.currency].per_usd
            total += sum(term.sign * term.amount.value for term in item.periods) / rate
    return total
