"""Rectangles of given areas that fill one, each as near to a square as may be.

References:
    Bruls, Huizing, van Wijk, Squarified Treemaps, Proceedings of the Joint Eurographics and IEEE
    TCVG Symposium on Visualization, 2000.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Box(NamedTuple):
    """A rectangle, from its lower left corner."""

    x: float
    y: float
    width: float
    height: float


def squarified(values: Sequence[float], whole: Box) -> list[Box]:
    """Return a rectangle of each value, in their order.

    A row of them lies along the shorter side of what is left, as long as the next one makes the
    longest of its rectangles no longer.

    Args:
        values: the largest first, each above 0.
        whole: what they fill.
    """
    total = sum(values)
    scale = whole.width * whole.height / total if total > 0 else 0.0
    areas = [value * scale for value in values]
    found: list[Box] = []
    left, row = whole, [areas[0]] if areas else []
    for area in areas[1:]:
        side = min(left.width, left.height)
        if _worst([*row, area], side) <= _worst(row, side):
            row.append(area)
            continue
        boxes, left = _laid(row, left)
        found += boxes
        row = [area]
    return found + (_laid(row, left)[0] if row else [])


def _worst(row: Sequence[float], side: float) -> float:
    """Return the largest ratio of sides in a row along a side."""
    thick = sum(row) / side
    return max(max(thick * thick / area, area / (thick * thick)) for area in row)


def _laid(row: Sequence[float], left: Box) -> tuple[list[Box], Box]:
    """Return the rectangles of a row along the shorter side, and what is left beside it."""
    x, y, width, height = left
    found = []
    if width >= height:
        thick = sum(row) / height
        for area in row:
            found.append(Box(x, y, thick, area / thick))
            y += area / thick
        return found, Box(x + thick, left.y, max(0.0, width - thick), height)
    thick = sum(row) / width
    for area in row:
        found.append(Box(x, y, area / thick, thick))
        x += area / thick
    return found, Box(left.x, y + thick, width, max(0.0, height - thick))
