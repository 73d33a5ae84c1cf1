"""Experiments of a cell as columns: what each is given, its size, and the part they run on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from computebill.architectures import Architecture
from computebill.base.errors import RequestError
from computebill.hardware.accelerators import Accelerator
from computebill.kernels.units import SECONDS_PER_HOUR
from computebill.training.shapes import transformer_params

from .expand import Cell

WITHIN_HOURS = 48.0
"""In which an experiment is to end, where neither this nor its accelerators are given."""


class Model(NamedTuple):
    """A model of a configuration.

    Attributes:
        architecture: what its layers are.
        params: all of its parameters.
        active: those that a token meets.
        cache: elements of keys and values that it keeps of a token.
    """

    architecture: Architecture
    params: float
    active: float
    cache: float


@dataclass(frozen=True)
class Experiments:
    """Experiments that share all that is not a number; columns are ``(experiments,)``.

    Attributes:
        cell: they are of.
        columns: their fields, by name; NaN where a row does not give one.
        accelerator: the part they run on.
        precision: of products.
        model: of a configuration; None where only sizes are known.
        params: parameters; NaN where hours are given and nothing else.
        active: parameters that a token meets, the same.
    """

    cell: Cell
    columns: Mapping[str, Tensor]
    accelerator: Accelerator
    precision: str
    model: Model | None
    params: Tensor
    active: Tensor

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def __getitem__(self, name: str) -> Tensor:
        return self.columns[name]

    @property
    def kind(self) -> str:
        """What an experiment is."""
        return self.cell.group.kind

    @property
    def count(self) -> int | None:
        """Accelerators of each, where they are given."""
        return int(self.cell.apart["count"]) if "count" in self.cell.apart else None

    @property
    def within_seconds(self) -> Tensor:
        """In which each is to end."""
        return self.get("within_hours", WITHIN_HOURS) * SECONDS_PER_HOUR

    @property
    def part(self) -> str:
        """The accelerator and its precision, for messages."""
        return f"{self.accelerator.name}, {self.precision}"

    @property
    def tokens(self) -> Tensor:
        """Tokens that each trains on.

        Raises:
            RequestError: where some do not say.
        """
        missing = self.full(math.nan)
        by_size = self.get("tokens_per_param", missing) * self.params
        by_flop = self.get("flop", missing) / (6.0 * self.active)
        tokens = self.get("tokens", torch.where(by_size.isnan(), by_flop, by_size))
        if bool(tokens.isnan().any()):
            raise RequestError("tokens", "is missing in some experiments")
        return tokens

    def full(self, value: float) -> Tensor:
        """Return a column of one value."""
        return _full(self.columns, value)

    def get(self, name: str, otherwise: float | Tensor) -> Tensor:
        """Return a column; where a row does not give it, what holds otherwise."""
        return _get(self.columns, name, otherwise)

    def with_default(self, name: str, column: Tensor) -> Experiments:
        """Return them with a field that holds where none is given."""
        return replace(self, columns={name: column, **self.columns})


def make_experiments(
    cell: Cell,
    columns: Mapping[str, Tensor],
    accelerator: Accelerator,
    precision: str,
    model: Model | None,
) -> Experiments:
    """Return experiments with their sizes.

    Raises:
        RequestError: where some have no size, or more active parameters than parameters.
    """
    params, active = _sizes(cell, columns, model)
    return Experiments(cell, columns, accelerator, precision, model, params, active)


def _sizes(cell: Cell, columns: Mapping[str, Tensor], model: Model | None) -> tuple[Tensor, Tensor]:
    if cell.group.gpu_hours is not None:  # which need no size
        params = _get(columns, "params_active", _get(columns, "params", math.nan))
        return params, params
    if model is not None:
        return _full(columns, model.params), _full(columns, model.active)
    if "width" in columns:
        vocabulary = _get(columns, "vocabulary", math.nan)
        params = transformer_params(columns["width"], columns["depth"], vocabulary)
    else:
        params = _get(columns, "params", _get(columns, "params_active", math.nan))
    active = _get(columns, "params_active", params)
    if bool(params.isnan().any()):
        raise RequestError("params", "is missing in some experiments")
    if bool((active > params).any()):
        raise RequestError("params_active", "is more than params; allowed: up to them")
    return params, active


def _full(columns: Mapping[str, Tensor], value: float) -> Tensor:
    first = next(iter(columns.values()))
    return torch.full((len(first),), value, dtype=torch.float64, device=first.device)


def _get(columns: Mapping[str, Tensor], name: str, otherwise: float | Tensor) -> Tensor:
    rest = otherwise if isinstance(otherwise, Tensor) else _full(columns, otherwise)
    given = columns.get(name)
    return rest if given is None else torch.where(given.isnan(), rest, given)
