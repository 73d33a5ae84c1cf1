"""A statement's figures in every draw: lines, totals, both methods, electricity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from computebill.kernels.stages import StageFlop
from computebill.kernels.units import SECONDS_PER_HOUR
from computebill.runs.stage_draws import PricedStages, StageDraws
from computebill.uncertainty.draws import Settings

from .inputs import Gathered, is_by_hours
from .lines import PARTS, Line, lineage_lines, stage_lines
from .methods import Hours, Reconciled, reconcile
from .spec import StatementSpec, span_of

METHODS = ("architecture", "hardware", "implied", "observed")
"""Figures of a stage that its methods are told by."""


class Drawn(NamedTuple):
    """What is found in some draws.

    Attributes:
        stages: FLOP of the stages, by the method that is stated; ``(stages, draws)`` each.
        methods: both methods of the stages.
        observed: their utilisation.
        lineage: training FLOP of other weights; ``(lineages, draws)``.
        energy: electricity of the stages [MWh].
        days: from the first to the last day of the stages; NaN where nothing tells.
    """

    stages: StageFlop
    methods: Reconciled
    observed: Tensor
    lineage: Tensor
    energy: Tensor
    days: Tensor


class Drawer:
    """Draws a statement's numbers, and works out what they come to."""

    def __init__(self, spec: StatementSpec, gathered: Gathered, device: str) -> None:
        """Lay the numbers out."""
        self.spec = spec
        self._names = list(gathered.beside)
        self._draws = StageDraws(gathered.rows, device, gathered.beside)
        self.columns = self._draws.columns
        flags = [
            [method_of(spec, place) == "hardware", is_by_hours(stage), stage.hfu is not None]
            for place, stage in enumerate(spec.stage)
        ]
        self._stated_by_hours, self._only_hours, self._is_hardware = torch.tensor(
            flags, device=device
        ).T[..., None]

    def middle(self) -> Drawn:
        """Return figures with all that is uncertain at its median; one draw."""
        half = torch.full((self.columns.dimensions, 1), 0.5, dtype=torch.float64)
        return self.at(half.to(self.columns.device))

    def chunks(self, chosen: Settings) -> Iterator[tuple[int, Drawn]]:
        """Yield ``(replicate, figures)`` until all samples are drawn."""
        for replicate, points in self.columns.chunks(chosen):
            yield replicate, self.at(points)

    def at(self, points: Tensor) -> Drawn:
        """Return figures at points ``(dimensions, draws)``."""
        priced = self._draws.price(points)
        beside = dict(zip(self._names, priced.beside, strict=True))
        hours = self._hours(priced, beside)
        counted = self._counted(priced.flop, beside, hours)
        methods = reconcile(counted, hours)
        factor = torch.where(self._stated_by_hours, methods.hardware / methods.architecture, 1.0)
        architecture, implied = (
            torch.where(self._only_hours, torch.nan, each)
            for each in (methods.architecture, methods.implied)
        )
        rows = [beside[f"of {place}"] for place in range(len(self.spec.lineage))]
        metered, days = (self._column(name, beside) for name in ("metered", "days"))
        return Drawn(
            stages=StageFlop(*(each * factor for each in counted)),
            methods=methods._replace(architecture=architecture, implied=implied),
            observed=hours.utilisation,
            lineage=torch.stack(rows) if rows else metered[:0],
            energy=torch.where(metered.isnan(), priced.bill.energy_mwh, metered),
            days=torch.where(days.isnan(), priced.days, days),
        )

    def _column(self, name: str, beside: Mapping[str, Tensor]) -> Tensor:
        return torch.stack([beside[f"{place} {name}"] for place in range(len(self.spec.stage))])

    def _hours(self, priced: PricedStages, beside: Mapping[str, Tensor]) -> Hours:
        """Return what stages took by the clock, of those whose hours are given."""
        told = torch.tensor([[each.gpu_hours is not None] for each in self.spec.stage])
        seconds = priced.bill.gpu_hours * SECONDS_PER_HOUR
        peak = self._column("peak", beside)
        return Hours(
            seconds=torch.where(told.to(seconds.device), seconds, torch.nan),
            peak_flop_per_s=torch.where(peak.isnan(), priced.peak_flop / seconds, peak),
            utilisation=self._column("utilisation", beside),
            is_hardware=self._is_hardware,
        )

    def _counted(self, flop: StageFlop, beside: Mapping[str, Tensor], hours: Hours) -> StageFlop:
        """Return the FLOP of stages by architecture, or by hours where only those are told.

        What is computed again is the stage's own figure, else a share of the updates. Where a
        model's size is not known, nothing but the updates is.
        """
        updates = torch.where(self._only_hours, hours.done, flop.updates)
        share = self._column("recomputed_share", beside)
        again = share * (updates + flop.restarted.nan_to_num(nan=0.0))
        counted = torch.where(share > 0, again, flop.recomputed)
        parts = {part: getattr(flop, part).nan_to_num(nan=0.0) for part in PARTS}
        parts |= {"updates": updates, "recomputed": counted.nan_to_num(nan=0.0)}
        return StageFlop(**parts, hardware=hours.done)


def method_of(spec: StatementSpec, place: int) -> str:
    """Return whose figure of a stage is stated: hardware where nothing else is told."""
    stage = spec.stage[place]
    if is_by_hours(stage):
        return "hardware"
    has_both = stage.gpu_hours is not None and (stage.mfu or stage.hfu) is not None
    return (stage.method or spec.method) if has_both else "architecture"


class Frame:
    """The lines of a statement, the same in every draw."""

    def __init__(self, spec: StatementSpec, middle: Drawn) -> None:
        """Find which parts of stages there are, and their days, at the medians."""
        self.spans = tuple(
            span_of(stage, days)
            for stage, days in zip(spec.stage, middle.days[:, 0].tolist(), strict=True)
        )
        found = list(stage_lines(spec, middle.stages, self.spans))
        self._places = [(place, part) for _, place, part in found]
        self.lines: Sequence[Line] = (*(line for line, _, _ in found), *lineage_lines(spec))

    def flop(self, drawn: Drawn) -> Tensor:
        """Return the FLOP of all lines; ``(lines, draws)``."""
        rows = [getattr(drawn.stages, part)[place] for place, part in self._places]
        return torch.cat([torch.stack(rows), drawn.lineage]) if rows else drawn.lineage
