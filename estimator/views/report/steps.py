"""Charts of what a total is made of, and of what moves it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from computebill.uncertainty.distribution import Distribution
from computebill.views.text import money, money_interval

from . import drawing
from .document import Chart, Table

MOST_BARS = 12


class Part(NamedTuple):
    """A step of a waterfall, its mean in USD or its whole distribution."""

    name: str
    kind: str
    value: Any


def waterfall(
    title: str,
    says: str,
    found: Sequence[Part],
    write: Callable[[float], str] = money,
    write_interval: Callable[[Distribution], str] = money_interval,
    unit: str = "USD",
    labels: str = drawing.DOLLARS,
) -> Chart:
    """Return parts one after the other; one of kind ``whole`` starts from nothing."""
    rows, cells, at = [], [], 0.0
    for part in found:
        known = isinstance(part.value, Distribution)
        mean = part.value.mean if known else float(part.value)
        start = 0.0 if part.kind == "whole" else at
        at = start + mean
        text = f"mean {write(mean)}"
        if known and part.value.p5 != part.value.p95:
            text += f"; median {write_interval(part.value)}"
        low, high = (part.value.p5, part.value.p95) if known else (mean, mean)
        rows.append(
            {
                "name": part.name,
                "kind": part.kind,
                "start": start,
                "end": at,
                "low": start + low,
                "high": start + high,
                "text": text,
                "short": write(mean),
            }
        )
        interval = write_interval(part.value) if known else ""
        cells.append((part.name, part.kind, write(mean), interval))
    says += "Bars are means, since means add up; lines are 5th to 95th percentile of each part."
    if not all(isinstance(part.value, Distribution) for part in found):
        says += " What has no line is one number, or a sum or a rest whose interval is not known."
    headings = ("part", "kind", "mean", "median (5th–95th)")
    return Chart(
        title, says, drawing.waterfall(rows, unit, labels), Table(title, headings, cells, ("kind",))
    )


def tornado(
    title: str,
    swings: Sequence[Mapping[str, Any]],
    of: str,
    write: Callable[[float], str],
    labels: str,
    unit: str = "",
) -> Chart | None:
    """Return how far each assumption moves a result; None where nothing does."""
    if not swings:
        return None
    rows, cells = [], []
    for each in swings:
        for key, end in (("p5", "at its 5th percentile"), ("p95", "at its 95th percentile")):
            rows.append(
                {
                    "name": each["assumption"],
                    "middle": each["p50"],
                    "at": each[key],
                    "end": end,
                    "text": write(each[key]),
                }
            )
        cells.append((each["assumption"], write(each["p5"]), write(each["p95"])))
    middle = write(swings[0]["p50"])
    says = (
        "Each assumption at the ends of its own interval, all others at their medians, where the "
        f"{of} is {middle}."
    )
    if len(swings) > MOST_BARS:
        says += f" The {MOST_BARS} widest of {len(swings)}."
    headings = ("assumption", "at its 5th percentile", "at its 95th percentile")
    picture = drawing.tornado(rows[: 2 * MOST_BARS], f"{of}{unit}", labels)
    return Chart(title, says, picture, Table(title, headings, cells))
