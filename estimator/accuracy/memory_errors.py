"""How far predicted memory is off measured memory, and what that tells of runs nobody measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from computebill.training.memory import stage_bytes
from computebill.training.memory_odds import NINE_IN_TEN, MemorySpread

from .measured import MeasuredRow
from .measurements import alike

LEAST_SPREAD = 0.01
"""Least standard deviation of a logarithm of memory: few rows may agree by chance."""

NEAR = 0.15
"""Error within which a prediction is near."""


@dataclass(frozen=True)
class MemoryErrors:
    """Rows with a printed memory, beside what is predicted of them.

    Attributes:
        places: of the rows, among all that were read.
        labs: lab of each.
        sources: source of each.
        logs: logarithm of measured over predicted memory; ``(rows,)``.
    """

    places: tuple[int, ...]
    labs: tuple[str, ...]
    sources: tuple[str, ...]
    logs: Tensor

    def spread(self) -> MemorySpread | None:
        """What all rows tell of a run of a lab that has none of them; None without rows."""
        return _spread(self.logs, self.labs) if self.places else None

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
        places = [str(place) for place in self.places]
        units = {"lab": self.labs, "source": self.sources, "row": places}.get(unit or "")
        inside = self.inside(units) if units else None
        told = {
            **_metrics(self.logs, _inside(self.logs, shipped)),
            "unit": None if inside is None else unit,
            "coverage_90_left_out": None if inside is None else float(inside.double().mean()),
            "by_source": {},
        }
        for source, own in alike(self.sources):
            told["by_source"][source] = {
                **_metrics(self.logs[own], _inside(self.logs[own], shipped)),
                "coverage_90_left_out": None
                if inside is None
                else float(inside[own].double().mean()),
            }
        return told


def memory_errors(rows: Sequence[MeasuredRow]) -> MemoryErrors:
    """Predict the memory of every row that prints it, as its source counts it."""
    known = [(place, row) for place, row in enumerate(rows) if row.memory is not None]
    logs = [_log_error(row) for _, row in known]
    return MemoryErrors(
        places=tuple(place for place, _ in known),
        labs=tuple(row.lab for _, row in known),
        sources=tuple(row.source for _, row in known),
        logs=torch.tensor(logs, dtype=torch.float64),
    )


def _log_error(row: MeasuredRow) -> float:
    """Logarithm of measured over predicted memory, of the stage that was measured."""
    case, printed = row.case, row.memory
    assert printed is not None
    layouts, sequence = [case.layout], float(case.sequence)
    stages = stage_bytes(case.architecture, layouts, sequence, printed.counted)[:, 0]
    predicted = stages[0] if printed.is_first else stages.nan_to_num(0.0).amax()
    return float((printed.bytes / predicted).log())


def _spread(logs: Tensor, labs: Sequence[str]) -> MemorySpread:
    """Middle of labs' rows, and how far nine in ten lie from it; each lab has one vote.

    Medians and quantiles, as a few rows are off for facts that their source does not tell.
    """
    groups = list(alike(labs))
    weights = torch.zeros_like(logs)
    for _, own in groups:
        weights[own] = 1 / (len(groups) * float(own.sum()))
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
