"""When a running total exceeds a threshold, and the day by which that is to be told."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from computebill.kernels.exceedance import crossing_time, running_total
from computebill.regulation.thresholds import Mark, marks, regulation

from .lines import Line

PROBABILITIES = {"p5": 0.05, "p50": 0.5, "p95": 0.95}


@dataclass(frozen=True)
class Timeline:
    """The days on which lines grow.

    Attributes:
        starts: day on which each line begins, in days of the calendar; ``(lines,)``.
        ends: day on which each ends.
        times: days on which any begins or ends, ascending.
        undated: stages without days of their own, which stand at the end of the one before.
    """

    starts: Tensor
    ends: Tensor
    times: Tensor
    undated: tuple[str, ...]

    def days(self, flop: Tensor, inside: Tensor) -> Tensor:
        """Return the day on which each total exceeds each of ``marks``.

        Args:
            flop: ``(lines, draws)``.
            inside: lines of each total; ``(totals, lines)``.

        Returns:
            ``(totals, marks, draws)``; infinite where it does not.
        """
        found = flop.new_full((len(inside), len(marks()), flop.shape[1]), math.inf)
        for row, kept in enumerate(inside > 0):
            amounts = flop[kept].nan_to_num(nan=0.0)
            most = float(amounts.sum(0).max())
            crossed = [place for place, mark in enumerate(marks()) if most > mark.value]
            if crossed:
                totals = running_total(amounts, self.starts[kept], self.ends[kept], self.times)
            for place in crossed:
                found[row, place] = crossing_time(totals, self.times, marks()[place].value)
        return found


def timeline(lines: Sequence[Line]) -> Timeline | None:
    """Return the days of lines; None where no stage has any.

    Lineage was trained before all of it. A stage without days stands at the end of the stage
    before it.
    """
    dated = [each for each in lines if each.start is not None]
    if not dated:
        return None
    first = min(each.start.toordinal() for each in dated if each.start is not None)
    starts, ends, undated = [], [], []
    last = float(first)
    for each in lines:
        if each.start is not None:
            starts.append(float(each.start.toordinal()))
            ends.append(float((each.end or each.start).toordinal()))
            last = max(last, ends[-1])
            continue
        place = float(first) if each.is_lineage else last
        starts.append(place)
        ends.append(place)
        if not each.is_lineage:
            undated.append(each.source)
    times = sorted({*starts, *ends})

    def column(days: list[float]) -> Tensor:
        return torch.tensor(days, dtype=torch.float64)

    told = tuple(dict.fromkeys(undated))
    return Timeline(column(starts), column(ends), column(times), told)


@dataclass(frozen=True)
class Crossing:
    """When a total is expected to exceed a threshold.

    Attributes:
        rule_set: rule set of the total.
        mark: the threshold.
        odds: odds that it does on one of the days told.
        days: days by quantile, in days of the calendar; infinite where it does not.
        stage: stage during which it does, at the median.
    """

    rule_set: str
    mark: Mark
    odds: float
    days: dict[str, float]
    stage: str | None

    def day(self, key: str = "p50") -> dt.date | None:
        """Return a quantile of the day; None where it is not expected at all."""
        found = self.days[key]
        return dt.date.fromordinal(math.ceil(found)) if math.isfinite(found) else None

    @property
    def notify_by(self) -> dt.date | None:
        """The last day of the notice; None where the total is not expected to cross."""
        day = self.day()
        return day and day + dt.timedelta(days=regulation().notice_days.value)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "rule_set": self.rule_set,
            "name": self.mark.name,
            "value": self.mark.value,
            "odds": self.odds,
            "day": {key: str(day) if (day := self.day(key)) else None for key in self.days},
            "notify_by": str(self.notify_by) if self.notify_by else None,
            "stage": self.stage,
        }


def crossing(
    rule_set: str,
    mark: Mark,
    days: Tensor,
    lines: Sequence[Line],
    inside: Tensor,
    found: Timeline,
) -> Crossing:
    """Return when a total is expected to exceed a threshold.

    Args:
        rule_set: rule set of the total.
        mark: the threshold.
        days: day of each draw; ``(draws,)``, infinite where it does not.
        lines: lines of all stages.
        inside: whether each is in the total; ``(lines,)``.
        found: their days.
    """
    ordered = days.sort().values
    count = len(ordered)
    quantiles = {
        key: float(ordered[min(count - 1, int(share * count))])
        for key, share in PROBABILITIES.items()
    }
    growing = (
        each.source
        for each, start, end, counts in zip(
            lines, found.starts.tolist(), found.ends.tolist(), inside.tolist(), strict=True
        )
        if counts and start <= quantiles["p50"] <= end
    )
    stage = next(growing, None)
    return Crossing(rule_set, mark, float(days.isfinite().double().mean()), quantiles, stage)
