"""Refusals of what no entry counts, with what helps."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from computebill.base.errors import shown

from .families import FAMILIES
from .types import aliases

TOTALS = "; or give totals: computebill run --params 405B --tokens 15T …"


def unknown_type(fields: Mapping[str, Any], key: str, given: object) -> str:
    """Return the problem of a type that is not known."""
    known = sorted(FAMILIES)
    if not isinstance(given, str):
        problem = f"{key} is missing" if given is None else f"{key}: got {shown(given)}"
        return f"{problem}; allowed: {', '.join(known)}{TOTALS}"
    near = difflib.get_close_matches(given, [*known, *aliases()], n=3, cutoff=0.4)
    hint = f"nearest: {', '.join(near)}" if near else f"allowed: {', '.join(known)}"
    return f"{key}: got {shown(given)}, which is not known; {hint}{TOTALS}"
