"""How many accelerators write rollouts and how many train on them, of all that there are.

Each split is a stage of ``run`` with its own two pools, priced by the same kernels, all of them in
one batch: there is no other formula here.
"""

from __future__ import annotations

import itertools
import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from computebill.base.assumptions import Assumption
from computebill.base.constants import constants, number
from computebill.base.errors import RequestError
from computebill.base.quantity import constant, parse_quantity
from computebill.hardware.accelerators import Accelerator, find_accelerator
from computebill.hardware.cluster import in_cluster
from computebill.kernels import search
from computebill.kernels.units import SECONDS_PER_DAY
from computebill.runs.stage_bench import Bench, make_bench
from computebill.runs.stage_draws import StageDraws
from computebill.runs.stage_inputs import StageRow, row_of
from computebill.runs.stage_models import NOBODY, sampled, writing_copy
from computebill.runs.stage_passes import critic_of, is_guess
from computebill.runs.stage_spec import Generation, Stage
from computebill.runs.stage_speeds import common_layouts
from computebill.runs.staged import SAMPLES, estimate_stages
from computebill.training.layout import DEFAULT_SEQUENCE
from computebill.training.serving import Copy
from computebill.training.utilisation import Fastest, Utilisation
from computebill.uncertainty.distribution import Collector
from computebill.uncertainty.draws import Columns, Settings, settings

from .rollout_result import Answered, Divided, RolloutPlan, Split
from .rollout_spec import PLACED, RolloutSpec, read_rollouts

UNITS = ((16, 1), (64, 4))
"""Accelerators up to which splits go in such steps; beyond, in nodes."""
NODE = 8
COARSE = 64
"""Splits of one cluster that are looked at, where there are more; those near the best follow."""
NEAR = 3
"""Of the best of them, whose neighbours are looked at, too: whole copies make steps."""

ENDS = (0.05, 0.5, 0.95)
"""Percentiles of the mean answer at which splits are compared."""
ANSWER = "mean tokens of an answer"
SHORTER, LONGER = 0.5, 2.0
"""Times the mean answer at its ends, where it is known."""

TRIES = 8
"""Layouts that are looked at for one that holds a critic, too, each with less memory."""

DRAWN = ("days", "cost_usd", "energy_mwh")
"""Figures that grow with a step's time, each as it is drawn."""

KEYS = {"time": "days", "cost": "cost_usd", "energy": "energy_mwh"}
MOVED_BYTES_PER_S = number("planning.rollouts.MOVED_BYTES_PER_S")
CURVE = 64
"""Splits of a curve, at most."""


@dataclass
class _Bench:
    """Accelerators and layouts of a search, looked up once.

    Attributes:
        spec: what is asked.
        parts: accelerators by the name that the plan has for each.
        searched: layouts of training that were searched already.
        dropped: reasons why splits were left out, and how often.
        errors: what was said of the first of each.
    """

    spec: RolloutSpec
    parts: Mapping[str, Accelerator]
    searched: dict[tuple[object, ...], Utilisation] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)
    errors: dict[str, RequestError] = field(default_factory=dict)

    def make(self, split: Split, *, ends: bool = False) -> Bench:
        """Return the stage of a split with its models and parts.

        Args:
            split: who does what.
            ends: whether a mean answer that is known has ends all the same.

        Raises:
            RequestError: where the split cannot be.
        """
        stage = stage_of(self.spec, split)
        if ends and not has_doubt(stage):
            mean = sampled(stage).answer
            stage = stage.model_copy(
                update={"answer_mean": parse_quantity({"p5": SHORTER * mean, "p95": LONGER * mean})}
            )
        return make_bench(stage, self.spec.run, self.parts, self.searched)

    def leave_out(self, error: RequestError) -> None:
        """Count a split that cannot be, by what stands in its way."""
        reasons = {
            "count": "training fits on no common layout",
            "params": "no copy of the model fits on what writes",
            "critic": "no common layout holds a critic beside the policy",
        }
        last = error.field.rpartition(".")[2]
        reason = reasons.get(last, str(error))
        self.dropped[reason] += 1
        self.errors.setdefault(reason, error)


def has_doubt(stage: Stage) -> bool:
    """Whether a stage's mean answer is uncertain, by what is said or by what is usual."""
    if stage.answer_mean is not None:
        return not stage.answer_mean.is_constant
    return is_guess(stage.answer_length)


def stage_of(spec: RolloutSpec, split: Split) -> Stage:
    """Return the stage on the accelerators of a split, as ``run`` takes it.

    Args:
        spec: what is planned.
        split: who does what.
    """
    own = spec.stage.generation
    changed: dict[str, Any] = {
        "accelerator": split.trainer,
        "count": constant(float(split.trainers)),
        "fit_odds": spec.fit_odds,
    }
    aside = {name: None for name in PLACED if getattr(spec.stage, name) is not None}
    if (price := spec.price_of(split.trainer)) is not None:
        changed["price"] = price
    if not split.is_shared:
        changed["generation"] = Generation(
            count=constant(float(split.generators)),
            accelerator=split.writer,
            precision=None if own is None else own.precision,
            price=spec.price_of(split.writer) or (None if own is None else own.price),
            staleness=spec.staleness,
        )
    return spec.stage.model_copy(update={**aside, **changed})


def splits_of(total: int, unit: int) -> range:
    """Return the accelerators that may write, of so many, each role with one unit at least."""
    return range(unit, total - unit + 1, unit)


def unit_of(total: int) -> int:
    """Return the accelerators by which splits of so many differ."""
    return next((unit for most, unit in UNITS if total <= most), NODE)


def plan_rollouts(
    spec: RolloutSpec | str | Path | Mapping[str, Any],
    *,
    samples: int | None = None,
    seed: int = 0,
    device: str = "auto",
    profiles: Sequence[Path] = (),
) -> RolloutPlan:
    """Search how many accelerators write and how many train.

    Args:
        spec: a RolloutSpec, a TOML file, or a mapping of a plan's and a stage's fields.
        samples: Monte Carlo draws of the best.
        seed: same seed, same draws.
        device: that the best is drawn on.
        profiles: folders of accelerator profiles of one's own.

    Raises:
        RequestError: naming the field that is wrong; where no split is possible or keeps the
            limits, why.
    """
    asked = read_rollouts(spec)
    start = time.perf_counter()
    bench = _Bench(asked, _parts(asked, profiles))
    given = _given(asked)
    drawn = settings(SAMPLES if samples is None else samples, seed, "cpu")
    found = _as_drawn(bench, list(_searched(bench, given)), drawn)
    if not found:
        raise _nothing(bench)
    ranked = _ranked(asked, found)
    fitting = list(itertools.islice(_fitting(bench, ranked), asked.top))
    if not fitting:
        raise _nothing(bench)
    best = fitting[0]
    shared = next(_fitting(bench, [each for each in ranked if each.split.is_shared]), None)
    seconds = time.perf_counter() - start
    chosen = asked.run.model_copy(update={"stage": (stage_of(asked, best.split),)})
    return RolloutPlan(
        spec=asked,
        best=best,
        estimate=estimate_stages(
            chosen, samples=samples, seed=seed, device=device, profiles=profiles
        ),
        runners_up=tuple(fitting[1:]),
        front=tuple(_front(ranked)),
        shared=shared,
        given=_own(bench, found, given),
        answers=tuple(_answers(bench, found, best)),
        curve=_curve(found, best),
        tried=len(found),
        dropped=dict(bench.dropped),
        moved_seconds=_moved(bench, best.split),
        search_seconds=seconds,
        told=tuple(_told(bench, best)),
    )


def _as_drawn(bench: _Bench, found: Sequence[Divided], of: Settings) -> list[Divided]:
    """Return splits with their figures in proportion to those of the best as it is drawn.

    A step's median lies above what medians of its inputs give, as it waits for the later of two;
    of splits that compete, by nearly as much.

    Args:
        bench: of the search.
        found: splits with figures at medians of their inputs.
        of: draws, as the best is told with.
    """
    if not found:
        return []
    first = _ranked(bench.spec, found, limits=False)[0]
    draws = StageDraws([row_of(0, bench.make(first.split))], "cpu")
    collector = Collector(len(DRAWN), of)
    for replicate, points in draws.columns.chunks(of):
        priced = draws.price(points)
        figures = [priced.days, priced.bill.cloud, priced.bill.energy_mwh]
        collector.add(replicate, torch.cat(figures))
    drawn = zip(collector.finish(), DRAWN, strict=True)
    times = [each.p50 / first.figure(name) for each, name in drawn]
    return [each.scaled(*times) for each in found]


def _parts(spec: RolloutSpec, profiles: Sequence[Path]) -> dict[str, Accelerator]:
    stage = spec.stage
    return {
        name: in_cluster(find_accelerator(name, profiles), stage.node_network, stage.power_limit)
        for name in spec.accelerator
    }


def _given(spec: RolloutSpec) -> Split | None:
    """Return the split that the stage has itself; None where it has none."""
    stage = spec.stage
    if not spec.has_split or stage.accelerator is None or stage.count is None:
        return None
    count, apart = round(stage.count.median), stage.generation
    if apart is None:
        return Split(stage.accelerator, count, stage.accelerator, 0)
    writer = apart.accelerator or stage.accelerator
    return Split(stage.accelerator, count, writer, round(apart.count.median))


def _searched(bench: _Bench, given: Split | None) -> Iterator[Divided]:
    """Yield all splits that are looked at and can be, each once."""
    spec = bench.spec
    one_by_one = list(_across(spec))
    if given is not None:
        one_by_one.append(given)
    yielded: set[Split] = set()
    for split in _timed(bench, list(dict.fromkeys(one_by_one))):
        yielded.add(split.split)
        yield split
    for name in spec.accelerator:
        for total in spec.counts(name):
            for found in _of_cluster(bench, name, total):
                if found.split not in yielded:
                    yielded.add(found.split)
                    yield found


def _across(spec: RolloutSpec) -> Iterator[Split]:
    """Yield one pool of each accelerator, and the pairs of two kinds."""
    if spec.colocated:
        for name in spec.accelerator:
            yield from (Split(name, total, name, 0) for total in spec.counts(name))
    for trainer, writer in itertools.permutations(spec.accelerator, 2):
        for count, apart in itertools.product(spec.counts(trainer), spec.counts(writer)):
            yield Split(trainer, count, writer, apart)


def _of_cluster(bench: _Bench, name: str, total: int) -> list[Divided]:
    """Splits of one kind of accelerator: some of all, then all near the best of them."""
    unit = unit_of(total)
    every = splits_of(total, unit)
    stride = max(1, math.ceil(len(every) / COARSE))
    first = every[::stride]
    found = _timed(bench, [Split(name, total - each, name, each) for each in first])
    if stride == 1 or not found:
        return found
    best = [each.split.generators for each in _ranked(bench.spec, found, limits=False)[:NEAR]]
    reach = (stride - 1) * unit
    around = {each for each in every for one in best if abs(each - one) <= reach}
    near = sorted(around.difference(first))
    return found + _timed(bench, [Split(name, total - each, name, each) for each in near])


def _timed(bench: _Bench, splits: Sequence[Split]) -> list[Divided]:
    """Return what the stage takes on each split that can be, at medians."""
    rows: list[StageRow] = []
    kept: list[Split] = []
    for split in splits:
        try:
            rows.append(row_of(len(kept), bench.make(split, ends=True)))
        except RequestError as error:
            bench.leave_out(error)
            continue
        kept.append(split)
    if not rows:
        return []
    draws = StageDraws(rows, "cpu")
    points = torch.full((draws.columns.dimensions, len(ENDS)), 0.5, dtype=torch.float64)
    for place, name in enumerate(draws.columns.dimension_names):
        if ANSWER in name:
            points[place] = torch.tensor(ENDS, dtype=torch.float64)
    priced = draws.price(points)
    middle = len(ENDS) // 2
    steps = rows[0].quantities["steps"].median
    table = [
        priced.days, priced.bill.gpu_hours, priced.bill.cloud, priced.bill.energy_mwh,
        priced.training, priced.writing,
    ]  # fmt: skip
    figures = torch.stack([each[:, middle] for each in table], 1).tolist()
    ends = priced.days.tolist()
    return [
        _divided(bench, split, row, each, steps)
        for split, row, each in zip(kept, figures, ends, strict=True)
    ]


def _divided(
    bench: _Bench, split: Split, figures: Sequence[float], ends: Sequence[float], steps: float
) -> Divided:
    days, hours, usd, energy, training, writing = figures
    return Divided(
        split=split,
        days=days,
        gpu_hours=hours,
        cost_usd=usd,
        energy_mwh=energy,
        step_seconds=days * SECONDS_PER_DAY / steps,
        train_seconds=training / split.trainers / steps,
        write_seconds=writing / (split.generators or split.trainers) / steps,
        days_by_answer=tuple(ends),
        trainer=bench.parts[split.trainer],
        writer=bench.parts[split.writer],
    )


def _nothing(bench: _Bench) -> RequestError:
    """Return the error of a search in which no split can be."""
    if not bench.errors:
        return RequestError("count", "got one accelerator; allowed: two or more, or colocated")
    if len(bench.errors) == 1:
        return next(iter(bench.errors.values()))
    told = "; ".join(f"{reason}: {count:,}" for reason, count in bench.dropped.most_common())
    return RequestError("plan", f"no split is possible; left out by each reason: {told}")


def _ranked(spec: RolloutSpec, found: Sequence[Divided], limits: bool = True) -> list[Divided]:
    """Return splits by the objective, those that keep the limits.

    Raises:
        RequestError: naming the limit that none keeps, or what is not known.
    """
    key, left = KEYS[spec.objective], list(found)
    for name, of, unit in (("max_days", "days", "days"), ("max_cost", "cost_usd", "USD")):
        limit = getattr(spec, name) if limits else None
        if limit is None:
            continue
        nearest = min((each.figure(of) for each in left if each.figure(of) > 0), default=math.nan)
        left = [each for each in left if each.figure(of) <= limit]
        if not left:
            told = f"got {limit:g}; the least of {len(found):,} splits takes {nearest:,.4g} {unit}"
            raise RequestError(name, told)
    known = [each for each in left if math.isfinite(each.figure(key))]
    if not known:
        missing = "price is" if spec.objective == "cost" else "accelerator's power is"
        raise RequestError("objective", f"got {spec.objective}; no {missing} known")
    return sorted(known, key=lambda each: (each.figure(key), each.days, each.split.generators))


def _front(ranked: Sequence[Divided]) -> list[Divided]:
    """Splits that nothing else beats in days and cost, by days."""
    points = torch.tensor([[each.days, each.cost_usd] for each in ranked], dtype=torch.float64)
    kept = search.front(points.nan_to_num(0.0 if bool(points.isnan().any()) else torch.inf))
    front = [each for each, is_kept in zip(ranked, kept.tolist(), strict=True) if is_kept]
    return sorted(front, key=lambda each: each.days)


def _own(
    bench: _Bench, found: Sequence[Divided], given: Split | None
) -> tuple[Divided, int] | None:
    """Return the split that the stage has itself, with layouts if any hold it, and its rank."""
    key = KEYS[bench.spec.objective]
    ordered = sorted(found, key=lambda each: each.figure(key))
    for rank, each in enumerate(ordered, start=1):
        if each.split == given:
            return next(_fitting(bench, [each]), each), rank
    return None


def _answers(bench: _Bench, found: Sequence[Divided], best: Divided) -> Iterator[Answered]:
    """Yield what is best at each end of the mean answer, beside what the best at the middle is."""
    made = bench.make(best.split, ends=True)
    factor = row_of(0, made).quantities["answer_factor"]
    drawn = Columns([factor], ["answer"], "cpu").draw(torch.tensor([ENDS], dtype=torch.float64))
    mean = sampled(made.stage).answer
    rivals = [each for each in found if each.split.cluster == best.split.cluster]
    for place, times in enumerate(drawn[0].tolist()):
        fastest = min(rivals, key=lambda each: each.days_by_answer[place])
        yield Answered(
            tokens=mean * times,
            best=fastest.split,
            chosen_days=best.days_by_answer[place],
            best_days=fastest.days_by_answer[place],
        )


def _curve(found: Sequence[Divided], best: Divided) -> tuple[Divided, ...]:
    """Return splits of the best one's accelerators, by how many write."""
    own = [
        each
        for each in found
        if each.split.cluster == best.split.cluster and not each.split.is_shared
    ]
    ordered = sorted(own, key=lambda each: each.split.generators)
    return tuple(ordered[:: max(1, math.ceil(len(ordered) / CURVE))])


def _fitting(bench: _Bench, ranked: Sequence[Divided]) -> Iterator[Divided]:
    """Yield splits with the layouts of both roles, those that hold all that trains."""
    for each in ranked:
        made = bench.make(each.split)
        try:
            yield each.with_memory(_layout(made), _copy(made))
        except RequestError as error:
            bench.leave_out(error)


def _layout(made: Bench) -> Fastest | None:
    """Return the layout of training: the fastest common one that holds a critic's states, too.

    Raises:
        RequestError: where none holds them.
    """
    stage, accelerator = made.stage, made.accelerator
    if stage.mfu is not None or accelerator is None or stage.count is None:
        return None
    batch = stage.global_batch or made.rollouts
    if batch is None:
        return None
    layouts, count = common_layouts(made, accelerator), round(stage.count.median)
    architecture = None if made.own.model is None else made.own.model.architecture
    active, critic = made.own.active.median, critic_of(made)
    found = layouts.fastest(architecture, active, float(batch), count)
    if found is None or critic is NOBODY:
        return found
    ratio, room = critic.total.median / made.own.total.median, layouts.most_gb
    for _ in range(TRIES):
        beside = found.states_gb * ratio
        whole = found.memory_gb + beside
        if whole <= room:
            return found._replace(memory_gb=whole, states_gb=found.states_gb + beside)
        less = found.memory_gb - (whole - room)
        found = layouts.fastest(architecture, active, float(batch), count, less)
        if found is None:
            break
    raise RequestError("critic", "no common layout of training holds it beside the policy")


def _copy(made: Bench) -> Copy | None:
    if made.writer is None:
        return None
    server = made.server(made.writer, apart=True)
    return writing_copy(made.stage, made.own, sampled(made.stage), server)


def _moved(bench: _Bench, split: Split) -> float:
    """Seconds in which weights reach the servers after a step; NaN of weights of no known size."""
    made = bench.make(split)
    if made.writer is None or made.own is NOBODY:
        return math.nan
    served = made.own.served(made.server(made.writer, apart=True).precision)
    return float(served.params * served.weight_bytes) / MOVED_BYTES_PER_S


def _told(bench: _Bench, best: Divided) -> Iterator[Assumption]:
    """Yield what the search took without being told."""
    spec, stage = bench.spec, bench.spec.stage
    total = best.split.trainers + best.split.generators
    unit = f"{unit_of(total)} of {total:,}"
    yield Assumption("splits that are tried", f"by {unit}", "the default: nodes of 8, of few less")
    if "staleness" not in spec.model_fields_set:
        told = "the default: answers are written while others train; --staleness"
        yield Assumption("steps that answers may be behind", f"{spec.staleness}", told)
    if stage.mfu is None:
        told = "given" if "fit_odds" in spec.model_fields_set else "the default; --fit-odds"
        yield Assumption("least odds that training fits", f"{spec.fit_odds:g}", told)
    if stage.layout is not None:
        yield Assumption("layout", "searched", "the stage's own is put aside")
    if stage.sequence_length is None:
        told = "the default; memory of training is of these: longer answers take more"
        yield Assumption("tokens of a sequence in training", f"{DEFAULT_SEQUENCE:,}", told)
    source = constants()["planning.rollouts.MOVED_BYTES_PER_S"].source
    seconds = _moved(bench, best.split)
    if math.isfinite(seconds):
        told = f"told beside, within what steps take over predicted; {source}"
        yield Assumption("seconds in which weights are moved, a step", f"{seconds:.3g}", told)
    if stage.kind == "ppo" and best.layout is not None:
        told = "the fastest common layout that holds both; updates are timed on that of the policy"
        yield Assumption("memory of a critic", "beside the policy's", told)
    if best.split.is_shared:
        told = "assumed: what trains is put aside while the same accelerators write"
        yield Assumption("memory of both roles", "one after the other", told)
