"""What else than the chip tells of a run's utilisation: ``python bench/fit_utilisation.py``.

Whole runs (tests/data/reported_hours.csv) and measured steps (the shipped table) together, each
organisation with an effect of its own, rows of one counting as fewer than they are. Prints, for
each set of conditions, how far off runs and steps of organisations left out are, and the figures of
``[mfu.predicted]`` in estimator/costs/method.toml.

Bayesian linear regression of the logarithm of the utilisation, rows far off counting less (Huber
1964), widths of effects from the data (MacKay 1992).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/support"))

from reported_hours import companies, reached, read_runs

from computebill.accuracy.measured import read_measured
from computebill.accuracy.measurements import measurements
from computebill.architectures.counting import count_parameters
from computebill.catalogue.derive import MIXTURE
from computebill.hardware.generations import hardware_generation

NAMES = {"Meta AI": "Meta", "Allen Institute for AI": "Ai2"}
"""Organisations as the table of steps has them."""

GENERATIONS = {"TPU": "tpu", "V100": "volta", "A100": "ampere", "A800": "ampere", "H100": "hopper"}

CONDITIONS = ("run", "mixture", "low", "small", "chips", "year", "generation")
PRIOR = 0.3
"""Standard deviation beforehand of a condition's effect on the logarithm of the utilisation."""

ROUNDS = 60
CORNER = 1.5


def observations() -> pd.DataFrame:
    """Return runs and steps: organisations, utilisation and what may tell of it."""
    return pd.concat([_runs(), _steps()], ignore_index=True)


def _runs() -> pd.DataFrame:
    rows = read_runs()
    owners = [
        frozenset(NAMES.get(name, name) for name in companies(each))
        for each in rows["Organization"]
    ]
    return pd.DataFrame(
        {
            "owners": owners,
            "reached": reached(rows),
            "run": 1.0,
            "mixture": rows["Model"].isin(["GLaM", "Yi-Lightning"]).to_numpy(float),
            "low": 0.0,
            "active": rows["Parameters"].fillna(1e10).where(rows["Model"] != "GLaM", 97e9),
            "chips": rows["Hardware quantity"].fillna(512.0),
            "year": pd.to_datetime(rows["Publication date"]).dt.year.to_numpy(float),
            "generation": rows["Training hardware"].map(_generation),
        }
    )


def _generation(chip: str) -> str:
    found = (name for key, name in GENERATIONS.items() if key in chip)
    return next(found, "other")


def _steps() -> pd.DataFrame:
    rows = [row for row in read_measured()[0] if not row.case.layout.lora_rank]
    measured = measurements(rows)
    counted = count_parameters(measured.cases.batch)
    tokens = np.array([row.tokens for row in rows])
    gpus = np.array([row.gpus for row in rows])
    able = measured.log_seconds.exp().numpy() * gpus * measured.cases.device.peak.numpy()
    return pd.DataFrame(
        {
            "owners": [frozenset([row.lab]) for row in rows],
            "reached": 6 * counted.active.numpy() * tokens / able,
            "run": 0.0,
            "mixture": (counted.active < MIXTURE * counted.total).numpy().astype(float),
            "low": [float(row.case.precision not in ("bf16", "fp16")) for row in rows],
            "active": counted.active.numpy(),
            "chips": gpus,
            "year": 2024.0,
            "generation": [hardware_generation(row.case.accelerator) for row in rows],
        }
    )


def design(rows: pd.DataFrame, conditions: Sequence[str]) -> pd.DataFrame:
    """Return columns of a regression, the first of them 1."""
    columns = {
        "run": rows["run"],
        "mixture": rows["mixture"],
        "low": rows["low"],
        "small": (9.5 - np.log10(rows["active"])).clip(0, 3),
        "chips": (np.log10(rows["chips"]) - 2.5).clip(-2.5, 2),
        "year": (rows["year"] - 2022) / 4,
    }
    found = pd.DataFrame({"one": 1.0}, index=rows.index)
    for name in conditions:
        if name == "generation":
            for each in ("volta", "ampere", "hopper", "blackwell", "tpu", "cdna"):
                found[each] = (rows["generation"] == each).astype(float)
        else:
            found[name] = columns[name]
    return found


class Regression(NamedTuple):
    """A regression on groups of rows.

    Attributes:
        coefficients: most likely ones; ``(coefficients,)``.
        covariance: what is not known of them.
        organisation: standard deviation of a group's effect.
        row: of a row's own.
    """

    coefficients: np.ndarray
    covariance: np.ndarray
    organisation: float
    row: float


def fit(columns: np.ndarray, logs: np.ndarray, groups: Sequence[str]) -> Regression:
    """Fit a regression with an effect of each group.

    Args:
        columns: ``(rows, coefficients)``, the first of them 1.
        logs: what is told; ``(rows,)``.
        groups: whose each row is.
    """
    names, place, counts = np.unique(np.array(groups), return_inverse=True, return_counts=True)
    size = columns.shape[1]
    both = np.concatenate([columns, np.eye(len(names))[place]], 1)
    full = counts[place] ** -0.5
    weights, between, within = full, 0.2, 0.35
    known = np.diag([1 / 9] + [PRIOR**-2] * (size - 1))
    for _ in range(ROUNDS):
        curvature = (both.T * weights / within**2) @ both
        curvature[:size, :size] += known
        curvature[size:, size:] += np.eye(len(names)) / between**2
        inverse = np.linalg.inv(curvature)
        found = inverse @ (both.T @ (weights * logs)) / within**2
        off = logs - both @ found
        weights = full * np.minimum(1.0, CORNER * within / np.maximum(np.abs(off), 1e-12))
        used = size - np.trace(inverse[:size, :size] @ known)
        used += len(names) - np.trace(inverse[size:, size:]) / between**2
        within = np.sqrt((weights * off**2).sum() / max(1.0, full.sum() - used))
        between = max(0.05, np.sqrt(np.mean(found[size:] ** 2 + inverse.diagonal()[size:])))
    return Regression(found[:size], inverse[:size, :size], float(between), float(within))


def left_out(rows: pd.DataFrame, conditions: Sequence[str], run: float) -> pd.DataFrame:
    """Return errors of runs (1) or steps (0), and their widths, organisations left out."""
    columns, logs = design(rows, conditions), np.log(rows["reached"])
    names = ["+".join(sorted(each)) for each in rows["owners"]]
    found = []
    for own in rows.loc[rows["run"] == run, "owners"].unique():
        others = np.array([own.isdisjoint(each) for each in rows["owners"]])
        kept = [name for name, is_other in zip(names, others, strict=True) if is_other]
        told = fit(columns[others].to_numpy(), logs[others].to_numpy(), kept)
        mine = ((rows["owners"] == own) & (rows["run"] == run)).to_numpy()
        at = columns[mine].to_numpy()
        unknown = ((at @ told.covariance) * at).sum(1)
        width = np.sqrt(unknown + told.organisation**2 + told.row**2)
        off = logs[mine].to_numpy() - at @ told.coefficients
        found.append(pd.DataFrame({"off": off, "width": width, "owner": "+".join(sorted(own))}))
    return pd.concat(found)


def told(found: pd.DataFrame) -> str:
    """Return how far off that is: rows of an organisation weigh as the root of their number."""
    weights = found.groupby("owner")["off"].transform("size") ** -0.5
    scores = found["off"] / found["width"]
    inside = np.average(scores.abs() < 1.645, weights=weights)
    likely = np.average(-(scores**2) / 2 - np.log(found["width"]), weights=weights)
    middle = found["off"].abs().groupby(found["owner"]).median().median()
    return (
        f"off by {middle:.3f} (median of organisations), {inside:.0%} in 90 %, score {likely:.3f}"
    )


def main() -> None:
    rows = observations()
    for conditions in (("run",), *(("run", name) for name in CONDITIONS[1:]), CONDITIONS):
        for run, what in ((1.0, "runs"), (0.0, "steps")):
            print(
                f"{'+'.join(conditions)}: {what} {told(left_out(rows, conditions, run))}",
                flush=True,
            )
    names = ["+".join(sorted(each)) for each in rows["owners"]]
    columns = design(rows, ("run", "mixture"))
    runs = rows["run"].to_numpy() == 1
    whole = [name for name, is_run in zip(names, runs, strict=True) if is_run]
    alone = fit(np.ones((runs.sum(), 1)), np.log(rows["reached"]).to_numpy()[runs], whole)
    last = fit(columns.to_numpy(), np.log(rows["reached"]).to_numpy(), names)
    sure = np.sqrt(last.covariance.diagonal())
    unknown = alone.covariance[0, 0] + alone.organisation**2 + alone.row**2
    print(f"sd = {np.sqrt(unknown):.3f}")
    print(f"mixture = {np.exp(last.coefficients[2]):.3f}\nmixture_sd = {sure[2]:.3f}")


if __name__ == "__main__":
    main()
