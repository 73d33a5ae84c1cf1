"""A statement's figures in every draw: lines, totals, both methods, electricity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from computebill.base.quantity import Quantity
from computebill.kernels import cost
from computebill.kernels.stages import StageFlop, stage_flop
from computebill.kernels.units import JOULES_PER_MWH
from computebill.uncertainty.draws import Columns, Settings

from .inputs import Power, bundled, is_by_hours
from .lines import PARTS, Line, lineage_lines, stage_lines
from .methods import Hours, Reconciled, reconcile
from .spec import StatementSpec

METHODS = ("architecture", "hardware", "implied", "observed")
"""Figures of a stage that its methods are told by."""


class Drawer:
    """Draws quantities by their keys; what is one number is not drawn."""

    def __init__(self, quantities: Mapping[str, Quantity], device: str) -> None:
        """Lay out what is uncertain."""
        uncertain = {key: each for key, each in quantities.items() if not each.is_constant}
        self.columns = Columns(list(uncertain.values()), list(uncertain), device)
        self._names = list(uncertain)
        self._constants = {
            key: torch.tensor([each.value], dtype=torch.float64, device=device)
            for key, each in quantities.items()
            if each.is_constant
        }

    def draw(self, points: Tensor) -> dict[str, Tensor]:
        """Return quantities at points ``(dimensions, draws)``: ``(draws,)``, constants ``(1,)``."""
        return {
            **self._constants,
            **dict(zip(self._names, self.columns.draw(points), strict=True)),
        }

    def middle(self) -> dict[str, Tensor]:
        """Return quantities with all that is uncertain at its median."""
        half = torch.full((self.columns.dimensions, 1), 0.5, dtype=torch.float64)
        return self.draw(half.to(self.columns.device))

    def chunks(self, chosen: Settings) -> Iterator[tuple[int, dict[str, Tensor]]]:
        """Yield ``(replicate, quantities)`` until all samples are drawn."""
        for replicate, points in self.columns.chunks(chosen):
            yield replicate, self.draw(points)


class Drawn(NamedTuple):
    """What is found in some draws.

    Attributes:
        stages: FLOP of the stages, by the method that is stated; ``(stages, draws)`` each.
        methods: both methods of the stages.
        observed: their utilisation.
        lineage: training FLOP of other weights; ``(lineages, draws)``.
        energy: electricity of the stages [MWh].
    """

    stages: StageFlop
    methods: Reconciled
    observed: Tensor
    lineage: Tensor
    energy: Tensor


def figures(spec: StatementSpec, given: Mapping[str, Tensor]) -> Drawn:
    """Return what a statement's numbers come to.

    Args:
        spec: the statement.
        given: its inputs by key; ``(draws,)`` each, or ``(1,)``.
    """
    passes, of, hours, power = bundled(given, len(spec.stage))
    counted = _counted(stage_flop(passes, of, hours.done), given, len(spec.stage))
    methods = reconcile(counted, hours)
    rows = [given[f"of {place}"] for place in range(len(spec.lineage))]
    stated = _stated(spec, counted, methods)
    lineage = torch.stack(list(torch.broadcast_tensors(*rows))) if rows else torch.zeros(0, 1)
    return Drawn(
        stages=stated,
        methods=methods._replace(architecture=_by_architecture(spec, methods)),
        observed=hours.utilisation,
        lineage=lineage.to(stated.updates),
        energy=_energy(hours, power, methods),
    )


def _counted(flop: StageFlop, given: Mapping[str, Tensor], stages: int) -> StageFlop:
    """Return the FLOP of stages; what is computed again is a share of the updates.

    Without the size of a model, nothing but its updates is known of it.
    """
    rows = [given[f"{place}.recomputed_share"] for place in range(stages)]
    share = torch.stack(list(torch.broadcast_tensors(*rows)))
    again = share * (flop.updates + flop.restarted.nan_to_num(nan=0.0)).nan_to_num(nan=0.0)
    parts = {part: getattr(flop, part).nan_to_num(nan=0.0) for part in PARTS if part != "updates"}
    return flop._replace(**{**parts, "recomputed": again})


def method_of(spec: StatementSpec, place: int) -> str:
    """Return whose figure of a stage is stated: hardware where nothing else is told."""
    stage = spec.stage[place]
    if is_by_hours(stage):
        return "hardware"
    has_both = stage.gpu_hours is not None and (stage.mfu or stage.hfu) is not None
    return (stage.method or spec.method) if has_both else "architecture"


def _by_architecture(spec: StatementSpec, methods: Reconciled) -> Tensor:
    """Return figures by architecture; not known of stages that only their hours tell of."""
    only = torch.tensor([[is_by_hours(each)] for each in spec.stage])
    return torch.where(only.to(methods.architecture.device), torch.nan, methods.architecture)


def _stated(spec: StatementSpec, flop: StageFlop, methods: Reconciled) -> StageFlop:
    """Return the FLOP of stages by the method that is stated, in the parts of the other."""
    chosen = [method_of(spec, place) == "hardware" for place in range(len(spec.stage))]
    by_hours = torch.tensor(chosen, device=flop.updates.device)[:, None]
    factor = torch.where(by_hours, methods.hardware / methods.architecture, 1.0)
    return StageFlop(*(each * factor for each in flop))


def _energy(hours: Hours, power: Power, methods: Reconciled) -> Tensor:
    """Return electricity [MWh]: as metered, or of the hours; without them of predicted ones."""
    predicted = cost.accelerator_seconds(
        methods.architecture, hours.peak_flop_per_s, hours.utilisation
    )
    seconds = torch.where(hours.seconds.isnan(), predicted, hours.seconds)
    joules = cost.energy_joules(
        seconds, power.chip_watt, power.chip_to_server, power.power_fraction, power.pue
    )
    return torch.where(power.metered.isnan(), joules / JOULES_PER_MWH, power.metered)


class Frame:
    """The lines of a statement, the same in every draw."""

    def __init__(self, spec: StatementSpec, middle: Drawn) -> None:
        """Find which parts of stages there are, at the medians."""
        found = list(stage_lines(spec, middle.stages))
        self._places = [(place, part) for _, place, part in found]
        self.lines: Sequence[Line] = (*(line for line, _, _ in found), *lineage_lines(spec))

    def flop(self, drawn: Drawn, draws: int) -> Tensor:
        """Return the FLOP of all lines; ``(lines, draws)``."""
        rows = [getattr(drawn.stages, part)[place].expand(draws) for place, part in self._places]
        lineage = drawn.lineage.expand(-1, draws)
        return torch.cat([torch.stack(rows), lineage]) if rows else lineage
