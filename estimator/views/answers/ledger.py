"""A ledger in a sentence."""

from __future__ import annotations

from computebill.views.result import Result, distribution
from computebill.views.text import count, money_interval, percent, percent_interval

from .answer import Answer, Figure, figure

UNKNOWN = "unknown"
ANYTHING = 0.999
"""Width of a share that nothing is known of."""


def answer(result: Result) -> Answer:
    """Tell the hours, what they cost, and the final run's share."""
    hours, cost = result["gpu_hours"], distribution(result["cost_usd"])
    share = distribution(result["final_share"])
    rows = result["rows_in"]
    told = f"{count(hours)} accelerator-hours of {rows:,} {'row' if rows == 1 else 'rows'}"
    figures = [Figure("accelerator-hours", count(hours))]
    if cost.is_known:
        told += f" cost {money_interval(cost)}"
        figures.append(figure("cost", money_interval(cost)))
    if share.is_known and share.p95 - share.p5 > ANYTHING:
        told += "; which of them were final runs no rule tells"
    elif share.is_known:
        basis = "dollars" if result["final_share_of"] == "cost" else "hours"
        told += f"; final runs took {percent_interval(share)} of the {basis}"
        figures.append(figure("final runs", percent_interval(share)))
    return Answer("What the records tell", f"{told}.", figures, _notes(result))


def _notes(result: Result) -> list[str]:
    """Say what the share's width is, and what could not be used."""
    notes = [f"{each['file']}: {each['reason']}" for each in result.get("unread_files") or ()]
    unknown = (result["by_kind"].get(UNKNOWN) or {}).get("gpu_hours", 0.0)
    if result["gpu_hours"] > 0 and unknown > 0:
        share = percent(unknown / result["gpu_hours"])
        notes.append(f"No rule names {share} of the hours: any of them may be a final run's.")
    if result["unpriced_gpu_hours"] > 0:
        hours = count(result["unpriced_gpu_hours"])
        notes.append(f"No price is known of {hours} accelerator-hours.")
    if result["rows_rejected"]:
        notes.append(f"{result['rows_rejected']:,} rows could not be used; each has its reason.")
    return notes
