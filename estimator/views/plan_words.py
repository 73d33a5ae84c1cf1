"""Words of plans that tables, sentences and pages share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .text import digits, fit_text, percent

UNNAMED = "plan"
"""Name of a plan that was given none."""

LEAST = {"time": "Fastest", "cost": "Cheapest", "energy": "Least energy"}
"""The best of a plan, by its objective."""

WAITS = {
    "train": "those that train wait {} of the time",
    "write": "those that write wait {} of the time",
    "neither": "neither waits for the other",
}
"""Who waits in a split, by its role."""


def split_text(one: Mapping[str, Any]) -> str:
    """Return who writes and who trains."""
    trains, writes = one["train"], one["generate"]
    if one["in_turn"]:
        return f"{trains['count']:,} x {trains['accelerator']} that write and train"
    return (
        f"{writes['count']:,} x {writes['accelerator']} that write beside "
        f"{trains['count']:,} x {trains['accelerator']} that train"
    )


def waiting(one: Mapping[str, Any]) -> str:
    """Return which role waits, and for how much of the time."""
    role = "generate" if one["waiting"] == "write" else "train"
    return WAITS[one["waiting"]].format(percent(one[role]["idle_share"]))


def memory(role: Mapping[str, Any]) -> str:
    """Return the memory of a role beside what there is, with the odds of fitting if known."""
    if role["memory_gb"] is None:
        return "–"
    told = f"{digits(role['memory_gb'])} of {role['accelerator_memory_gb']:g}"
    odds = role.get("fit_odds")
    return told if odds is None else f"{told}, fits {fit_text(odds)}"


def written(one: Mapping[str, Any]) -> str:
    """Return the layout of those that write."""
    writes = one["generate"]
    if writes["tensor_parallel"] is None:
        return "as its throughput is given"
    copies = "" if writes["copies"] is None else f"{writes['copies']:,.0f} copies of "
    return (
        f"{copies}tp {writes['tensor_parallel']}, {digits(writes['sequences_at_once'])} "
        "sequences at once"
    )


def chance(one: Mapping[str, Any]) -> str:
    """Return the odds that a run is done by its deadline; nothing without one."""
    odds = one.get("deadline_odds")
    return "" if odds is None else fit_text(odds)


def checkpointed(one: Mapping[str, Any]) -> str:
    """Return the time from one checkpoint to the next; nothing where none is reckoned with."""
    seconds = one["checkpoint_interval_seconds"]
    return "" if seconds is None else f"{digits(seconds / 60)} min"
