"""How far models from modules are off in time: ``python bench/modules_apart.py [--models N]``.

Each model of the measured steps whose type both doors count is counted by its entry and by its
modules, with the same fields; where both hold the same parameters, each row's step is timed with
both. The interval of the modules' times is widened until it holds as large a share of the measured
times as that of the entries' does, and until it would with any type among them left out. That is
``FROM_MODULES`` of ``estimator/base/constants.toml``.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import torch

from computebill.accuracy import row_models
from computebill.accuracy.measured import MeasuredRow, read_measured
from computebill.architectures import Architecture, read_architecture
from computebill.architectures.modules import read_modules
from computebill.architectures.plain import plain_parameters
from computebill.base.errors import RequestError
from computebill.training.step_time import estimate_step

STEP = 0.01
"""Of widenings that are tried."""
MOST = 3.0


class Told(NamedTuple):
    """A row's step by both doors: logarithms of times over that of the entry.

    Attributes:
        type: of its model.
        measured: what was measured.
        low: the lower end of the interval.
        high: the upper end.
        modules: as predicted from modules.
    """

    type: str
    measured: float
    low: float
    high: float
    modules: float

    def holds(self, middle: float, width: float) -> bool:
        """Whether an interval, so much wider, holds what was measured."""
        return self.low * width <= self.measured - middle <= self.high * width


class Doors:
    """Architectures by both doors, each model once."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.of_type: Counter[str] = Counter()
        self.fields: dict[str, Mapping[str, Any]] = {}
        self.by_modules: dict[str, Architecture | None] = {}

    def read(self, config: Mapping[str, Any]) -> Architecture:
        """Count a model by its entry, and remember what of."""
        found = read_architecture(config)
        key = json.dumps(config, sort_keys=True)
        self.fields[key] = config
        return replace(found, title=key)

    def modules_of(self, entry: Architecture) -> Architecture | None:
        """Return the same model from its modules; None where they hold other parameters."""
        key = entry.title
        if key not in self.by_modules:
            self.by_modules[key] = self._counted(entry, key)
        return self.by_modules[key]

    def _counted(self, entry: Architecture, key: str) -> Architecture | None:
        self.of_type[entry.model_type] += 1
        if self.of_type[entry.model_type] > self.most:
            return None
        try:
            found = read_modules(self.fields[key], "row")
        except RequestError:
            return None
        if found is None or plain_parameters(found).total != plain_parameters(entry).total:
            return None
        return found


def told(row: MeasuredRow, doors: Doors) -> Told | None:
    """Return a row's step by both doors; None where they count different models."""
    entry = row.case.architecture
    other = doors.modules_of(entry)
    if other is None or row.seconds is None:
        return None
    other = replace(other.at(row.case.sequence), counted_by="family")  # timed without widening
    usual, found = (estimate_step(replace(row.case, architecture=each)) for each in (entry, other))
    return Told(
        entry.model_type,
        math.log(row.seconds / usual.seconds),
        math.log(usual.low),
        math.log(usual.high),
        math.log(found.seconds / usual.seconds),
    )


def widening(rows: list[Told]) -> float:
    """Return how much wider intervals of modules have to be to hold as many rows as entries'."""
    wanted = sum(each.holds(0.0, 1.0) for each in rows)
    width = 1.0
    while sum(each.holds(each.modules, width) for each in rows) < wanted and width < MOST:
        width += STEP
    return width


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--models", type=int, default=10_000, help="models of each type, at most")
    given = asked.parse_args()
    torch.set_num_threads(1)
    doors = Doors(given.models)
    row_models.read_architecture = doors.read  # type: ignore[attr-defined]
    read, _ = read_measured()
    found = [each for row in read if (each := told(row, doors)) is not None]
    models = sum(each is not None for each in doors.by_modules.values())
    apart = torch.tensor([each.modules for each in found], dtype=torch.float64)
    print(f"{len(found):,} of {len(read):,} rows, {models} of {len(doors.by_modules)} models")
    print(f"time from modules over that of the entry: median {apart.median().exp() - 1:+.2%}")
    print(f"root mean square {apart.square().mean().sqrt():.2%}, most {apart.abs().amax():.2%}")
    types = sorted({each.type for each in found})
    for name in types:
        own = torch.tensor([each.modules for each in found if each.type == name])
        apart = own.square().mean().sqrt()
        print(f"  {name:16}{len(own):6} rows, root mean square {apart:.2%}")
    wanted = sum(each.holds(0.0, 1.0) for each in found) / len(found)
    without = max(widening([each for each in found if each.type != name]) for name in types)
    print(
        f"held by the entries' intervals: {wanted:.1%}; widening of the modules' to hold as many:"
    )
    print(f"{widening(found):.2f}, and at most {without:.2f} with any one type left out")


if __name__ == "__main__":
    main()
