"""Chart of a search of splits: days by how many accelerators write."""

from __future__ import annotations

from typing import Any

import altair as alt

from computebill.views.plan_words import split_text
from computebill.views.result import Result
from computebill.views.text import digits, money

from .axes import amount, height
from .look import COUNTS, INK
from .marks import colours, tips, toggled, zoom
from .picture import ROWS, Picture, Rows, shape_of

ENDS = ("short answers", "mean answers", "long answers")
"""Percentiles of the mean answer, 5th, 50th and 95th, in words."""


def curve(result: Result) -> Picture | None:
    """Return days by how many write, a line each of three mean answers; None where few do."""
    rows = [
        {
            "generators": each["generators"],
            "split": f"{each['generators']:,} write, {each['trainers']:,} train",
            "answers": f"{name}, {answered['tokens']:,.0f} tokens",
            "days": days,
            "texts": digits(days),
            "usd": "" if each["cost_usd"] is None else money(each["cost_usd"]),
            "is_best": _is_best(result, each["generators"]) and place == len(ENDS) // 2,
        }
        for each in result["curve"]
        for place, (name, answered, days) in enumerate(
            zip(ENDS, result["answer_lengths"], each["days_by_answer"], strict=True)
        )
    ]
    if len(result["curve"]) < 2:
        return None
    says = f"Days of the stage, by how many write; the best is {split_text(result['best'])}."
    says += " Left of a line's lowest point training waits for answers, right of it they wait."
    return Picture("Days by how many write", says, _lines(rows), rows)


def _is_best(result: Result, generators: int) -> bool:
    best = result["best"]
    return not best["in_turn"] and best["generate"]["count"] == generators


def _lines(rows: Rows) -> dict[str, Any]:
    order = list(dict.fromkeys(str(row["answers"]) for row in rows))
    chosen, opacity = toggled("answers")
    x = amount("generators", "accelerators that write", COUNTS)
    y = height("days", "days", COUNTS, is_log=True, zero=False)
    tooltip = tips(split="split", answers="answers", texts="days", usd="cost at the mean")
    base = alt.Chart(ROWS).encode(x=x, y=y, tooltip=tooltip)
    lines = base.mark_line(point=True).encode(color=colours("answers", order), opacity=opacity)
    best = base.transform_filter("datum.is_best").mark_point(
        color=INK, size=320, strokeWidth=2, shape="cross"
    )
    return shape_of(alt.layer(lines.add_params(chosen, zoom()), best).properties(height=360))
