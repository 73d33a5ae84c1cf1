"""A research programme priced run by run, and set against the run it leads to."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from computebill.base.assumptions import Assumption
from computebill.base.errors import RequestError
from computebill.base.notebook import Shown
from computebill.base.quantity import parse_number
from computebill.kernels.units import SECONDS_PER_HOUR
from computebill.uncertainty.distribution import Collector, Distribution
from computebill.uncertainty.draws import Method, Settings, settings

from .draws import SweepDraws
from .effort import effort_of
from .packing import Schedule, pack
from .priced import KEYS, Fitting, PricedGroup, PricedSize, described_by, figures, json_key
from .spec import Published, SweepSpec, load_sweep
from .totals import Jobs, Progress, Sink, Totals, add_up, all_cells, size_bounds
from .workshop import Workshop, make_workshop

if TYPE_CHECKING:
    import pandas as pd

LIMIT = 1_000_000
"""Experiments that nobody has to confirm."""

TRIED = 4096
"""Experiments that are timed, to tell how long all would take."""

MOST_CHANGES = 2000
"""Changes of the cluster's use that the JSON form tells."""

BASES = {"cost_usd": "cloud", "gpu_hours": "gpu_hours"}
"""What a share may be of, and the figure it is made from."""


@dataclass(frozen=True, repr=False)
class SweepEstimate(Shown):
    """What ``price_sweep`` finds.

    Attributes:
        spec: as described.
        experiments: how many.
        rows: distributions of all of them by the names of ``KEYS``.
        final: the same of the final run; None without one.
        share: of the programme, final run included, that experiments are; None without one.
        share_basis: cost_usd, or gpu_hours where no price is known.
        groups: each of them.
        sizes: by the size of the model.
        schedule: on the cluster; None without one.
        fitting: what the budget pays for; None without one.
        assumptions: every number that went in beside the groups' own, with its source.
        settings: draws, seed, device.
        seconds: that it took.
    """

    spec: SweepSpec
    experiments: float
    rows: Mapping[str, Distribution]
    final: Mapping[str, Distribution] | None
    share: Distribution | None
    share_basis: str
    groups: tuple[PricedGroup, ...]
    sizes: tuple[PricedSize, ...]
    schedule: Schedule | None
    fitting: Fitting | None
    assumptions: tuple[Assumption, ...]
    settings: Settings
    seconds: float

    def published(self) -> list[tuple[Published, float | None]]:
        """Return what the source says, and our figure beside it."""
        own = {
            "gpu_hours": self.rows["gpu_hours"].p50,
            "energy_mwh": self.rows["energy_mwh"].p50,
            "flop": self.rows["flop"].p50,
            "cost_usd": self.rows["cloud"].p50,
            "experiments": self.experiments,
            "share": math.nan if self.share is None else self.share.p50,
        }
        return [
            (each, own[each.quantity] if math.isfinite(own[each.quantity]) else None)
            for each in self.spec.published
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; its keys are a contract. What is not known is null."""
        return {
            "name": self.spec.name,
            "description": " ".join(self.spec.description.split()),
            "experiments": round(self.experiments),
            **figures(self.rows),
            "final": None if self.final is None else figures(self.final),
            "share_of_programme": None if self.share is None else self.share.to_dict(),
            "share_basis": self.share_basis,
            "groups": [group.to_dict() for group in self.groups],
            "by_size": [size.to_dict() for size in self.sizes],
            "schedule": self._schedule(),
            "budget": None if self.fitting is None else self.fitting.to_dict(),
            "published": [{**each.model_dump(), "estimate": own} for each, own in self.published()],
            "inputs": [each.to_dict() for each in described_by(self.spec)],
            "assumptions": [each.to_dict() for each in self.assumptions],
            "sources": {key: source.model_dump() for key, source in self.spec.sources.items()},
            "samples": self.settings.samples,
            "seed": self.settings.seed,
            "device": self.settings.device,
            "seconds": self.seconds,
        }

    def _schedule(self) -> dict[str, Any] | None:
        if self.schedule is None:
            return None
        names = [group.group.name for group in self.groups]
        usage = self.schedule.usage(MOST_CHANGES)
        days = sorted({day for day, _, _ in usage})
        at_work: dict[str, list[int]] = {}
        for _, group, gpus in usage:
            at_work.setdefault(names[group], []).append(gpus)
        return {**self.schedule.to_dict(), "usage": {"days": days, "gpus": at_work}}

    def to_frame(self) -> pd.DataFrame:
        """Return one row a group, and the totals: p5, p50, p95 and mean of each figure.

        A group has its utilisation and its share of all experiments too.
        """
        import pandas as pd

        named: list[tuple[str, str, float, Mapping[str, Distribution]]] = [
            (each.group.name, each.group.kind, each.experiments, each.rows) for each in self.groups
        ]
        named.append(("all", "", self.experiments, self.rows))
        if self.final is not None:
            named.append(("final run", "final", 1.0, self.final))
        keys = ("p5", "p50", "p95", "mean")
        found = pd.DataFrame(
            [
                {"group": name, "kind": kind, "experiments": round(count)}
                | {f"{json_key(key)}_{q}": getattr(rows[key], q) for key in KEYS for q in keys}
                for name, kind, count, rows in named
            ]
        )
        rest = [None] * (len(named) - len(self.groups))
        found["mfu"] = [*(each.mfu for each in self.groups), *rest]
        found["share_of_experiments"] = [*(each.share for each in self.groups), *rest]
        return found


def price_sweep(
    spec: SweepSpec | str | Path | Mapping[str, Any] | None = None,
    *,
    samples: int | None = None,
    seed: int = 0,
    device: str = "auto",
    method: Method = "sobol",
    profiles: Sequence[Path] = (),
    budget: float | str | None = None,
    confirmed: bool = False,
    progress: Progress | None = None,
    sink: Sink | None = None,
    **given: Any,
) -> SweepEstimate:
    """Price a research programme, run by run.

    Args:
        spec: a SweepSpec, a mapping of its fields, a TOML file, a preset's name, or nothing.
        samples: Monte Carlo draws.
        seed: same seed, same draws.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``.
        method: ``sobol`` (scrambled) or ``random``.
        profiles: folders of accelerator profiles of one's own.
        budget: USD, to tell what it pays for.
        confirmed: that more than a million experiments are meant.
        progress: told of experiments as they are worked out.
        sink: given every chunk of experiments as columns.
        given: fields of a SweepSpec, which go before those of ``spec``: ``price=2``.

    Raises:
        RequestError: naming the field that is wrong.
    """
    start = time.perf_counter()
    chosen = settings(samples, seed, device, method)
    asked = load_sweep(spec, given)
    spent = None if budget is None else _check_budget(budget)
    draws = lay_out(asked, chosen, profiles, confirmed=confirmed, progress=progress, sink=sink)
    totals = draws.totals
    found = _simulate(len(asked.groups), draws, chosen)
    groups = _priced_groups(asked, totals, draws, found)
    sizes = _sizes(totals, groups, found)
    has_final = asked.final is not None
    return SweepEstimate(
        spec=asked,
        experiments=sum(group.experiments for group in groups),
        rows=found.rows,
        final=found.final if has_final else None,
        share=found.share if has_final else None,
        share_basis=found.basis,
        groups=groups,
        sizes=sizes,
        schedule=_schedule(asked, totals, draws),
        fitting=None if spent is None else _fitting(spent, groups, found, sizes),
        assumptions=tuple(draws.assumptions),
        settings=chosen,
        seconds=time.perf_counter() - start,
    )


class Counted(NamedTuple):
    """Experiments of a sweep, all repeats counted, and the rows of them that are priced."""

    experiments: int
    rows: int


def count_experiments(spec: SweepSpec) -> Counted:
    """Return how many experiments a sweep has."""
    found = [cell for _, cell in all_cells(spec.groups)]
    return Counted(sum(cell.size * cell.copies for cell in found), sum(cell.size for cell in found))


def lay_out(
    asked: SweepSpec,
    chosen: Settings,
    profiles: Sequence[Path] = (),
    *,
    confirmed: bool = True,
    progress: Progress | None = None,
    sink: Sink | None = None,
) -> SweepDraws:
    """Work out every experiment of a sweep; what is left is to draw.

    Raises:
        RequestError: naming the field that is wrong; or that so many experiments need to be
            confirmed.
    """
    most = asked.cluster.gpus if asked.cluster is not None else None
    efficiency = None if asked.efficiency is None else Path(asked.efficiency)
    workshop = make_workshop(asked.software, efficiency, profiles, most)
    _check_size(asked, workshop, chosen.device, confirmed=confirmed)
    totals = add_up(asked.groups, workshop, chosen.device, progress, sink)
    return SweepDraws(asked, totals, chosen.device, profiles)


def _check_budget(budget: object) -> float:
    try:
        spent = parse_number(budget)
    except ValueError as error:
        raise RequestError("budget", str(error)) from None
    if spent <= 0:
        raise RequestError("budget", f"got {spent:g}; allowed: above 0")
    return spent


def _check_size(asked: SweepSpec, workshop: Workshop, device: str, *, confirmed: bool) -> None:
    """Refuse many experiments that nobody confirmed, telling how long they would take."""
    total, rows = count_experiments(asked)
    if total <= LIMIT or confirmed:
        return
    cell = max((cell for _, cell in all_cells(asked.groups)), key=lambda cell: cell.size)
    columns = next(cell.chunks(device, TRIED))
    effort_of(workshop.experiments(cell, columns), workshop)  # what is computed once
    start = time.perf_counter()
    effort_of(workshop.experiments(cell, columns), workshop)
    pace = (time.perf_counter() - start) / len(next(iter(columns.values())))
    raise RequestError(
        "sweep",
        f"{total:,} experiments, {rows:,} that are priced, about {max(1, round(pace * rows)):,} s; "
        f"allowed: {LIMIT:,}; --yes prices more",
    )


class _Simulated(NamedTuple):
    """Distributions of all draws.

    Attributes:
        groups: of each group, by the names of ``KEYS``.
        rows: of all experiments.
        final: of the final run; not known without one.
        share: of the programme that experiments are.
        basis: that the share is of.
        costs: of all experiments in every draw; None where they were too many to keep.
    """

    groups: list[dict[str, Distribution]]
    rows: dict[str, Distribution]
    final: dict[str, Distribution]
    share: Distribution
    basis: str
    costs: Tensor | None


def _simulate(groups: int, draws: SweepDraws, chosen: Settings) -> _Simulated:
    width = len(KEYS)
    collector = Collector((groups + 2) * width + len(BASES), chosen)
    for drawn in draws.chunks(chosen):
        whole = drawn.groups.sum(1)
        places = [KEYS.index(key) for key in BASES.values()]
        shares = [whole[key] / (whole[key] + drawn.final[key]) for key in places]
        by_group = drawn.groups.transpose(0, 1).flatten(0, 1)
        rows = torch.cat([by_group, whole, drawn.final, torch.stack(shares)])
        collector.add(drawn.replicate, rows)
    found = collector.finish()
    named = [
        dict(zip(KEYS, found[i * width : (i + 1) * width], strict=True)) for i in range(groups + 2)
    ]
    rows_of_all = named[groups]
    basis = "cost_usd" if rows_of_all["cloud"].is_known else "gpu_hours"
    share = found[-len(BASES) + list(BASES).index(basis)]
    row = groups * width + KEYS.index("cloud")
    costs = collector.row_draws(row) if collector.kept else None
    return _Simulated(named[:groups], rows_of_all, named[groups + 1], share, basis, costs)


def _priced_groups(
    asked: SweepSpec,
    totals: Totals,
    draws: SweepDraws,
    simulated: _Simulated,
) -> tuple[PricedGroup, ...]:
    found, key = [], BASES[simulated.basis]
    for place, (group, own) in enumerate(zip(asked.groups, simulated.groups, strict=True)):
        parts = [part for part in totals.parts if part.group == place]
        peaks = (each.accelerator.peak_flop_per_s(each.precision) * each.seconds for each in parts)
        mean_peak = sum(peaks) / sum(part.seconds for part in parts)
        hours, flop = own["gpu_hours"].p50, own["flop"].p50
        found.append(
            PricedGroup(
                group=group,
                experiments=sum(part.experiments for part in parts),
                rows=own,
                share=own[key].mean / simulated.rows[key].mean,
                mfu=flop / (hours * SECONDS_PER_HOUR * mean_peak),
                length=float(draws.fates[place].moments.mean),
            )
        )
    return tuple(found)


def _sizes(
    totals: Totals, groups: Sequence[PricedGroup], simulated: _Simulated
) -> tuple[PricedSize, ...]:
    """Experiments by size: the medians of all, divided as the means of groups and sizes are."""
    bounds = size_bounds()
    count, hours, usd = ([0.0] * len(bounds) for _ in range(3))
    all_hours, all_usd = simulated.rows["gpu_hours"], simulated.rows["cloud"]
    for sizes, group in zip(totals.sizes, groups, strict=True):
        whole = float(sizes.seconds.sum())
        own_hours = group.rows["gpu_hours"].mean / all_hours.mean * all_hours.p50
        own_usd = group.rows["cloud"].mean / all_usd.mean * all_usd.p50
        for i, (number, seconds) in enumerate(
            zip(sizes.experiments.tolist(), sizes.seconds.tolist(), strict=True)
        ):
            if number:
                count[i] += number
                hours[i] += own_hours * seconds / whole
                usd[i] += own_usd * seconds / whole
    found, saved = [], 0.0
    for i in reversed(range(len(bounds))):
        if count[i]:
            saved += usd[i]
            found.append(PricedSize(*bounds[i], count[i], hours[i], usd[i], saved))
    return tuple(reversed(found))


def _schedule(asked: SweepSpec, totals: Totals, draws: SweepDraws) -> Schedule | None:
    if asked.cluster is None:
        return None
    return pack(list(_stopped_jobs(totals, draws)), asked.cluster)


def _stopped_jobs(totals: Totals, draws: SweepDraws) -> list[Jobs]:
    """Jobs as long as they run: those stopped early by themselves, failures on average."""
    found = []
    for job in totals.jobs:
        fate = draws.fates[job.group]
        failures = float(fate.moments.mean) / float((fate.progress * fate.weight).sum())
        for progress, weight in zip(fate.progress.tolist(), fate.weight.tolist(), strict=True):
            count = job.count * weight
            if count > 0:
                found.append(Jobs(job.group, job.gpus, job.hours * progress * failures, count))
    return found


def _fitting(
    budget: float,
    groups: Sequence[PricedGroup],
    found: _Simulated,
    sizes: Sequence[PricedSize],
) -> Fitting:
    costs, typical = found.costs, found.rows["cloud"]
    if not typical.is_known:
        raise RequestError("budget", "no rental price is known; give one with --price")
    part = budget / typical.p50
    odds = float((costs <= budget).double().mean()) if costs is not None else math.nan
    return Fitting(
        budget,
        odds,
        part,
        part * sum(group.experiments for group in groups),
        tuple((size.low, size.high, budget / (size.cost_usd / size.experiments)) for size in sizes),
    )
