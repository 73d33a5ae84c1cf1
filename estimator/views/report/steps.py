"""Tables behind what a total is made of, and behind what moves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from computebill.views.charts.picture import Picture
from computebill.views.charts.steps import Unit

from .document import Chart, Table, charted


def waterfall(picture: Picture | None) -> Chart | None:
    """Return a waterfall with its table; None where there is none."""
    headings, keys = (
        ("part", "kind", "mean", "median (5th–95th)"),
        ("name", "kind", "short", "interval"),
    )
    return charted(picture, picture.title if picture else "", headings, keys, ("kind",))


def tornado(
    picture: Picture | None, swings: Sequence[Mapping[str, Any]], unit: Unit
) -> Chart | None:
    """Return what moves a result, with a table of all that does; None where nothing does."""
    if picture is None:
        return None
    cells = [(each["assumption"], unit.one(each["p5"]), unit.one(each["p95"])) for each in swings]
    headings = ("assumption", "at its 5th percentile", "at its 95th percentile")
    return Chart(picture, Table(picture.title, headings, cells))
