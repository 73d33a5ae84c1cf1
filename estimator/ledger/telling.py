"""Files that other commands read: names and tables of them."""

from __future__ import annotations

import re
from typing import Any

import tomli_w

from computebill.base.errors import RequestError
from computebill.batches.writing import DANGEROUS

from .result import Ledger
from .schema import FINAL

LONGEST = 150
"""Letters of a name, which may get a number behind it."""


def clean(name: str) -> str:
    """Return a name on one line, that no spreadsheet takes for a formula."""
    plain = " ".join("".join(char if char.isprintable() else " " for char in name).split())
    return re.sub(DANGEROUS, r"'\1", plain)[:LONGEST] or "unnamed"


def table_text(data: dict[str, Any]) -> str:
    """Return data as TOML."""
    return tomli_w.dumps(data)


def needs_final_runs(found: Ledger, flag: str) -> None:
    """Refuse a file of final runs where there are none.

    Raises:
        RequestError: naming the flag, and what tells final runs.
    """
    final = found.parts["kind"].get(FINAL)
    if final is None or final.gpu_hours <= 0:
        told = "no job is a final run; say which are in --rules: computebill ledger init has some"
        raise RequestError(flag, told)
