"""A search of splits, as a page tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from computebill.views.answers.plan import described
from computebill.views.answers.rollouts import answer
from computebill.views.charts.rollouts import curve
from computebill.views.plan_words import memory, split_text, waiting, written
from computebill.views.result import Result
from computebill.views.text import digits, money, percent

from .document import Report, Section, Table, charted, parts, sections


def report(result: Result) -> Report:
    """Tell a search of splits and the best that it found."""
    keys = ("split", "answers", "texts", "usd")
    headings = ("split", "answers", "days", "cost at the mean")
    days = charted(curve(result), "Days by how many write", headings, keys)
    found = sections(
        Section("Days by split", parts([days, _answers(result)])),
        Section("Both roles", parts([_roles(result)])),
        Section("Other splits", parts([_splits(result)])),
    )
    return Report.of(answer(result), result, found)


def _roles(result: Result) -> Table:
    best = result["best"]
    trains, writes = best["train"], best["generate"]
    layout = trains["layout"]
    rows = [
        (
            "train",
            f"{trains['count']:,} x {trains['accelerator']}",
            "as its utilisation is given" if layout is None else described({"layout": layout}),
            memory(trains),
            digits(trains["busy_seconds"]),
            percent(trains["idle_share"]),
        ),
        (
            "write",
            f"{writes['count']:,} x {writes['accelerator']}",
            written(best),
            memory(writes),
            digits(writes["busy_seconds"]),
            percent(writes["idle_share"]),
        ),
    ]
    headings = ("role", "on", "layout", "memory, GB", "busy, seconds a step", "waits")
    return Table("What each role does in a step", headings, rows, ("on", "layout"))


def _answers(result: Result) -> Table:
    rows = [
        (
            f"{each['tokens']:,.0f}",
            f"{each['best']['generators']:,} write, {each['best']['trainers']:,} train",
            digits(each["best_days"]),
            digits(each["chosen_days"]),
        )
        for each in result["answer_lengths"]
    ]
    headings = ("tokens of an answer", "best split then", "its days", "days of the one above")
    return Table("Were the mean answer shorter or longer", headings, rows, headings[1:2])


def _splits(result: Result) -> Table:
    told = [("next best", each) for each in result["runners_up"]]
    told += [("front", each) for each in result["pareto"]]
    told += [("in turn", result["in_turn"])] if result["in_turn"] else []
    given = result["given"]
    told += [(f"given, rank {given['rank']}", given)] if given else []
    splits = {split_text(each): each for _, each in told}
    kinds: dict[str, list[str]] = {}
    for kind, each in told:
        kinds.setdefault(split_text(each), []).append(kind)
    rows = [_cells("; ".join(kinds[text]), each) for text, each in splits.items()]
    headings = ("split", "kind", "days", "cost", "step, seconds", "who waits")
    return Table("Other splits, medians only", headings, rows, ("kind", "who waits"))


def _cells(kind: str, one: Mapping[str, Any]) -> tuple[str, ...]:
    usd = one["cost_usd"]
    return (
        split_text(one),
        kind,
        digits(one["days"]),
        "" if usd is None else money(usd),
        digits(one["step_seconds"]),
        "" if one["in_turn"] else waiting(one),
    )
