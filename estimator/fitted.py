"""Fitted efficiencies as a file holds them."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from pydantic import Field

from .specfile import Spec

UNFITTED_APART = 0.1
"""Of ``Fitted.apart``, where no pair of rows tells it."""


class Fitted(Spec):
    """Efficiencies: a file of their own, or the table ``[efficiency]`` of an accelerator's profile.

    Attributes:
        fitted: when.
        rows: measured steps that it was fitted on.
        sources: where they are from.
        note: what else there is to say.
        intervals: by the kind of case, 5th and 95th percentile of measured over predicted time,
            of sources that were left out.
        apart: median difference of two rows' errors, in logarithms, of one model and accelerator
            under two layouts, of sources that were left out.
        values: efficiencies by name.
    """

    fitted: dt.date
    rows: int
    sources: tuple[str, ...]
    note: str = ""
    intervals: dict[str, tuple[float, float]] = Field(default_factory=dict)
    apart: Annotated[float, Field(gt=0)] = UNFITTED_APART
    values: dict[str, float]

    @property
    def origin(self) -> str:
        """Where the values come from, as tables cite it."""
        return f"fitted {self.fitted} to {self.rows:,} measured steps"
