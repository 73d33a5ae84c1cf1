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
    from .errors import RequestError as RequestError

_HOMES = {
    "Accelerator": "accelerators",
    "RequestError": "errors",
    "find_accelerator": "accelerators",
    "list_accelerators": "accelerators",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'computebill' has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
