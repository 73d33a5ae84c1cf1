"""How far predicted memory is off measured memory, and what that tells of runs nobody measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from computebill.training.memory import stage_bytes
from computebill.training.memory_odds import NINE_IN_TEN, MemorySpread

from .left_out import LAB_SHARE
from .measured import MemoryRow, Skipped, read_memory
from .measurements import alike

LEAST_SPREAD = 0.01
"""Least standard deviation of a logarithm of memory: few rows may agree by chance."""

NEAR = 0.15
"""Error within which a prediction is near."""


@dataclass(frozen=True)
class MemoryErrors:
    """Rows with a printed memory, beside what is predicted of them.

    Attributes:
        rows: their numbers in the file.
        labs: lab of each.
        sources: source of each.
        logs: logarithm of measured over predicted memory; ``(rows,)``.
        skipped: rows whose memory cannot be predicted, and why.
    """

    rows: tuple[int, ...]
    labs: tuple[str, ...]
    sources: tuple[str, ...]
    logs: Tensor
    skipped: tuple[Skipped, ...] = ()

    def spread(self) -> MemorySpread | None:
        """What all rows tell of a run of a lab that has none of them; None without rows."""
        return _spread(self.logs, self.labs) if self.rows else None

    def inside(self, units: Sequence[str]) -> Tensor | None:
        """Whether rows lie in the 90 % interval that the others tell, ``(rows,)``.

        Args:
            units: what is left out together, by row: its lab, its source or itself.

        Returns:
            None where nothing is left to tell it.
        """
        if len(set(units)) < 2:
            return None
        found = torch.zeros(len(self.logs), dtype=torch.bool)
        for _, own in alike(units):
            labs = [lab for lab, is_own in zip(self.labs, own.tolist(), strict=True) if not is_own]
            found[own] = _inside(self.logs[own], _spread(self.logs[~own], labs))
        return found

    def to_dict(self, shipped: MemorySpread, unit: str | None) -> dict[str, Any]:
        """Return the JSON form.

        Args:
            shipped: spread that predictions of memory are told with.
            unit: what is left out together: lab, source, row; None: nothing.
        """
        rows = [str(row) for row in self.rows]
        units = {"lab": self.labs, "source": self.sources, "row": rows}.get(unit or "")
        inside = self.inside(units) if units else None
        told = {
            **_metrics(self.logs, _inside(self.logs, shipped)),
            "unit": None if inside is None else unit,
            "coverage_90_left_out": None if inside is None else float(inside.double().mean()),
            "by_source": {},
            "skipped": [vars(each) for each in self.skipped],
        }
        for source, own in alike(self.sources):
            told["by_source"][source] = {
                **_metrics(self.logs[own], _inside(self.logs[own], shipped)),
                "coverage_90_left_out": None
                if inside is None
                else float(inside[own].double().mean()),
            }
        return told


def memory_errors(path: str | Path | None = None) -> MemoryErrors:
    """Predict the memory of every row of a table that prints it, as its source counts it.

    Args:
        path: a CSV of measured steps; the shipped table of published ones if not given.

    Raises:
        RequestError: where the table cannot be read.
    """
    rows, skipped = read_memory(path)
    return MemoryErrors(
        rows=tuple(row.row for row in rows),
        labs=tuple(row.lab for row in rows),
        sources=tuple(row.source for row in rows),
        logs=torch.tensor([_log_error(row) for row in rows], dtype=torch.float64),
        skipped=tuple(skipped),
    )


def _log_error(row: MemoryRow) -> float:
    """Logarithm of measured over predicted memory, of the stage that was measured."""
    case, printed = row.case, row.printed
    layouts, sequence = [case.layout], float(case.sequence)
    stages = stage_bytes(case.architecture, layouts, sequence, printed.counted)[:, 0]
    predicted = stages[0] if printed.is_first else stages.nan_to_num(0.0).amax()
    return float((printed.bytes / predicted).log())


def _spread(logs: Tensor, labs: Sequence[str]) -> MemorySpread:
    """Middle of rows, and how far nine in ten lie from it; weights as of intervals of time.

    Medians and quantiles, as a few rows are off for facts that their source does not tell.
    """
    groups = list(alike(labs))
    weights = torch.full_like(logs, (1 - LAB_SHARE) / len(logs))
    for _, own in groups:
        weights[own] += LAB_SHARE / (len(groups) * float(own.sum()))
    centre = _quantile(logs, weights, 0.5)
    width = _quantile((logs - centre).abs(), weights, 0.9) / NINE_IN_TEN
    return MemorySpread(
        rows=len(logs), labs=len(groups), centre=centre, spread=max(width, LEAST_SPREAD)
    )


def _quantile(values: Tensor, weights: Tensor, share: float) -> float:
    """Least value that so large a share of the weight does not exceed."""
    ordered, order = values.sort()
    below = int((weights[order].cumsum(0) < share - 1e-9).sum())
    return float(ordered[min(below, len(values) - 1)])


def _inside(logs: Tensor, spread: MemorySpread) -> Tensor:
    return (logs - spread.centre).abs() <= NINE_IN_TEN * spread.spread


def _metrics(logs: Tensor, inside: Tensor) -> dict[str, Any]:
    """How far predictions are off; nulls without rows."""
    if not len(logs):
        names = ("mape", "median_ape", "bias", "within_15", "coverage_90")
        return {"rows": 0, **dict.fromkeys(names)}
    off = (-logs).exp() - 1
    return {
        "rows": len(logs),
        "mape": float(off.abs().mean()),
        "median_ape": float(off.abs().median()),
        "bias": float(off.median()),
        "within_15": float((off.abs() <= NEAR).double().mean()),
        "coverage_90": float(inside.double().mean()),
    }
