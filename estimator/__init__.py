"""computebill: what training an AI model costs in compute, and the research bill behind it.

The names below are loaded when first used, so that ``import computebill`` is instant.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .accelerators import Accelerator as Accelerator
    from .accelerators import find_accelerator as find_accelerator
    from .accelerators import list_accelerators as list_accelerators
    from .elsewhere import shares_elsewhere as shares_elsewhere
    from .errors import RequestError as RequestError
    from .programme import Programme as Programme
    from .programme import load_programme as load_programme
    from .programme import shipped_programmes as shipped_programmes
    from .run import RunEstimate as RunEstimate
    from .run import RunSpec as RunSpec
    from .run import estimate_run as estimate_run
    from .spend import SpendEstimate as SpendEstimate
    from .spend import compare_spend as compare_spend

_HOMES = {
    "Accelerator": "accelerators",
    "Programme": "programme",
    "RequestError": "errors",
    "RunEstimate": "run",
    "RunSpec": "run",
    "SpendEstimate": "spend",
    "compare_spend": "spend",
    "estimate_run": "run",
    "find_accelerator": "accelerators",
    "list_accelerators": "accelerators",
    "load_programme": "programme",
    "shares_elsewhere": "elsewhere",
    "shipped_programmes": "programme",
}
"""Public names, and the module each lives in."""

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'computebill' has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
