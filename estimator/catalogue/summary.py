"""What people look at of a catalogue: its largest runs; what each year and organisation took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from computebill.batches.columns import arrow_column
from computebill.costs.method import DAYS_PER_YEAR

from .cells import ORIGIN, Texts, read_days, read_texts, years_of
from .derive import Z
from .headers import Column

LEAST_FOR_TREND = 5
"""Rows below which a line says nothing of the next one."""

LINES = ("line by date and size", "line by date")
"""Ways to FLOP that are a trend themselves."""

MOMENTS = ("rows", "x", "y", "xx", "xy", "yy")
"""Sums of years since 2020 and of a figure's logarithm, and below them the first and last year."""

ENDS = ("first", "last")

MOST_ORGANIZATIONS = 100
MOST = 2000
"""Rows that are kept for charts: those of the most FLOP."""

PREFIX = "computebill_"
SEVERAL = "several"
NOBODY = "not told"
KEPT = (
    "flop_p5",
    "flop_p50",
    "flop_p95",
    "flop_way",
    "gpu_hours_p50",
    "gpu_hours_way",
    "cost_amortised_usd_p5",
    "cost_amortised_usd_p50",
    "cost_amortised_usd_p95",
    "notes",
)


def own_name(name: str, headings: list[str]) -> str:
    """Return what a figure's column is called: a catalogue that has one of that name keeps it."""
    own = [each for each in headings if each.endswith(name) and not _before(each, name)]
    return max(own, key=len, default=name)


def _before(heading: str, name: str) -> str:
    return heading.removesuffix(name).replace(PREFIX, "")


@dataclass
class Summary:
    """Rows of the most FLOP, and sums of medians.

    Attributes:
        largest: model, organization, date and figures of rows, most FLOP first.
        by_year: rows, FLOP, cost and rows that have a cost, of each year of publication; a sum of
            nothing is not known.
        by_organization: the same sums of each organisation.
        trends: sums of which a figure's trend is made, by figure.
    """

    largest: pd.DataFrame = field(default_factory=pd.DataFrame)
    by_year: pd.DataFrame = field(default_factory=pd.DataFrame)
    by_organization: pd.DataFrame = field(default_factory=pd.DataFrame)
    trends: pd.DataFrame = field(default_factory=pd.DataFrame)

    def of_most_flop(self, most: int) -> pd.DataFrame:
        """Return the rows of the most FLOP, those of unknown FLOP left out."""
        rows = self.largest
        return rows.dropna(subset="flop_p50").head(most) if len(rows) else rows

    def costliest(self, most: int) -> pd.DataFrame:
        """Return the sums of the organisations whose rows cost the most."""
        sums = self.by_organization
        return sums.nlargest(most, "cost_amortised_usd") if len(sums) else sums

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form: points and trends for charts, and the sums. Unknown is null."""
        return {
            "points": _records(self.largest),
            "trends": {name: _records(trend(self, name)) for name in self.trends.index},
            "by_year": _records(self.by_year.reset_index()),
            "by_organization": _records(self.costliest(MOST_ORGANIZATIONS).reset_index()),
        }

    def add(self, other: Summary) -> None:
        """Take in what another has of further rows."""
        largest = _together(self.largest, other.largest)
        if len(largest):
            largest = largest.nlargest(MOST, "flop_p50").reset_index(drop=True)
        self.largest = largest
        self.by_year = _sum(self.by_year, other.by_year)
        self.by_organization = _sum(self.by_organization, other.by_organization)
        ends = _together(self.trends, other.trends)
        self.trends = _sum(self.trends, other.trends)
        if len(ends):
            self.trends["first"] = ends.groupby("figure")["first"].min()
            self.trends["last"] = ends.groupby("figure")["last"].max()


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as JSON has them: days as text, what is not known as None."""
    rows = rows.astype(object).where(rows.notna(), None)
    return [
        {
            str(key): str(each.date()) if isinstance(each, pd.Timestamp) else each
            for key, each in row
        }
        for row in (record.items() for record in rows.to_dict("records"))
    ]


def summarise(scored: pa.Table, columns: Mapping[str, Column]) -> Summary:
    """Return the summary of a batch of scored rows."""
    flop, cost = (_figure(scored, name) for name in ("flop_p50", "cost_amortised_usd_p50"))
    organizations = _texts(scored, columns, "organization")
    plain = Texts(organizations.codes, [_plain(name) for name in organizations.values])
    days = np.full(len(scored), np.datetime64("NaT", "D"))
    if "date" in columns:
        date = columns["date"]
        days = read_days(arrow_column(scored[date.heading]), date.style).values
    years = days.astype("datetime64[Y]").astype(int).astype(float) + 1970
    return Summary(
        _largest(scored, columns, flop, days, plain),
        _sums(np.where(np.isnat(days), np.nan, years), flop, cost, "year"),
        _sums(np.array(plain.values, dtype=object)[plain.codes], flop, cost, "organization"),
        _trends(scored, days, flop, cost),
    )


def _trends(scored: pa.Table, days: np.ndarray, flop: np.ndarray, cost: np.ndarray) -> pd.DataFrame:
    ways = read_texts(arrow_column(scored[own_name("flop_way", scored.column_names)]))
    is_line = ways.told(lambda way: way in LINES).astype(bool)
    years = years_of(days)
    figures = {"flop": np.where(is_line, np.nan, flop), "cost_amortised_usd": cost}
    sums = {}
    for name, values in figures.items():
        known = np.isfinite(years) & (values > 0)
        x, y = years[known], np.log10(values[known])
        moments = (len(x), x.sum(), y.sum(), (x * x).sum(), (x * y).sum(), (y * y).sum())
        ends = (x.min(initial=np.inf), x.max(initial=-np.inf))
        sums[name] = [float(each) for each in (*moments, *ends)]
    return pd.DataFrame.from_dict(sums, orient="index", columns=[*MOMENTS, *ENDS]).rename_axis(
        "figure"
    )


def _figure(scored: pa.Table, name: str) -> np.ndarray:
    column = scored[own_name(name, scored.column_names)]
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=float)


def _texts(scored: pa.Table, columns: Mapping[str, Column], name: str) -> Texts:
    if name not in columns:
        return Texts(np.zeros(len(scored), dtype=np.int64), [""])
    return read_texts(arrow_column(scored[columns[name].heading]))


def _plain(organization: str) -> str:
    return SEVERAL if "," in organization else organization or NOBODY


def _largest(
    scored: pa.Table,
    columns: Mapping[str, Column],
    flop: np.ndarray,
    days: np.ndarray,
    organizations: Texts,
) -> pd.DataFrame:
    order = np.nan_to_num(-flop, nan=np.inf)
    most = np.argpartition(order, MOST)[:MOST] if len(order) > MOST else np.arange(len(order))
    order = most[np.lexsort((most, order[most]))]
    rows = scored.take(pa.array(order))
    models = _texts(rows, columns, "model")
    names = {name: own_name(name, scored.column_names) for name in KEPT}
    found = pd.DataFrame({name: rows[own].to_pandas() for name, own in names.items()})
    return found.assign(
        model=np.array(models.values, dtype=object)[models.codes],
        organization=np.array(organizations.values, dtype=object)[organizations.codes[order]],
        date=days[order].astype("datetime64[s]"),
    )


def _sums(keys: np.ndarray, flop: np.ndarray, cost: np.ndarray, name: str) -> pd.DataFrame:
    figures = {"flop": flop, "cost_amortised_usd": cost, "rows_with_cost": 1.0 * np.isfinite(cost)}
    rows = pd.DataFrame({name: keys, "rows": 1.0, **figures})
    # A sum of nothing is not nothing: it is not known.
    return rows.groupby(name).sum(min_count=1)


def _sum(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    if one.empty or other.empty:
        return other if one.empty else one
    return one.add(other, fill_value=0.0)


def _together(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    if one.empty or other.empty:
        return other if one.empty else one
    return pd.concat([one, other])


def trend(summary: Summary, name: str, points: int = 24) -> pd.DataFrame:
    """Return the line through a figure's logarithm by date, and where nine in ten rows are.

    Least squares over all rows that have the figure; FLOP that are a line's are left out.

    Args:
        summary: sums of a catalogue.
        name: name of the figure.
        points: number of points of the line.

    Returns:
        date, middle, low and high; empty of fewer than ``LEAST_FOR_TREND`` rows.
    """
    nothing = pd.DataFrame(columns=["date", "middle", "low", "high"])
    if name not in summary.trends.index:
        return nothing
    sums = summary.trends.loc[[name], [*MOMENTS, *ENDS]].to_numpy(float)[0]
    rows, x, y, xx, xy, yy, first, last = sums
    if rows < LEAST_FOR_TREND or first == last:
        return nothing
    along, across, upwards = xx - x * x / rows, xy - x * y / rows, yy - y * y / rows
    slope = across / along
    spread = Z * np.sqrt(max(0.0, upwards - slope * across) / (rows - 2))
    at = np.linspace(first, last, points)
    line = y / rows + slope * (at - x / rows)
    return pd.DataFrame(
        {
            "date": pd.Timestamp(ORIGIN) + pd.to_timedelta(at * DAYS_PER_YEAR, unit="D"),
            "middle": 10.0**line,
            "low": 10.0 ** (line - spread),
            "high": 10.0 ** (line + spread),
        }
    )
