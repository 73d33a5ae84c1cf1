"""The lag between spend and release: R&D compute of the months that a release rests on.

A file sets releases of one window against spend of another, a fixed number of months before. Where
the lag is drawn, spend of the window that many months earlier stands in its place: as far as the
reported periods reach it is read off them, even within each; beyond them it grows by a number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .periods import Months

MONTHS = 12
Signed = tuple[int, Months]
"""A period that is added, 1, or subtracted, -1."""


class LagRows(NamedTuple):
    """Which rows of the draws move R&D compute, and by how much.

    Attributes:
        months: row of the lag [months].
        growth: row of the growth of R&D compute, a ratio a year.
        stated: lag of the programme's own windows [months].
        first: months that the earliest step moves the spend by, 0 or below: to later ones.
        table: part of each reported amount that remains at each whole month, from ``first`` on;
            ``(amounts, steps)``.
    """

    months: int
    growth: int
    stated: int
    first: int
    table: Tensor

    def moved(self, values: Tensor, amounts: Tensor) -> Tensor:
        """Return R&D compute of the months that the lag leads to, ``(draws,)``.

        Args:
            values: every quantity, ``(rows, draws)``.
            amounts: reported amounts with their signs, in one unit, ``(amounts, draws)``.
        """
        wanted = values[self.months] - self.stated
        steps = self.table.shape[1] - 1
        place = (wanted - self.first).clamp(0, steps)
        below = place.floor().long().clamp(max=max(0, steps - 1))
        above = (below + 1).clamp(max=steps)
        part = torch.lerp(self.table[:, below], self.table[:, above], place - below)
        beyond = wanted - self.first - place
        return (part * amounts).sum(0) * values[self.growth] ** (-beyond / MONTHS)


def remaining(lines: Iterable[Sequence[Signed]], window: Months) -> tuple[int, list[list[float]]]:
    """Return what is left of each amount where the window is moved, as ``LagRows`` has it.

    Args:
        lines: periods of each line of R&D compute, which add up to the window.
        window: of the spend.
    """
    known = [_spent(terms, window) for terms in lines]
    first = max(window.end - max(spent) for spent in known)
    last = min(window.start - min(spent) for spent in known)
    steps = range(first, last + 1)
    table = []
    for spent in known:
        ends = [(_at(spent, window.start - m), _at(spent, window.end - m)) for m in steps]
        moved = torch.stack([end - start for start, end in ends], 1)
        table += moved.tolist()
    return first, table


def _spent(terms: Sequence[Signed], window: Months) -> dict[int, Tensor]:
    """Return what is spent from the window's start to each month where a period begins or ends.

    Signed periods that add up to a window are steps of one way through all of them, a subtracted
    one backwards; a month that is come by twice keeps what it had first.

    Returns:
        Part of each amount, with its sign taken out, by the month: ``(amounts,)``.
    """
    ends = [(each.start, each.end) if sign > 0 else (each.end, each.start) for sign, each in terms]
    left: dict[int, list[int]] = {}
    for place in reversed(range(len(ends))):
        left.setdefault(ends[place][0], []).append(place)
    path: list[tuple[int, int]] = []
    stack = [(window.start, -1)]
    while stack:
        month = stack[-1][0]
        if left.get(month):
            place = left[month].pop()
            stack.append((ends[place][1], place))
        else:
            path.append(stack.pop())
    one = torch.eye(len(terms), dtype=torch.float64)
    at = torch.zeros(len(terms), dtype=torch.float64)
    found: dict[int, Tensor] = {}
    for month, place in reversed(path):
        if place >= 0:
            at = at + one[place]
        if month != window.end:
            found.setdefault(month, at)
    # Pairs that cancel apart from this way are no part of it, and all of them count in the whole.
    found[window.end] = torch.ones(len(terms), dtype=torch.float64)
    return found


def _at(spent: dict[int, Tensor], month: int) -> Tensor:
    """Return what is spent to a month, even between the months where it is known."""
    below = max(each for each in spent if each <= month)
    above = min(each for each in spent if each >= month)
    if below == above:
        return spent[below]
    return torch.lerp(spent[below], spent[above], (month - below) / (above - below))
