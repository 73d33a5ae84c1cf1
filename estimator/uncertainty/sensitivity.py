"""Which assumption drives a result: its share of the variance, and how far it moves the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from computebill.kernels import variance

from .draws import MOST_REPLICATES, Columns, Settings

MOST_DRAWS = 2**15
ENDS = 0.05, 0.95
MOST_VALUES = 2**27
"""Values to evaluate: each dimension takes a pass over all rows, so programmes of more than a
few dozen runs get fewer draws."""


@dataclass(frozen=True)
class Driver:
    """One assumption's part in a result.

    Attributes:
        assumption: its name.
        first_order: share of the variance it explains alone.
        total: share of the variance in which it has a part.
    """

    assumption: str
    first_order: float
    total: float

    def to_dict(self) -> dict[str, str | float]:
        """Return the JSON form."""
        return asdict(self)


@dataclass(frozen=True)
class Swing:
    """A result where one assumption is at an end of its interval, the others at their medians.

    Attributes:
        assumption: its name.
        p5: the result with it at its 5th percentile.
        p50: result with all inputs at their medians.
        p95: result with the input at its 95th percentile.
    """

    assumption: str
    p5: float
    p50: float
    p95: float

    def to_dict(self) -> dict[str, str | float]:
        """Return the JSON form."""
        return asdict(self)


def swings(columns: Columns, output: Callable[[Tensor], Tensor]) -> list[Swing]:
    """Move one assumption at a time to the ends of its interval; the widest first.

    Args:
        columns: the uncertain quantities.
        output: function from points ``(dimensions, draws)`` to the result ``(draws,)``; where that
            is not known, nothing moves it.
    """
    count = columns.dimensions
    if not count:
        return []
    points = torch.full((count, 2 * count + 1), 0.5, dtype=torch.float64, device=columns.device)
    places = torch.arange(count, device=columns.device)
    points[places, places], points[places, count + places] = ENDS
    found = output(points).cpu()
    if not bool(found.isfinite().all()):
        return []
    *ends, middle = found.tolist()
    rows = zip(columns.dimension_names, ends[:count], ends[count:], strict=True)
    moved = [Swing(name, low, middle, high) for name, low, high in rows if low != high]
    return sorted(moved, key=lambda swing: -abs(swing.p95 - swing.p5))


def drivers(
    columns: Columns, output: Callable[[Tensor], Tensor], settings: Settings
) -> list[Driver]:
    """Rank the assumptions by their total share of the output's variance; none of a constant's.

    The two samples of the estimators are two replicates of the draws that the result itself is
    made of, the second in random order: scrambles of one sequence resemble each other point by
    point.

    Args:
        columns: the uncertain quantities.
        output: from drawn quantities ``(rows, draws)`` to the result ``(draws,)``.
        settings: those of the estimate.
    """
    affordable = MOST_VALUES // max(1, columns.dimensions * columns.rows)
    count = max(1024, min(MOST_DRAWS, settings.samples, affordable))
    first = columns.points(settings, 0, 0, count)
    second = columns.points(settings, MOST_REPLICATES - 1, 0, count)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(settings.seed))
    second = second[:, order.to(second.device)]
    base, other, *swapped = torch.cat(
        [
            torch.stack(list(_exchanged(columns, output, one, two)))
            for one, two in zip(
                *(torch.split(each, columns.chunk, dim=1) for each in (first, second)), strict=True
            )
        ],
        dim=1,
    )
    if bool((base == base[0]).all()):
        return []
    moved = torch.stack(swapped)
    alone = variance.first_order_share(base, other, moved).tolist()
    total = variance.total_share(base, other, moved).tolist()
    found = [Driver(*row) for row in zip(columns.dimension_names, alone, total, strict=True)]
    return sorted(found, key=lambda driver: -driver.total)


def _exchanged(
    columns: Columns, output: Callable[[Tensor], Tensor], one: Tensor, two: Tensor
) -> Iterator[Tensor]:
    """Yield the result on two samples of points, and on the first with each dimension of the other.

    A dimension decides its own rows only, so that no row is drawn again.
    """
    values, others = columns.draw(one), columns.draw(two)
    yield output(values)
    yield output(others)
    for rows in columns.rows_of:
        kept = values[rows]
        values[rows] = others[rows]
        yield output(values)
        values[rows] = kept
