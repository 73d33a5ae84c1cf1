"""When a running total exceeds a threshold, and the day by which that is to be told."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
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
    """The days on which stages grow; what came before all of them is the first row.

    Attributes:
        rows: row of each line; ``(lines,)``.
        starts: day on which each row begins, in days of the calendar; ``(rows, draws)``, or
            ``(rows, 1)`` where no draw differs.
        ends: day on which each ends, the same.
        undated: stages without days of their own, which stand at the end of the one before.
    """

    rows: Tensor
    starts: Tensor
    ends: Tensor
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
        starts, ends = self.starts, self.ends
        times = torch.cat([starts, ends]).sort(0).values
        if starts.shape[1] == 1:
            starts, ends, times = starts[:, 0], ends[:, 0], torch.unique(times[:, 0])
        for row, kept in enumerate(inside > 0):
            amounts = flop.new_zeros((len(self.starts), flop.shape[1]))
            amounts.index_add_(0, self.rows[kept], flop[kept].nan_to_num(nan=0.0))
            most = float(amounts.sum(0).max())
            crossed = [place for place, mark in enumerate(marks()) if most > mark.value]
            if crossed:
                totals = running_total(amounts, starts, ends, times)
            for place in crossed:
                found[row, place] = crossing_time(totals, times, marks()[place].value)
        return found


def timeline(lines: Sequence[Line], lengths: Mapping[str, Tensor]) -> Timeline | None:
    """Return the days of lines; None where no stage has any.

    Lineage was trained before all of it. A stage without days stands at the end of the stage
    before it; one whose length nothing tells comes at once.

    Args:
        lines: of all stages and lineages.
        lengths: days that each stage takes, by its name; ``(draws,)``, NaN where nothing tells.
    """
    begun = {each.source: each.start for each in lines if not each.is_lineage}
    dated = [start for start in begun.values() if start is not None]
    if not dated:
        return None
    last = first = torch.tensor([float(min(dated).toordinal())], dtype=torch.float64)
    spans, undated = [(first, first)], []
    for source, start in begun.items():
        if start is None:
            spans.append((last, last))
            undated.append(source)
            continue
        from_day = torch.full((1,), float(start.toordinal()), dtype=torch.float64)
        length = lengths[source].nan_to_num(nan=0.0)
        if bool((length == length[0]).all()):
            length = length[:1]
        spans.append((from_day, from_day + length))
        last = torch.maximum(last, spans[-1][1])
    starts, ends = zip(*spans, strict=True)
    draws = max(map(len, ends))
    rows = {source: place for place, source in enumerate(begun, 1)}
    return Timeline(
        torch.tensor([0 if each.is_lineage else rows[each.source] for each in lines]),
        torch.stack([each.expand(draws) for each in starts]),
        torch.stack([each.expand(draws) for each in ends]),
        tuple(undated),
    )


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
        """Return a quantile of the day; None where it is not expected, in no year of a calendar."""
        found = self.days[key]
        last = dt.date.max.toordinal() - regulation().notice_days.value
        return dt.date.fromordinal(math.ceil(found)) if found < last else None

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
    starts, ends = (
        each.median(-1).values[found.rows].tolist() for each in (found.starts, found.ends)
    )
    growing = (
        each.source
        for each, start, end, counts in zip(lines, starts, ends, inside.tolist(), strict=True)
        if counts and start <= quantiles["p50"] <= end
    )
    stage = next(growing, None)
    return Crossing(rule_set, mark, float(days.isfinite().double().mean()), quantiles, stage)
