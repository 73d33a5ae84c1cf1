"""What records tell: hours, dollars, energy and FLOP of every kind, and the final run's share."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from computebill.base.assumptions import Assumption
from computebill.base.notebook import Shown
from computebill.uncertainty.distribution import Distribution

from .schema import BY, IDLE, KINDS, MEASURES, STATES

NOT_KNOWN = Distribution(float("nan"), float("nan"), float("nan"), float("nan"))
LARGEST = 20
"""Largest runs that are told."""


@dataclass(frozen=True)
class FileRead:
    """A file of records, and what it was taken for.

    Attributes:
        file: name, as it was given.
        format: its form: ``sacct``, ``focus``, ``wandb`` …
        rows_in: rows of it, and lines that are no rows.
        rows_rejected: those that could not be used.
        columns: field by heading; empty where a column is not used.
    """

    file: str
    format: str
    rows_in: int = 0
    rows_rejected: int = 0
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reject:
    """A row that could not be used."""

    file: str
    line: int
    reason: str
    text: str = ""


@dataclass(frozen=True)
class Amount:
    """Sums of some cells.

    Attributes:
        jobs: jobs, charges or tracked runs.
        gpu_hours: accelerator-hours.
        cost_usd: what they cost: as billed, else at the price of an hour.
        energy_mwh: as recorded, else modelled, with PUE.
        flop: model FLOP: as tracked, else hours at a utilisation.
    """

    jobs: float
    gpu_hours: float
    cost_usd: Distribution
    energy_mwh: Distribution
    flop: Distribution

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "jobs": self.jobs,
            "gpu_hours": self.gpu_hours,
            "cost_usd": self.cost_usd.to_dict(),
            "energy_mwh": self.energy_mwh.to_dict(),
            "flop": self.flop.to_dict(),
        }


@dataclass(repr=False)
class Ledger(Shown):
    """What records tell.

    Attributes:
        rows_in: rows that were read, and lines that are no rows.
        rows_used: rows that were used, those that were joined to another among them.
        files: files, and what each was taken for.
        unread_files: files that could not be read to their end, with the reason.
        period: first start and last end.
        cells: sums by `BY`, columns of `MEASURES`; with priced columns ``cost_usd``,
            ``energy_mwh`` and ``flop_all``, medians, where they are known.
        runs: jobs with their restarts as one: name, user, project, kind, accelerator,
            accelerators, jobs, start, end, gpu_hours, lost_gpu_hours, cost_usd, flop, mfu, tokens,
            params, state; the largest first, and not all where there are very many.
        trackers: rows of trackers as `schema.JOBS` has them, with their kind.
        total: sums of everything.
        unpriced: accelerator-hours of no known price; no cost has them.
        parts: sums by what they are of: ``kind``, ``state``, ``project``, ``user``, ``month``,
            ``size``, ``accelerator``; each by its name.
        final_share: share of the dollars, of the hours where no price is known, that final runs
            took; its width is unknown jobs and prices.
        final_share_of_research: the same, inference and idle accelerators left out.
        share_basis: ``cost`` or ``hours``.
        capacity: accelerator-hours that the cluster had; None where not given.
        restarts: chains of restarts, their jobs, and hours that were lost.
        queue: wait by size of job: jobs, mean, and quantiles [h].
        named: rows that each rule names, ``(rules,)``.
        groups: what no rule names, by project, partition and name: jobs, hours; where asked.
        joined: rows that tell the same job as another, by how that was found.
        remarks: rows by what to know of them.
        reasons: rejected rows by reason.
        rejects: the first of them.
        bill_costs: which of their costs bills are taken at.
        rejects_file: file or folder that they were written to.
        assumptions: what the answer rests on.
        seconds: time that it took [s].
    """

    rows_in: int = 0
    rows_used: int = 0
    files: list[FileRead] = field(default_factory=list)
    unread_files: dict[str, str] = field(default_factory=dict)
    period: tuple[dt.datetime, dt.datetime] | None = None
    cells: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=[*BY, *MEASURES]))
    runs: pd.DataFrame = field(default_factory=pd.DataFrame)
    trackers: pd.DataFrame = field(default_factory=pd.DataFrame)
    total: Amount = Amount(0.0, 0.0, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN)
    unpriced: float = 0.0
    parts: dict[str, dict[str, Amount]] = field(default_factory=dict)
    final_share: Distribution = NOT_KNOWN
    final_share_of_research: Distribution = NOT_KNOWN
    share_basis: str = "hours"
    capacity: float | None = None
    restarts: dict[str, Any] = field(default_factory=dict)
    queue: pd.DataFrame = field(default_factory=pd.DataFrame)
    named: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    groups: pd.DataFrame = field(default_factory=pd.DataFrame)
    joined: Counter[str] = field(default_factory=Counter)
    remarks: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    rejects: list[Reject] = field(default_factory=list)
    bill_costs: tuple[str, ...] = ()
    rejects_file: str | None = None
    assumptions: tuple[Assumption, ...] = ()
    seconds: float = 0.0

    @property
    def rows_rejected(self) -> int:
        """Rows that could not be used, and lines that are no rows."""
        return self.rows_in - self.rows_used

    def by(self, *names: str) -> pd.DataFrame:
        """Return the cells' sums by some of `BY`: ``by("kind", "month")``."""
        return self.cells.groupby(list(names)).sum(numeric_only=True)

    def to_frame(self) -> pd.DataFrame:
        """Return the runs: jobs, with their restarts as one."""
        return self.runs

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; its keys are a contract."""
        told = {f"by_{name}": _amounts(name, found) for name, found in self.parts.items()}
        return {
            "rows_in": self.rows_in,
            "rows_used": self.rows_used,
            "rows_rejected": self.rows_rejected,
            "period": None if self.period is None else _period(self.period),
            "gpu_hours": self.total.gpu_hours,
            "cost_usd": self.total.cost_usd.to_dict(),
            "unpriced_gpu_hours": self.unpriced,
            "energy_mwh": self.total.energy_mwh.to_dict(),
            "flop": self.total.flop.to_dict(),
            "jobs": self.total.jobs,
            "by_kind": {},
            "by_state": {},
            **told,
            **_crossed(self.cells),
            "final_share": self.final_share.to_dict(),
            "final_share_of_research": self.final_share_of_research.to_dict(),
            "final_share_of": self.share_basis,
            "capacity": self._capacity(),
            "restarts": self.restarts,
            "largest": _records(self.runs.head(LARGEST)),
            "queue": _records(self.queue.reset_index()) if len(self.queue) else [],
            "joined": dict(self.joined.most_common()),
            "remarks": dict(self.remarks.most_common()),
            "reasons": dict(self.reasons.most_common()),
            "rejects": [vars(each) for each in self.rejects],
            "rejects_file": self.rejects_file,
            "files": [vars(each) for each in self.files],
            "unread_files": [
                {"file": file, "reason": reason} for file, reason in self.unread_files.items()
            ],
            "assumptions": [each.to_dict() for each in self.assumptions],
            "seconds": self.seconds,
        }

    def _capacity(self) -> dict[str, float] | None:
        if self.capacity is None:
            return None
        idle = self.idle_hours()
        share = idle / self.capacity
        return {"gpu_hours": self.capacity, "idle_gpu_hours": idle, "idle_share": share}

    def idle_hours(self) -> float:
        """Return the accelerator-hours of the capacity that no job used; 0 of none that is told."""
        billed = self.parts["kind"].get(IDLE)
        used = self.total.gpu_hours - (billed.gpu_hours if billed is not None else 0.0)
        idle = (self.capacity or 0.0) - used
        return 0.0 if abs(idle) <= LEAST * abs(used) else idle


LEAST = 1e-9
"""Share of hours below which a difference is one of floats."""
MOST_PROJECTS = 30
"""Projects whose kinds are told, those of the most hours."""


def _crossed(cells: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """Return hours and dollars, medians, by kind and month, and by project and kind."""
    priced = cells.reindex(columns=[*BY, "gpu_hours", "cost_usd"])
    order = priced.groupby("project")["gpu_hours"].sum().nlargest(MOST_PROJECTS).index
    is_told = priced["project"].isin(order)
    named = priced.assign(project=priced["project"].where(is_told, "(others)"))
    return {
        "by_kind_and_month": _sums(priced, ["kind", "month"]),
        "by_project_and_kind": _sums(named, ["project", "kind"]),
    }


def _sums(cells: pd.DataFrame, by: list[str]) -> list[dict[str, Any]]:
    sums = cells.groupby(by)[["gpu_hours", "cost_usd"]].sum(min_count=1)
    return _records(sums.reset_index())


def _period(period: tuple[dt.datetime, dt.datetime]) -> dict[str, str]:
    start, end = period
    return {"start": start.isoformat(), "end": end.isoformat()}


def _amounts(name: str, found: Mapping[str, Amount]) -> dict[str, Any]:
    """Return sums by name: kinds and states in their own order, others as they stand."""
    order = {"kind": KINDS, "state": STATES}.get(name, tuple(found))
    return {each: found[each].to_dict() for each in order if each in found}


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as JSON has them: moments as text, what is not known as None."""
    rows = rows.astype(object).where(rows.notna(), None)
    return [
        {
            str(key): each.isoformat() if isinstance(each, pd.Timestamp) else each
            for key, each in record.items()
        }
        for record in rows.to_dict("records")
    ]
