"""A scored catalogue in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from computebill.uncertainty.distribution import Distribution
from computebill.views.result import Result, distribution
from computebill.views.text import flop_interval, money_interval

from .answer import Answer, Figure

COST_KEY, FLOP_KEY = "cost_amortised_usd", "flop"


def answer(result: Result) -> Answer:
    """Tell how many rows have figures, and which are the largest and the dearest."""
    rows = result.get("points") or ()
    told = f"{result['rows_scored']:,} of {result['rows_in']:,} rows have figures"
    largest, dearest = (_most(rows, name) for name in (FLOP_KEY, COST_KEY))
    if largest is not None:
        told += f"; the largest run is {_named(largest)}{spread_text(largest, FLOP_KEY)} FLOP"
    if dearest is not None:
        told += f"; the dearest is {_named(dearest)}{spread_text(dearest, COST_KEY)}"
    figures = [
        Figure("rows", f"{result['rows_in']:,}"),
        Figure("scored", f"{result['rows_scored']:,}"),
        Figure("rejected", f"{result['rows_rejected']:,}"),
    ]
    names = (
        ", ".join(PurePath(each).name for each in result.get("catalogues") or []) or "A catalogue"
    )
    notes = [f"{each['file']}: {each['reason']}" for each in result.get("unread_files") or ()]
    return Answer(f"{names}, scored", f"{told}.", figures, notes)


def _named(row: Mapping[str, Any]) -> str:
    """Return the name of a row's model, before its figure; nothing where it has none."""
    return f"{row['model']}, " if row["model"] else ""


def _most(rows: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any] | None:
    """Return the row in which a figure is largest; None where none has it."""
    found = max(rows, key=lambda row: row[f"{name}_p50"] or 0.0, default=None)
    return found if found is not None and found[f"{name}_p50"] else None


def spread(row: Mapping[str, Any], name: str) -> Distribution:
    """Return a figure of a row with its ends; where these are not known, the median."""
    values = {key: row[f"{name}_{key}"] for key in ("p5", "p50", "p95")}
    if values["p50"] is None:
        return distribution(None)
    filled = {key: values["p50"] if each is None else each for key, each in values.items()}
    return distribution({**filled, "mean": values["p50"]})


def spread_text(row: Mapping[str, Any], name: str) -> str:
    """Write a figure of a row with its ends."""
    write = money_interval if name == COST_KEY else flop_interval
    return write(spread(row, name))
