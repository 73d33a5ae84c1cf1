"""Predictions against measured steps, row by row, with what a one-line formula gets beside."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from computebill.architectures.counting import count_flop
from computebill.base.assumptions import Assumption
from computebill.base.errors import RequestError
from computebill.base.notebook import Shown
from computebill.hardware.accelerators import peak_precision
from computebill.hardware.assumptions import peak_assumption
from computebill.hardware.fitted import Fitted
from computebill.training.cases import log_gradients
from computebill.training.doubts import Reach, doubt_columns, widening
from computebill.training.efficiency import efficiency_assumptions, read_profile
from computebill.training.intervals import covariance_of, ends_of, interval_of, widths_of
from computebill.training.memory_odds import shipped_spread
from computebill.training.parameters import unbounded

from .calibration import UNJUDGED, fit_all, fit_own, own_profile, profile
from .left_out import Judged, Unit, few_rows, fits_without, judged_by
from .measured import Skipped, read_measured
from .measurements import Measurements, alike, log_errors, measurements
from .memory_errors import MemoryErrors, memory_errors
from .posterior import fit_widths, prior_of_all
from .verdict import Verdict, judge, median_error, own_rows_left_out

if TYPE_CHECKING:
    import pandas as pd

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
        widths: standard deviations of that, as predicted; ``(rows,)``; None of a profile that does
            not know.
        unit: what was left out together; None where nothing was.
        judged: rows beside a fit that left out their whole lab (or source, or themselves).
        few: rows of labs of which so many others were measured, by their number.
        baseline: logarithm of the one-line formula's time over the measured; ``(rows,)``.
        line_left_out: the same, its utilisation of other labs only (or sources, or rows, as
            ``unit``); ``(rows,)``.
        memory: rows that print their memory, beside what is predicted.
        fitted: the profile that was used.
        verdict: whether that is worth using.
    """

    measured: Measurements
    skipped: tuple[Skipped, ...]
    errors: Tensor
    widths: Tensor | None
    unit: Unit | None
    judged: Judged | None
    few: Mapping[int, Judged]
    baseline: Tensor
    line_left_out: Tensor
    memory: MemoryErrors
    fitted: Fitted
    verdict: Verdict

    def metrics(self, which: Tensor | None = None, *, left_out: bool = False) -> Metrics:
        """Return how far off some rows are, ``(rows,)`` of true and false, or all.

        Args:
            which: rows.
            left_out: by fits that had no part of a row's lab, and their intervals; else by the
                profile and its own.
        """
        chosen = torch.ones(len(self.errors), dtype=torch.bool) if which is None else which
        errors, line, inside = self.errors, self.baseline, self._inside_own()
        if left_out and self.judged is not None:
            errors, line = self.judged.errors, self.line_left_out
            inside = self.judged.inside(self.tails)
        return _metrics(errors[chosen], line[chosen], None if inside is None else inside[chosen])

    def _inside_own(self) -> Tensor | None:
        """Whether rows are inside the profile's own intervals, ``(rows,)``; None without any."""
        if self.widths is not None:
            labs = tuple(row.lab for row in self.measured.rows)
            return Judged(self.errors, self.widths, labs).inside(self.tails)
        if not self.fitted.intervals:
            return None
        ends = [interval_of(row.case, self.fitted.intervals) for row in self.measured.rows]
        bounds, ratio = torch.tensor(ends, dtype=torch.float64), (-self.errors).exp()
        return (ratio >= bounds[:, 0]) & (ratio <= bounds[:, 1])

    @property
    def tails(self) -> tuple[float, float]:
        """Standard deviations to the ends of an interval."""
        return UNJUDGED if self.fitted.spread is None else self.fitted.spread.tails

    def by(self, key: str, *, left_out: bool = False) -> dict[str, Metrics]:
        """Return metrics by a row's ``source``, ``lab`` or ``gpu``, the largest first."""
        groups = alike([getattr(row, key) for row in self.measured.rows])
        largest = sorted(groups, key=lambda group: (-int(group[1].sum()), group[0]))
        return {name: self.metrics(own, left_out=left_out) for name, own in largest}

    def few_metrics(self) -> dict[int, Metrics]:
        """Return how far off other rows of a lab are, by how many of it were measured."""
        spread = self.fitted.spread
        found = {}
        for count, each in self.few.items():
            tails = UNJUDGED if spread is None else spread.own_tails if count else spread.tails
            line = torch.full_like(each.errors, math.nan)
            found[count] = _metrics(each.errors, line, each.inside(tails))
        return found

    def few_by_lab(self, count: int) -> dict[str, float]:
        """Return the median error of each lab's other rows, so many of it being measured."""
        each = self.few[count]
        off = (each.errors.exp() - 1).abs()
        return {name: float(off[own].median()) for name, own in alike(each.labs)}

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; its keys are a contract."""
        found: dict[str, Any] = {
            **self.metrics().to_dict(),
            "skipped": [vars(each) for each in self.skipped],
            "by_source": {name: each.to_dict() for name, each in self.by("source").items()},
            "by_lab": {name: each.to_dict() for name, each in self.by("lab").items()},
            "by_accelerator": {name: each.to_dict() for name, each in self.by("gpu").items()},
            "memory": self.memory.to_dict(shipped_spread(), self.unit),
            "points": self._points(),
            "profile": {"fitted": str(self.fitted.fitted), "rows": self.fitted.rows},
            "verdict": self.verdict.to_dict(),
            "left_out": None,
            "few": None,
            "assumptions": [each.to_dict() for each in self._assumptions()],
            "sources": {row.source: row.cited._asdict() for row in self.measured.rows},
        }
        if self.judged is not None:
            found["left_out"] = self._told_left_out(self.judged)
        if self.few:
            found["few"] = {
                str(count): {
                    **each.to_dict(),
                    "median_of_labs": median(self.few_by_lab(count).values()),
                }
                for count, each in self.few_metrics().items()
            }
        return found

    def _told_left_out(self, judged: Judged) -> dict[str, Any]:
        """Return the JSON form of rows beside fits that had no part in them."""
        keys = (("by_lab", "lab"), ("by_source", "source"), ("by_accelerator", "gpu"))
        groups = {name: self.by(key, left_out=True) for name, key in keys}
        low, high = ends_of(judged.widths, self.tails)
        return {
            "unit": self.unit,
            **self.metrics(left_out=True).to_dict(),
            "median_of_labs": median(each.median_ape for each in groups["by_lab"].values()),
            "coverage_of_labs": mean(each.coverage_90 or 0.0 for each in groups["by_lab"].values()),
            "coverage_by_others": judged.covered_by_others(),
            "interval_width": float((high / low).sqrt().median()),
            "by_doubt": {
                name: {
                    **self.metrics(which, left_out=True).to_dict(),
                    "interval_width": float((high / low).sqrt()[which].median()),
                }
                for name, which in judged.of_doubt().items()
                if bool(which.any())
            },
            **{
                name: {group: each.to_dict() for group, each in found.items()}
                for name, found in groups.items()
            },
        }

    def _assumptions(self) -> Iterator[Assumption]:
        """Yield the accelerators' peaks, then the efficiencies."""
        cases = [row.case for row in self.measured.rows]
        known = {(each.accelerator.name, each.precision): each for each in cases}
        for case in known.values():
            part = case.accelerator
            yield peak_assumption(part, peak_precision(part, case.precision))
        yield from efficiency_assumptions(self.fitted)

    def _points(self) -> list[dict[str, Any]]:
        """Return measured and predicted seconds, with the interval; of very many, some."""
        step = max(1, math.ceil(len(self.errors) / MOST_POINTS))
        rows, errors = self.measured.rows, self.errors.exp().tolist()
        seconds = self.measured.log_seconds.exp().tolist()
        found = []
        for row, measured, ratio, ends in list(
            zip(rows, seconds, errors, self._ends(), strict=True)
        )[::step]:
            low, high = ends
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

    def _ends(self) -> list[tuple[float | None, float | None]]:
        """Ends of each row's interval, measured over predicted time."""
        if self.widths is not None:
            low, high = ends_of(self.widths, self.tails)
            return list(zip(low.tolist(), high.tolist(), strict=True))
        nothing = (None, None)
        return [
            interval_of(row.case, self.fitted.intervals) or nothing for row in self.measured.rows
        ]

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
                    if self.judged is None
                    else float(self.judged.errors[index].exp() - 1),
                }
            )
        return pd.DataFrame(found)


def validate(
    path: str | Path | None = None,
    *,
    profile_file: Path | None = None,
    leave_out: Unit | None = "lab",
    few: bool = False,
    seed: int = 0,
) -> Validation:
    """Predict every measured step of a table.

    Args:
        path: a CSV of measured steps; the shipped table of published ones if not given.
        profile_file: fitted efficiencies; the shipped ones otherwise.
        leave_out: also refit without each lab in turn (or source, or row), and predict it from the
            others; None: not. Of rows of one lab there is nothing to leave out.
        few: also predict each lab's rows from others and 0, 1, 3 and 5 of its own, drawn at random.
        seed: of those draws.

    Raises:
        RequestError: where the table or the profile cannot be read, or no row can be used.
    """
    fitted = read_profile(profile_file)
    read = _read(path)
    measured = read.measured
    unit = leave_out if len({row.lab for row in measured.rows}) > 1 else None
    judged, tried = None, dict[int, Judged]()
    if unit is not None or few:
        prior, full = prior_of_all(), fit_widths(measured, prior_of_all())
        fits = fits_without(measured, prior, full, unit or "lab")
        judged = None if unit is None else judged_by(measured, fits)
        if few:
            by_lab = fits if unit == "lab" else fits_without(measured, prior, full, "lab")
            tried = few_rows(measured, by_lab, seed)
    # Fits from what is sensible, without a row's lab, say nothing of efficiencies of another file.
    of_shipped = None if judged is None or profile_file else median_error(judged.errors)
    told = (None if of_shipped is None else unit, of_shipped)
    line = _baseline(measured, unit if of_shipped is not None and unit else "row")
    verdict = judge(measured, fitted, told, _off(line), is_of_these=False)
    return _validation(read, fitted, (unit, judged, tried), verdict)


def calibrate(
    path: str | Path | None = None, *, note: str = "", afresh: bool = False
) -> tuple[Fitted, Validation]:
    """Fit efficiencies to a table of measured steps.

    Rows of one's own, one upward, update what ships; ``afresh``, and the shipped table itself, are
    fitted from what is sensible before measuring, and judged by leaving out labs.

    Args:
        path: a CSV of measured steps; the shipped table of published ones if not given.
        note: what is to be remembered about the fit.
        afresh: whether to forget what ships.

    Raises:
        RequestError: where the table cannot be read, or no row can be used.
    """
    read = _read(path)
    measured = read.measured
    if path is None or afresh:
        found = fit_all(measured)
        fitted = profile(measured, found, note)
        unit: Unit | None = None if found.judged is None else "lab"
        without = None if found.judged is None else median_error(found.judged.errors)
        line = _off(_baseline(measured, unit or "row"))
        verdict = judge(measured, fitted, (unit, without), line, is_of_these=True)
        return fitted, _validation(read, fitted, (unit, found.judged, found.few), verdict)
    known = read_profile()
    fitted = own_profile(measured, fit_own(measured, known), known, note)
    without = own_rows_left_out(measured, known)
    told = (None if without is None else "row", without)
    verdict = judge(measured, fitted, told, _off(_baseline(measured)), is_of_these=True)
    return fitted, _validation(read, fitted, (None, None, {}), verdict)


class _Read(NamedTuple):
    """A table of measured steps, as read."""

    measured: Measurements
    skipped: tuple[Skipped, ...]
    memory: MemoryErrors


def _validation(
    read: _Read,
    fitted: Fitted,
    others: tuple[Unit | None, Judged | None, Mapping[int, Judged]],
    verdict: Verdict,
) -> Validation:
    """Set predictions with some efficiencies beside what was measured."""
    measured, skipped, memory = read
    unit, judged, few = others
    free = unbounded(fitted.values)
    widths = None
    if fitted.spread is not None:
        _, slopes = log_gradients(measured.cases, free)
        spread = fitted.spread
        reach = Reach(spread.unseen, spread.sizes, spread.makers)
        cases = [row.case for row in measured.rows]
        columns = doubt_columns(cases, measured.cases, slopes, reach)
        widths = widths_of(slopes, covariance_of(fitted, spread), spread.row)
        widths = widths * widening(columns, spread.doubts)
    return Validation(
        measured=measured,
        skipped=skipped,
        errors=log_errors(measured, free),
        widths=widths,
        unit=unit,
        judged=judged,
        few=few,
        baseline=_baseline(measured),
        line_left_out=_baseline(measured, unit or "lab"),
        memory=memory,
        fitted=fitted,
        verdict=verdict,
    )


def _off(line: Tensor) -> float | None:
    """Return the median error of the one-line formula; None where it has no answer."""
    return _known((line.exp() - 1).abs().nanmedian())


def _metrics(errors: Tensor, line: Tensor, inside: Tensor | None) -> Metrics:
    off, line = errors.exp() - 1, (line.exp() - 1).abs()
    return Metrics(
        rows=len(errors),
        mape=float(off.abs().mean()),
        median_ape=float(off.abs().median()),
        p90_ape=float(off.abs().quantile(0.9)),
        bias=float(off.median()),
        coverage_90=None if inside is None else float(inside.double().mean()),
        baseline_median_ape=_known(line.nanmedian()),
        baseline_mape=_known(line.nanmean()),
    )


def _read(path: str | Path | None) -> _Read:
    rows, skipped = read_measured(path)
    if not rows:
        why = f"; the first: {skipped[0].reason}" if skipped else ""
        raise RequestError(str(path), f"has no row that can be predicted{why}")
    return _Read(measurements(rows), tuple(skipped), memory_errors(path))


def _baseline(measured: Measurements, unit: Unit = "row") -> Tensor:
    """The one-line formula: 6nd over peak, with the one utilisation per accelerator that fits.

    That is fitted to an accelerator's other rows, or to those of other labs or sources; where there
    are none it has no answer, NaN.
    """
    cases = measured.cases
    flop: Tensor = count_flop(cases.batch, cases.work.sequence).conventions["6nd"]
    tokens = torch.tensor([row.tokens for row in measured.rows], dtype=torch.float64)
    gpus = torch.tensor([row.gpus for row in measured.rows], dtype=torch.float64)
    at_peak = (flop * tokens / (gpus * cases.device.peak)).log() - measured.log_seconds
    middle = torch.full_like(at_peak, math.nan)
    for _, own in alike([row.gpu for row in measured.rows]):
        if unit == "row":
            middle[own] = _median_of_others(at_peak[own])
            continue
        for _, together in alike([getattr(row, unit) for row in measured.rows]):
            if bool((own & ~together).any()):
                middle[own & together] = at_peak[own & ~together].median()
    return at_peak - middle


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
