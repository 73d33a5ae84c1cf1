"""Efficiencies fitted to measured steps by gradient descent through the kernels that predict."""

from __future__ import annotations

import datetime as dt
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from computebill.architectures.counting import count_flop, count_parameters
from computebill.base.constants import number
from computebill.base.errors import RequestError
from computebill.hardware.fitted import FARTHEST, UNFITTED_APART, Fitted
from computebill.training.cases import CaseColumns, case_columns, step_times
from computebill.training.efficiency import NAMES, bounded, bounds_of, priors, spreads
from computebill.training.intervals import interval_kind

from .measured import MeasuredRow

# base/constants.toml has what these are.
CORNER = number("accuracy.calibration.CORNER")
PRIOR_WEIGHT = number("accuracy.calibration.PRIOR_WEIGHT")
SHARING = number("accuracy.calibration.SHARING")

ENDS = (0.05, 0.95)
"""Percentiles of a residual's interval."""

STEPS = 60
"""Iterations of a fit."""

LEAST_APART = 1e-3
"""Least ``Fitted.apart``: rows that differ in nothing tell nothing."""

MOST_APART = math.log(FARTHEST)
"""Largest ``Fitted.apart``."""


@dataclass(frozen=True)
class Measurements:
    """Measured rows as columns.

    Attributes:
        rows: measured rows, as read.
        cases: columns of the rows' cases, for the step kernel.
        log_seconds: natural logarithm of a step's measured time; ``(rows,)``.
        weights: weight of each row, ``(rows,)``, so that a source of many rows does not drown the
            others.
    """

    rows: tuple[MeasuredRow, ...]
    cases: CaseColumns
    log_seconds: Tensor
    weights: Tensor


def alike(values: Sequence[str]) -> Iterator[tuple[str, Tensor]]:
    """Yield each value, and which rows have it."""
    for value in dict.fromkeys(values):
        yield value, torch.tensor([each == value for each in values])


def measurements(rows: Sequence[MeasuredRow]) -> Measurements:
    """Return measured rows as columns; printed FLOP become seconds by their own convention."""
    cases = case_columns([row.case for row in rows])
    weights = torch.ones(len(rows), dtype=torch.float64)
    for _, own in alike([row.source for row in rows]):
        weights[own] = float(own.sum()) ** -SHARING
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
    return Measurements(tuple(rows), cases, seconds.log(), weights / weights.mean())


def _flop_per_token(cases: CaseColumns, rows: Sequence[MeasuredRow]) -> Tensor:
    """FLOP per token under each row's own convention."""
    flop = count_flop(cases.batch, cases.work.sequence).conventions
    active = count_parameters(cases.batch).active
    half = (flop["palm"] - flop["6nd"]) / 2
    by_name = {
        "causal": flop["megatron"] - half,
        "full": flop["megatron"],
        "6n": flop["6nd"],
        "hardware": 8.0 * active,
    }
    chosen = [by_name.get(row.convention, by_name["full"])[i] for i, row in enumerate(rows)]
    # Of frozen weights, a third is not computed, and not counted.
    frozen = torch.where(cases.work.trained > 0, 1.0, 2.0 / 3.0)
    return torch.stack(chosen) * frozen


def fit(measured: Measurements, keep: Tensor | None = None, middle: Tensor | None = None) -> Tensor:
    """Return efficiencies, free of bounds, that fit measured steps.

    Least is a robust mean of the errors' logarithms, with a weak pull to sensible values. Every fit
    begins at those: one that began at another's result would keep what the rows left out had said.
    Of no rows, they are the result.

    Args:
        measured: rows.
        keep: 1 for rows that count, 0 for those left out; ``(rows,)``.
        middle: sensible values, free of bounds, where other than before anything was measured:
            the shipped ones, for measurements of one device.

    Raises:
        RequestError: naming the row that is farthest off, where nothing fits.
    """
    middle = priors() if middle is None else middle
    spread = spreads()
    free = middle.clone().requires_grad_(True)
    weights = measured.weights if keep is None else measured.weights * keep
    descent = torch.optim.LBFGS(
        [free],
        max_iter=STEPS,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        descent.zero_grad()
        error = step_times(measured.cases, bounded(free)).total.log() - measured.log_seconds
        size = error.abs()
        robust = torch.where(size < CORNER, size**2 / (2 * CORNER), size - CORNER / 2)
        pull = ((free - middle) / spread) ** 2
        mean = (robust * weights).sum() / weights.sum().clamp_min(1e-9)
        value = 10 * mean + PRIOR_WEIGHT * pull.sum() / 20
        value.backward()  # type: ignore[no-untyped-call]
        return value

    descent.step(loss)  # type: ignore[no-untyped-call]
    found = free.detach()
    # Efficiencies that ran off leave steps without a time.
    if not bool(log_errors(measured, found).isfinite().all()):
        raise _unfitted(measured, middle)
    return found


def _unfitted(measured: Measurements, middle: Tensor) -> RequestError:
    """Return the error of rows that no efficiencies fit, naming the one that is farthest off."""
    errors = log_errors(measured, middle)
    worst = int(errors.abs().argmax())
    return RequestError(
        f"row {measured.rows[worst].row}",
        f"measured is {math.exp(-float(errors[worst])):.3g} times what is predicted, and nothing "
        "fits it; allowed: measured times, in the unit of their column",
    )


def log_errors(measured: Measurements, free: Tensor) -> Tensor:
    """Return the logarithm of predicted over measured time; ``(rows,)``."""
    with torch.no_grad():
        return step_times(measured.cases, bounded(free)).total.log() - measured.log_seconds


def leave_sources_out(measured: Measurements) -> Tensor:
    """Return each row's error where its whole source was left out of the fit."""
    found = torch.zeros_like(measured.log_seconds)
    for _, own in alike([row.source for row in measured.rows]):
        free = fit(measured, (~own).to(torch.float64))
        found[own] = log_errors(measured, free)[own]
    return found


def residual_intervals(
    measured: Measurements, errors: Tensor, keep: Tensor | None = None
) -> dict[str, tuple[float, float]]:
    """Return 5th and 95th percentile of measured over predicted time, by the kind of case.

    Rows weigh as in the fit, so that large sources do not speak for all.

    Args:
        measured: rows.
        errors: logarithm of predicted over measured time, of sources left out; ``(rows,)``.
        keep: rows that count; all if not given.
    """
    found = {}
    for kind, own in sorted(alike([interval_kind(row.case) for row in measured.rows])):
        own = own if keep is None else own & keep
        if not bool(own.any()):
            continue
        order = (-errors[own]).argsort()
        ratios, shares = (-errors[own])[order], measured.weights[own][order]
        rising = (shares.cumsum(0) - shares / 2) / shares.sum()
        low, high = (int((rising < share).sum().clamp_max(len(rising) - 1)) for share in ENDS)
        found[kind] = (math.exp(float(ratios[low])), math.exp(float(ratios[high])))
    return found


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


def profile(
    measured: Measurements,
    free: Tensor,
    left_out: Tensor | None = None,
    note: str = "",
    middle: Tensor | None = None,
) -> Fitted:
    """Return fitted values as they are kept in a file; those no row speaks of are left out.

    Args:
        measured: rows.
        free: efficiencies as fitted, free of bounds (logarithms and logits).
        left_out: logarithm of predicted over measured time, of sources left out; ``(rows,)``.
        note: what is to be remembered about them.
        middle: values that are left out where the fit left them; those before anything was
            measured if not given.
    """
    values = bounded(free)
    apart = None if left_out is None else layouts_apart(measured, left_out)
    changed = (free - (priors() if middle is None else middle)).abs() > 1e-6
    return Fitted(
        fitted=dt.date.today(),
        rows=len(measured.rows),
        sources=tuple(dict.fromkeys(row.source for row in measured.rows)),
        note=note,
        intervals={} if left_out is None else _readable(residual_intervals(measured, left_out)),
        apart=_between(apart or UNFITTED_APART, LEAST_APART, MOST_APART),
        values={
            name: _between(float(values[index]), *bounds_of(name))
            for index, name in enumerate(NAMES)
            if bool(changed[index])
        },
    )


def _readable(intervals: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """Return intervals within what a file of them may hold."""
    return {
        kind: (_between(low, 1 / FARTHEST, FARTHEST), _between(high, 1 / FARTHEST, FARTHEST))
        for kind, (low, high) in intervals.items()
    }


def _between(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
