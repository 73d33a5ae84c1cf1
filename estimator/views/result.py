"""Results as ``--json`` prints them, read by what draws and tells them."""

from __future__ import annotations

from collections.abc import Mapping
from math import nan
from typing import Any

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
