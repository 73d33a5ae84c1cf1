"""Results as ``--json`` prints them, read by what draws and tells them."""

from __future__ import annotations

from collections.abc import Mapping
from math import nan
from typing import Any

from computebill.programmes.bases import BASES, DOLLARS, Basis
from computebill.uncertainty.distribution import KEYS, Distribution

Result = Mapping[str, Any]

NOT_KNOWN = Distribution(nan, nan, nan, nan)


def distribution(given: Mapping[str, Any] | float | None) -> Distribution:
    """Read a distribution, or one number, as JSON has it."""
    if given is None:
        return NOT_KNOWN
    if isinstance(given, Mapping):
        p5, p50, p95, mean = (float(given[key]) for key in KEYS)
        return Distribution(p5, p50, p95, mean)
    value = float(given)
    return Distribution(value, value, value, value)


def basis_of(result: Result) -> Basis:
    """Return what a programme is counted in; dollars where its file is older than that key."""
    return BASES[result.get("basis", DOLLARS.name)]


def amount_of(result: Result, name: str) -> Distribution:
    """Return an amount of a programme in its own unit: ``final_runs``, ``rnd_compute``."""
    return distribution(result[f"{name}_{basis_of(result).key}"])
