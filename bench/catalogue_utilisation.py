"""Which utilisation prices a catalogue's rows better: ``... RUNS_WITH_REPORTED_HOURS``.

GPU-hours by FLOP and chip alone, against those reported, of language models: with the median that
whole runs were seen to reach, and with the step model's, the fastest common layout of a Llama-like
model of the size on as many accelerators over what people's steps take (`training/training.toml`).
RUNS_WITH_REPORTED_HOURS is in Epoch AI's columns.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch

from computebill.catalogue.costs import find_chip
from computebill.catalogue.derive import utilisation_interval
from computebill.costs.method import DAYS_PER_YEAR, cost_method
from computebill.hardware.accelerators import find_accelerator
from computebill.training.efficiency import read_profile
from computebill.training.software import running
from computebill.training.utilisation import Utilisation, practice

SEQUENCE = 2048
TOKENS = (1e6, 2e6, 4e6, 16e6)
"""Of a step; catalogues do not tell them."""


def reached(rows: pd.DataFrame) -> Iterator[tuple[pd.Series, str, float]]:
    """Yield language models of known size, chip and hours, with their utilisation."""
    for _, row in rows.iterrows():
        part = find_chip(str(row["Training hardware"]), str(row["Numerical format"]), ())
        flop, hours = row["Training compute (FLOP)"], row["chip_hours"]
        if part.name and "Language" in row["Domain"] and row["Parameters"] > 0:
            yield row, part.name, flop / (part.peak * hours * 3600)


def step_model(row: pd.Series, name: str, tokens: float) -> float:
    accelerator = find_accelerator(name)
    days = cost_method().dates.days_to_publication
    trained = pd.Timestamp(row["Publication date"]) - pd.Timedelta(days=days)
    software = running("", trained.year + trained.day_of_year / DAYS_PER_YEAR).software
    steps = Utilisation(
        accelerator, accelerator.default_precision, SEQUENCE, software, read_profile(None)
    )
    count = 2 ** round(math.log2(row["Hardware quantity"]))
    size, batch = (
        torch.tensor([each], dtype=torch.float64) for each in (row["Parameters"], tokens / SEQUENCE)
    )
    return float(steps.of_sizes(size, batch, count)[0]) / practice("training").middle


def main(path: str) -> None:
    runs = list(reached(pd.read_csv(path)))
    median = utilisation_interval()[0]
    print("tokens a step, runs | off by (median), |off| (mean): step model | as runs were seen to")
    for tokens in TOKENS:
        found = np.array([[step_model(row, name, tokens), own] for row, name, own in runs])
        found = found[np.isfinite(found[:, 0])]
        steps, seen = np.log(found[:, 0] / found[:, 1]), np.log(median / found[:, 1])
        told = [f"{np.median(each):+.2f}, {np.abs(each).mean():.2f}" for each in (steps, seen)]
        print(f"{tokens:.0e}, {len(found)} | {told[0]} | {told[1]}")


if __name__ == "__main__":
    main(sys.argv[1])
