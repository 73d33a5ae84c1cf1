"""One pass over all experiments: what is needed of them to draw and to pack, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from computebill.base.errors import RequestError
from computebill.hardware.accelerators import Accelerator
from computebill.kernels.units import SECONDS_PER_HOUR
from computebill.training.utilisation import practice

from .effort import Effort, effort_of
from .expand import Cell, cells
from .fields import NUMBERS
from .spec import Group
from .workshop import Workshop

LARGEST = 128
"""Experiments of a part that are kept one by one."""

SIZE_STEPS = torch.tensor(
    [digit * 10.0**power for power in range(5, 14) for digit in (1, 2, 5)], dtype=torch.float64
)
"""Edges between model sizes, as they are told."""

OCTAVE = 16
"""Kinds of jobs in a doubling of hours: experiments as long but for 4 % are packed as alike."""

Progress = Callable[[int], None]
Sink = Callable[[dict[str, Tensor | str]], None]


@dataclass
class Sizes:
    """Experiments by model size; each ``(sizes,)``, the first for those not known."""

    experiments: Tensor = field(default_factory=lambda: _zeros(len(SIZE_STEPS) + 1))
    seconds: Tensor = field(default_factory=lambda: _zeros(len(SIZE_STEPS) + 1))

    def add(self, effort: Effort, copies: float) -> None:
        """Count experiments."""
        known = effort.params.nan_to_num(0.0)
        place = torch.searchsorted(SIZE_STEPS.to(known.device), known, right=True)
        count = len(SIZE_STEPS) + 1
        self.experiments += copies * torch.bincount(place, minlength=count).cpu()
        self.seconds += copies * torch.bincount(place, effort.seconds, minlength=count).cpu()


@dataclass(frozen=True)
class Jobs:
    """Experiments as long as each other, on as many accelerators.

    Attributes:
        group: place of their group.
        gpus: accelerators of each.
        hours: of each.
        count: of them.
    """

    group: int
    gpus: int
    hours: float
    count: float


@dataclass
class Part:
    """Experiments of a group on one accelerator.

    Attributes:
        group: place of the group.
        accelerator: the part they run on.
        precision: of products.
        experiments: how many.
        flop: of their models, all experiments run to their end.
        training: accelerator-seconds, each to its end.
        serving: the same, of reading and writing tokens.
        squares: sum of the squares of each one's accelerator-seconds.
        largest: accelerator-seconds of the largest experiments, one by one.
        gpus: mean accelerators of an experiment, by seconds.
    """

    group: int
    accelerator: Accelerator
    precision: str
    experiments: float = 0.0
    flop: float = 0.0
    training: float = 0.0
    serving: float = 0.0
    squares: float = 0.0
    gpus: float = 0.0
    largest: Tensor = field(default_factory=lambda: _zeros(0))

    @property
    def seconds(self) -> float:
        """Accelerator-seconds of both."""
        return self.training + self.serving

    def add(self, effort: Effort, copies: float) -> None:
        """Take a chunk of experiments, each so many times."""
        seconds = effort.seconds
        self.experiments += copies * len(seconds)
        self.flop += copies * float(effort.flop.sum())
        self.training += copies * float(effort.training.sum())
        self.serving += copies * float(effort.serving.sum())
        self.squares += copies * float((seconds**2).sum())
        self.gpus += copies * float((seconds * effort.gpus).sum())
        top = torch.topk(seconds, min(LARGEST, len(seconds))).values.cpu()
        each = top.repeat_interleave(int(min(copies, LARGEST)))
        both = torch.cat([self.largest, each])
        self.largest = torch.topk(both, min(LARGEST, len(both))).values


@dataclass
class Totals:
    """All experiments, added up.

    Attributes:
        parts: of groups, by accelerator.
        sizes: of each group.
        jobs: kinds of jobs.
    """

    parts: list[Part]
    sizes: list[Sizes]
    jobs: list[Jobs]


def add_up(
    groups: Sequence[Group],
    workshop: Workshop,
    device: str,
    progress: Progress | None = None,
    sink: Sink | None = None,
) -> Totals:
    """Go through all experiments once.

    Args:
        groups: of experiments.
        workshop: that works them out.
        device: it computes on.
        progress: told of rows as they are done.
        sink: given every chunk's columns.

    Raises:
        RequestError: naming the group and the field.
    """
    names = used_fields(groups)
    parts: dict[tuple[int, str, str], Part] = {}
    sizes = [Sizes() for _ in groups]
    jobs: dict[tuple[int, int, int], list[float]] = {}
    for place, cell in all_cells(groups):
        with told_of_group(place):
            accelerator, precision = workshop.accelerator(cell), workshop.precision(cell)
        key = (place, accelerator.name, precision)
        part = parts.setdefault(key, Part(place, accelerator, precision))
        for given in cell.chunks(device):
            with told_of_group(place):
                effort = effort_of(workshop.experiments(cell, given), workshop)
            # What nothing runs in is reserved all the same.
            idle = 1.0 / (1.0 - cell.group.idle)
            effort = effort._replace(training=effort.training * idle, serving=effort.serving * idle)
            part.add(effort, cell.copies)
            sizes[place].add(effort, cell.copies)
            _add_jobs(jobs, place, cell, effort)
            if sink is not None:
                sink(_columns(cell, part, {name: given.get(name) for name in names}, effort))
            if progress is not None:
                progress(len(effort.flop))
    for part in parts.values():
        if not part.seconds:
            raise RequestError(f"groups[{part.group}]", "its experiments do nothing: no tokens")
        part.gpus /= part.seconds
    found = [
        Jobs(place, gpus, total / count, count)
        for (place, gpus, _), (count, total) in sorted(jobs.items())
    ]
    return Totals(list(parts.values()), sizes, found)


def all_cells(groups: Sequence[Group]) -> Iterator[tuple[int, Cell]]:
    """Yield cells with the place of their group."""
    for place, group in enumerate(groups):
        with told_of_group(place):
            found = cells(group)
        for cell in found:
            yield place, cell


@contextmanager
def told_of_group(place: int) -> Iterator[None]:
    """Name the group in what is told of a mistake in it."""
    try:
        yield
    except RequestError as error:
        raise RequestError(f"groups[{place}].{error.field}", error.problem) from None


def _add_jobs(
    jobs: dict[tuple[int, int, int], list[float]], place: int, cell: Cell, effort: Effort
) -> None:
    """Count experiments by accelerators and hours."""
    hours = typical_hours(cell.group, effort) / effort.gpus
    # A cell's experiments are on one number of accelerators, or on powers of two.
    is_one = "count" in cell.apart
    octave = (torch.log2(hours.clamp_min(1e-30)) * OCTAVE).round().to(torch.int64)
    doublings = torch.log2(effort.gpus).round().to(torch.int64)
    least = int(octave.min())
    width = int(octave.max()) - least + 1
    kind = octave - least if is_one else doublings * width + octave - least
    counts = torch.bincount(kind).cpu()
    sums = torch.bincount(kind, hours).cpu()
    for key in torch.nonzero(counts)[:, 0].tolist():
        gpus = int(effort.gpus[0]) if is_one else 2 ** (key // width)
        held = jobs.setdefault((place, gpus, key % width + least), [0.0, 0.0])
        held[0] += float(counts[key]) * cell.copies
        held[1] += float(sums[key]) * cell.copies


def typical_hours(group: Group, effort: Effort) -> Tensor:
    """Accelerator-hours of experiments run to their end, at medians of all but their failures."""
    if group.gpu_hours is not None:
        return effort.training * group.gpu_hours.median / SECONDS_PER_HOUR
    usual = practice("rl" if group.kind == "rl" else "training").middle
    training = effort.training * usual if group.mfu is None else effort.training / group.mfu.median
    serves = usual if group.kind == "rl" else 1.0
    if group.throughput is not None:
        serves = 1.0 / group.throughput.median
    return (training + effort.serving * serves) / SECONDS_PER_HOUR


def used_fields(groups: Sequence[Group]) -> list[str]:
    """Return the numbers that any group gives to its experiments, in the order of their table."""
    used: set[str] = set()
    for group in groups:
        used.update(group.fields, group.axes, *group.rows)
        used.update(group.samples.quantities if group.samples is not None else ())
        used.update({"params"} if group.ladder is not None else ())
    return [name for name in NUMBERS if name in used]


def _columns(
    cell: Cell, part: Part, given: Mapping[str, Tensor | None], effort: Effort
) -> dict[str, Tensor | str]:
    """A chunk's rows; the same columns of every group."""
    unknown = torch.full_like(effort.flop, math.nan)
    return {
        "group": cell.group.name,
        "kind": cell.group.kind,
        "model": str(cell.apart.get("model", "")),
        "accelerator": part.accelerator.name,
        "precision": part.precision,
        **{name: unknown if column is None else column for name, column in given.items()},
        "copies": torch.full_like(effort.flop, cell.copies),
        "gpus": effort.gpus,
        "model_flop": effort.flop,
        "gpu_hours_to_the_end": typical_hours(cell.group, effort),
    }


def size_bounds() -> list[tuple[float, float]]:
    """Return the bounds of the sizes that experiments are told by; the first is not known."""
    edges = SIZE_STEPS.tolist()
    return [(math.nan, edges[0]), *zip(edges, [*edges[1:], math.inf], strict=True)]


def _zeros(count: int) -> Tensor:
    return torch.zeros(count, dtype=torch.float64)
