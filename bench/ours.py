"""The same analysis through computebill's own modules, and no more than the plain way gives."""

from __future__ import annotations

import numpy as np
import plain
import torch
from torch import Tensor

from computebill.kernels import quantiles, regression
from computebill.programmes import regressions
from computebill.programmes.compiled import CompiledProgramme, compile_programme
from computebill.programmes.loading import load_programme
from computebill.uncertainty import draws
from computebill.uncertainty.distribution import PROBABILITIES, Collector, Distribution
from computebill.uncertainty.draws import Method, Settings


class Tables:
    """Questions and their resamples as tensors, laid out once."""

    def __init__(self, question: plain.Question, drawn: plain.Resamples) -> None:
        self.x = torch.from_numpy(question.x)
        self.y = torch.from_numpy(question.y)
        self.index = torch.from_numpy(drawn.index)
        self.at = torch.from_numpy(np.log10(drawn.params * question.regression.size.value))

    def predict(self) -> Tensor:
        """FLOP on the line of each resample."""
        return 10 ** regression.bootstrap_lines(self.x, self.y, self.index).at(self.at)

    def percentiles(self) -> Tensor:
        levels = torch.tensor(PROBABILITIES, dtype=torch.float64)
        return quantiles.sorted_quantiles(self.predict(), levels)


def compiled(name: str, seed: int = 0) -> CompiledProgramme:
    """Load a shipped programme, answer its regressions, lay it out."""
    regressions._resample.cache_clear()  # each round fits anew, as a first one does
    loaded = load_programme(name)
    answered = regressions.Regressions(loaded.regression_models(), seed, "cpu")
    return compile_programme(loaded.programme, answered, "cpu")


def ranges(programme: CompiledProgramme) -> plain.Ranges:
    """What the programme's regressions say: p5 and p95 of each predicted run."""
    return {
        name: (prediction.line.p5, prediction.line.p95)
        for name, prediction in programme.predictions.items()
    }


def monte_carlo(
    programme: CompiledProgramme, samples: int, seed: int = 0, method: Method = "sobol"
) -> list[Distribution]:
    """Distributions of each run's cost, of the final runs' cost and of their share."""
    draws._sobol_matrix.cache_clear()  # each round scrambles anew, as a first one does
    settings = Settings(samples, seed, "cpu", method)
    collector = Collector(len(programme.programme.runs) + 2, settings)
    for replicate, points in programme.columns.chunks(settings):
        outcome = programme.evaluate(points, replicate)
        totals = torch.stack([outcome.final, outcome.share])
        collector.add(replicate, torch.cat([outcome.bill.usd, totals]))
    return collector.finish()
