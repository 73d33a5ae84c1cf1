"""A chart of a result: what it is of, what is to be seen, its shape and its rows."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import altair as alt

NAME_WIDTH = 38
"""Characters of a name in one line."""

Rows = Sequence[Mapping[str, Any]]

ROWS = alt.NamedData("rows")
"""What a chart draws; the data stand beside its shape."""


@dataclass(frozen=True)
class Picture:
    """A chart without a skin.

    Attributes:
        title: heading.
        says: what is to be seen, and how to read it.
        shape: one Vega-Lite view of the data set ``rows``, and of others, without a width.
        rows: that are drawn; a ``name`` is folded where it is long.
        more: other data sets by name.
    """

    title: str
    says: str
    shape: Mapping[str, Any]
    rows: Rows
    more: Mapping[str, Rows] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What is said to those who do not see it."""
        return f"{self.title}. {self.says}"

    def spec(self) -> dict[str, Any]:
        """Return it as Vega-Lite with its data."""
        return {**self.shape, "datasets": {"rows": folded(self.rows), **self.more}}


def shape_of(chart: Any) -> dict[str, Any]:
    """Return an Altair chart of named data as Vega-Lite, checked, without a look."""
    shape: dict[str, Any] = chart.to_dict()
    shape.pop("config", None)
    return shape


def folded(rows: Rows) -> list[dict[str, Any]]:
    """Return rows with long names in lines, and the places of the names."""
    return [
        {**row, "name": textwrap.fill(str(row["name"]), NAME_WIDTH), "place": place}
        if "name" in row
        else {**row}
        for place, row in enumerate(rows)
    ]
