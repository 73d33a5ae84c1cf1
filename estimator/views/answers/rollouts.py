"""A search of splits in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from computebill.views.result import Result, distribution
from computebill.views.text import (
    count_interval,
    digits,
    duration,
    duration_interval,
    fit_text,
    money_interval,
    percent,
)

from .answer import Answer, figure
from .plan import LEAST, UNNAMED

WAITS = {
    "train": "those that train wait {} of the time",
    "write": "those that write wait {} of the time",
    "neither": "neither waits for the other",
}


def answer(result: Result) -> Answer:
    """Tell the best split, what it takes, who waits, and how it stands beside one pool."""
    best = result["best"]
    days, usd = distribution(best["days"]), distribution(best["cost_usd"])
    told = f"{LEAST[result['objective']]} is {split_text(best)}: {duration_interval(days)}"
    told += f" and {money_interval(usd)} rented" if usd.is_known else "; no price is known"
    told += f"; {waiting(best)}" if not best["in_turn"] else ""
    told += _beside(result)
    figures = [
        figure("wall-clock time", duration_interval(days)),
        figure("seconds a step", count_interval(distribution(best["step_seconds"]))),
        *([figure("cost, rented", money_interval(usd))] if usd.is_known else []),
        *(
            figure(f"memory of those that {role}, GB", memory(best[key]))
            for key, role in (("train", "train"), ("generate", "write"))
            if best[key]["memory_gb"] is not None
        ),
    ]
    title = "The plan" if result["name"] == UNNAMED else result["name"]
    return Answer(title, f"{told}.", figures, result.get("notes", ()))


def _beside(result: Result) -> str:
    """Tell one pool, and the split that the stage has itself, beside the best."""
    told = ""
    shared, best = result["in_turn"], result["best"]
    if shared is not None and not best["in_turn"]:
        told += f". In turn, {split_text(shared)} take {duration(shared['days'])}"
    given = result.get("given")
    if given is not None and given["rank"] > 1:
        told += f". As given, {split_text(given)}, rank {given['rank']} of "
        told += f"{result['splits_tried']}, it takes {duration(given['days'])}"
    return told


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
