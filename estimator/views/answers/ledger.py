"""A ledger in a sentence."""

from __future__ import annotations

from computebill.views.result import Result, distribution
from computebill.views.text import count, flop_interval, money_interval, percent, percent_interval

from .answer import Answer, Figure, figure

UNKNOWN = "unknown"
OF_NO_RULE = (UNKNOWN, "idle")
"""Kinds that jobs have without a rule."""


def answer(result: Result) -> Answer:
    """Tell the hours, what they cost, and the final run's share."""
    hours, cost = result["gpu_hours"], distribution(result["cost_usd"])
    share = distribution(result["final_share"])
    rows = result["rows_in"]
    if not result["rows_used"]:
        return Answer("What the records tell", _of_no_use(result), [], _notes(result))
    told = f"{count(hours)} accelerator-hours of {_rows(rows)}"
    figures = [Figure("accelerator-hours", count(hours))]
    flop = distribution(result["flop"])
    if not hours and flop.is_known and flop.p50 > 0:
        told = f"{_rows(rows)} tell {flop_interval(flop)} FLOP, and no accelerator-hours"
        figures = [figure("model FLOP", flop_interval(flop))]
    if cost.is_known:
        lacks = result["unpriced_gpu_hours"]
        of = f"; {count(hours - lacks)} of them cost" if lacks > 0 else " cost"
        told += f"{of} {money_interval(cost)}"
        figures.append(figure("cost", money_interval(cost)))
    if share.is_known and not _named(result):
        told += "; which of them were final runs no rule tells"
    elif share.is_known:
        basis = "dollars" if result["final_share_of"] == "cost" else "hours"
        told += f"; final runs took {percent_interval(share)} of the {basis}"
        figures.append(figure("final runs", percent_interval(share)))
    return Answer("What the records tell", f"{told}.", figures, _notes(result))


def _rows(rows: int) -> str:
    return f"{rows:,} {'row' if rows == 1 else 'rows'}"


def _of_no_use(result: Result) -> str:
    """Say why no row could be used."""
    reasons = result["reasons"]
    most = max(reasons, key=reasons.__getitem__, default="")
    why = f": it {most}" if len(reasons) == 1 else f"; of {reasons[most]:,}: it {most}"
    return f"None of {_rows(result['rows_in'])} could be used{why if most else ''}."


def _named(result: Result) -> bool:
    """Whether a rule names the kind of some hours."""
    hours = {kind: each["gpu_hours"] for kind, each in result["by_kind"].items()}
    return any(hours[kind] > 0 for kind in hours.keys() - set(OF_NO_RULE))


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
        told = f"{_rows(result['rows_rejected'])} could not be used; each has its reason."
        notes.append(told)
    return notes
