"""What people look at of a catalogue: its largest runs; what each year and organisation took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from .cells import Texts, arrow_column, read_days, read_texts
from .derive import Z
from .headers import Column

ORIGIN = pd.Timestamp(2020, 1, 1)
LEAST_FOR_TREND = 3
TRENDS = ("flop", "cost_amortised_usd")

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
    return f"{PREFIX}{name}" if f"{PREFIX}{name}" in headings else name


@dataclass
class Summary:
    """Rows of the most FLOP, and sums of medians.

    Attributes:
        largest: model, organization, date and figures of rows, most FLOP first.
        by_year: rows, FLOP and cost of each year of publication.
        by_organization: the same of each organisation.
    """

    largest: pd.DataFrame = field(default_factory=pd.DataFrame)
    by_year: pd.DataFrame = field(default_factory=pd.DataFrame)
    by_organization: pd.DataFrame = field(default_factory=pd.DataFrame)

    def costliest(self, most: int) -> pd.DataFrame:
        """Return the sums of the organisations whose rows cost the most."""
        sums = self.by_organization
        return sums.nlargest(most, "cost_amortised_usd") if len(sums) else sums

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form: points and trends for charts, and the sums. Unknown is null."""
        points, trends = self.largest, {}
        for name in TRENDS if len(points) else ():
            trends[name] = _records(trend(points, name))
        return {
            "points": _records(points),
            "trends": trends,
            "by_year": _records(self.by_year.reset_index()),
            "by_organization": _records(self.by_organization.reset_index()),
        }

    def add(self, other: Summary) -> None:
        """Take in what another has of further rows."""
        largest = _together(self.largest, other.largest)
        if len(largest):
            largest = largest.nlargest(MOST, "flop_p50").reset_index(drop=True)
        self.largest = largest
        self.by_year = _sum(self.by_year, other.by_year)
        self.by_organization = _sum(self.by_organization, other.by_organization)


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as JSON has them: days as text, what is not known as None."""
    rows = rows.astype(object).where(rows.notna(), None)
    return [
        {key: str(each.date()) if isinstance(each, pd.Timestamp) else each for key, each in row}
        for row in (record.items() for record in rows.to_dict("records"))
    ]


def summarise(scored: pa.Table, columns: Mapping[str, Column]) -> Summary:
    """Return the summary of a batch of scored rows."""
    flop, cost = (_figure(scored, name) for name in ("flop_p50", "cost_amortised_usd_p50"))
    organizations = _texts(scored, columns, "organization")
    plain = Texts(organizations.codes, [_plain(name) for name in organizations.values])
    days = np.full(len(scored), np.datetime64("NaT", "D"))
    if "date" in columns:
        days = read_days(arrow_column(scored[columns["date"].heading]))
    years = days.astype("datetime64[Y]").astype(int).astype(float) + 1970
    return Summary(
        _largest(scored, columns, flop, days, plain),
        _sums(np.where(np.isnat(days), np.nan, years), flop, cost, "year"),
        _sums(np.array(plain.values, dtype=object)[plain.codes], flop, cost, "organization"),
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
    rows = pd.DataFrame({name: keys, "rows": 1.0, "flop": flop, "cost_amortised_usd": cost})
    return rows.groupby(name).sum()


def _sum(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    if one.empty or other.empty:
        return other if one.empty else one
    return one.add(other, fill_value=0.0)


def _together(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    if one.empty or other.empty:
        return other if one.empty else one
    return pd.concat([one, other], ignore_index=True)


def trend(rows: pd.DataFrame, name: str, points: int = 24) -> pd.DataFrame:
    """Return the line through a figure's logarithm by date, and where nine in ten rows are.

    Args:
        rows: of the largest runs.
        name: of the figure.
        points: of the line.

    Returns:
        date, middle, low and high; empty of fewer than three rows.
    """
    known = rows[rows["date"].notna() & (rows[f"{name}_p50"] > 0)]
    days = (known["date"] - ORIGIN).dt.days.to_numpy(float)
    logs = np.log10(known[f"{name}_p50"].to_numpy(float))
    if len(days) < LEAST_FOR_TREND or days.min() == days.max():
        return pd.DataFrame(columns=["date", "middle", "low", "high"])
    slope, constant = np.polyfit(days, logs, 1)
    spread = Z * np.std(logs - slope * days - constant, ddof=2)
    at = np.linspace(days.min(), days.max(), points)
    line = slope * at + constant
    return pd.DataFrame(
        {
            "date": ORIGIN + pd.to_timedelta(at, unit="D"),
            "middle": 10.0**line,
            "low": 10.0 ** (line - spread),
            "high": 10.0 ** (line + spread),
        }
    )
