"""Fitted efficiencies as a file holds them."""

from __future__ import annotations

import datetime as dt
import math
from typing import Annotated

from pydantic import Field, model_validator

from computebill.base.constants import number
from computebill.base.specfile import Spec, within

FARTHEST = 1e3
"""Largest ratio of measured to predicted time in an interval, and the inverse of the least."""

Ratio = Annotated[float, within(1 / FARTHEST, FARTHEST)]

# base/constants.toml has what it is.
UNFITTED_APART = number("hardware.fitted.UNFITTED_APART")


Positive = Annotated[float, within(1e-6, 20.0)]

Covariance = Annotated[float, within(-FARTHEST, FARTHEST)]

Factor = Annotated[float, within(0.0, math.log(FARTHEST))]

Size = Annotated[float, within(1e-6, 1e30)]


class Spread(Spec):
    """What is not known of fitted efficiencies, and of a step beside them.

    Attributes:
        row: standard deviation of the logarithm of one step's time beside its lab's own pace.
        tails: standard deviations from a prediction to the 5th and to the 95th percentile of what
            a lab measures that had no part in the fit.
        own_tails: the same of a lab of whose steps some were measured.
        unseen: efficiencies that no measured row spoke of.
        sizes: least and most that was measured, of accelerators, parameters and a sequence.
        makers: of the accelerators that were measured; without any, none is doubted for its own.
        doubts: what each reason for doubt adds to the logarithm of an interval's width.
        covariance: of the efficiencies' logarithms and logits, in the order of their values; the
            lower triangle, row by row.
    """

    row: Positive
    tails: tuple[Positive, Positive]
    own_tails: tuple[Positive, Positive]
    unseen: tuple[str, ...] = ()
    sizes: dict[str, tuple[Size, Size]] = Field(default_factory=dict)
    makers: tuple[str, ...] = ()
    doubts: dict[str, Factor] = Field(default_factory=dict)
    covariance: tuple[tuple[Covariance, ...], ...]


class Fitted(Spec):
    """Efficiencies: a file of their own, or the table ``[efficiency]`` of an accelerator's profile.

    Attributes:
        fitted: day of the fit.
        rows: number of measured steps that it was fitted to.
        sources: sources of those steps.
        note: what else there is to say of the fit.
        intervals: for each kind of case, 5th and 95th percentile of measured over predicted time,
            of sources that were left out.
        apart: median difference of two rows' errors, in logarithms, of one model and accelerator
            under two layouts, of sources that were left out.
        values: efficiencies by name.
        spread: what is not known of them; without it a step's interval is that of its kind.
    """

    fitted: dt.date
    rows: int
    sources: tuple[str, ...]
    note: str = ""
    intervals: dict[str, tuple[Ratio, Ratio]] = Field(default_factory=dict)
    apart: Annotated[float, within(1e-6, math.log(FARTHEST))] = UNFITTED_APART
    values: dict[str, float]
    spread: Spread | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Fitted:
        if self.spread is not None:
            sizes = [len(row) for row in self.spread.covariance]
            if sizes != list(range(1, len(self.values) + 1)):
                raise ValueError("spread.covariance: has to be a triangle as wide as values")
        for kind, (low, high) in self.intervals.items():
            if low > high:
                raise ValueError(f"intervals.{kind}: {low:g} is above {high:g}")
        return self

    @property
    def origin(self) -> str:
        """Origin of the values, as tables cite it."""
        return f"fitted {self.fitted} to {self.rows:,} measured steps"
