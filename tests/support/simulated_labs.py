"""Steps of made-up labs: the kernels' own times at known efficiencies, and known errors."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from measured_table import Write
from torch import Tensor

from computebill.accuracy.measured import read_measured
from computebill.accuracy.measurements import Measurements, measurements
from computebill.hardware.fitted import Fitted
from computebill.training.cases import Case, case_columns, step_times
from computebill.training.intervals import step_interval
from computebill.training.parameters import INDEX, bounded, priors, unbounded

LAYOUTS = [
    {
        "tp": tp,
        "dp": 8 // tp,
        "micro_batch": micro,
        "seq_len": sequence,
        "zero_stage": zero,
        "hidden": hidden,
        "ffn_hidden": 3 * hidden,
    }
    for tp, micro, sequence, zero, hidden in itertools.product(
        (1, 2, 8), (1, 4), (2048, 16384), (1, 3), (4096, 8192)
    )
]
"""Different steps of dense models on eight H100."""


def free_at(moved: Mapping[str, float]) -> Tensor:
    """Return efficiencies, free of bounds, some of them moved from what is sensible."""
    free = priors()
    for name, by in moved.items():
        free[INDEX[name]] += by
    return free


def of_labs(write: Write, labs: int, each: int, start: int = 0) -> Measurements:
    """Return rows of so many labs, so many each; their times are still to be made up."""
    places = itertools.cycle(range(len(LAYOUTS)))
    chosen = list(itertools.islice(places, start, start + labs * each))
    rows, skipped = read_measured(
        write(
            *(
                {**LAYOUTS[place], "lab": f"lab {index // each}", "source_id": f"s{index // each}"}
                for index, place in enumerate(chosen)
            )
        )
    )
    assert not skipped
    return measurements(rows)


def timed(measured: Measurements, free: Tensor, errors: Tensor | None = None) -> Measurements:
    """Return rows that took what the kernels say at some efficiencies, times ``exp(errors)``."""
    logs = step_times(measured.cases, bounded(free)).total.log()
    logs = logs if errors is None else logs + errors
    rows = zip(measured.rows, logs.exp().tolist(), strict=True)
    told = tuple(replace(row, seconds=seconds) for row, seconds in rows)
    return Measurements(told, measured.cases, logs)


def effects(labs: Sequence[str], lab: float, row: float, seed: int) -> tuple[Tensor, Tensor]:
    """Return errors of rows, ``(rows,)``, and of labs, ``(labs,)``, drawn with those deviations."""
    generator = torch.Generator().manual_seed(seed)
    names = list(dict.fromkeys(labs))
    of_labs = lab * torch.randn(len(names), generator=generator, dtype=torch.float64)
    own = row * torch.randn(len(labs), generator=generator, dtype=torch.float64)
    return of_labs[[names.index(name) for name in labs]] + own, of_labs


def hessian(function: Callable[[Tensor], float], at: Tensor, width: float = 1e-3) -> Tensor:
    """Return second differences of a function of few numbers, ``(numbers, numbers)``."""
    size = len(at)
    found = torch.zeros(size, size, dtype=torch.float64)
    steps = width * torch.eye(size, dtype=torch.float64)
    for one, other in itertools.product(range(size), repeat=2):
        signs = ((1, 1), (1, -1), (-1, 1), (-1, -1))
        values = [a * b * function(at + a * steps[one] + b * steps[other]) for a, b in signs]
        found[one, other] = sum(values) / (4 * width**2)
    return found


def interval_of_step(case: Case, fitted: Fitted) -> tuple[float, float] | None:
    """The interval of a step's time under a profile."""
    free = unbounded(fitted.values).requires_grad_(True)
    columns = case_columns([case])
    seconds = step_times(columns, bounded(free)).total
    found = step_interval(case, columns, fitted, seconds, free)
    return None if found is None else (found.low, found.high)
