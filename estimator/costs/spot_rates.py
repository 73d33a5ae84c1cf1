"""How often spot machines are taken away: rates that were published, by name."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import NamedTuple

MACHINE = 8
"""Accelerators of a machine, whose share of machines that are taken is told."""


class Rate(float):
    """A rate that bears its source [1/(GPU d)].

    Attributes:
        source: where it is from.
    """

    source: str

    def __new__(cls, value: float, source: str) -> Rate:
        """Return a rate with its source."""
        made = super().__new__(cls, value)
        made.source = source
        return made


class SpotRate(NamedTuple):
    """A published rate.

    Attributes:
        share: of machines that are taken.
        days: in which they are.
        what: what it is of.
        source: who tells it.
        checked: whether it was read there.
    """

    share: float
    days: float
    what: str
    source: str
    checked: bool

    @property
    def per_gpu_day(self) -> float:
        """Machines that are taken at random, by accelerator and day [1/(GPU d)]."""
        return -math.log1p(-self.share) / self.days / MACHINE

    @property
    def rate(self) -> Rate:
        """The same, with its source in words."""
        told = f"{self.what}, of machines of {MACHINE}: {self.source}"
        return Rate(self.per_gpu_day, told + ("" if self.checked else " (not re-checked)"))


@cache
def published_rates() -> Mapping[str, SpotRate]:
    """Return the published rates by name."""
    text = resources.files(__package__).joinpath("spot_rates.toml").read_text(encoding="utf-8")
    return {name: SpotRate(**table) for name, table in tomllib.loads(text).items()}
