"""Measured steps as columns, and how far predictions of them are off."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from computebill.architectures.counting import count_flop, count_parameters
from computebill.kernels.flop import recomputed_flop, token_flop
from computebill.training.cases import CaseColumns, case_columns, step_times
from computebill.training.layout import RECOMPUTE
from computebill.training.parameters import bounded

from .measured import MeasuredRow


@dataclass(frozen=True)
class Measurements:
    """Measured rows as columns.

    Attributes:
        rows: measured rows, as read.
        cases: columns of the rows' cases, for the step kernel.
        log_seconds: natural logarithm of a step's measured time; ``(rows,)``.
    """

    rows: tuple[MeasuredRow, ...]
    cases: CaseColumns
    log_seconds: Tensor

    def some(self, places: Sequence[int]) -> Measurements:
        """Return some of the rows."""
        return measurements([self.rows[place] for place in places])


def alike(values: Sequence[str]) -> Iterator[tuple[str, Tensor]]:
    """Yield each value, and which rows have it."""
    for value in dict.fromkeys(values):
        yield value, torch.tensor([each == value for each in values])


def measurements(rows: Sequence[MeasuredRow]) -> Measurements:
    """Return measured rows as columns; printed FLOP become seconds by their own convention."""
    cases = case_columns([row.case for row in rows])
    printed = _flop_per_token(cases, rows)
    seconds = torch.tensor(
        [
            row.seconds
            if row.seconds is not None
            else float(printed[index]) * row.tokens / (row.gpus * (row.flop_per_s or 1.0))
            for index, row in enumerate(rows)
        ],
        dtype=torch.float64,
    )
    return Measurements(tuple(rows), cases, seconds.log())


def _flop_per_token(cases: CaseColumns, rows: Sequence[MeasuredRow]) -> Tensor:
    """FLOP per token under each row's own convention."""
    flop = count_flop(cases.batch, cases.work.sequence).conventions
    half = (flop["palm"] - flop["6nd"]) / 2
    by_name = {
        "causal": flop["megatron"] - half,
        "full": flop["megatron"],
        "6n": flop["6nd"],
        "8n": 8.0 * count_parameters(cases.batch).active,
        "hardware": flop["megatron"] + _computed_again(cases),
    }
    chosen = [by_name.get(row.convention, by_name["full"])[i] for i, row in enumerate(rows)]
    # Of frozen weights, a third is not computed, and not counted.
    frozen = torch.where(cases.work.trained > 0, 1.0, 2.0 / 3.0)
    return torch.stack(chosen) * frozen


def _computed_again(cases: CaseColumns) -> Tensor:
    """FLOP per token that recomputation adds, attention counted over the whole sequence.

    With whole layers computed again, and ``full``, this is what Megatron's authors print: 96 B s l
    h^2 (1 + s / 6h + V / 16 l h) a step, and 72 without (Narayanan et al. 2021, equation 3).
    """
    batch, mode = cases.batch, cases.work.recompute
    whole = token_flop(batch.operators, cases.work.sequence, full_attention=True)
    selective, per_operator, full = (
        (mode == RECOMPUTE[name]).to(torch.float64) for name in ("selective", "operators", "full")
    )
    return recomputed_flop(batch.operators, batch.groups, whole, selective, per_operator, full)


def log_errors(measured: Measurements, free: Tensor) -> Tensor:
    """Return the logarithm of predicted over measured time; ``(rows,)``."""
    with torch.no_grad():
        return step_times(measured.cases, bounded(free)).total.log() - measured.log_seconds


def layouts_apart(measured: Measurements, errors: Tensor) -> float | None:
    """Return the median difference of two rows' errors that differ in nothing but the layout.

    Groups of rows weigh as the square root of their pairs. None where there is no pair.

    Args:
        measured: rows.
        errors: logarithm of predicted over measured time; ``(rows,)``.
    """
    groups: dict[tuple[object, ...], list[int]] = {}
    for index, row in enumerate(measured.rows):
        case = row.case
        same = (row.source, row.model, row.gpu, row.gpus, case.precision, case.sequence)
        groups.setdefault(same, []).append(index)
    gaps: list[Tensor] = []
    weights: list[Tensor] = []
    for places in groups.values():
        pairs = [
            (one, other)
            for one, other in itertools.combinations(places, 2)
            if measured.rows[one].case.layout != measured.rows[other].case.layout
        ]
        if pairs:
            first, second = torch.tensor(pairs).T
            gaps.append((errors[first] - errors[second]).abs())
            weights.append(torch.full((len(pairs),), len(pairs) ** -0.5, dtype=torch.float64))
    if not gaps:
        return None
    sizes, order = torch.cat(gaps).sort()
    shares = torch.cat(weights)[order].cumsum(0)
    return float(sizes[int((shares < shares[-1] / 2).sum())])
