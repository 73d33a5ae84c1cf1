"""Experiment sweeps: a research programme priced run by run.

The names below are loaded when first used: a spec is read, and refused, without torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .estimate import SweepEstimate as SweepEstimate
    from .estimate import price_sweep as price_sweep
    from .spec import SweepSpec as SweepSpec
    from .spec import load_sweep as load_sweep
    from .spec import shipped_sweeps as shipped_sweeps

_HOMES = {
    "SweepEstimate": "estimate",
    "SweepSpec": "spec",
    "load_sweep": "spec",
    "price_sweep": "estimate",
    "shipped_sweeps": "spec",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
