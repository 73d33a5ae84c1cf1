"""Utilisation of experiments: what the fastest common layout of a size on so many GPUs reaches.

Small runs reach less than large ones. The step model times every common layout of a size, number of
accelerators and batch, as ``computebill plan`` does; between sizes and batches its logarithm is
interpolated.
"""

from __future__ import annotations

import itertools
import math
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from importlib import resources
from typing import NamedTuple

import torch
from torch import Tensor

from computebill.architectures import Architecture
from computebill.architectures.columns import columns
from computebill.hardware.accelerators import Accelerator, peak_flop_per_s
from computebill.hardware.fitted import Fitted

from .cases import Case
from .choice_grid import Grid
from .choices import make_space
from .layout import Layout
from .memory import GB, peak_memory
from .memory_odds import most_predicted
from .parameters import bounded, unbounded
from .shapes import architecture_of, shape_of
from .software import Software

MARGIN = 0.05
"""Share of the memory that stays free."""

STAGES = (1, 2, 4, 8, 16)
FEW = 48
"""Sizes up to which each is computed by itself; of more, some between which is interpolated."""

LARGER = 1.5
"""Times the parameters of the nearest shape, that a model may have."""

TRIED = 4096
"""Rows that are looked at first, to tell whether there are few sizes."""

STEPS_PER_DOUBLING = 4
"""Sizes that are computed, where they are many."""

LEAST_PER_GPU, MOST_PER_GPU = -7, 6
"""Sequences of a step on an accelerator, as powers of two, between which is interpolated: fewer
are shared by tensor parallel ranks, and more take no less time each."""


Node = Callable[[int, Sequence[int]], Mapping[int, float]]
"""Utilisation of a model on so many accelerators, by the power of two of their sequences."""


class Fastest(NamedTuple):
    """The fastest common layout of a model.

    Attributes:
        layout: over accelerators.
        seconds: of a step [s].
        memory_gb: of the fullest process [GB].
        states_gb: of it, weights, gradients and states of the optimizer [GB].
    """

    layout: Layout
    seconds: float
    memory_gb: float
    states_gb: float


@dataclass
class Utilisation:
    """Of one accelerator, precision and sequence length.

    Attributes:
        accelerator: the part.
        precision: of products.
        sequence: tokens.
        software: generation of the software.
        fitted: efficiencies.
        fit_odds: odds of fitting that a layout has to have; None: it leaves the margin free alone.
    """

    accelerator: Accelerator
    precision: str
    sequence: int
    software: Software
    fitted: Fitted
    fit_odds: float | None = None
    _grids: dict[Architecture, Grid] = field(default_factory=dict)
    _found: dict[Architecture, dict[tuple[int, int], float]] = field(default_factory=dict)

    @property
    def most_gb(self) -> float:
        """Most memory that a layout is predicted to take [GB]."""
        room = self.accelerator.memory_gb.value
        most = room if self.fit_odds is None else most_predicted(room, self.fit_odds)
        return min(room * (1 - MARGIN), most)

    def of_sizes(
        self, sizes: Tensor, batch: Tensor, count: int, wanted: Tensor | None = None
    ) -> Tensor:
        """Model FLOP utilisation under 6 N D of models by their size.

        Args:
            sizes: parameters that a token meets; ``(rows,)``.
            batch: sequences of a step; ``(rows,)``.
            count: accelerators.
            wanted: rows that are asked for; ``(rows,)``, all where not given.

        Returns:
            ``(rows,)``; NaN where no layout is legal and fits, and where nobody asks.
        """
        few = few_values(sizes)
        if few is not None:
            nodes, where = few[0].tolist(), few[1].to(torch.float64)
        else:
            # The same nodes whatever else is asked for, so that an answer is its own.
            where = torch.log2(sizes) * STEPS_PER_DOUBLING
            low, high = int(where.min().floor()), int(where.max().ceil())
            nodes = [2.0 ** (step / STEPS_PER_DOUBLING) for step in range(low, high + 1)]
            where = where - low
        return self._interpolated(
            [partial(self._size, size) for size in nodes], where, batch, count, wanted, few is None
        )

    def of_model(
        self,
        architecture: Architecture,
        active: float,
        batch: Tensor,
        count: int,
        wanted: Tensor | None = None,
    ) -> Tensor:
        """The same of one model; ``active`` are the parameters that a token meets."""
        at = partial(self._at, architecture, active)
        return self._interpolated([at], torch.zeros_like(batch), batch, count, wanted)

    def _interpolated(
        self,
        nodes: Sequence[Node],
        row: Tensor,
        batch: Tensor,
        count: int,
        wanted: Tensor | None,
        is_between: bool = False,
    ) -> Tensor:
        """Utilisation between models and numbers of sequences on an accelerator.

        Args:
            nodes: utilisation of each model, on so many accelerators, at powers of two sequences.
            row: place of each among the models; ``(rows,)``.
            batch: sequences of a step; fewer than ranks can share are not known.
            count: accelerators.
            wanted: rows that are asked for; all where not given.
            is_between: whether places lie between models; the node's place is no limit then.
        """
        per_gpu = batch / count
        steps = torch.log2(per_gpu).clamp(LEAST_PER_GPU, MOST_PER_GPU)
        if wanted is None:
            wanted = torch.ones_like(batch, dtype=torch.bool)
        first, last = int(steps.min().floor()), int(steps.max().ceil())
        table = torch.full((len(nodes), last + 1 - first), math.nan, dtype=torch.float64)
        corners = _corners(row[wanted], steps[wanted] - first, is_between)
        for place, several in itertools.groupby(corners, key=lambda corner: corner[0]):
            asked = [first + step for _, step in several]
            for step, share in nodes[place](count, asked).items():
                table[place, step - first] = math.log(share)
        if is_between:
            # Just above the largest that fits it counts as that.
            table = torch.where(table.isnan(), torch.cat([table[:1], table[:-1]]), table)
        found = torch.exp(bilinear(table.to(row.device), row, steps - first))
        return torch.where(per_gpu < 2.0**LEAST_PER_GPU, torch.nan, found)

    def _size(self, params: float, count: int, steps: Sequence[int]) -> dict[int, float]:
        architecture, counted = architecture_of(shape_of(params))
        if params > LARGER * counted:  # than the largest shape there is
            return dict.fromkeys(steps, math.nan)
        return self._at(architecture, counted, count, steps)

    def _at(
        self, architecture: Architecture, active: float, count: int, steps: Sequence[int]
    ) -> dict[int, float]:
        """Utilisation at nodes: so many accelerators, ``2**step`` sequences on each; by step."""
        known = self._found.setdefault(architecture, {})
        new = [step for step in steps if (count, step) not in known]
        for step, share in self._fastest(architecture, active, count, new).items():
            known[count, step] = share
        return {step: known[count, step] for step in steps}

    def _fastest(
        self, architecture: Architecture, active: float, count: int, steps: Sequence[int]
    ) -> dict[int, float]:
        found = dict.fromkeys(steps, math.nan)
        whole = [step for step in steps if (count * 2.0**step) % 1 == 0]
        if not whole:
            return found
        grid = self._grid(architecture)
        room = self.most_gb * GB
        batches = [int(count * 2.0**step) for step in whole]
        seconds = torch.full((len(whole),), math.inf, dtype=torch.float64)
        for pipes in grid.chunks():
            chunk = grid.evaluate(pipes, count, *batches)
            if chunk.seconds.numel():
                least = chunk.legal_seconds(room).flatten(1).amin(1)
                seconds[chunk.batches] = torch.minimum(seconds[chunk.batches], least)
        peak = peak_flop_per_s(self.accelerator, self.precision)
        for step, batch, took in zip(whole, batches, seconds.tolist(), strict=True):
            if math.isfinite(took):
                found[step] = 6.0 * active * batch * self.sequence / (took * peak * count)
        return found

    def fastest(
        self,
        architecture: Architecture | None,
        active: float,
        batch: float,
        count: int,
        most_gb: float = math.inf,
    ) -> Fastest | None:
        """Return the layout whose utilisation is told; None where none is legal and fits.

        Args:
            architecture: the model's; None where only its size is known.
            active: parameters that a token meets.
            batch: sequences of a step, of which the nearest power of two for an accelerator that
                has a layout is taken.
            count: accelerators.
            most_gb: memory of a process that it takes at most, beside what is to stay free [GB].
        """
        if architecture is None:
            architecture = architecture_of(shape_of(active))[0]
        near = math.log2(batch / count)
        steps = sorted(range(LEAST_PER_GPU, MOST_PER_GPU + 1), key=lambda step: abs(step - near))
        for step in steps:
            found = self._laid_out(architecture, count, step, most_gb)
            if found is not None:
                return found._replace(states_gb=self._states(architecture, found.layout))
        return None

    def _states(self, architecture: Architecture, layout: Layout) -> float:
        """Weights, gradients and states of the fullest process [GB]."""
        found = peak_memory(columns(architecture), float(self.sequence), [layout])
        held = found.weights + found.gradients + found.optimizer
        return float(held.nan_to_num(0.0).amax()) / GB

    def _laid_out(
        self, architecture: Architecture, count: int, step: int, most_gb: float
    ) -> Fastest | None:
        batch = count * 2.0**step
        if batch % 1:
            return None
        grid = self._grid(architecture)
        room = min(self.most_gb, most_gb) * GB
        found: list[Fastest] = []
        for pipes in grid.chunks():
            chunk = grid.evaluate(pipes, count, int(batch))
            seconds = chunk.legal_seconds(room).reshape(-1)
            if not seconds.numel() or not math.isfinite(float(seconds.min())):
                continue
            where = seconds.argmin()
            size = float(chunk.bytes.expand_as(chunk.seconds).reshape(-1)[where])
            place = int(chunk.place(where, grid.space.shape))
            layout = grid.space.layout(place, count, int(batch))
            found.append(Fastest(layout, float(seconds[where]), size / GB, math.nan))
        return min(found, key=lambda each: each.seconds) if found else None

    def _grid(self, architecture: Architecture) -> Grid:
        if architecture not in self._grids:
            layers = int(architecture.layer_count)
            stages = [pp for pp in STAGES if layers % pp == 0]
            case = Case(
                architecture=architecture,
                layout=Layout(),
                accelerator=self.accelerator,
                precision=self.precision,
                sequence=self.sequence,
                software=self.software,
            )
            space = make_space(case, {"pp": stages, "vpp": [1], "cp": [1]})
            values = bounded(unbounded(self.fitted.values))
            self._grids[architecture] = Grid(space, values, torch.device("cpu"))
        return self._grids[architecture]


def _corners(row: Tensor, column: Tensor, with_smaller: bool) -> list[tuple[int, int]]:
    """Points of a table that places lie between; those one row before too, where asked for."""
    rows = [row.floor(), row.ceil()]
    if with_smaller:
        rows.append((rows[0] - 1.0).clamp_min(0.0))
    columns = [column.floor(), column.ceil()]
    pairs = torch.stack([torch.stack([one, two]) for one in rows for two in columns], dim=2)
    found = torch.unique(pairs.flatten(1), dim=1).to(torch.int64)
    return [(place, step) for place, step in found.T.tolist()]


class Practice(NamedTuple):
    """What people's steps take over what is predicted.

    Attributes:
        low: 5th percentile.
        middle: median.
        high: 95th percentile.
        rows: measured steps.
        sources: that they are of.
    """

    low: float
    middle: float
    high: float
    rows: int
    sources: int


@lru_cache
def practice(of: str) -> Practice:
    """Return the figures that ship, of ``training`` or ``rl``."""
    text = resources.files(__package__).joinpath(f"{of}.toml").read_text(encoding="utf-8")
    return Practice(**tomllib.loads(text))


def few_values(values: Tensor) -> tuple[Tensor, Tensor] | None:
    """Return the different values and where each row's is among them; None where there are many.

    Args:
        values: ``(rows,)``.
    """
    few = torch.unique(values[:TRIED])
    if len(few) > FEW:
        return None
    place = torch.searchsorted(few, values).clamp(max=len(few) - 1)
    if not bool((few[place] == values).all()):
        few, place = torch.unique(values, return_inverse=True)
    return None if len(few) > FEW else (few, place)


def bilinear(table: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Values of a table between its points.

    Where one side is not known (NaN), a place that lies on the other is.

    Args:
        table: ``(rows, columns)``.
        row: places, fractions between; ``(points,)``.
        column: places; ``(points,)``.
    """
    low, left = (each.floor().to(torch.int64) for each in (row, column))
    high = (low + 1).clamp(max=table.shape[0] - 1)
    right = (left + 1).clamp(max=table.shape[1] - 1)
    down, along = row - low, column - left

    def between(one: Tensor, other: Tensor, part: Tensor) -> Tensor:
        return torch.where(part == 0, one, torch.lerp(one, other, part))

    upper = between(table[low, left], table[low, right], along)
    lower = between(table[high, left], table[high, right], along)
    return between(upper, lower, down)
