"""Programmes of one organisation over time: which of them overlap, and whether shares moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .comparison import SpendTotals


@dataclass(frozen=True)
class Overlap:
    """Two programmes of one organisation whose spend has months in common.

    Attributes:
        first: name of the one that begins earlier.
        second: name of the other.
        months: how many.
    """

    first: str
    second: str
    months: int

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return dict(self.__dict__)


@dataclass(frozen=True)
class Trend:
    """Shares of windows that do not overlap, in the order of time.

    Attributes:
        windows: programmes that are set against each other.
        left_out: programmes that are not: they overlap others, are bounds, cannot be told, or are
            in another unit.
        apart: pairs whose 5th to 95th percentiles do not meet, by their names.
    """

    windows: tuple[SpendTotals, ...]
    left_out: tuple[str, ...]
    apart: tuple[tuple[str, str], ...]

    @property
    def is_larger(self) -> bool:
        """Whether any two shares differ by more than their intervals."""
        return bool(self.apart)

    @property
    def guessed(self) -> tuple[str, ...]:
        """Names of grade C among the pairs that are apart."""
        named = dict.fromkeys(name for pair in self.apart for name in pair)
        doubtful = {each.name for each in self.windows if each.graded.grade == "C"}
        return tuple(name for name in named if name in doubtful)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "windows": [each.name for each in self.windows],
            "left_out": list(self.left_out),
            "apart": [list(pair) for pair in self.apart],
            "is_larger_than_intervals": self.is_larger,
        }


def in_time(found: Sequence[SpendTotals]) -> list[SpendTotals]:
    """Return programmes by the end of their spend, then by its beginning."""
    months = {each.name: each.programme.window.months for each in found}
    return sorted(found, key=lambda each: (months[each.name].end, months[each.name].start))


def overlaps(found: Sequence[SpendTotals]) -> list[Overlap]:
    """Return the pairs of programmes of one organisation whose spend has months in common."""
    pairs = []
    ordered = in_time(found)
    for i, later in enumerate(ordered):
        for earlier in ordered[:i]:
            months = _common(earlier, later)
            if months:
                pairs.append(Overlap(earlier.name, later.name, months))
    return pairs


def _common(one: SpendTotals, other: SpendTotals) -> int:
    if one.programme.organisation != other.programme.organisation:
        return 0
    if one.programme.counted_in is not other.programme.counted_in:
        return 0
    ours, theirs = one.programme.window.months, other.programme.window.months
    return max(0, min(ours.end, theirs.end) - max(ours.start, theirs.start))


def trend(found: Sequence[SpendTotals]) -> Trend:
    """Set windows of one organisation against each other, none of which overlap.

    Whole years go before windows that cut across them; of two that overlap the better grade is
    kept. A bound is no figure to compare.

    Args:
        found: programmes of one organisation.
    """
    usable = [
        each
        for each in found
        if each.totals.final_share.is_known
        and each.graded.bound is None
        and each.programme.counted_in is found[0].programme.counted_in
    ]
    kept: list[SpendTotals] = []
    for each in sorted(usable, key=_preference):
        if not any(_common(each, other) for other in kept):
            kept.append(each)
    ordered = in_time(kept)
    names = {each.name for each in ordered}
    apart = [
        (one.name, other.name)
        for i, one in enumerate(ordered)
        for other in ordered[i + 1 :]
        if _is_apart(one, other)
    ]
    left_out = tuple(each.name for each in in_time(found) if each.name not in names)
    return Trend(tuple(ordered), left_out, tuple(apart))


def _preference(each: SpendTotals) -> tuple[str, bool, int]:
    months = each.programme.window.months
    return each.graded.grade, months.start % 12 != 0, months.start


def _is_apart(one: SpendTotals, other: SpendTotals) -> bool:
    ours, theirs = one.totals.final_share, other.totals.final_share
    return ours.p95 < theirs.p5 or theirs.p95 < ours.p5
