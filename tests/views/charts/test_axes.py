"""Axes of all charts."""

from __future__ import annotations

import re
from typing import Any

import altair as alt
import pytest
import vl_convert

from computebill.views.charts import axes
from computebill.views.charts.look import DOLLARS


def labels(low: float, high: float, width: int, **how: Any) -> list[str]:
    """Return what an axis says, as it is drawn."""
    chart = alt.Chart(alt.InlineData(values=[{"x": low}, {"x": high}])).mark_point()
    x = axes.amount("x", "", DOLLARS, **how)
    drawn = vl_convert.vegalite_to_svg(chart.encode(x=x).properties(width=width).to_dict())
    return re.findall(r">([−$\d.]+(?: [kMB])?)</text>", drawn)


@pytest.mark.parametrize(
    ("low", "high", "width", "expected"),
    [
        (62e6, 165e6, 760, ["$60 M", "$100 M", "$140 M", "$160 M"]),
        (38e6, 185e6, 760, ["$40 M", "$100 M", "$150 M", "$180 M"]),
        (3e6, 4e8, 760, ["$5 M", "$10 M", "$20 M", "$50 M", "$100 M", "$200 M"]),
        (1.2, 3e8, 760, ["$1", "$100", "$10 k", "$1 M", "$100 M"]),
        (3e6, 4e8, 300, ["$10 M", "$100 M"]),
    ],
)
def test_a_logarithmic_axis_is_told_from_end_to_end(
    low: float, high: float, width: int, expected: list[str]
) -> None:
    found = labels(low, high, width, is_log=True)
    assert set(expected) <= set(found)
    assert len(found) < 19


def test_names_of_two_lines_have_their_room() -> None:
    assert axes.room_of([{"name": "a"}, {"name": "b"}, {"name": "a"}]) == (2, 1)
    assert axes.tall(axes.Room(2, 1), 28) == 56
    long = axes.room_of([{"name": "a"}, {"name": "word " * 12}])
    assert long == (2, 2)
    assert axes.tall(long, 28) == 80


def test_an_axis_among_others_is_told_by_its_own_scale() -> None:
    alone = axes.alone("170 * LN10 / log(domain('x')[1]) > width * 2", "view1_", 760, 300)
    assert alone == "170 * LN10 / log(domain('view1_x')[1]) > 760 * 2"
