"""The best layout, number of accelerators and accelerator for a run."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from computebill.architectures import Architecture, read_architecture, read_sample
from computebill.base.errors import RequestError
from computebill.hardware.accelerators import Accelerator, find_accelerator
from computebill.hardware.cluster import in_cluster
from computebill.kernels import search
from computebill.runs.estimate import RunEstimate, estimate_of
from computebill.runs.spec import read_run
from computebill.training.cases import Case, usual_precision
from computebill.training.choice_grid import Chunk, Grid
from computebill.training.choices import Space, make_space
from computebill.training.efficiency import efficiencies_of
from computebill.training.from_files import with_files
from computebill.training.layout import Layout, check_sequence_length, default_sequence
from computebill.training.memory import GB
from computebill.training.memory_odds import most_predicted
from computebill.training.offers import offer_of
from computebill.training.parameters import bounded, unbounded
from computebill.training.rules import check_part
from computebill.uncertainty.draws import choose_device, settings

from .kept import Kept, settled
from .nearest import NothingFitsError, nearest_text
from .pricing import prices_of
from .result import Candidate, Plan
from .spec import PlanSpec, read_plan

KEPT = 64
"""Fastest layouts that are kept of each accelerator, precision and number of them."""

ALIKE_TIME, ALIKE_MEMORY = 0.01, 0.05
"""Relative differences of a step's time and of memory below which two layouts hardly differ: the
one is far less than a prediction's error, the other than a measurement's of its own memory."""

FITS = "fits the memory"
"""The rule that only the model's and the layout's bytes decide."""

OF_PRICES = (
    "name", "price", "provider", "commitment", "prices", "region", "goodput",
    "failures_per_gpu_day", "checkpoint_seconds", "restart_seconds", "interruptions_per_gpu_day",
    "objective", "max_days", "max_cost", "top",
)  # fmt: skip
"""Fields of a plan that decide nothing of which layouts fit and how long a step takes."""

OBJECTIVES = {"time": "days", "cost": "cost_usd", "energy": "energy_mwh"}


@dataclass
class _Found:
    """What a search of a space has found so far; the nearest is told where nothing fits."""

    evaluated: int = 0
    feasible: int = 0
    excluded: Counter[str] = field(default_factory=Counter)
    kept: list[Kept] = field(default_factory=list)
    nearest: Kept | None = None

    def come_near(self, other: Kept | None) -> None:
        """Take another legal layout as the nearest, if less of the memory holds it."""
        if other is not None and (self.nearest is None or other.share < self.nearest.share):
            self.nearest = other


@dataclass(frozen=True)
class _Offer:
    """A layout that fits, with what the run takes on it at the median."""

    kept: Kept
    days: float
    cost_usd: float
    energy_mwh: float

    def candidate(self) -> Candidate:
        """Return it written out."""
        case = self.kept.space.case
        return Candidate(
            accelerator=case.accelerator,
            precision=case.precision,
            layout=self.kept.layout,
            step_seconds=self.kept.seconds,
            memory_gb=self.kept.bytes / GB,
            days=self.days,
            cost_usd=self.cost_usd,
            energy_mwh=self.energy_mwh,
        )


@dataclass(frozen=True)
class _Asked:
    """What a plan is asked for, its model and parts looked up once.

    Attributes:
        spec: as asked.
        architecture: of the model.
        sequence: tokens of a sequence.
        batch: sequences of a step.
        parts: accelerators by the name that the spec has for each.
        efficiency: a file of fitted efficiencies in place of those of each part.
    """

    spec: PlanSpec
    architecture: Architecture
    sequence: int
    batch: int
    parts: Mapping[str, Accelerator]
    efficiency: Path | None

    def spelled(self, accelerator: Accelerator) -> str:
        """Return what the spec calls an accelerator."""
        return next(name for name, each in self.parts.items() if each.name == accelerator.name)


def plan(
    spec: PlanSpec | str | Path | Mapping[str, Any] | None = None,
    *,
    device: str = "auto",
    profiles: Sequence[Path] = (),
    **given: Any,
) -> Plan:
    """Search every layout of a cluster, or of several.

    Args:
        spec: a PlanSpec, a mapping of its fields, a TOML file, or nothing.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``.
        profiles: folders of accelerator profiles of one's own.
        given: fields of a PlanSpec, which go before those of ``spec``: ``tokens="2T"``.

    Raises:
        RequestError: naming the field that is wrong; where no layout is legal, fits and keeps the
            limits, the rules and how many layouts each leaves out.
        computebill.planning.nearest.NothingFitsError: where layouts are legal, and none fits.
    """
    asked = _looked_up(read_plan(spec, given), profiles)
    return _answer(asked, *_looked_through(asked, device))


def plans(
    specs: Iterable[PlanSpec], *, device: str = "auto", profiles: Sequence[Path] = ()
) -> Iterator[Plan | RequestError]:
    """Yield what is found for each plan, or why nothing is; what they share is searched once.

    Args:
        specs: what is planned.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``.
        profiles: folders of accelerator profiles of one's own.
    """
    known: dict[str, tuple[dict[tuple[str, str], _Found], float]] = {}
    for spec in specs:
        try:
            asked = _looked_up(spec, profiles)
            of = repr(spec.model_dump(exclude=set(OF_PRICES)))
            if of not in known:
                known[of] = _looked_through(asked, device)
            yield _answer(asked, *known[of])
        except RequestError as error:
            yield error


def _looked_through(asked: _Asked, device: str) -> tuple[dict[tuple[str, str], _Found], float]:
    """Return what each accelerator and precision has, and the seconds that it took to find.

    Raises:
        RequestError: where nothing is found.
    """
    on = torch.device(choose_device(device))
    start = time.perf_counter()
    searched: dict[tuple[str, str], _Found] = {}
    for space in _spaces(asked):
        found = searched.setdefault((space.case.accelerator.name, space.case.precision), _Found())
        values = efficiencies_of(space.case.accelerator, asked.efficiency).values
        grid = Grid(space, bounded(unbounded(values)), on)
        for count in asked.spec.counts(asked.spelled(space.case.accelerator)):
            _search(asked, grid, count, found)
    seconds = time.perf_counter() - start
    if not any(found.kept for found in searched.values()):
        raise _nothing(asked.spec, _together(searched.values()))
    return searched, seconds


def _looked_up(spec: PlanSpec, profiles: Sequence[Path]) -> _Asked:
    architecture = read_architecture(
        spec.model,
        part=spec.part,
        images_per_sample=spec.images_per_sample,
        sample=read_sample(spec.image_size, spec.text_length),
    )
    given = spec.sequence_length
    sequence = check_sequence_length(
        architecture, default_sequence(architecture) if given is None else given
    )
    return _Asked(
        spec=spec,
        architecture=architecture.at(sequence),
        sequence=sequence,
        batch=spec.sequences(sequence * architecture.stacks),
        parts={
            name: in_cluster(find_accelerator(name, profiles), spec.node_network, spec.power_limit)
            for name in spec.accelerator
        },
        efficiency=None if spec.efficiency is None else Path(spec.efficiency),
    )


def _spaces(asked: _Asked) -> Iterator[Space]:
    spec, pipes = asked.spec, None
    choice = spec.software_choice
    offer = offer_of(choice.framework, choice.year)
    given = {} if spec.layout is None else spec.layout.model_dump(exclude_unset=True)
    layout = with_files(Layout(**{**choice.settings, **given}), asked.architecture)
    for accelerator in {each.name: each for each in asked.parts.values()}.values():
        check_part(layout, accelerator)
        for precision in spec.precision or (usual_precision(accelerator, layout),):
            accelerator.peak(precision)  # refuses what the part does not have
            case = Case(
                architecture=asked.architecture,
                layout=layout,
                accelerator=accelerator,
                precision=precision,
                sequence=asked.sequence,
                software=choice.software,
            )
            space = make_space(case, spec.choices, spec.across_domains, pipes, offer)
            pipes = space.pipes
            yield space


def _search(asked: _Asked, grid: Grid, count: int, found: _Found) -> None:
    """Look through one grid on so many accelerators; keep the fastest, and the front."""
    space = grid.space
    limit = _limit(asked.spec, space.case.accelerator)
    rest = math.prod(space.shape[1:])
    fastest: list[tuple[float, float, int]] = []
    for pipes in grid.chunks():
        chunk = grid.evaluate(pipes, count, asked.batch).with_fewest(limit, space.recompute)
        size = (pipes.stop - pipes.start) * rest
        found.evaluated += size
        for rule, mask in chunk.masks.items():
            found.excluded[rule] += int((~mask).sum()) * (size // mask.numel())
        seconds = chunk.legal_seconds(limit)
        if not seconds.numel():
            continue
        sizes, legal = chunk.bytes.expand_as(seconds), chunk.legal.expand_as(seconds)
        feasible = int(torch.isfinite(seconds).sum())
        found.feasible += feasible
        found.excluded[FITS] += int(legal.sum()) - feasible
        if not found.feasible:
            found.come_near(_lightest(space, chunk, count, asked.batch))
        places = [search.lowest(seconds, KEPT)[1], search.front_of_two(seconds, sizes)]
        unique = torch.unique(torch.cat(places))
        taken = (seconds.reshape(-1)[unique], sizes.reshape(-1)[unique])
        where = chunk.place(unique, space.shape)
        fastest += zip(*(each.tolist() for each in (*taken, where)), strict=True)
    timed = sorted(each for each in fastest if math.isfinite(each[0]))
    if grid.weighs_all:  # else the fastest may yet turn out not to fit
        columns = torch.tensor(timed, dtype=torch.float64).reshape(-1, 3).T
        front = search.front_of_two(columns[0], columns[1]).tolist()
        timed = timed[:KEPT] + [timed[place] for place in front if place >= KEPT]
    kept = [Kept(space, place, count, asked.batch, seconds, size) for seconds, size, place in timed]
    found.kept += kept if grid.weighs_all else settled(kept, grid.values, limit)


def _limit(spec: PlanSpec, accelerator: Accelerator) -> float:
    """Most bytes of a process that leave the margin free and have the odds that are asked for."""
    room = accelerator.memory_gb.value * GB
    return min(room * (1 - spec.memory_margin), most_predicted(room, spec.fit_odds))


def _lightest(space: Space, chunk: Chunk, count: int, batch: int) -> Kept | None:
    """The legal layout of a chunk that takes the least memory; None where none is legal."""
    seconds = chunk.seconds.reshape(-1)
    sizes = torch.where(chunk.legal, chunk.bytes, torch.inf).expand_as(chunk.seconds).reshape(-1)
    where = sizes.argmin()
    size = float(sizes[where])
    if not math.isfinite(size):
        return None
    place = int(chunk.place(where, space.shape))
    return Kept(space, place, count, batch, float(seconds[where]), size)


def _together(searched: Iterable[_Found]) -> _Found:
    total = _Found()
    for found in searched:
        total.evaluated += found.evaluated
        total.feasible += found.feasible
        total.excluded += found.excluded
        total.come_near(found.nearest)
    return total


def _nothing(spec: PlanSpec, found: _Found) -> RequestError:
    """Return the error of a search that found no layout: what would fit goes before the rules."""
    told = "; ".join(f"{rule}: {count:,}" for rule, count in found.excluded.most_common() if count)
    if not found.evaluated:
        problem = "no layout is legal: no choice of pipeline, tensor or expert parallelism is"
        return RequestError("plan", problem)
    none = f"none of {found.evaluated:,} layouts is legal and fits"
    rules = f"left out by each rule (several may leave out one): {told}"
    if found.nearest is None:
        return RequestError("plan", f"{none}; {rules}")
    case = replace(found.nearest.space.case, layout=found.nearest.layout)
    return NothingFitsError(none, nearest_text(case, _limit(spec, case.accelerator)), rules)


def _answer(asked: _Asked, searched: Mapping[tuple[str, str], _Found], seconds: float) -> Plan:
    spec, found = asked.spec, _together(searched.values())
    offers = list(_priced(asked, [each for one in searched.values() for each in one.kept]))
    within = _within(spec, offers)
    key = OBJECTIVES[spec.objective]
    known = [each for each in within if not math.isnan(getattr(each, key))]
    if not known:
        missing = "price is" if spec.objective == "cost" else "accelerator's power is"
        raise RequestError("objective", f"got {spec.objective}; no {missing} known")
    ranked = sorted(known, key=lambda each: (getattr(each, key), each.days, each.kept.bytes))
    best_of: dict[tuple[str, str], _Offer] = {}
    for each in ranked:
        best_of.setdefault(each.kept.part, each)
    best = ranked[0].candidate()
    shown, alike = _different(ranked, spec.top)
    return Plan(
        spec=spec,
        best=best,
        estimate=_estimate(asked, best),
        runners_up=tuple(each.candidate() for each in shown[1:]),
        alike=alike,
        pareto=tuple(each.candidate() for each in _front(within)),
        each=tuple(each.candidate() for each in best_of.values()),
        dropped=_dropped(spec, searched, offers, best_of),
        evaluated=found.evaluated,
        feasible=found.feasible,
        excluded={rule: count for rule, count in found.excluded.items() if count},
        search_seconds=seconds,
        apart=efficiencies_of(best.accelerator, asked.efficiency).apart,
    )


def _different(ranked: Sequence[_Offer], most: int) -> tuple[list[_Offer], int]:
    """Return the first offers that differ in time or memory from all before them.

    Args:
        ranked: offers, the best first.
        most: how many are returned.

    Returns:
        The offers, and the number of others that were passed over as near-copies of one.
    """
    shown: list[_Offer] = []
    alike = 0
    for each in ranked:
        if len(shown) == most:
            break
        if any(_is_alike(each.kept, other.kept) for other in shown):
            alike += 1
        else:
            shown.append(each)
    return shown, alike


def _is_alike(one: Kept, other: Kept) -> bool:
    """Whether two layouts of one cluster hardly differ in a step's time and in memory."""
    if (one.part, one.count) != (other.part, other.count):
        return False
    is_as_fast = math.isclose(one.seconds, other.seconds, rel_tol=ALIKE_TIME)
    return is_as_fast and math.isclose(one.bytes, other.bytes, rel_tol=ALIKE_MEMORY)


def _front(within: Sequence[_Offer]) -> list[_Offer]:
    """Offers that nothing else beats in days, cost and share of the memory, by days."""
    # On one cluster days and cost both grow with the step's seconds.
    lightest: dict[tuple[str, str, int], float] = {}
    likely = []
    for each in sorted(within, key=lambda each: (each.kept.seconds, each.kept.bytes)):
        cluster = (*each.kept.part, each.kept.count)
        if each.kept.bytes < lightest.get(cluster, math.inf):
            lightest[cluster] = each.kept.bytes
            likely.append(each)
    shares = [each.kept.bytes / each.kept.space.case.accelerator.memory_gb.value for each in likely]
    objectives = torch.tensor(
        [[each.days, each.cost_usd, share] for each, share in zip(likely, shares, strict=True)],
        dtype=torch.float64,
    )
    # Where some have a price, one without cannot beat them in it.
    unknown = 0.0 if bool(objectives[:, 1].isnan().all()) else torch.inf
    kept = search.front(objectives.nan_to_num(unknown)).tolist()
    front = [each for each, is_kept in zip(likely, kept, strict=True) if is_kept]
    return sorted(front, key=lambda each: (each.days, each.kept.bytes))


def _priced(asked: _Asked, kept: Sequence[Kept]) -> Iterator[_Offer]:
    """Yield offers; a run's days, cost and energy grow with the seconds of a step."""
    first: dict[tuple[str, str, int], Case] = {}
    for each in kept:
        if (*each.part, each.count) not in first:
            first[*each.part, each.count] = replace(each.space.case, layout=each.layout)
    tokens = float(asked.batch * asked.sequence * asked.architecture.stacks)
    found = prices_of(asked.spec, asked.spelled, first.values(), tokens)
    prices = dict(zip(first, found, strict=True))
    for each in kept:
        per_second = prices[*each.part, each.count]
        yield _Offer(each, *(each.seconds * factor for factor in per_second))


def _within(spec: PlanSpec, offers: Sequence[_Offer]) -> list[_Offer]:
    """Those that keep the limits, at medians.

    Raises:
        RequestError: naming the limit that none keeps, and how near the nearest comes.
    """
    left = list(offers)
    for name, key, unit in (("max_days", "days", "days"), ("max_cost", "cost_usd", "USD")):
        limit = getattr(spec, name)
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
                f"got {limit:g}; the least of {len(offers):,} layouts that fit takes "
                f"{nearest:,.4g} {unit}",
            )
    return left


def _dropped(
    spec: PlanSpec,
    searched: Mapping[tuple[str, str], _Found],
    offers: Sequence[_Offer],
    best_of: Collection[tuple[str, str]],
) -> dict[tuple[str, str], str]:
    """Why accelerators and precisions that were spec for have no layout left."""
    reasons = {}
    for name, found in searched.items():
        own = [each for each in offers if each.kept.part == name]
        if name in best_of:
            continue
        if not own:
            broken = found.excluded
            # Where some obey all other rules, the memory is what stands in the way.
            rule = FITS if broken[FITS] else max(broken, key=broken.__getitem__, default="")
            count = broken[rule]
            reasons[name] = (
                f"no layout is legal and fits; of {found.evaluated:,}, {count:,} break: {rule}"
            )
            continue
        try:
            _within(spec, own)
            reasons[name] = f"{spec.objective} is not known"
        except RequestError as error:
            reasons[name] = str(error)
    return reasons


def _estimate(asked: _Asked, best: Candidate) -> RunEstimate:
    spec, spelled = asked.spec, asked.spelled(best.accelerator)
    is_told = spec.sequence_length is not None or spec.global_batch_tokens is not None
    fields = {
        **spec.pricing(spelled),
        **spec.lost(spelled)._asdict(),
        "name": spec.name,
        "model": spec.model,
        "tokens": spec.tokens,
        "accelerator": spelled,
        "precision": best.precision,
        "count": float(best.layout.accelerators),
        "layout": best.layout.model_dump(exclude_unset=True),
        "global_batch": asked.batch if spec.global_batch_tokens is None else None,
        "global_batch_tokens": spec.global_batch_tokens,
        # A sequence that nobody gave is the model's own; it is not told as given.
        "sequence_length": asked.sequence if is_told else None,
        "software": spec.software if "software" in spec.model_fields_set else None,
        "framework": spec.framework,
        "efficiency": spec.efficiency,
    }
    run = read_run({key: value for key, value in fields.items() if value is not None})
    return estimate_of(run, best.accelerator, asked.architecture, settings())
