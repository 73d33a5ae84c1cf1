"""Distributions as they are reported: p5, p50, p95, mean, and the Monte Carlo error of each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from computebill.base.errors import RequestError
from computebill.kernels import quantiles

from .draws import Settings

PROBABILITIES = (0.05, 0.5, 0.95)
KEYS = ("p5", "p50", "p95", "mean")

MOST_KEPT = 2**26
"""Values kept for exact quantiles, half a gigabyte of them; beyond, counts over narrow bins."""


@dataclass(frozen=True)
class Distribution:
    """A result: quantiles and mean, in the unit of its key.

    Attributes:
        p5: 5th percentile.
        p50: median.
        p95: 95th percentile.
        mean: mean.
        errors: Monte Carlo standard error of each of the four, NaN where the draws are too few
            to tell.
    """

    p5: float
    p50: float
    p95: float
    mean: float
    errors: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)

    @property
    def is_known(self) -> bool:
        """Whether there is a figure at all."""
        return math.isfinite(self.p50)

    @property
    def relative_error(self) -> float:
        """Largest Monte Carlo error of p5, p50 and p95, relative to the figure."""
        pairs = zip((self.p5, self.p50, self.p95), self.errors, strict=False)
        return max((abs(error / value) if value else 0.0 for value, error in pairs), default=0.0)

    def scaled(self, factor: float) -> Distribution:
        """Return the same distribution in another unit."""
        return Distribution(
            self.p5 * factor,
            self.p50 * factor,
            self.p95 * factor,
            self.mean * factor,
            tuple(error * abs(factor) for error in self.errors),
        )

    def to_dict(self) -> dict[str, Any] | None:
        """Return the JSON form; None where the figure is not known."""
        if not self.is_known:
            return None
        values = {key: float(getattr(self, key)) for key in KEYS}
        errors = dict(zip(KEYS, self.errors, strict=True))
        known = all(map(math.isfinite, self.errors))
        return {**values, "monte_carlo_error": errors if known else None}


class Collector:
    """Gathers rows of draws, chunk by chunk, replicate by replicate, and summarises them."""

    def __init__(self, rows: int, settings: Settings) -> None:
        """Prepare for at most ``settings.samples`` draws of ``rows`` outputs."""
        replicates = settings.replicates
        # Below BINS draws the counts would take more memory than the draws themselves.
        self._exact = settings.samples <= max(MOST_KEPT // rows, MOST_KEPT // 2**8)
        self._kept: list[list[Tensor]] = [[] for _ in range(replicates)]
        self._counts: Tensor | None = None
        self._counts_now: Tensor | None = None
        self._drawn = torch.zeros(replicates, 1, dtype=torch.float64)
        self._sums = torch.zeros(replicates, rows, dtype=torch.float64)
        self._low = torch.full((rows,), math.inf, dtype=torch.float64)
        self._high = -self._low
        self._replicate = 0
        self._of_replicates: list[Tensor] = []

    def add(self, replicate: int, values: Tensor) -> None:
        """Take ``values`` ``(rows, draws)``; replicates come one after the other."""
        if replicate != self._replicate:
            self._close_replicate()
            self._replicate = replicate
        if not values.shape[1]:
            return
        self._drawn[replicate] += values.shape[1]
        self._sums[replicate] += values.sum(1).cpu()
        self._low = torch.minimum(self._low, values.amin(1).cpu())
        self._high = torch.maximum(self._high, values.amax(1).cpu())
        if self._exact:
            self._kept[replicate].append(values.cpu())
            return
        self._counts_now = quantiles.count_bins(values, self._counts_now)

    def finish(self) -> list[Distribution]:
        """Return one distribution a row.

        Raises:
            RequestError: where a figure is too large for a float.
        """
        self._close_replicate()
        probabilities = torch.tensor(PROBABILITIES, dtype=torch.float64)
        if self._exact:
            pooled = torch.empty(len(self._low), len(PROBABILITIES), dtype=torch.float64)
            for row, found in enumerate(pooled):  # a copy of one stays in a cache
                values = self.row_draws(row)
                found[:] = quantiles.sorted_quantiles(values, probabilities, reorder=True)
        else:
            pooled = self._counted(self._counts, probabilities)
        means = self._sums / self._drawn
        mean = self._sums.sum(0) / self._drawn.sum()
        # A constant row is its value to the last bit, not the rounded mean of many copies.
        mean = torch.where(self._low == self._high, self._low, mean)
        spread = torch.cat([torch.stack(self._of_replicates), means[:, :, None]], dim=2)
        if len(self._drawn) > 1:
            errors = spread.std(0) / math.sqrt(len(self._drawn))
        else:
            errors = torch.full_like(spread[0], math.nan)
        whole = torch.cat([pooled, mean[:, None]], dim=1)
        if bool(whole.isinf().any()):
            raise RequestError("figures", "taken together they lead to numbers beyond 1e308")
        figures = whole.tolist()
        return [
            Distribution(p5, p50, p95, average, tuple(error))
            for (p5, p50, p95, average), error in zip(figures, errors.tolist(), strict=True)
        ]

    def draws(self) -> Tensor:
        """Return all draws ``(rows, samples)``; only where they were few enough to keep."""
        return torch.cat([chunk for chunks in self._kept for chunk in chunks], dim=1)

    def row_draws(self, row: int) -> Tensor:
        """Return the kept draws of one row, ``(samples,)``."""
        return torch.cat([chunk[row] for chunks in self._kept for chunk in chunks])

    def replicate_draws(self, replicate: int) -> Tensor:
        """Return the kept draws of one replicate, ``(rows, draws)``."""
        return torch.cat(self._kept[replicate], dim=1)

    def replicate_quantiles(self) -> Tensor:
        """Return p5, p50 and p95 of each replicate, ``(replicates, rows, 3)``, once finished."""
        return torch.stack(self._of_replicates)

    @property
    def kept(self) -> bool:
        """Whether ``draws`` has them all."""
        return self._exact

    def _close_replicate(self) -> None:
        probabilities = torch.tensor(PROBABILITIES, dtype=torch.float64)
        if not self._drawn[self._replicate]:
            # Its error is not known then, nor that of the whole.
            nothing = torch.full((self._sums.shape[1], len(PROBABILITIES)), math.nan)
            self._of_replicates.append(nothing.to(torch.float64))
            return
        if self._exact:
            values = self.replicate_draws(self._replicate)
            found = quantiles.sorted_quantiles(values, probabilities, reorder=True)
            self._of_replicates.append(found)
            return
        assert self._counts_now is not None
        self._of_replicates.append(self._counted(self._counts_now, probabilities))
        if self._counts is None:
            self._counts = self._counts_now
        else:
            self._counts += self._counts_now
        self._counts_now = None

    def _counted(self, counts: Tensor | None, probabilities: Tensor) -> Tensor:
        assert counts is not None
        found = quantiles.counted_quantiles(counts, probabilities.to(counts.device)).cpu()
        # NaN rows were counted as zeros; their bounds are NaN, and clamping brings it back.
        return torch.minimum(torch.maximum(found, self._low[:, None]), self._high[:, None])
