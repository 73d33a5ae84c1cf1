"""Predictions against measured steps, row by row, with what a one-line formula gets beside."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from computebill.architectures.counting import count_flop
from computebill.base.assumptions import Assumption
from computebill.base.errors import RequestError
from computebill.base.notebook import Shown
from computebill.hardware.assumptions import peak_assumption
from computebill.hardware.fitted import Fitted
from computebill.training.efficiency import efficiency_assumptions, read_profile, unbounded
from computebill.training.intervals import interval_of
from computebill.training.memory import stage_bytes

from .calibration import (
    Measurements,
    alike,
    fit,
    leave_sources_out,
    log_errors,
    measurements,
    profile,
    residual_intervals,
)
from .measured import MeasuredRow, Skipped, read_measured

if TYPE_CHECKING:
    import pandas as pd

GIB = 2.0**30
MOST_POINTS = 2000
"""Rows that the JSON form tells."""


@dataclass(frozen=True)
class Metrics:
    """How far predictions are off.

    Attributes:
        rows: how many.
        mape: mean of the errors' sizes, as a fraction.
        median_ape: their median.
        p90_ape: their 90th percentile.
        bias: median of the errors, with their sign; positive where too slow is predicted.
        coverage_90: share of the rows inside their 90 % interval; None where there is none.
        baseline_median_ape: median error of FLOP / (peak x one utilisation per accelerator), which
            the accelerator's other rows tell; None where there are none.
        baseline_mape: its mean.
    """

    rows: int
    mape: float
    median_ape: float
    p90_ape: float
    bias: float
    coverage_90: float | None
    baseline_median_ape: float | None
    baseline_mape: float | None

    def to_dict(self) -> dict[str, float | None]:
        """Return the JSON form."""
        return dict(vars(self))


@dataclass(frozen=True, repr=False)
class Validation(Shown):
    """What ``validate`` finds.

    Attributes:
        measured: rows that were predicted.
        skipped: rows that were not, and why.
        errors: logarithm of predicted over measured time; ``(rows,)``.
        left_out: the same under a fit that left out the row's whole source; None if not asked.
        inside: whether each row is inside its interval; None where there are no intervals.
        baseline: logarithm of the one-line formula's time over the measured; ``(rows,)``.
        memory: predicted over printed memory, of rows that print it.
        fitted: the profile that was used.
    """

    measured: Measurements
    skipped: tuple[Skipped, ...]
    errors: Tensor
    left_out: Tensor | None
    inside: Tensor | None
    baseline: Tensor
    memory: Mapping[int, float]
    fitted: Fitted

    def metrics(self, which: Tensor | None = None, *, left_out: bool = False) -> Metrics:
        """Return how far off some rows are, ``(rows,)`` of true and false, or all."""
        chosen = torch.ones(len(self.errors), dtype=torch.bool) if which is None else which
        errors = self.left_out if left_out and self.left_out is not None else self.errors
        off = errors[chosen].exp() - 1
        line = (self.baseline[chosen].exp() - 1).abs()
        inside = None if self.inside is None else float(self.inside[chosen].double().mean())
        return Metrics(
            rows=int(chosen.sum()),
            mape=float(off.abs().mean()),
            median_ape=float(off.abs().median()),
            p90_ape=float(off.abs().quantile(0.9)),
            bias=float(off.median()),
            coverage_90=inside,
            baseline_median_ape=_known(line.nanmedian()),
            baseline_mape=_known(line.nanmean()),
        )

    def by(self, key: str, *, left_out: bool = False) -> dict[str, Metrics]:
        """Return metrics by a row's ``source`` or ``gpu``, the largest first."""
        groups = alike([getattr(row, key) for row in self.measured.rows])
        largest = sorted(groups, key=lambda group: (-int(group[1].sum()), group[0]))
        return {name: self.metrics(own, left_out=left_out) for name, own in largest}

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; its keys are a contract."""
        memory = list(self.memory.values())
        found: dict[str, Any] = {
            **self.metrics().to_dict(),
            "skipped": [vars(each) for each in self.skipped],
            "by_source": {name: each.to_dict() for name, each in self.by("source").items()},
            "by_accelerator": {name: each.to_dict() for name, each in self.by("gpu").items()},
            "memory": {
                "rows": len(memory),
                "mape": sum(abs(each - 1) for each in memory) / len(memory) if memory else None,
            },
            "points": self._points(),
            "profile": {"fitted": str(self.fitted.fitted), "rows": self.fitted.rows},
            "left_out": None,
            "assumptions": [each.to_dict() for each in self._assumptions()],
            "sources": {row.source: row.cited._asdict() for row in self.measured.rows},
        }
        if self.left_out is not None:
            found["left_out"] = {
                **self.metrics(left_out=True).to_dict(),
                "by_source": {
                    name: each.to_dict() for name, each in self.by("source", left_out=True).items()
                },
            }
        return found

    def _assumptions(self) -> Iterator[Assumption]:
        """Yield the accelerators' peaks, then the efficiencies."""
        cases = [row.case for row in self.measured.rows]
        known = {(each.accelerator.name, each.precision): each for each in cases}
        for case in known.values():
            yield peak_assumption(case.accelerator, case.precision)
        yield from efficiency_assumptions(self.fitted)

    def _points(self) -> list[dict[str, Any]]:
        """Return measured and predicted seconds, with the interval; of very many, some."""
        step = max(1, math.ceil(len(self.errors) / MOST_POINTS))
        rows, errors = self.measured.rows, self.errors.exp().tolist()
        seconds = self.measured.log_seconds.exp().tolist()
        found = []
        for row, measured, ratio in list(zip(rows, seconds, errors, strict=True))[::step]:
            low, high = interval_of(row.case, self.fitted.intervals) or (None, None)
            predicted = measured * ratio
            found.append(
                {
                    "source": row.source,
                    "model": row.model,
                    "gpu": row.gpu,
                    "gpus": row.gpus,
                    "measured_seconds": measured,
                    "predicted_seconds": predicted,
                    "p5_seconds": None if low is None else predicted * low,
                    "p95_seconds": None if high is None else predicted * high,
                }
            )
        return found

    def to_frame(self) -> pd.DataFrame:
        """Return one row a measured step: measured and predicted seconds, and the error."""
        import pandas as pd

        measured = self.measured.log_seconds.exp()
        found = []
        for index, row in enumerate(self.measured.rows):
            layout = row.case.layout
            found.append(
                {
                    "row": row.row,
                    "source": row.source,
                    "model": row.model,
                    "gpu": row.gpu,
                    "precision": row.case.precision,
                    **{key: getattr(layout, key) for key in ("tp", "pp", "dp", "cp", "ep")},
                    "micro_batch": layout.micro_batch,
                    "seq_len": row.case.sequence,
                    "measured_seconds": float(measured[index]),
                    "predicted_seconds": float(measured[index] * self.errors[index].exp()),
                    "error": float(self.errors[index].exp() - 1),
                    "error_left_out": None
                    if self.left_out is None
                    else float(self.left_out[index].exp() - 1),
                }
            )
        return pd.DataFrame(found)


def validate(
    path: str | Path, *, profile_file: Path | None = None, leave_out: bool = False
) -> Validation:
    """Predict every measured step of a table.

    Args:
        path: a CSV of measured steps.
        profile_file: fitted efficiencies; the shipped ones otherwise.
        leave_out: also refit without each source in turn, and predict it from the others; the
            interval that a row is looked for in is then of the other sources, too.

    Raises:
        RequestError: where the table or the profile cannot be read, or no row can be used.
    """
    fitted = read_profile(profile_file)
    measured, skipped = _read(path)
    left_out = leave_sources_out(measured) if leave_out else None
    return _validation(measured, skipped, unbounded(fitted.values), left_out, fitted)


def calibrate(path: str | Path, *, note: str = "") -> tuple[Fitted, Validation]:
    """Fit efficiencies to a table of measured steps, with intervals of sources left out.

    Raises:
        RequestError: where the table cannot be read, or no row can be used.
    """
    measured, skipped = _read(path)
    free = fit(measured)
    left_out = leave_sources_out(measured)
    fitted = profile(measured, free, left_out, note)
    return fitted, _validation(measured, skipped, free, left_out, fitted)


def _validation(
    measured: Measurements,
    skipped: tuple[Skipped, ...],
    free: Tensor,
    left_out: Tensor | None,
    fitted: Fitted,
) -> Validation:
    """Set predictions with some efficiencies beside what was measured."""
    errors = log_errors(measured, free)
    return Validation(
        measured=measured,
        skipped=skipped,
        errors=errors,
        left_out=left_out,
        inside=_inside(measured, errors, left_out, fitted),
        baseline=_baseline(measured),
        memory=_memory(measured.rows),
        fitted=fitted,
    )


def _read(path: str | Path) -> tuple[Measurements, tuple[Skipped, ...]]:
    rows, skipped = read_measured(path)
    if not rows:
        why = f"; the first: {skipped[0].reason}" if skipped else ""
        raise RequestError(str(path), f"has no row that can be predicted{why}")
    return measurements(rows), tuple(skipped)


def _inside(
    measured: Measurements, errors: Tensor, left_out: Tensor | None, fitted: Fitted
) -> Tensor | None:
    """Whether measured over predicted time lies in the interval of the row's kind."""
    if left_out is None:
        return _within(measured, errors, fitted.intervals) if fitted.intervals else None
    found = torch.zeros(len(errors), dtype=torch.bool)
    sources = list(alike([row.source for row in measured.rows]))
    if len(sources) == 1:
        return None
    for _, own in sources:
        others = residual_intervals(measured, left_out, ~own)
        found[own] = _within(measured, left_out, others)[own]
    return found


def _within(
    measured: Measurements, errors: Tensor, intervals: Mapping[str, tuple[float, float]]
) -> Tensor:
    bounds = [interval_of(row.case, intervals) for row in measured.rows]
    ends = torch.tensor(bounds, dtype=torch.float64)
    ratio = (-errors).exp()
    return ratio.ge(ends[:, 0]).logical_and(ratio.le(ends[:, 1]))


def _baseline(measured: Measurements) -> Tensor:
    """The one-line formula: 6nd over peak, with the one utilisation per accelerator that fits.

    That is fitted to an accelerator's other rows; where there are none it has no answer, NaN.
    """
    cases = measured.cases
    flop = count_flop(cases.batch, cases.work.sequence).conventions["6nd"]
    tokens = torch.tensor([row.tokens for row in measured.rows], dtype=torch.float64)
    gpus = torch.tensor([row.gpus for row in measured.rows], dtype=torch.float64)
    at_peak = (flop * tokens / (gpus * cases.device.peak)).log() - measured.log_seconds
    found = torch.zeros_like(at_peak)
    for _, own in alike([row.gpu for row in measured.rows]):
        found[own] = at_peak[own] - _median_of_others(at_peak[own])
    return found


def _median_of_others(values: Tensor) -> Tensor:
    """Return for each value the median of all others, the lower of two; NaN where it is alone."""
    if len(values) == 1:
        return torch.full_like(values, math.nan)
    ordered, order = values.sort()
    middle = (len(values) - 2) // 2
    # Without one of the lower half, the next takes its place.
    place = torch.where(order.argsort() <= middle, middle + 1, middle)
    return ordered[place]


def _known(value: Tensor) -> float | None:
    return None if bool(value.isnan()) else float(value)


def _memory(rows: Sequence[MeasuredRow]) -> dict[int, float]:
    """Predicted over printed memory, a printed GB being 2**30 bytes."""
    found = {}
    for index, row in enumerate(rows):
        if row.memory_gb is None:
            continue
        case = row.case
        stages = stage_bytes(case.architecture, [case.layout], float(case.sequence))
        found[index] = float(stages.nan_to_num(0.0).amax()) / (row.memory_gb * GIB)
    return found
