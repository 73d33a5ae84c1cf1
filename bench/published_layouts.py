"""Where layouts that experts chose rank among all: ``python bench/published_layouts.py [TABLE]``.

TABLE is a CSV of measured steps (docs/measured-steps.md), the shipped one if not given. Of each
model, accelerator and number of them, the fastest measured layout is looked up among all that are
legal and fit, by predicted time.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import torch

from computebill.accuracy.measured import MeasuredRow, read_measured
from computebill.base.errors import RequestError
from computebill.training.cases import Case
from computebill.training.choice_grid import Grid
from computebill.training.choices import make_space
from computebill.training.efficiency import read_profile
from computebill.training.memory import GB
from computebill.training.parameters import bounded, unbounded
from computebill.training.step_time import estimate_step

VALUES = bounded(unbounded(read_profile().values))
LARGE = 64
"""Accelerators from which a layout is a choice that matters."""


def feasible_seconds(case: Case, batch: int) -> torch.Tensor:
    """Predicted seconds of all layouts that are legal and fit."""
    base = case.layout.model_dump(include={"attention", "kernels", "lora_rank"})
    parallel = case.layout.tp == 1 or case.layout.is_sequence_parallel
    free = Case(
        case.architecture, type(case.layout)(**base), case.accelerator, case.precision,
        case.sequence, case.software,
    )  # fmt: skip
    space = make_space(free, {"recompute": ["none", "full"], "sequence_parallel": [parallel]})
    grid = Grid(space, VALUES, torch.device("cpu"))
    room = case.accelerator.memory_gb.value * GB
    found = []
    for pipes in grid.chunks():
        chunk = grid.evaluate(pipes, case.layout.accelerators, batch)
        seconds = chunk.legal_seconds(room)
        found.append(seconds[seconds.isfinite()])
    return torch.cat(found)


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
    rows, _ = read_measured(sys.argv[1] if len(sys.argv) > 1 else None)
    shares = []
    head = f"{'source':18}{'model':28}{'GPUs':>7} {'layout':26}{'feasible':>9}"
    print(f"{head}{'rank':>7}{'over best':>11}")
    for row in chosen(rows):
        layout = row.case.layout
        batch = layout.micro_batch * (layout.micro_batches or 1) * layout.dp
        own = estimate_step(row.case).seconds
        try:
            seconds = feasible_seconds(row.case, batch)
        except RequestError as reason:
            print(f"{row.source:18}{row.model[:26]:28} left out: {reason}")
            continue
        if not len(seconds):
            print(f"{row.source:18}{row.model[:26]:28} left out: nothing fits by the memory model")
            continue
        share = float((seconds < own * (1 - 1e-9)).double().mean())
        shares.append((share, own / float(seconds.min()) - 1))
        told = f"tp {layout.tp} pp {layout.pp} vpp {layout.vpp} cp {layout.cp} ep {layout.ep}"
        print(
            f"{row.source:18}{row.model[:26]:28}{int(row.gpus):>7} {told:26}{len(seconds):>9,}"
            f"{share:>7.1%}{shares[-1][1]:>+11.1%}"
        )
    ranks = torch.tensor([share for share, _ in shares], dtype=torch.float64)
    over = torch.tensor([gap for _, gap in shares], dtype=torch.float64)
    near = float((ranks <= 0.05).double().mean())
    print(
        f"{len(ranks)} layouts: {near:.0%} among the best 5 %; rank, median {ranks.median():.1%}, "
    )
    print(f"90th percentile {ranks.quantile(0.9):.1%}; over the best, median {over.median():+.1%}")


if __name__ == "__main__":
    main()
