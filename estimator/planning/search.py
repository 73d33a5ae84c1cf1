"""The best layout, number of accelerators and accelerator for a run."""

from __future__ import annotations

import math
import operator
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from computebill.architectures import Architecture, read_architecture
from computebill.base.assumptions import given_inputs
from computebill.base.errors import RequestError
from computebill.base.notebook import Shown
from computebill.costs.method import cost_method
from computebill.hardware.accelerators import Accelerator, find_accelerator
from computebill.hardware.fitted import Fitted
from computebill.kernels import search
from computebill.runs.estimate import RunEstimate, estimate_run
from computebill.training.efficiency import bounded, efficiencies_of, read_profile, unbounded
from computebill.training.layout import Layout, check_sequence_length, default_sequence
from computebill.training.memory import GB, stage_bytes
from computebill.training.software import read_software
from computebill.uncertainty.draws import choose_device

from .choice_grid import Grid
from .choices import Space, make_space
from .spec import PlanSpec, read_plan

if TYPE_CHECKING:
    import pandas as pd

KEPT = 64
"""Fastest layouts that are kept of each accelerator, precision and number of them."""

FITS = "fits the memory"
"""The rule that only the model's and the layout's bytes decide."""

OBJECTIVES = {"time": "days", "cost": "cost_usd", "energy": "energy_mwh"}


PRICED = ("step_seconds", "mfu", "goodput", "days", "gpu_hours", "cost_usd", "energy_mwh")
"""Of the best layout's estimate, that are told with it."""

NO_INPUTS = ("name", "top")
"""Of a plan's fields, that decide nothing."""


@dataclass(frozen=True)
class Candidate:
    """A layout that is legal and fits, priced at medians.

    Attributes:
        accelerator: the part.
        precision: of products.
        layout: over accelerators.
        step_seconds: of a step.
        memory_gb: of the fullest process.
        days: of the whole run.
        cost_usd: of renting it; NaN where no price is known.
        energy_mwh: that it takes; NaN where the part's power is not known.
    """

    accelerator: Accelerator
    precision: str
    layout: Layout
    step_seconds: float
    memory_gb: float
    days: float
    cost_usd: float
    energy_mwh: float

    @property
    def memory_share(self) -> float:
        """Of the accelerator's memory, that the fullest process takes."""
        return self.memory_gb / self.accelerator.memory_gb.value

    @property
    def cluster(self) -> tuple[str, str, int]:
        """What it runs on: accelerator, precision, number."""
        return self.accelerator.name, self.precision, self.layout.accelerators

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; what is not known is null."""
        figures = {
            name: getattr(self, name)
            for name in ("step_seconds", "memory_gb", "days", "cost_usd", "energy_mwh")
        }
        return {
            "accelerator": self.accelerator.name,
            "precision": self.precision,
            "layout": self.layout.to_dict(),
            **{name: None if math.isnan(value) else value for name, value in figures.items()},
        }


@dataclass(frozen=True, repr=False)
class Plan(Shown):
    """What ``plan`` finds.

    Attributes:
        spec: what was asked.
        best: by the objective, under all limits.
        estimate: of the best, with intervals.
        runners_up: the next best of other layouts, by the objective.
        pareto: that nothing else beats in days, cost and share of the memory, by days.
        each: the best of every accelerator and precision that keeps the limits, by the objective.
        dropped: the other accelerators and precisions, and why none of their layouts is left.
        evaluated: layouts that were timed and weighed.
        feasible: of them, those that are legal and fit.
        excluded: of them, those that break each rule; one may break several.
        search_seconds: that the search took.
        apart: gap between two layouts, in its logarithm, of which one in two measured pairs is
            predicted wrong by more.
    """

    spec: PlanSpec
    best: Candidate
    estimate: RunEstimate
    runners_up: tuple[Candidate, ...]
    pareto: tuple[Candidate, ...]
    each: tuple[Candidate, ...]
    dropped: Mapping[tuple[str, str], str]
    evaluated: int
    feasible: int
    excluded: Mapping[str, int]
    search_seconds: float
    apart: float

    def odds(self, other: Candidate) -> float | None:
        """Return how likely another layout really takes longer a step than the best.

        Errors of two layouts' predictions differ by ``apart`` or more in half of all measured
        pairs; larger differences are as rare as in an exponential distribution of that median.
        None on other accelerators, or another number of them, whose errors are more apart.
        """
        if other.cluster != self.best.cluster:
            return None
        gap = math.log(other.step_seconds / self.best.step_seconds)
        tail = 0.5 * math.exp2(-abs(gap) / self.apart)
        return 1.0 - tail if gap >= 0 else tail

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; its keys are a contract."""
        figures = self.estimate.to_dict()
        priced = {key: figures[key] for key in PRICED}
        observed = cost_method().mfu.observed
        best = self.best.to_dict()
        return {
            "name": self.spec.name,
            "objective": self.spec.objective,
            "best": {**best, **priced, "memory_gb": self.best.memory_gb},
            "runners_up": [
                {**each.to_dict(), "odds_slower": self.odds(each)} for each in self.runners_up
            ],
            "pareto": [each.to_dict() for each in self.pareto],
            "by_accelerator": [each.to_dict() for each in self.each],
            "dropped": [
                {"accelerator": name, "precision": precision, "reason": reason}
                for (name, precision), reason in self.dropped.items()
            ],
            "observed_mfu": {
                "runs": observed.runs,
                "p10": observed.p10,
                "p50": observed.p50,
                "p90": observed.p90,
                "source": observed.source,
            },
            "notes": list(self.estimate.notes),
            "evaluated": self.evaluated,
            "feasible": self.feasible,
            "excluded": dict(self.excluded),
            "search_seconds": self.search_seconds,
            "inputs": [each.to_dict() for each in given_inputs(self.spec, left_out=NO_INPUTS)],
            "assumptions": figures["assumptions"],
            "samples": figures["samples"],
            "seed": figures["seed"],
        }

    def to_frame(self) -> pd.DataFrame:
        """Return one row a layout: the best, runners-up, and the front."""
        import pandas as pd

        groups = (("best", (self.best,)), ("runner-up", self.runners_up), ("front", self.pareto))
        rows = []
        for role, candidates in groups:
            for each in candidates:
                told = each.to_dict()
                rows.append({"role": role, **told, **told.pop("layout")})
        return pd.DataFrame(rows).drop(columns="layout")


@dataclass
class _Found:
    """What a search of a space has found so far."""

    evaluated: int = 0
    feasible: int = 0
    excluded: Counter[str] = field(default_factory=Counter)
    kept: list[_Kept] = field(default_factory=list)


@dataclass(frozen=True)
class _Kept:
    """A layout of a space that fits."""

    space: Space
    layout: Layout
    seconds: float
    bytes: float


def plan(
    spec: PlanSpec | str | Path | Mapping[str, Any],
    *,
    device: str = "auto",
    profiles: Sequence[Path] = (),
) -> Plan:
    """Search every layout of a cluster, or of several.

    Args:
        spec: a PlanSpec, a mapping of its fields, or a TOML file.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``.
        profiles: folders of accelerator profiles of one's own.

    Raises:
        RequestError: naming the field that is wrong; where no layout is legal, fits and keeps the
            limits, the rules and how many layouts each leaves out.
    """
    asked = read_plan(spec)
    architecture = read_architecture(asked.model)
    given = asked.sequence_length
    sequence = check_sequence_length(
        architecture, default_sequence(architecture) if given is None else given
    )
    batch = asked.sequences(sequence * architecture.stacks)
    efficiency = None if asked.efficiency is None else Path(asked.efficiency)
    fitted = read_profile(efficiency)
    start = time.perf_counter()
    searched: dict[tuple[str, str], _Found] = {}
    for space in _spaces(asked, architecture, sequence, profiles):
        found = searched.setdefault((space.accelerator.name, space.precision), _Found())
        values = efficiencies_of(space.accelerator, efficiency).values
        grid = Grid(space, bounded(unbounded(values)), torch.device(choose_device(device)))
        for count in asked.counts:
            _search(asked, grid, count, batch, found)
    seconds = time.perf_counter() - start
    if not any(found.kept for found in searched.values()):
        raise RequestError("plan", _nothing(_together(searched.values())))
    return _answer(asked, searched, fitted, seconds, sequence, profiles)


def _spaces(
    asked: PlanSpec, architecture: Architecture, sequence: int, profiles: Sequence[Path]
) -> Iterator[Space]:
    found = (find_accelerator(name, profiles) for name in asked.accelerator)
    for accelerator in {each.name: each for each in found}.values():
        for precision in asked.precision or (accelerator.default_precision,):
            accelerator.peak(precision)  # refuses what the part does not have
            yield make_space(
                architecture,
                accelerator,
                precision,
                sequence,
                read_software(asked.software),
                asked.layout or Layout(),
                asked.choices,
                asked.across_domains,
            )


def _search(asked: PlanSpec, grid: Grid, count: int, batch: int, found: _Found) -> None:
    """Look through one grid on so many accelerators; keep the fastest, and the front."""
    limit = grid.space.accelerator.memory_gb.value * GB * (1 - asked.memory_margin)
    rest = math.prod(grid.space.shape[1:])
    fastest: list[tuple[float, int]] = []
    for pipes in grid.chunks():
        chunk = grid.evaluate(pipes, count, batch)
        seconds = chunk.legal_seconds(limit)
        sizes, size = chunk.bytes.expand_as(seconds), seconds.numel()
        for rule, mask in (chunk.masks | {FITS: chunk.bytes <= limit}).items():
            found.excluded[rule] += int((~mask).sum()) * (size // mask.numel())
        found.evaluated += size
        found.feasible += int(torch.isfinite(seconds).sum())
        places = [search.lowest(seconds, KEPT)[1], search.front_of_two(seconds, sizes)]
        unique = sorted(set(torch.cat(places).tolist()))
        taken = seconds.reshape(-1)[unique].tolist()
        fastest += [
            (each, pipes.start * rest + place)
            for each, place in zip(taken, unique, strict=True)
            if math.isfinite(each)
        ]
    layouts = [
        (seconds, grid.space.layout(place, count, batch)) for seconds, place in sorted(fastest)
    ]
    found.kept += _weighed(grid.space, layouts, limit)


def _weighed(space: Space, timed: Sequence[tuple[float, Layout]], limit: float) -> Iterator[_Kept]:
    """Weigh layouts on all of their stages, and leave out what does not fit after all."""
    if not timed:
        return
    layouts = [layout for _, layout in timed]
    stages = stage_bytes(space.architecture, layouts, float(space.sequence))
    most = stages.nan_to_num(0.0).amax(0).tolist()
    for (seconds, layout), size in zip(timed, most, strict=True):
        if size <= limit:
            yield _Kept(space, layout, seconds, size)


def _together(searched: Iterable[_Found]) -> _Found:
    total = _Found()
    for found in searched:
        total.evaluated += found.evaluated
        total.feasible += found.feasible
        total.excluded += found.excluded
    return total


def _nothing(found: _Found) -> str:
    told = "; ".join(f"{rule}: {count:,}" for rule, count in found.excluded.most_common() if count)
    if not found.evaluated:
        return "no layout is legal: no choice of pipeline, tensor or expert parallelism is"
    return (
        f"none of {found.evaluated:,} layouts is legal and fits; left out by each rule (several "
        f"may leave out one): {told}"
    )


def _answer(
    asked: PlanSpec,
    searched: Mapping[tuple[str, str], _Found],
    fitted: Fitted,
    seconds: float,
    sequence: int,
    profiles: Sequence[Path],
) -> Plan:
    found = _together(searched.values())
    kept = [each for one in searched.values() for each in one.kept]
    candidates = list(_priced(asked, kept, sequence, profiles))
    within = _within(asked, candidates)
    key = OBJECTIVES[asked.objective]
    known = [each for each in within if not math.isnan(getattr(each, key))]
    if not known:
        missing = "price is" if asked.objective == "cost" else "accelerator's power is"
        raise RequestError("objective", f"got {asked.objective}; no {missing} known")
    ranked = sorted(known, key=lambda each: (getattr(each, key), each.days, each.memory_gb))
    best = ranked[0]
    best_of: dict[tuple[str, str], Candidate] = {}
    for each in ranked:
        best_of.setdefault(each.cluster[:2], each)
    objectives = torch.tensor(
        [[each.days, each.cost_usd, each.memory_share] for each in within], dtype=torch.float64
    )
    # Where some have a price, one without cannot beat them in it.
    unknown = 0.0 if bool(objectives[:, 1].isnan().all()) else torch.inf
    objectives = objectives.nan_to_num(unknown)
    front = [
        each for each, kept in zip(within, search.front(objectives).tolist(), strict=True) if kept
    ]
    return Plan(
        spec=asked,
        best=best,
        estimate=_estimate(
            asked, best.accelerator, best.precision, best.layout, sequence, profiles
        ),
        runners_up=tuple(ranked[1 : asked.top]),
        pareto=tuple(sorted(front, key=lambda each: (each.days, each.memory_gb))),
        each=tuple(best_of.values()),
        dropped=_dropped(asked, searched, candidates, best_of),
        evaluated=found.evaluated,
        feasible=found.feasible,
        excluded={rule: count for rule, count in found.excluded.items() if count},
        search_seconds=seconds,
        apart=fitted.apart,
    )


def _priced(
    asked: PlanSpec, kept: Sequence[_Kept], sequence: int, profiles: Sequence[Path]
) -> Iterator[Candidate]:
    """Candidates; a run's days, cost and energy grow with the seconds of a step."""
    factors: dict[tuple[str, str, int], tuple[float, float, float]] = {}
    for each in kept:
        space, layout = each.space, each.layout
        name = (space.accelerator.name, space.precision, layout.accelerators)
        if name not in factors:
            rows = _estimate(
                asked, space.accelerator, space.precision, layout, sequence, profiles
            ).rows
            per_second = rows["step_seconds"].p50
            figures = (rows[key].p50 / per_second for key in ("days", "cloud", "energy_mwh"))
            factors[name] = (next(figures), next(figures), next(figures))
        days, usd, energy = (each.seconds * factor for factor in factors[name])
        yield Candidate(
            accelerator=space.accelerator,
            precision=space.precision,
            layout=layout,
            step_seconds=each.seconds,
            memory_gb=each.bytes / GB,
            days=days,
            cost_usd=usd,
            energy_mwh=energy,
        )


def _within(asked: PlanSpec, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that keep the limits, at medians.

    Raises:
        RequestError: naming the limit that none keeps, and how near the nearest comes.
    """
    left = list(candidates)
    for name, key, unit in (("max_days", "days", "days"), ("max_cost", "cost_usd", "USD")):
        limit = getattr(asked, name)
        if limit is None:
            continue
        figures = [figure for each in left if not math.isnan(figure := getattr(each, key))]
        if not figures:
            raise RequestError(name, "no rental price is known; give one with --price")
        nearest = min(figures)
        left = [each for each in left if getattr(each, key) <= limit]
        if not left:
            raise RequestError(
                name,
                f"got {limit:g}; the least of {len(candidates):,} layouts that fit takes "
                f"{nearest:,.4g} {unit}",
            )
    return left


def _dropped(
    asked: PlanSpec,
    searched: Mapping[tuple[str, str], _Found],
    candidates: Sequence[Candidate],
    best_of: Collection[tuple[str, str]],
) -> dict[tuple[str, str], str]:
    """Why accelerators and precisions that were asked for have no layout left."""
    reasons = {}
    for name, found in searched.items():
        own = [each for each in candidates if each.cluster[:2] == name]
        if name in best_of:
            continue
        if not own:
            rule, count = max(found.excluded.items(), key=operator.itemgetter(1), default=("", 0))
            reasons[name] = (
                f"no layout is legal and fits; of {found.evaluated:,}, {count:,} break: {rule}"
            )
            continue
        try:
            _within(asked, own)
            reasons[name] = f"{asked.objective} is not known"
        except RequestError as error:
            reasons[name] = str(error)
    return reasons


def _estimate(
    asked: PlanSpec,
    accelerator: Accelerator,
    precision: str,
    layout: Layout,
    sequence: int,
    profiles: Sequence[Path],
) -> RunEstimate:
    spelled = next(
        name
        for name in asked.accelerator
        if find_accelerator(name, profiles).name == accelerator.name
    )
    is_told = asked.sequence_length is not None or asked.global_batch_tokens is not None
    spec = {
        **asked.pricing(spelled),
        "name": asked.name,
        "model": asked.model,
        "tokens": asked.tokens,
        "accelerator": spelled,
        "precision": precision,
        "count": float(layout.accelerators),
        "layout": layout.model_dump(exclude_unset=True),
        "global_batch": asked.global_batch,
        "global_batch_tokens": asked.global_batch_tokens,
        # A sequence that nobody gave is the model's own; it is not told as given.
        "sequence_length": sequence if is_told else None,
        "software": asked.software if "software" in asked.model_fields_set else None,
        "efficiency": asked.efficiency,
    }
    known = {key: value for key, value in spec.items() if value is not None}
    return estimate_run(known, profiles=profiles)
