"""Stated sets of experiments beside a programme: how much of its exploration would they explain?

A scenario is never a fact: what an organisation tried is not published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from computebill.base.errors import RequestError
from computebill.base.specfile import validate
from computebill.sweep import SweepSpec
from computebill.sweep.draws import FIGURES
from computebill.sweep.estimate import count_experiments, lay_out
from computebill.sweep.spec import shipped_sweeps, sweep_data
from computebill.uncertainty.distribution import Collector, Distribution
from computebill.uncertainty.draws import Settings

from .bases import DOLLARS, HOURS
from .compiled import CompiledProgramme
from .spec import Programme, Scenario

MOST_SAMPLES = 2**15
"""Draws of a scenario; its assumptions are rougher than these."""


@dataclass(frozen=True)
class PricedScenario:
    """A scenario, priced as the programme's runs are.

    Attributes:
        scenario: as described.
        groups: names of its groups with their shares of its hours.
        experiments: how many.
        gpu_hours: of all.
        cost_usd: at the programme's price.
        explained: share of the programme's exploration.
        spec: its experiments, as they were priced.
    """

    scenario: Scenario
    groups: Mapping[str, float]
    experiments: int
    gpu_hours: Distribution
    cost_usd: Distribution
    explained: Distribution
    spec: SweepSpec

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.scenario.name,
            "description": self.scenario.description,
            "is_a_scenario": True,
            "source": self.scenario.source,
            "experiments": self.experiments,
            "gpu_hours": self.gpu_hours.to_dict(),
            "cost_usd": self.cost_usd.to_dict(),
            "share_of_exploration": self.explained.to_dict(),
            "groups": [{"name": name, "share": share} for name, share in self.groups.items()],
        }


def price_scenarios(
    compiled: CompiledProgramme, folder: Path | None, chosen: Settings, profiles: Sequence[Path]
) -> tuple[PricedScenario, ...]:
    """Price a programme's scenarios.

    Args:
        compiled: the programme.
        folder: that its file is in.
        chosen: draws, seed, device.
        profiles: folders of accelerator profiles of one's own.

    Raises:
        RequestError: naming the scenario and its field.
    """
    fewer = chosen._replace(samples=min(chosen.samples, MOST_SAMPLES))
    found = []
    for i, scenario in enumerate(compiled.programme.scenarios):
        try:
            spec = sweep_of(compiled.programme, scenario.sweep, scenario.name, folder)
            found.append(_priced(compiled, scenario, spec, fewer, profiles))
        except RequestError as error:
            raise error.within(f"scenarios[{i}].sweep") from None
    return tuple(found)


def sweep_of(
    programme: Programme, given: str | dict[str, Any], name: str, folder: Path | None
) -> SweepSpec:
    """Return a sweep on the programme's accelerator where it gives none of its own.

    Args:
        programme: that it is priced beside.
        given: its fields, a preset's name, or a file's.
        name: of what it describes, for messages.
        folder: that the programme's file is in.

    Raises:
        RequestError: where the programme's basis has no hours, or no price that they cost.
    """
    if isinstance(given, str):
        is_shipped = given in shipped_sweeps()
        given = sweep_data(given if is_shipped or folder is None else folder / given)
    assumptions, basis = programme.assumptions, programme.basis
    if basis not in (DOLLARS.name, HOURS.name):
        raise RequestError("basis", f"got {basis}; allowed: dollars or hours, as sweeps have them")
    if assumptions.price is None and basis == DOLLARS.name:
        raise RequestError("price", "the programme has no price that its runs share")
    usual = {"accelerator": assumptions.accelerator} if assumptions.accelerator else {}
    defaults = {**usual, **given.get("defaults", {})}
    return validate(SweepSpec, {**given, "defaults": defaults}, name)


def sweep_hours(spec: SweepSpec, chosen: Settings, profiles: Sequence[Path]) -> Tensor:
    """Return accelerator-hours of each group of a sweep, ``(groups, draws)``."""
    draws = lay_out(spec, chosen, profiles)
    place = 1 + FIGURES.index("gpu_hours")
    return torch.cat([drawn.groups[place] for drawn in draws.chunks(chosen)], dim=1)


def _priced(
    compiled: CompiledProgramme,
    scenario: Scenario,
    spec: SweepSpec,
    chosen: Settings,
    profiles: Sequence[Path],
) -> PricedScenario:
    by_group = sweep_hours(spec, chosen, profiles)
    # The points of two sequences go together; in another order they do not.
    generator = torch.Generator().manual_seed(chosen.seed)
    order = torch.randperm(by_group.shape[1], generator=generator).to(by_group.device)
    hours = by_group.sum(0)[order]
    collector, start, kept = Collector(3, chosen), 0, 0
    for replicate, points in compiled.columns.chunks(chosen):
        own = hours[start : start + points.shape[1]]
        start += points.shape[1]
        found = _rows(compiled, own, points, replicate)
        kept += found.shape[1]
        collector.add(replicate, found)
    if not kept:
        raise RequestError(
            "assumptions", "the final runs cost more than all R&D compute in every draw"
        )
    rows = collector.finish()
    means = by_group.mean(1)
    return PricedScenario(
        scenario=scenario,
        groups={
            group.name: float(mean / means.sum())
            for group, mean in zip(spec.groups, means, strict=True)
        },
        experiments=count_experiments(spec).experiments,
        gpu_hours=rows[0],
        cost_usd=rows[1],
        explained=rows[2],
        spec=spec,
    )


def _rows(compiled: CompiledProgramme, hours: Tensor, points: Tensor, replicate: int) -> Tensor:
    """Hours, dollars and the share of what is left of R&D compute; draws without any left out."""
    values = compiled.draw(points, replicate)
    outcome = compiled.price(values)
    usd = hours * outcome.usd_per_hour
    size = hours if compiled.programme.basis == HOURS.name else usd
    explained = size / outcome.exploration
    return torch.stack([hours, usd, explained])[:, outcome.exploration > 0]
