"""A group of experiments as columns, a chunk at a time; what changes no cost is only counted."""

from __future__ import annotations

import itertools
import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import torch
from torch import Tensor

from computebill.base.errors import RequestError, shown
from computebill.uncertainty.draws import Columns, Settings

from .fields import APART, NEUTRAL, NUMBERS
from .spec import Group

CHUNK = 2**18
"""Experiments at a time: a dozen columns of so many take some tens of megabytes."""

MOST_CELLS = 20_000


@dataclass(frozen=True)
class Cell:
    """Experiments of a group on one accelerator, number of them, sequence length.

    Attributes:
        group: they belong to.
        apart: fields that are the same for all of the cell.
        rows: columns of the listed experiments; ``(listed,)`` each.
        axes: values of the grid's axes that change the cost.
        copies: experiments that each row stands for.
    """

    group: Group
    apart: Mapping[str, float | str]
    rows: Mapping[str, Tensor]
    axes: Mapping[str, Tensor]
    copies: int

    @property
    def listed(self) -> int:
        """Experiments of the list; one where there is none."""
        return max((len(column) for column in self.rows.values()), default=1)

    @property
    def combinations(self) -> int:
        """Of listed experiments and the grid, beside what is drawn."""
        return self.listed * math.prod(len(values) for values in self.axes.values())

    @property
    def size(self) -> int:
        """Rows that are priced."""
        return self.group.drawn * self.combinations

    def chunks(self, device: str = "cpu", size: int = CHUNK) -> Iterator[dict[str, Tensor]]:
        """Yield columns of so many experiments at a time, by field; ``(experiments,)``."""
        for start in range(0, self.size, size):
            columns = self._columns(start, min(start + size, self.size))
            yield {name: column.to(device) for name, column in columns.items()}

    def _columns(self, start: int, stop: int) -> dict[str, Tensor]:
        places = torch.arange(start, stop)
        # One that says how many there are, where nothing is given but hours.
        found = {"": torch.zeros(len(places), dtype=torch.float64)} | {
            name: torch.full((1,), value, dtype=torch.float64).expand(len(places))
            for name, value in (*self.group.fields.items(), *self.apart.items())
            if not isinstance(value, str)
        }
        rest = places
        for name, values in reversed(list(self.axes.items())):
            found[name] = values[rest % len(values)]
            rest = rest // len(values)
        for name, column in self.rows.items():
            found[name] = column[rest % self.listed]
        found.update(self._drawn(rest // self.listed))
        return found

    def _drawn(self, places: Tensor) -> dict[str, Tensor]:
        samples = self.group.samples
        if samples is None or not samples.quantities:
            return {}
        names = list(samples.quantities)
        columns = Columns(list(samples.quantities.values()), names, "cpu")
        first, last = int(places[0]), int(places[-1])
        drawn = Settings(samples.count, samples.seed, "cpu", samples.method)
        values = columns.draw(columns.points(drawn, 0, first, last - first + 1))
        whole = [
            row.round() if NUMBERS[name].whole else row
            for name, row in zip(names, values, strict=True)
        ]
        return {name: row[places - first] for name, row in zip(names, whole, strict=True)}


def cells(group: Group) -> list[Cell]:
    """Return a group's cells; together they are all of its experiments.

    Raises:
        RequestError: where there are too many, or the ladder is none.
    """
    axes = dict(group.axes)
    if group.ladder is not None:
        axes["params"] = _ladder(group)
    apart = {name: axes.pop(name) for name in APART if name in axes}
    neutral = [axes.pop(name) for name in list(axes) if name in NEUTRAL or name in group.neutral]
    if any(not values for values in neutral):
        raise RequestError("grid", "an axis has no values")
    copies = group.repeats * math.prod(len(values) for values in neutral)
    numbers = {name: torch.tensor(values, dtype=torch.float64) for name, values in axes.items()}
    listed = _listed(group)
    combinations = math.prod(len(values) for values in apart.values()) * len(listed)
    if combinations > MOST_CELLS:
        raise RequestError(
            "grid",
            f"{combinations:,} combinations of {', '.join(APART)}; allowed: {MOST_CELLS:,}",
        )
    return [
        Cell(
            group,
            {**_texts(group.fields), **kept, **dict(zip(apart, values, strict=True))},
            rows,
            numbers,
            copies,
        )
        for values in itertools.product(*apart.values())
        for kept, rows in listed
    ]


def _texts(fields: Mapping[str, float | str]) -> dict[str, float | str]:
    return {name: fields[name] for name in APART if name in fields}


def _listed(group: Group) -> list[tuple[dict[str, float | str], dict[str, Tensor]]]:
    """Return listed experiments, those together whose fields apart are the same."""
    if not group.rows:
        return [({}, {})]
    together: dict[tuple[tuple[str, float | str], ...], list[dict[str, float | str]]] = {}
    for row in group.rows:
        key = tuple((name, row[name]) for name in APART if name in row)
        together.setdefault(key, []).append(row)
    found = []
    for key, rows in together.items():
        names = dict.fromkeys(name for row in rows for name in row if name not in APART)
        columns = {
            name: torch.tensor(
                [float(row.get(name, group.fields.get(name, math.nan))) for row in rows],
                dtype=torch.float64,
            )
            for name in names
        }
        # Rows that say nothing of their cost still are so many.
        columns = columns or {"": torch.zeros(len(rows), dtype=torch.float64)}
        found.append((dict(key), columns))
    return found


@lru_cache(maxsize=1)
def _ladders() -> dict[str, list[float]]:
    text = resources.files(__package__).joinpath("ladders.toml").read_text(encoding="utf-8")
    return {name: table["params"] for name, table in tomllib.loads(text).items()}


def _ladder(group: Group) -> tuple[float, ...]:
    known = _ladders()
    if group.ladder not in known:
        allowed = ", ".join(known)
        raise RequestError("ladder", f"got {shown(group.ladder)}; allowed: {allowed}")
    low, high = group.smallest or 0.0, group.largest or math.inf
    found = tuple(size for size in known[group.ladder] if low <= size <= high)
    if not found:
        raise RequestError("ladder", f"{group.ladder} has no size between {low:g} and {high:g}")
    return found
