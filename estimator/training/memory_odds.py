r"""How far a process's memory may lie from what is predicted, and how likely it is to fit.

Measured over predicted memory is log-normal, its middle and width told by measured runs whose lab
had no part in them: with room :math:`L` and a prediction :math:`m`, the odds of fitting are
:math:`\Phi((\ln(L / m) - c) / s)`.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from statistics import NormalDist
from typing import Annotated

from pydantic import Field

from computebill.base.assumptions import Assumption
from computebill.base.quantity import Number
from computebill.base.specfile import Spec, validate, within

SHIPPED_SPREAD = Path(__file__).with_name("memory_spread.toml")
"""Made from the shipped table by ``make accuracy``."""

NORMAL = NormalDist()
NINE_IN_TEN = NORMAL.inv_cdf(0.95)
"""Standard deviations from the middle of nine in ten to their ends."""

USUAL_ODDS = 0.9
"""Odds of fitting that a layout has to have where nobody says."""

SURE = "fits"

Odds = Annotated[Number, Field(ge=0.5, lt=1)]
"""Odds of fitting that may be asked for."""

VERDICTS = ((USUAL_ODDS, SURE), (0.5, "may not fit"), (0.1, "unlikely to fit"))
"""Least odds, and what they are in words; below the last, it does not fit."""

ENDS = {"p5": 0.05, "p50": 0.5, "p95": 0.95}


class MemorySpread(Spec):
    """What measured runs tell of a run's memory beside its prediction.

    Attributes:
        rows: measured runs that tell it.
        labs: labs that they are of.
        centre: median of the logarithm of measured over predicted memory.
        spread: standard deviation of that, in a lab that nobody has measured.
    """

    rows: Annotated[int, Field(ge=1)]
    labs: Annotated[int, Field(ge=1)]
    centre: Annotated[float, within(-3.0, 3.0)]
    spread: Annotated[float, within(1e-3, 3.0)]

    @property
    def origin(self) -> str:
        """Origin, as assumptions cite it."""
        return f"{self.rows:,} measured runs of {self.labs} labs (training/memory_spread.toml)"


@cache
def shipped_spread() -> MemorySpread:
    """Return what the shipped table of measured runs tells."""
    data = tomllib.loads(SHIPPED_SPREAD.read_text(encoding="utf-8"))
    return validate(MemorySpread, data, SHIPPED_SPREAD.name)


def fit_odds(predicted: float, room: float) -> float:
    """Return how likely a process fits.

    Args:
        predicted: its memory as predicted, in the unit of ``room``.
        room: memory that there is.
    """
    if predicted <= 0:
        return 1.0
    known = shipped_spread()
    return NORMAL.cdf((math.log(room / predicted) - known.centre) / known.spread)


def verdict(odds: float) -> str:
    """Return odds of fitting in words."""
    return next((words for least, words in VERDICTS if odds >= least), "does not fit")


def most_predicted(room: float, odds: float) -> float:
    """Return the most memory that may be predicted for a process to fit with such odds.

    No more than there is room, whatever the odds: measured runs may have had less than predicted.
    """
    known = shipped_spread()
    return room * min(1.0, math.exp(-known.centre - NORMAL.inv_cdf(odds) * known.spread))


def memory_interval(predicted: float) -> dict[str, float]:
    """Return p5, p50, p95 and mean of a process's memory, in the unit of its prediction."""
    known = shipped_spread()
    middle = predicted * math.exp(known.centre)
    found = {
        name: middle * math.exp(NORMAL.inv_cdf(share) * known.spread)
        for name, share in ENDS.items()
    }
    return {**found, "mean": middle * math.exp(known.spread**2 / 2)}


def odds_assumption() -> Assumption:
    """Return what intervals of memory and odds of fitting rest on."""
    low, high = (memory_interval(1.0)[name] for name in ("p5", "p95"))
    text = f"{low:.3g} to {high:.3g} times (5th to 95th percentile, log-normal)"
    return Assumption("measured over predicted memory", text, shipped_spread().origin)


def spread_toml(spread: Mapping[str, float]) -> str:
    """Return the shipped file of a spread."""
    lines = [
        "# Logarithm of measured over predicted memory of a process, made by `make accuracy`: what",
        "# each is, training/memory_odds.py; how it is judged, docs/accuracy.md.",
        *(f"{name} = {value:.6g}" for name, value in spread.items()),
    ]
    return "\n".join(lines) + "\n"
