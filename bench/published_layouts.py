"""Where layouts that experts chose rank among all: ``python bench/published_layouts.py [TABLE]``.

TABLE is a CSV of measured steps (docs/measured-steps.md), the shipped one if not given. Of each
model, accelerator and number of them, the fastest measured layout is looked up among all that the
planner may choose: legal, offered by the row's framework at its date, and fitting with the odds
that a plan asks for, under the row's own settings; by predicted time. What is not among the best
5 % is told by the one choice, or two, that would bring it there were they the expert's for all.
"""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from computebill.accuracy.measured import MeasuredRow, read_measured
from computebill.base.errors import RequestError
from computebill.planning.spec import SEARCHED, PlanSpec
from computebill.training.choice_grid import Grid
from computebill.training.choices import Space, make_space
from computebill.training.efficiency import read_profile
from computebill.training.layout import Layout
from computebill.training.memory import GB, stage_bytes
from computebill.training.memory_odds import USUAL_ODDS, most_predicted
from computebill.training.parameters import bounded, unbounded
from computebill.training.step_time import estimate_step

VALUES = bounded(unbounded(read_profile().values))
LARGE = 64
"""Accelerators from which a layout is a choice that matters."""

BEST = 0.05
"""Share of all layouts that an expert's is to be among."""

MANY = 100
"""Layouts from which a share of them is no matter of one or two."""

MARGIN: float = PlanSpec.model_fields["memory_margin"].default

CHOICES = ("pipeline", "tp", "cp", "experts", "ZeRO", "micro-batch", "recomputation")
"""Dimensions of a space, by name."""

ALONE = "more than two choices"
UNFIT = "it does not fit by the memory model"


class Rank(NamedTuple):
    """Where an expert's layout is among all.

    Attributes:
        layouts: number of those that may be chosen.
        share: of them, that are predicted to be faster.
        over: seconds over the fastest's, less one.
        cause: of a share above ``BEST``.
    """

    layouts: int
    share: float
    over: float
    cause: str


def free_space(row: MeasuredRow) -> Space:
    """What a planner may choose for a row: its settings stay, degrees are free."""
    case, offer = row.case, row.offer
    fixed = {
        name: getattr(case.layout, name)
        for name in case.layout.model_fields_set
        if name not in SEARCHED
    }
    free = replace(case, layout=Layout(**fixed))
    given: dict[str, Any] = {"schedule": [case.layout.schedule]}
    if case.layout.tp > 1:
        given["sequence_parallel"] = [case.layout.is_sequence_parallel]
    usual = ("none", "full") if offer is None else offer.tried("recompute", ("none", "full"))
    given["recompute"] = list(dict.fromkeys((*usual, case.layout.recompute)))
    return make_space(free, given, offer=offer)


def batch_of(row: MeasuredRow) -> int:
    """Sequences of a row's step."""
    layout = row.case.layout
    return layout.micro_batch * (layout.micro_batches or 1) * layout.dp


def all_seconds(row: MeasuredRow, space: Space, limit: float) -> Tensor:
    """Predicted seconds of a space's layouts, its shape; infinite where one may not be chosen."""
    grid = Grid(space, VALUES, torch.device("cpu"))
    found = torch.full(space.shape, torch.inf, dtype=torch.float64)
    for pipes in grid.chunks():
        chunk = grid.evaluate(pipes, row.case.layout.accelerators, batch_of(row))
        if chunk.seconds.numel():
            found[torch.meshgrid(*chunk.places, indexing="ij")] = chunk.legal_seconds(limit)
    return found


def own_choices(layout: Layout, space: Space) -> Iterator[list[int]]:
    """Places of the expert's choice in each dimension of a space, as ``CHOICES`` has them."""
    wanted = (
        (space.pipes, lambda each: (each.pp, each.vpp) == (layout.pp, layout.vpp)),
        (space.tp, lambda each: each.tp == layout.tp),
        (space.cp, lambda each: each == layout.cp),
        (space.experts, lambda each: each.ep == layout.ep),
        (space.sharding, lambda each: each.zero == layout.zero),
        (space.micro, lambda each: each == layout.micro_batch),
        (space.recompute, lambda each: each == layout.recompute),
    )
    for choices, is_own in wanted:
        yield [place for place, each in enumerate(choices) if is_own(each)]


def ranked(row: MeasuredRow) -> Rank | None:
    """Where a row's layout is among all; None where no other may be chosen.

    Raises:
        RequestError: where no space can be made.
    """
    space = free_space(row)
    room = row.case.accelerator.memory_gb.value * GB
    limit = min(room * (1 - MARGIN), most_predicted(room, USUAL_ODDS))
    seconds, own = all_seconds(row, space, limit), estimate_step(row.case).seconds
    layouts = int(seconds.isfinite().sum())
    if not layouts:
        return None
    share, over = _faster(seconds, own), own / float(seconds.min()) - 1
    return Rank(layouts, share, over, _cause(row, space, seconds, own) if share > BEST else "")


def _faster(seconds: Tensor, own: float) -> float:
    """Share of the layouts that may be chosen that is predicted to be faster."""
    others = seconds[seconds.isfinite()]
    return float((others < own * (1 - 1e-9)).double().mean()) if others.numel() else 0.0


def _cause(row: MeasuredRow, space: Space, seconds: Tensor, own: float) -> str:
    """The one choice, or two, that bring a layout among the best, fixed as the expert has it."""
    layout = row.case.layout
    places = list(own_choices(layout, space))
    tried = [n for n, each in enumerate(places) if each and seconds.shape[n] > len(each)]
    for together in (1, 2):
        shares = {}
        for dimensions in itertools.combinations(tried, together):
            left = seconds
            for dimension in dimensions:
                left = left.index_select(dimension, torch.tensor(places[dimension]))
            if bool(left.isfinite().any()):
                shares[dimensions] = _faster(left, own)
        least = min(shares, key=shares.__getitem__, default=())
        if least and shares[least] <= BEST:
            best = space.layout(int(seconds.argmin()), layout.accelerators, batch_of(row))
            return " and ".join(_difference(CHOICES[each], layout, best) for each in least)
    sizes = stage_bytes(row.case.architecture, [layout], float(row.case.sequence))
    room = row.case.accelerator.memory_gb.value * GB
    return UNFIT if float(sizes.nan_to_num(0.0).amax()) > room else ALONE


def _difference(name: str, own: Layout, best: Layout) -> str:
    """What the expert chose and what is predicted to be best, without figures of one model."""
    if name == "recomputation":
        return f"recompute {own.recompute}, not {best.recompute}"
    fields = {
        "pipeline": "pp", "tp": "tp", "cp": "cp", "experts": "ep", "ZeRO": "zero",
        "micro-batch": "micro_batch",
    }  # fmt: skip
    one, other = getattr(own, fields[name]), getattr(best, fields[name])
    return f"{'more' if one > other else 'less' if one < other else 'other'} {name}"


def chosen(rows: Sequence[MeasuredRow]) -> list[MeasuredRow]:
    """The fastest measured of each model, accelerator, number, batch and precision."""
    best: dict[tuple[object, ...], MeasuredRow] = {}
    for row in rows:
        case = row.case
        if row.gpus < LARGE or row.seconds is None or case.layout.lora_rank:
            continue
        what = (row.model, row.gpu, row.gpus, case.precision, case.sequence, row.tokens)
        if what not in best or row.seconds < (best[what].seconds or 0.0):
            best[what] = row
    return list(best.values())


def main() -> None:
    torch.set_num_threads(1)
    rows, _ = read_measured(sys.argv[1] if len(sys.argv) > 1 else None)
    found: list[tuple[MeasuredRow, Rank]] = []
    head = f"{'source':18} {'model':28}{'GPUs':>7} {'layout':26}{'to choose':>10}"
    print(f"{head}{'rank':>7}{'over best':>11}  what the expert has")
    for row in chosen(rows):
        layout, start = row.case.layout, f"{row.source[:18]:18} {row.model[:26]:28}"
        try:
            rank = ranked(row)
        except RequestError as reason:
            print(f"{start} left out: {reason}")
            continue
        if rank is None:
            print(f"{start} left out: nothing fits by the memory model")
            continue
        found.append((row, rank))
        told = f"tp {layout.tp} pp {layout.pp} vpp {layout.vpp} cp {layout.cp} ep {layout.ep}"
        print(
            f"{start}{int(row.gpus):>7} {told:26}{rank.layouts:>10,}"
            f"{rank.share:>7.1%}{rank.over:>+11.1%}  {rank.cause}"
        )
    _summary(found)


def _summary(found: Sequence[tuple[MeasuredRow, Rank]]) -> None:
    """Print the share among the best, and the rest by cause."""
    shares = torch.tensor([rank.share for _, rank in found], dtype=torch.float64)
    over = torch.tensor([rank.over for _, rank in found], dtype=torch.float64)
    near = float((shares <= BEST).double().mean())
    print(f"{len(found)} layouts: {near:.0%} among the best 5 %")
    print(f"rank, median {shares.median():.1%}, 90th percentile {shares.quantile(0.9):.1%}")
    print(f"over the best, median {over.median():+.1%}")
    many = [rank.share <= BEST for _, rank in found if rank.layouts >= MANY]
    print(f"of {len(many)} with {MANY} or more to choose from: {sum(many) / len(many):.0%}")
    causes = Counter(rank.cause for _, rank in found if rank.cause)
    print(f"The other {sum(causes.values())}, by what the expert has beside the predicted best:")
    for cause, count in causes.most_common():
        sources = Counter(row.source for row, rank in found if rank.cause == cause)
        print(f"{count:>5}  {cause} ({', '.join(sources)})")


if __name__ == "__main__":
    main()
