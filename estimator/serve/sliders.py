"""Where sliders stop: round numbers, each as it may be typed; a slider's place is its number's."""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import torch

from computebill.base.quantity import Quantity, number_text
from computebill.runs.spec import RunSpec
from computebill.uncertainty.draws import Columns
from computebill.views.text import count, money, percent

from .texts import brief
from .what_if import Moves, WhatIf

ENDS = 0.1, 0.9
"""Percentiles that the two sliders of an interval stand for."""

MANTISSAS = (*(100 + 5 * i for i in range(20)), *(200 + 10 * i for i in range(80)))
"""Hundredths: steps of at most 5 percent from one to ten."""

BEYOND = 5.0
"""How many times more, or less, than was reported the slider of R&D compute goes to."""


def typed(value: float) -> str:
    """Write a number as it may be typed: ``70B``, ``2048``, ``1.5``."""
    return number_text(value, 4).replace(",", "")


def typed_percent(value: float) -> str:
    """Write a fraction as it may be typed: ``22.5%``."""
    return f"{value * 100:.4g}%"


class Slider(NamedTuple):
    """A slider's stops.

    Attributes:
        values: ascending.
        texts: of the values, as they may be typed.
        write: how a value reads.
        typed: how it is typed.
    """

    values: list[float]
    texts: list[str]
    write: Callable[[float], str]
    typed: Callable[[float], str]

    def place(self, value: float) -> int:
        """Return the stop that is nearest."""
        above = min(max(bisect(self.values, value), 1), len(self.values) - 1)
        below = above - 1
        return below if value - self.values[below] < self.values[above] - value else above

    def told(self, value: Quantity) -> dict[str, Any]:
        """Return where a quantity's sliders stand, and how it reads."""
        low, high = ends_of(value)
        text = " – ".join(brief(self.write(end)) for end in dict.fromkeys((low, high)))
        places = [self.place(low), self.place(high)]
        return {"places": places, "text": text, "median": self.typed(value.median)}


def ends_of(value: Quantity) -> tuple[float, float]:
    """Return a quantity's 10th and 90th percentile."""
    # As it was given: what is cut off at a bound would move the ends a little.
    whole = replace(value, upper=math.inf)
    points = torch.tensor([] if value.is_constant else [list(ENDS)], dtype=torch.float64)
    (drawn,) = Columns([whole], ["value"], "cpu").draw(points.reshape(-1, len(ENDS)))
    low, high = drawn.expand(len(ENDS)).tolist()
    return low, high


def _numbers(low: float, high: float, write: Callable[[float], str] = money) -> Slider:
    """Return a slider over round numbers, each a few percent more than the one before."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found = [float(f"{m * 10.0 ** (d - 2):.3g}") for d in decades for m in MANTISSAS]
    values = [value for value in found if low <= value <= high]
    return Slider(values, [typed(value) for value in values], write, typed)


def _counts() -> Slider:
    whole = [value for value in _numbers(1, 2e6).values if value % 1 == 0]
    return Slider(whole, [typed(value) for value in whole], lambda value: f"{value:,.0f}", typed)


def _percents(low: float, step: float, steps: int) -> Slider:
    values = [round(low + step * i, 4) for i in range(steps)]
    return Slider(values, [typed_percent(value) for value in values], percent, typed_percent)


# Every pair of stops is an interval that a share may have: beyond, too much of it exceeds one.
MFU = _percents(0.02, 0.005, 117)
PRICE = _numbers(0.2, 20)
RUN = {
    "params": _numbers(1e8, 1e13, count),
    "params_active": _numbers(1e8, 1e13, count),
    "tokens": _numbers(1e9, 1e15, count),
    "count": _counts(),
    "mfu": MFU,
    "price": PRICE,
    "final_share": _percents(0.02, 0.01, 59),
}


class ProgrammeSliders:
    """The sliders of a programme, and where they begin."""

    def __init__(self, programme: WhatIf) -> None:
        low, middle, high = programme.reported()
        spent = _numbers(middle / BEYOND, middle * BEYOND)
        self._all = {"mfu": MFU, "price": PRICE, "rnd_compute": spent}
        self.begin: dict[str, dict[str, Any]] = {}
        for name, value in programme.assumed().items():
            ends = [self._all[name].typed(end) for end in ends_of(value)]
            self.begin[name] = {"texts": ends, **self._all[name].told(value)}
        self.begin["rnd_compute"] = {
            "texts": [typed(low), typed(high)],
            "places": [spent.place(low), spent.place(high)],
            "text": brief(money(middle)),
            "median": typed(middle),
        }

    def options(self) -> dict[str, Any]:
        """Return the stops by field, and where they begin."""
        return {name: {**told, "stops": self._all[name].texts} for name, told in self.begin.items()}

    def fields(self, given: Mapping[str, str]) -> dict[str, Any]:
        """Return where the sliders stand, and how the numbers read."""
        moves = Moves.model_validate(dict(given))
        told = {}
        for name, begin in self.begin.items():
            value = getattr(moves, name)
            told[name] = begin if value is None else self._all[name].told(value)
        return told


def run_options() -> dict[str, Any]:
    """Return the stops of a run's sliders by field."""
    return {name: {"stops": slider.texts} for name, slider in RUN.items()}


def run_fields(run: RunSpec) -> dict[str, Any]:
    """Return where a run's sliders stand, and how the numbers read; not given, none."""
    given = {name: getattr(run, name) for name in RUN}
    return {name: RUN[name].told(value) for name, value in given.items() if value is not None}
