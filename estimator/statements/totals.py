"""Totals of a statement's lines under each rule set: figures, intervals, odds, the margin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from computebill.regulation.rules import OPEN, RuleSet, Treatment
from computebill.regulation.thresholds import Mark, in_figures, marks, regulation
from computebill.uncertainty.distribution import Distribution

from .lines import Line

Reading = Literal["counted", "with_silent", "with_need_not"]
READINGS: dict[Reading, tuple[Treatment, ...]] = {
    "counted": ("counts",),
    "with_silent": ("counts", *OPEN),
    "with_need_not": ("counts", "need_not"),
}
"""Readings of a rule, and the treatments whose lines are in the total of each."""


@dataclass(frozen=True)
class Membership:
    """Which lines are in which totals.

    Attributes:
        rows: rule set and reading of each total.
        inside: 1 where a line is in it; ``(totals, lines)``.
        different: totals that differ, one row each; ``(different, lines)``.
        place: row of ``different`` of each total.
    """

    rows: tuple[tuple[str, Reading], ...]
    inside: Tensor
    different: Tensor
    place: tuple[int, ...]

    def row(self, rule_set: str, reading: Reading) -> int:
        """Return the row of ``different`` that is a rule set's total."""
        return self.place[self.rows.index((rule_set, reading))]


def membership(rules: Sequence[RuleSet], lines: Sequence[Line]) -> Membership:
    """Return which lines are in which totals.

    Args:
        rules: rule sets.
        lines: lines, each of an item.
    """
    rows: list[tuple[str, Reading]] = []
    inside: list[list[float]] = []
    for each in rules:
        treated = [each.treatment(line.item) for line in lines]
        for reading, kept in READINGS.items():
            rows.append((each.name, reading))
            inside.append([float(treatment in kept) for treatment in treated])
    different = list(dict.fromkeys(map(tuple, inside)))
    return Membership(
        tuple(rows),
        torch.tensor(inside, dtype=torch.float64),
        torch.tensor(different, dtype=torch.float64),
        tuple(different.index(tuple(row)) for row in inside),
    )


@dataclass(frozen=True)
class Held:
    """A total held to a threshold.

    Attributes:
        mark: the threshold.
        applies: whether the rule holds this total to it.
        odds: share of the draws above it.
        within_margin: whether it lies within the margin about the reported figure.
    """

    mark: Mark
    applies: bool
    odds: float
    within_margin: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.mark.name,
            "value": self.mark.value,
            "odds": self.odds,
            "applies": self.applies,
            "within_margin": self.within_margin,
        }


@dataclass(frozen=True)
class Total:
    """A sum of lines.

    Attributes:
        flop: FLOP.
        held: thresholds, the least first.
        rounding: of the figure that is reported.
    """

    flop: Distribution
    held: tuple[Held, ...]
    rounding: str

    @property
    def two_figures(self) -> str:
        """The median as a notification has it."""
        return in_figures(self.flop.p50, round(regulation().figures.value), self.rounding)

    @property
    def margin_used(self) -> float | None:
        """How far the interval's wider end is from the median, as a share of the margin."""
        if not self.flop.p50 > 0:
            return None
        off = max(self.flop.p95 / self.flop.p50 - 1.0, 1.0 - self.flop.p5 / self.flop.p50)
        return off / regulation().margin.value

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "flop": self.flop.to_dict(),
            "two_figures": self.two_figures,
            "thresholds": [each.to_dict() for each in self.held],
            "margin_used": self.margin_used,
        }


@dataclass(frozen=True)
class RuleTotals:
    """What lines come to under a rule set.

    Attributes:
        rules: the rule set.
        readings: totals by reading: what counts; with what the rule does not say; with what need
            not be counted.
        treatments: what becomes of each line, in their order.
        unknown: counted lines whose FLOP nobody knows: the totals are at least so much.
    """

    rules: RuleSet
    readings: Mapping[Reading, Total]
    treatments: tuple[Treatment, ...]
    unknown: tuple[str, ...]

    @property
    def total(self) -> Total:
        """What counts."""
        return self.readings["counted"]

    @property
    def is_open(self) -> bool:
        """Whether the rule leaves some line open, so that two totals are told."""
        return self.readings["with_silent"].flop != self.total.flop

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        others = {str(name): each.to_dict() for name, each in self.readings.items()}
        del others["counted"]
        return {
            **self.total.to_dict(),
            "rounding": self.rules.rounding,
            "rounding_note": self.rules.rounding_note,
            **others,
            "is_lower_bound": bool(self.unknown),
            "unknown": list(self.unknown),
        }


def held_to(flop: Distribution, odds: Sequence[float], rules: RuleSet) -> tuple[Held, ...]:
    """Return a total's thresholds.

    Args:
        flop: the total.
        odds: odds of exceeding each of ``marks``.
        rules: rule set whose total it is.
    """
    margin = regulation().margin.value
    return tuple(
        Held(
            mark,
            rules.name in mark.rule_sets,
            chance,
            (1.0 - margin) * flop.p50 <= mark.value <= (1.0 + margin) * flop.p50,
        )
        for mark, chance in zip(marks(), odds, strict=True)
    )


def rule_totals(
    rules: Sequence[RuleSet],
    lines: Sequence[Line],
    members: Membership,
    flop: Sequence[Distribution],
    odds: Sequence[Sequence[float]],
) -> tuple[RuleTotals, ...]:
    """Return what lines come to under each rule set.

    Args:
        rules: rule sets.
        lines: lines.
        members: which are in which totals.
        flop: of each different total.
        odds: of each different total, of exceeding each mark.
    """
    found = []
    for each in rules:
        readings = {}
        for reading in READINGS:
            row = members.row(each.name, reading)
            readings[reading] = Total(flop[row], held_to(flop[row], odds[row], each), each.rounding)
        treatments = tuple(each.treatment(line.item) for line in lines)
        unknown = tuple(
            line.source
            for line, treatment in zip(lines, treatments, strict=True)
            if not line.is_known and treatment == "counts"
        )
        found.append(RuleTotals(each, readings, treatments, unknown))
    return tuple(found)
