"""Charts of a run of several stages: what each takes, and what its FLOP are for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import altair as alt

from computebill.views.answers.stages import of_stage
from computebill.views.result import Result, distribution
from computebill.views.text import flop, flop_interval, percent

from . import steps
from .axes import ROW, Room, amount, names, room_of, tall
from .look import FLOP, PERCENT
from .marks import SHAPES, colours, ends, intervals, tips, toggled
from .picture import ROWS, Picture, shape_of
from .steps import COUNT, USD, Unit

PURPOSES = {
    "updates": "updates",
    "rollouts": "rollouts",
    "generation": "generated data",
    "filtering": "filtering",
    "evaluation": "evaluation",
    "discarded": "discarded samples",
    "reference": "reference",
    "teacher": "teacher",
    "reward": "reward model",
    "critic": "critic",
    "critic_updates": "critic's updates",
    "recomputed": "recomputed",
    "restarted": "restarted steps",
}
"""Parts of the ledger as JSON has them, and what a legend calls each."""

FLOPS = Unit(flop, flop_interval, FLOP)

MOVED: dict[str, tuple[str, Unit, str]] = {
    "cloud": ("cost", USD, " (USD)"),
    "amortised": ("cost of hardware used up and energy", USD, " (USD)"),
    "gpu_hours": ("GPU-hours", COUNT, ""),
    "flop": ("FLOP", FLOPS, ""),
}
"""What a total is told in: its name, its unit, and what an axis adds."""


def told_in(result: Result) -> tuple[str, str, Unit]:
    """Return the key, the axis' title and the unit that stages are told in."""
    if result["cost_usd"] is not None:
        return "cost_usd", "cost (USD)", USD
    if result["gpu_hours"] is not None:
        return "gpu_hours", "GPU-hours", COUNT
    return "flop", "FLOP", FLOPS


def stages(result: Result) -> Picture | None:
    """Return what each stage takes; None where it is known of none."""
    key, title, unit = told_in(result)
    rows = []
    for stage in result["stages"]:
        value = distribution(of_stage(stage, key))
        if value.is_known and value.p95 > 0:
            text, short = unit.interval(value), unit.one(value.p50)
            rows.append({"name": stage["name"], "text": text, "short": short, **ends(value)})
    if not rows:
        return None
    says = "Median and 5th to 95th percentile, on a logarithmic axis."
    return intervals("By stage", says, rows, (title, unit.labels), is_log=True, of="stage")


def ledger_parts(flops: Mapping[str, Any]) -> dict[str, float]:
    """Return the medians of the ledger's parts, by the keys of ``PURPOSES``; 0 if not known."""
    given = {**flops["forward_by"], **{key: flops[key] for key in ("recomputed", "restarted")}}
    given |= {key: flops.get(key) for key in ("updates", "critic_updates")}
    return {key: distribution(given[key]).p50 if given.get(key) else 0.0 for key in PURPOSES}


def ledger(result: Result) -> Picture | None:
    """Return what the FLOP of each stage are for, as shares; None where none are known."""
    rows = []
    for stage in result["stages"]:
        found = ledger_parts(stage["flop"])
        whole = sum(found.values())
        rows += [
            {
                "name": stage["name"],
                "part": PURPOSES[key],
                "share": value / whole,
                "order": place,
                "text": f"{flop(value)} FLOP, {percent(value / whole)}",
            }
            for place, (key, value) in enumerate(found.items())
            if value > 0
        ]
    if not rows:
        return None
    used = tuple(name for name in PURPOSES.values() if any(row["part"] == name for row in rows))
    says = "Shares of each stage's FLOP at the medians, those that are computed again with them."
    return Picture("What the FLOP of a stage are for", says, _shares(room_of(rows), used), rows)


@lru_cache(SHAPES)
def _shares(room: Room, used: tuple[str, ...]) -> dict[str, Any]:
    chosen, opacity = toggled("part")
    shapes = (
        alt.Chart(ROWS)
        .mark_bar(height={"band": 0.7})
        .encode(
            y=names(),
            x=amount("share", "share of the stage's FLOP", PERCENT),
            color=colours("part", used),
            order="order:Q",
            opacity=opacity,
            tooltip=tips(name="stage", part="for", text="FLOP"),
        )
        .add_params(chosen)
    )
    return shape_of(shapes.properties(height=tall(room, ROW - 4)))


def swings(result: Result) -> Picture | None:
    """Return how far each assumption moves the total."""
    of, unit, ending = MOVED.get(result.get("swings_of") or "", MOVED["cloud"])
    found = result.get("swings") or []
    return steps.swings("What moves the total", found, of, unit, of + ending)
