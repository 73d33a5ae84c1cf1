"""A programme of what records tell: final runs, the rest by kind, and all research compute."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from computebill.base.errors import RequestError, shown

from .cube import NO_MONTH
from .result import Ledger
from .schema import FINAL
from .telling import LEAST, clean, needs_final_runs, spread, table_text

Basis = Literal["dollars", "hours", "energy"]
BASES: tuple[Basis, ...] = get_args(Basis)

EXPLORATION = {
    "pretraining research": ("pretraining research",),
    "post-training development": ("post-training",),
    "synthetic data": ("data generation",),
    "evaluation": ("evaluation",),
    "unreleased and failed runs": ("failed or restarted",),
    "idle and debugging": ("interactive", "idle"),
}
"""Kinds of a programme's rest, and the kinds of jobs that are of them; unknown ones are of none."""

INFERENCE = "inference"
MOST_RUNS = 500
SOURCE = "records"


HEAD = """\
# What a lab's records tell, as a programme: computebill spend {file} sets its final runs against
# all of its research compute, and a shipped programme beside it: computebill spend {file} NAME.
# Records tell no releases: each final run counts in the month in which its last job ended; edit
# that, and names. What is of no known kind is in the rest, and stays unexplained.
"""


class Measure(NamedTuple):
    """How a programme is counted.

    Attributes:
        column: of the cells.
        unit: of a reported line.
        size: of a run.
        amount: of a ledger's sums, the field.
    """

    column: str
    unit: dict[str, str]
    size: str
    amount: str


MEASURES: dict[Basis, Measure] = {
    "dollars": Measure("cost_usd", {"currency": "USD"}, "cost_usd", "cost_usd"),
    "hours": Measure("gpu_hours", {"unit": "GPU-hours"}, "accelerator_hours", "gpu_hours"),
    "energy": Measure("energy_mwh", {"unit": "MWh"}, "energy_mwh", "energy_mwh"),
}


def measured_basis(found: Ledger) -> Basis:
    """Return what was measured: dollars where a bill has every hour, else hours."""
    return "dollars" if _is_told(found, "dollars") else "hours"


def programme_text(found: Ledger, name: str, file: str, basis: Basis | None = None) -> str:
    """Return a programme file of what records tell.

    Args:
        found: what they tell.
        name: of the organisation.
        file: name of the file, for the comment at its head.
        basis: what it is counted in; None for what was measured.

    Raises:
        RequestError: where no job is of a final run, no record tells a time, or not every hour
            has a figure in that basis.
    """
    made = Programme(found, clean(name), basis or measured_basis(found))
    return HEAD.format(file=file) + "".join(f"\n{table_text(each)}" for each in made.tables())


class Programme:
    """The tables of a programme file."""

    def __init__(self, found: Ledger, name: str, basis: Basis) -> None:
        needs_final_runs(found, "-o")
        if found.period is None:
            raise RequestError("-o", "needs a window, but no record tells a time")
        self._found, self._name, self._basis = found, name, basis
        self._measure = MEASURES[basis]
        cells = found.cells
        if cells[self._measure.column].isna().any():
            told = f"got {basis}, which not every hour has; allowed: hours, or --price"
            raise RequestError("--basis", told)
        start, end = found.period
        # What ends with a month is of that month.
        last = (pd.Timestamp(end) - pd.Timedelta(seconds=1)).to_pydatetime()
        self._first, self._last = f"{start:%Y-%m}", f"{max(start, last):%Y-%m}"
        self._total = getattr(found.total, self._measure.amount)
        self._mark = {"mark": "measured" if _is_told(found, basis) else "derived", "source": SOURCE}

    def tables(self) -> Iterator[dict[str, Any]]:
        """Yield them in their order."""
        title = f"{self._name}, {self._first}..{self._last}, own records"
        yield {
            "organisation": self._name,
            "title": title,
            "basis": self._basis,
            "base_name": "own records",
        }
        yield {"window": {"first": self._first, "last": self._last}}
        yield {"sources": {SOURCE: self._source()}}
        yield from ({"reported": [line]} for line in self._lines())
        yield from ({"runs": [run]} for run in self._runs())
        yield from ({"exploration": [part]} for part in self._rest())

    def _source(self) -> dict[str, str]:
        found = self._found
        forms = ", ".join(sorted({each.format for each in found.files}))
        told = f"{found.rows_used:,} rows of {len(found.files):,} files ({forms})"
        if self._mark["mark"] == "derived":
            told += "; hours that no bill prices are at the price that the ledger tells"
        return {"title": f"{self._name}'s records of its accelerators", "note": told}

    def _lines(self) -> Iterator[dict[str, Any]]:
        """Yield what was used each month; inference of a product is no research."""
        is_research = self._found.cells["kind"] != INFERENCE
        unknown = self._found.parts["kind"].get("unknown")
        note = "All that the records have, but inference."
        if unknown is not None and self._found.total.gpu_hours > 0:
            share = unknown.gpu_hours / self._found.total.gpu_hours
            note += f" {share:.1%} of all hours are of no known kind."
        yield from self._line("R&D compute", "rnd_compute", is_research.to_numpy(), note)
        yield from self._line("inference", "inference_compute", ~is_research.to_numpy(), "")

    def _line(
        self, item: str, counts_as: str, rows: np.ndarray, note: str
    ) -> Iterator[dict[str, Any]]:
        cells = self._found.cells[rows]
        sums = cells.groupby("month")[self._measure.column].sum()
        line = {"item": item, "counts_as": counts_as, **self._measure.unit, **self._mark}
        months = [str(each) for each in pd.period_range(self._first, self._last, freq="M")]
        if sums.drop(NO_MONTH, errors="ignore").abs().sum() > 0:
            told = [{"period": month, **self._signed(sums.get(month, 0.0))} for month in months]
            yield {**line, **({"note": note} if note else {}), "periods": told}
        if sums.get(NO_MONTH, 0.0):
            whole = f"{months[0]}..{months[-1]}" if len(months) > 1 else months[0]
            told = [{"period": whole, **self._signed(sums[NO_MONTH])}]
            yield {**line, "item": f"{item}, of no known month", "periods": told}

    def _signed(self, value: float) -> dict[str, Any]:
        """Return an amount; what a bill takes off is subtracted."""
        amount = {"amount": spread(abs(float(value)), self._total)}
        return {**amount, "sign": -1} if value < 0 else amount

    def _runs(self) -> Iterator[dict[str, Any]]:
        cells = self._found.cells[self._found.cells["kind"] == FINAL]
        whole = float(cells[self._measure.column].sum())
        runs = self._found.runs
        runs = runs[runs["kind"] == FINAL].head(MOST_RUNS) if len(runs) else runs
        sizes = self._sizes(runs, cells) if len(runs) else np.zeros(0)
        taken: dict[str, int] = {}
        for (_, row), size in zip(runs.iterrows(), sizes, strict=True):
            if size > 0:
                yield self._run(_name(row, taken), self._month(row["end"]), size, int(row["jobs"]))
        rest = whole - float(sizes.sum())
        if rest > LEAST * whole:
            name = "further final runs" if len(runs) else "final runs"
            yield self._run(name, self._last, rest, 0)

    def _run(self, name: str, released: str, size: float, jobs: int) -> dict[str, Any]:
        run = {"name": name, "released": released, self._measure.size: spread(size, self._total)}
        note = {"note": f"{jobs:,} jobs, restarts of one run."} if jobs > 1 else {}
        return {**run, **self._mark, **note}

    def _sizes(self, runs: pd.DataFrame, cells: pd.DataFrame) -> NDArray[np.float64]:
        """Return what each run took; of energy, as an hour of its accelerator takes."""
        if self._basis != "energy":
            own = "cost_usd" if self._basis == "dollars" else "gpu_hours"
            return np.asarray(np.nan_to_num(runs[own].to_numpy(float)))
        sums = cells.groupby("accelerator")[["energy_mwh", "gpu_hours"]].sum()
        each = (sums["energy_mwh"] / sums["gpu_hours"]).to_dict()
        whole = float(sums["energy_mwh"].sum() / sums["gpu_hours"].sum())
        hours = runs["gpu_hours"].to_numpy(float)
        return np.asarray(hours * [each.get(name, whole) for name in runs["accelerator"]])

    def _month(self, end: Any) -> str:
        """Return the month of a run's end, within the window."""
        if pd.isna(end):
            return self._last
        month = f"{end - pd.Timedelta(seconds=1):%Y-%m}"
        return min(max(month, self._first), self._last)

    def _rest(self) -> Iterator[dict[str, Any]]:
        sums = self._found.cells.groupby("kind")[self._measure.column].sum()
        for kind, own in EXPLORATION.items():
            amount = float(sum(sums.get(each, 0.0) for each in own))
            if amount > 0:
                told = " and ".join(each for each in own if sums.get(each, 0.0) > 0)
                part = {"name": f"{told}, as recorded", "kind": kind}
                yield {**part, "amount": spread(amount, self._total), **self._mark}


def _is_told(found: Ledger, basis: Basis) -> bool:
    """Whether records tell a basis of every hour."""
    if basis == "hours":
        return True
    cells = found.cells
    column = {"dollars": "usd_hours", "energy": "energy_hours"}[basis]
    hours = float(cells["gpu_hours"].abs().sum())
    return hours > 0 and float(np.abs(cells["gpu_hours"] - cells[column]).sum()) <= 1e-6 * hours


def _name(row: pd.Series, taken: dict[str, int]) -> str:
    """Return a run's name; one that is taken has its start behind it."""
    own = next((row[key] for key in ("name", "job") if isinstance(row[key], str)), FINAL)
    name = clean(own)
    if name in taken and not pd.isna(row["start"]):
        name = f"{name}, from {row['start']:%Y-%m-%d}"
    number = taken[name] = taken.get(name, 0) + 1
    return name if number == 1 else f"{name} ({number})"


def basis_of(text: str) -> Basis:
    """Return a basis by its name.

    Raises:
        RequestError: naming the flag.
    """
    for basis in BASES:
        if basis == text:
            return basis
    raise RequestError("--basis", f"got {shown(text)}; allowed: {', '.join(BASES)}")
