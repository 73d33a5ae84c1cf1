"""Files that other commands read: names and tables of them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import tomli_w

from computebill.base.errors import RequestError
from computebill.batches.writing import DANGEROUS
from computebill.uncertainty.distribution import Distribution

from .result import Ledger
from .schema import FINAL

LONGEST = 150
"""Letters of a name, which may get a number behind it."""
SHARED = "price of an hour"
"""What all amounts of hours that no bill prices are uncertain by together."""
LEAST = 1e-9
"""Share below which a difference is one of floats."""


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


def spread(
    value: float, whole: Distribution | float, shared: str = SHARED
) -> float | dict[str, Any]:
    """Return an amount as wide as the whole is, all of them together; a number where that is one.

    Args:
        value: at the median.
        whole: of which it is a part.
        shared: what amounts that are uncertain together go by.
    """
    if isinstance(whole, float) or not whole.p50 or whole.p95 - whole.p5 <= LEAST * whole.p50:
        return value
    ends = {name: value * getattr(whole, name) / whole.p50 for name in ("p5", "p50", "p95")}
    return {**ends, "shared": shared} if value > 0 else value


def price_told(found: Ledger, accelerator: str, price: float) -> float | dict[str, Any]:
    """Return a price of hours that no bill prices, as wide as those of their accelerator are.

    Args:
        found: what records tell.
        accelerator: that the hours are of.
        price: their median [USD an accelerator-hour].
    """
    whole = found.parts["accelerator"].get(accelerator)
    if whole is None or not whole.cost_usd.is_known:
        return price
    cells = found.cells
    billed = float(cells.loc[cells["accelerator"] == accelerator, "usd"].sum())
    cost = whole.cost_usd
    ends = {name: getattr(cost, name) - billed for name in ("p5", "p50", "p95")}
    return spread(price, replace(cost, **ends), f"{SHARED} of {accelerator}")
