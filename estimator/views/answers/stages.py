"""A run of several stages in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from computebill.views.result import Result, distribution
from computebill.views.text import (
    count_interval,
    duration_interval,
    energy_interval,
    flop_interval,
    money_interval,
)

from . import logs
from .answer import Answer, figure

WRITTEN = (
    ("FLOP", "flop", flop_interval),
    ("GPU-hours", "gpu_hours", count_interval),
    ("wall-clock time", "days", duration_interval),
    ("cost", "cost_usd", money_interval),
    ("energy", "energy_mwh", energy_interval),
)
"""What is told of a stage and of all, in words, by key."""


def of_stage(stage: Mapping[str, Any], key: str) -> Any:
    """Return a figure of a stage, or of all, by its key in ``WRITTEN``."""
    return stage["flop"]["model"] if key == "flop" else stage[key]


def answer(result: Result) -> Answer:
    """Tell what all stages take and cost, and which takes most of it."""
    count = len(result["stages"])
    told = f"The {count} stages take" if count > 1 else "The stage takes"
    hours, usd = distribution(result["gpu_hours"]), distribution(result["cost_usd"])
    flop = distribution(result["flop"]["model"])
    found = [f"{count_interval(hours)} GPU-hours"] * hours.is_known
    found += [f"{flop_interval(flop)} FLOP"] * flop.is_known
    told += f" {', for '.join(found)}" if found else " what is not known of all"
    told += f"; {'they cost' if count > 1 else 'it costs'} {money_interval(usd)}" * usd.is_known
    figures = [
        figure(label, write(value))
        for label, key, write in WRITTEN
        if (value := distribution(of_stage(result, key))).is_known
    ]
    told = f"{told}."
    if result.get("watched"):
        told = f"{logs.watched(result)} As predicted: {told[:1].lower()}{told[1:]}"
    return Answer(result["name"], told, figures, result.get("notes", ()))
