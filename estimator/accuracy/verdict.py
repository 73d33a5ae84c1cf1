"""Whether efficiencies are worth using: beside fits without the rows, what ships, and one line."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from computebill.hardware.fitted import Fitted
from computebill.training.efficiency import read_profile
from computebill.training.parameters import unbounded

from .calibration import fit_own
from .measurements import Measurements, log_errors

FOLDS = 5
"""Parts of one's own rows, each of which is left out in turn."""
LEAST_CHANGE = 0.005
"""Of an efficiency, in logarithms: less is told as none."""


@dataclass(frozen=True)
class Verdict:
    """How far off efficiencies are in the median row, beside what else there is.

    Attributes:
        fitted: median error with the efficiencies that were asked for, as a fraction.
        left_out: of fits that had no part in a row; None where nothing was left out.
        unit: what was left out together; None where nothing was.
        shipped: of the efficiencies that ship; None where they are asked for.
        baseline: of FLOP / (peak x one utilisation); None where there are no other rows.
        is_of_use: whether they predict better than what ships, or than one line where they are
            what ships; None where nothing tells.
        why: that in words.
        changes: efficiencies that differ from what ships, the most first.
    """

    fitted: float
    left_out: float | None
    unit: str | None
    shipped: float | None
    baseline: float | None
    is_of_use: bool | None
    why: str
    changes: tuple[Difference, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "use": self.is_of_use,
            "why": self.why,
            "fitted_median_ape": self.fitted,
            "left_out_median_ape": self.left_out,
            "left_out": self.unit,
            "shipped_median_ape": self.shipped,
            "baseline_median_ape": self.baseline,
            "changes": [vars(each) for each in self.changes],
        }


@dataclass(frozen=True)
class Difference:
    """An efficiency that differs from what ships.

    Attributes:
        name: of it.
        shipped: value that ships.
        fitted: value in its place.
    """

    name: str
    shipped: float
    fitted: float


def own_rows_left_out(measured: Measurements, known: Fitted) -> float | None:
    """Return the median error of rows of one's own that had no part in a fit to the others.

    A fifth of the rows is left out in turn, a row where there are fewer; what ships is the starting
    point each time, as in the fit to all of them.

    Returns:
        The error as a fraction; None of a single row.
    """
    count = len(measured.rows)
    parts = min(FOLDS, count)
    if parts < 2:
        return None
    errors = []
    for part in range(parts):
        others = [place for place in range(count) if place % parts != part]
        fit = fit_own(measured.some(others), known)
        errors.append(log_errors(measured.some(list(range(part, count, parts))), fit.free))
    return median_error(torch.cat(errors))


def median_error(errors: Tensor) -> float:
    """Return the median size of errors as a fraction, of logarithms of predicted over measured."""
    return float((errors.exp() - 1).abs().median())


def judge(
    measured: Measurements,
    fitted: Fitted,
    left_out: tuple[str | None, float | None],
    baseline: float | None,
    *,
    is_of_these: bool,
) -> Verdict:
    """Return whether efficiencies are worth using on rows like these.

    Args:
        measured: the rows.
        fitted: the efficiencies.
        left_out: what was left out together, and the median error of fits without it.
        baseline: median error of the one-line formula.
        is_of_these: whether they were fitted to these very rows just now.
    """
    ships = read_profile()
    own = median_error(log_errors(measured, unbounded(fitted.values)))
    is_other = fitted != ships
    shipped = median_error(log_errors(measured, unbounded(ships.values))) if is_other else None
    unit, without = left_out
    # A fit to the rows themselves is no evidence of the next ones.
    tried = without if without is not None or is_of_these else own
    rival = shipped if is_other else baseline
    use = None if tried is None or rival is None else tried < rival
    changes = tuple(_differences(ships, fitted)) if is_other else ()
    rows = f"rows of a {unit} left out" if unit in ("lab", "source") else "rows left out"
    if unit is None:
        is_seen = {row.source for row in measured.rows} <= set(fitted.sources)
        rows = "these rows" + (", which it may have been fitted to," if is_seen else "")
    why = _why(use, rows, "what ships" if is_other else "one line", is_of_these=is_of_these)
    return Verdict(own, without, unit, shipped, baseline, use, why, changes)


def _why(use: bool | None, rows: str, rival: str, *, is_of_these: bool) -> str:
    if use is None:
        told = "no row was left out that could tell" if is_of_these else "nothing to compare with"
        return f"undecided: {told}"
    if use:
        return f"use it: {rows} are predicted better than by {rival}"
    return f"do not use it: {rows} are predicted no better than by {rival}"


def _differences(ships: Fitted, fitted: Fitted) -> Iterator[Difference]:
    found = [
        (abs(math.log(value / ships.values[name])), Difference(name, ships.values[name], value))
        for name, value in fitted.values.items()
        if name in ships.values
    ]
    for size, each in sorted(found, key=lambda pair: -pair[0]):
        if size >= LEAST_CHANGE:
            yield each
