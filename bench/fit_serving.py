"""Fit the serving model's constants to published throughputs: ``python bench/fit_serving.py``.

Prints the constants for estimator/training/serving.toml, the error in sample, and the error of each
source by constants that are fitted to the others.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.optimize import minimize

from computebill.hardware.accelerators import find_accelerator
from computebill.kernels import serving
from computebill.training.serving import Constants, constants, make_server, served_sizes

TABLE = Path(__file__).parents[1] / "tests/data/serving_throughput.csv"
NAMES = ("computing", "reading", "linking", "launch", "latency")
SENSIBLE = np.log([0.5, 0.75, 0.6, 20e-6, 10e-6])
SPREAD = np.array([0.4, 0.3, 0.6, 0.7, 0.7])
"""Of the constants' logarithms, before any row speaks."""

CORNER = 0.15
"""Errors beyond count by their size, not its square."""


def predicted(rows: pd.DataFrame, used: Constants) -> pd.Series[float]:
    """Output tokens a second of each row."""
    found = pd.Series(index=rows.index, dtype=float)
    for (name, precision, ranks), group in rows.groupby(["accelerator", "precision", "tp"]):

        def column(key: str, of: pd.DataFrame = group) -> torch.Tensor:
            return torch.tensor(of[key].to_numpy(float), dtype=torch.float64)

        seconds = serving.request_seconds(
            served_sizes(column("params_b") * 1e9, column("active_b") * 1e9, str(precision)),
            make_server(find_accelerator(str(name)), str(precision), float(ranks), used),
            column("input_tokens"),
            column("output_tokens"),
            column("batch"),
            torch.ones(len(group), dtype=torch.float64),
        )
        found[group.index] = (column("output_tokens") / seconds * float(ranks)).numpy()
    return found


def errors(rows: pd.DataFrame, logs: np.ndarray) -> np.ndarray:
    """Logarithm of predicted over measured."""
    used = constants()._replace(**dict(zip(NAMES, np.exp(logs).tolist(), strict=True)))
    return np.log((predicted(rows, used) / rows["output_tokens_per_s"]).to_numpy(float))


def fit(rows: pd.DataFrame) -> np.ndarray:
    """Logarithms of the constants; large sources do not speak for all."""
    weight = (1 / rows.groupby("source")["source"].transform("count") ** 0.5).to_numpy()

    def loss(logs: np.ndarray) -> float:
        off = errors(rows, logs)
        robust = np.where(abs(off) < CORNER, off**2 / 2 / CORNER, abs(off) - CORNER / 2)
        return float((weight * robust).sum() + 0.2 * (((logs - SENSIBLE) / SPREAD) ** 2).sum())

    found = minimize(loss, SENSIBLE, method="Nelder-Mead", options={"maxiter": 400})
    return np.asarray(found.x)


def main() -> None:
    rows = pd.read_csv(TABLE, comment="#")
    logs = fit(rows)
    for name, value in zip(NAMES, np.exp(logs), strict=True):
        print(f"{name} = {value:.3g}")
    print(f"in sample: median {np.median(abs(np.expm1(errors(rows, logs)))):.1%}")
    left = []
    for source in rows["source"].unique():
        own = rows["source"] == source
        off = errors(rows[own], fit(rows[~own]))
        left.append(off)
        print(f"{source} left out, {own.sum()} rows: median {np.median(abs(np.expm1(off))):.1%}")
    off = np.concatenate(left)
    low, high = np.exp(np.quantile(-off, [0.05, 0.95]))
    print(f"all left out: median {np.median(abs(np.expm1(off))):.1%}")
    print(f"low = {low:.2f}\nhigh = {high:.2f}")


if __name__ == "__main__":
    main()
