"""What `score` makes of runs whose hours are known, their own organisations left out.

The utilisation that it takes where a row tells none was seen on these very runs: to check the one
by the other, each run is judged by what the runs of other organisations reached.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from computebill.catalogue.cells import Texts
from computebill.catalogue.costs import find_chip
from computebill.catalogue.derive import (
    SIZES,
    TIMES,
    Inputs,
    confidence_factors,
    derive_flop,
    derive_hours,
    utilisation_interval,
)

TABLE = Path(__file__).parents[1] / "data/reported_hours.csv"

GROUPS = {
    "Google Research": "Google",
    "Google Brain": "Google",
    "DeepMind": "Google",
    "Facebook": "Meta AI",
    "Microsoft Research": "Microsoft",
}
"""Organisations that are parts of one company."""


def read_runs(path: Path = TABLE) -> pd.DataFrame:
    """Return the runs, their numbers as numbers and their texts without gaps."""
    rows = pd.read_csv(path, comment="#")
    texts = ["Organization", "Confidence", "Training hardware", "Numerical format"]
    return rows.assign(**{name: rows[name].fillna("") for name in texts})


def companies(organization: str) -> frozenset[str]:
    names = (name.strip() for name in organization.split(","))
    return frozenset(GROUPS.get(name, name) for name in names)


def reached(rows: pd.DataFrame) -> np.ndarray:
    """Return the utilisation of each run: FLOP over what its hours could hold."""
    able = rows["Training chip-hours"] * 3600 * rows["Peak (FLOP/s)"]
    return (rows["Training compute (FLOP)"] / able).to_numpy(float)


def observed(rows: pd.DataFrame) -> dict[str, float]:
    """Return p10, p50 and p90 of the utilisations of runs."""
    values = np.quantile(reached(rows), [0.1, 0.5, 0.9])
    return dict(zip(("p10", "p50", "p90"), map(float, values), strict=True))


def without_their_own(rows: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield, for each run, the runs of which no organisation had a part in it."""
    owners = rows["Organization"].map(companies)
    for own in owners:
        yield rows[[own.isdisjoint(each) for each in owners]]


def judged(rows: pd.DataFrame) -> pd.DataFrame:
    """Return `hours_by` what the runs of other organisations reached."""
    return hours_by(rows, [observed(others) for others in without_their_own(rows)])


def hours_by(rows: pd.DataFrame, seen: Sequence[Mapping[str, float]]) -> pd.DataFrame:
    """Return p5, p50 and p95 of each run's hours by its FLOP and chip alone, and those reported.

    Args:
        rows: runs.
        seen: p10, p50 and p90 of the utilisation that each is judged by.
    """
    found = [_hours(row, each) for (_, row), each in zip(rows.iterrows(), seen, strict=True)]
    told = pd.DataFrame(found, columns=["p5", "p50", "p95"])
    return told.assign(reported=rows["Training chip-hours"].to_numpy())


def _hours(row: pd.Series, seen: Mapping[str, float]) -> tuple[float, float, float]:
    def column(value: float) -> torch.Tensor:
        return torch.tensor([value], dtype=torch.float64)

    numbers = {name: column(np.nan) for name in (*SIZES, *TIMES)}
    numbers["flop"] = column(row["Training compute (FLOP)"])
    confidence = confidence_factors(Texts(np.zeros(1, dtype=np.int64), [row["Confidence"]]))
    inputs = Inputs(
        numbers,
        year=column(np.nan),
        peak=column(find_chip(row["Training hardware"], row["Numerical format"], ()).peak),
        confidence=column(float(confidence[0])),
        language=torch.tensor([True]),
        shifts={"with_size": column(np.nan), "by_date": column(np.nan)},
        observed=utilisation_interval(seen),
    )
    hours = derive_hours(inputs, derive_flop(inputs))
    return float(hours.p5), float(hours.median), float(hours.p95)
