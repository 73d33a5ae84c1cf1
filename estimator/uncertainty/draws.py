"""Draws of many quantities at once: which row takes which dimension, in what distribution."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple, TypeVar

import torch
from torch import Tensor

from computebill.base.errors import RequestError, shown
from computebill.base.quantity import Family, Quantity
from computebill.kernels import sampling

B = TypeVar("B", bound="tuple[Tensor, ...]")
Method = Literal["sobol", "random"]

MOST_SAMPLES = 2**30
MOST_REPLICATES = 16
LEAST_PER_REPLICATE = 256
CHUNK = 2**14
"""Draws at a time on a CPU: what a few dozen rows of them take fits its cache."""
CHUNK_ELSEWHERE = 2**16
"""Draws at a time on another device, which wants more work at once."""

INVERSES: dict[Family, Callable[..., Tensor]] = {
    "lognormal": sampling.lognormal,
    "uniform": sampling.uniform,
    "normal": sampling.normal,
}


class Settings(NamedTuple):
    """How many draws, from where.

    Attributes:
        samples: draws in all.
        seed: the same seed gives the same draws on every device.
        device: a torch device.
        method: scrambled Sobol points, or plain Monte Carlo.
    """

    samples: int = 2**17
    seed: int = 0
    device: str = "cpu"
    method: Method = "sobol"

    @property
    def replicates(self) -> int:
        """Independent scrambles the samples are split into; their spread is the error."""
        return max(1, min(MOST_REPLICATES, self.samples // LEAST_PER_REPLICATE))

    def sizes(self) -> list[int]:
        """Return the draws of each replicate; they differ by one at most."""
        each, rest = divmod(self.samples, self.replicates)
        return [each + (i < rest) for i in range(self.replicates)]


def settings(
    samples: int | None = None,
    seed: int = 0,
    device: str = "auto",
    method: Method = "sobol",
) -> Settings:
    """Check and complete what a caller asks for.

    Raises:
        RequestError: naming ``samples``, ``seed``, ``method`` or ``device``.
    """
    if samples is None:
        samples = Settings().samples
    if not 1 <= samples <= MOST_SAMPLES:
        raise RequestError("samples", f"got {samples}; allowed: 1 to {MOST_SAMPLES}")
    if not 0 <= seed < 2**31:
        raise RequestError("seed", f"got {seed}; allowed: 0 to {2**31 - 1}")
    if method not in ("sobol", "random"):
        raise RequestError("method", f"got {shown(method)}; allowed: sobol, random")
    return Settings(samples, seed, choose_device(device), method)


def choose_device(name: str) -> str:
    """Return a device by its name: ``auto`` is a GPU where there is one.

    Raises:
        RequestError: where there is no such device.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda"):
            raise RuntimeError("a device of another kind")
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise RequestError(
            "device", f"got {shown(name)}; allowed: auto, cpu, cuda, cuda:1 ({reason})"
        ) from None
    return name


def bundle(kind: type[B], given: Mapping[str, Tensor]) -> B:
    """Return a kernel's bundle of columns, each by its field's name.

    Args:
        kind: a named tuple of tensors.
        given: columns by name; others are left.
    """
    names: tuple[str, ...] = kind._fields  # type: ignore[attr-defined]
    return kind(*(given[name] for name in names))


class Columns:
    """A fixed list of quantities, drawn together; row i of every draw is quantity i.

    A constant takes no dimension; quantities that share a name take one between them.
    """

    def __init__(self, quantities: Sequence[Quantity], names: Sequence[str], device: str) -> None:
        """Lay out ``quantities``; ``names`` tell them apart in a sensitivity table."""
        self.rows = len(quantities)
        self.device = device
        self.dimension_names: list[str] = []
        dimension_of: list[int] = []
        by_share: dict[str, int] = {}
        for quantity, name in zip(quantities, names, strict=True):
            if quantity.is_constant:
                dimension_of.append(-1)
                continue
            known = by_share.get(quantity.shared) if quantity.shared else None
            if known is None:
                known = len(self.dimension_names)
                self.dimension_names.append(quantity.shared or name)
                if quantity.shared:
                    by_share[quantity.shared] = known
            dimension_of.append(known)
        self.rows_of: list[list[int]] = [[] for _ in self.dimension_names]
        """Rows that each dimension decides."""
        for row, dimension in enumerate(dimension_of):
            if dimension >= 0:
                self.rows_of[dimension].append(row)
        if self.dimensions > sampling.MOST_DIMENSIONS:
            raise RequestError(
                "quantities",
                f"got {self.dimensions} uncertain ones; allowed: {sampling.MOST_DIMENSIONS}",
            )
        self._groups = _groups(quantities, dimension_of, device)
        self._tables = [
            (row, dimension_of[row], _table(quantity.parameters, device))
            for row, quantity in enumerate(quantities)
            if quantity.family == "table"
        ]
        self._constants = self._tensor(
            [[q.value if q.is_constant else 0.0] for q in quantities] or torch.zeros(0, 1)
        )

    @property
    def dimensions(self) -> int:
        """How many independent uncertain numbers there are."""
        return len(self.dimension_names)

    @property
    def chunk(self) -> int:
        """How many draws at a time are fastest."""
        return CHUNK if self.device == "cpu" else CHUNK_ELSEWHERE

    def points(self, settings: Settings, replicate: int, start: int, count: int) -> Tensor:
        """Uniform points ``(dimensions, count)`` of one replicate."""
        seed = settings.seed * MOST_REPLICATES + replicate
        if not self.dimensions:
            return torch.zeros(0, count, dtype=torch.float64, device=self.device)
        if settings.method == "random":
            return sampling.random_points(self.dimensions, seed, start, count, self.device)
        matrix = _sobol_matrix(self.dimensions, seed, self.device)
        return sampling.sobol_points(matrix, start, count)

    def draw(self, points: Tensor) -> Tensor:
        """Turn uniform points into values ``(rows, draws)``, in the quantities' own units."""
        values = self._constants.expand(-1, points.shape[1]).clone()
        for group in self._groups:
            u = sampling.truncated(points[group.dimensions], group.below, group.above)
            values[group.rows] = INVERSES[group.family](u, *group.parameters)
        for row, dimension, table in self._tables:
            values[row] = sampling.tabulated(points[dimension : dimension + 1], table)[0]
        return values

    def chunks(self, settings: Settings) -> Iterator[tuple[int, Tensor]]:
        """Yield ``(replicate, points)`` until all samples are drawn."""
        for replicate, size in enumerate(settings.sizes()):
            for start in range(0, size, self.chunk):
                count = min(self.chunk, size - start)
                yield replicate, self.points(settings, replicate, start, count)

    def _tensor(self, values: object) -> Tensor:
        return torch.as_tensor(values, dtype=torch.float64, device=self.device)


@lru_cache(maxsize=2 * MOST_REPLICATES)
def _sobol_matrix(dimensions: int, seed: int, device: str) -> sampling.SobolMatrix:
    """Scrambling takes longer than drawing a chunk; all chunks of a replicate share it."""
    return sampling.sobol_matrix(dimensions, seed, device)


def _table(values: Sequence[float], device: str) -> Tensor:
    """Return ``(1, points)``; through a buffer, as torch reads long sequences slowly."""
    return torch.frombuffer(array("d", values), dtype=torch.float64)[None].to(device)


class _Group(NamedTuple):
    family: Family
    rows: Tensor
    dimensions: Tensor
    parameters: tuple[Tensor, ...]
    below: Tensor
    above: Tensor


def _groups(
    quantities: Sequence[Quantity], dimension_of: Sequence[int], device: str
) -> list[_Group]:
    def column(values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64, device=device)[:, None]

    groups = []
    for family in INVERSES:
        rows = [row for row, quantity in enumerate(quantities) if quantity.family == family]
        if not rows:
            continue
        cut = [quantities[row].cut_off() for row in rows]
        groups.append(
            _Group(
                family,
                torch.tensor(rows, device=device),
                torch.tensor([dimension_of[row] for row in rows], device=device),
                tuple(
                    column(values)
                    for values in zip(*(quantities[row].parameters for row in rows), strict=True)
                ),
                column([below for below, _ in cut]),
                column([above for _, above in cut]),
            )
        )
    return groups
