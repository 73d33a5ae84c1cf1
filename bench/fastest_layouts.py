"""How much longer measured steps take than the fastest common layout of their size is predicted to:
``python bench/fastest_layouts.py [TABLE]``.

Sweeps price experiments of which only the size is known, as `estimator/training/utilisation.py`
times them. TABLE is a CSV of measured steps (docs/measured-steps.md), the shipped one if not given.
Prints the quantiles for estimator/training/training.toml; sources weigh by the root of their rows.
And how many rows of each lab lie within the other labs' quantiles: so it is with a reader's own.
"""

from __future__ import annotations

import sys
from collections import Counter

import numpy as np
import torch

from computebill.accuracy.measured import read_measured
from computebill.architectures.columns import columns
from computebill.architectures.counting import count_parameters
from computebill.hardware.accelerators import peak_flop_per_s
from computebill.training.efficiency import read_profile
from computebill.training.software import read_software
from computebill.training.utilisation import Utilisation

LARGEST = 100e9
"""Parameters: experiments are smaller."""


def main(table: str | None) -> None:
    fitted = read_profile()
    trained: dict[tuple[str, str, int], Utilisation] = {}
    found: list[tuple[str, str, float]] = []
    for row in read_measured(table)[0]:
        case, layout = row.case, row.case.layout
        if row.seconds is None or layout.lora_rank or layout.micro_batches is None:
            continue
        counted = count_parameters(columns(case.architecture))
        active = float(counted.active)
        if float(counted.total) > min(LARGEST, 1.01 * active):
            continue
        key = (case.accelerator.name, case.precision, case.sequence)
        if key not in trained:
            trained[key] = Utilisation(
                case.accelerator, case.precision, case.sequence, read_software("modern"), fitted
            )
        batch = layout.micro_batch * layout.micro_batches * layout.dp
        share = trained[key].of_sizes(
            torch.tensor([active], dtype=torch.float64),
            torch.tensor([batch], dtype=torch.float64),
            layout.accelerators,
        )
        flop = 6 * active * batch * case.sequence
        peak = peak_flop_per_s(case.accelerator, case.precision)
        reached = flop / (row.seconds * layout.accelerators * peak)
        ratio = float(share) / reached
        if np.isfinite(ratio):
            found.append((row.source, row.lab, ratio))
    sources = Counter(source for source, _, _ in found)
    weights = np.array([sources[source] ** -0.5 for source, _, _ in found])
    labs = np.array([lab for _, lab, _ in found])
    ratios = np.array([ratio for _, _, ratio in found])
    low, middle, high = quantiles(ratios, weights)
    print(f"low = {low:.3g}\nmiddle = {middle:.3g}\nhigh = {high:.3g}")
    print(f"rows = {len(found)}\nsources = {len(sources)}")
    inside = np.zeros(len(found), dtype=bool)
    for lab in dict.fromkeys(labs.tolist()):
        own = labs == lab
        low, middle, high = quantiles(ratios[~own], weights[~own])
        inside[own] = (ratios[own] >= low) & (ratios[own] <= high)
        print(f"  {lab}: {own.sum()} rows, median {np.median(ratios[own]):.2f}, "
              f"{inside[own].mean():.0%} within other labs'")  # fmt: skip
    each = [inside[labs == lab].mean() for lab in dict.fromkeys(labs.tolist())]
    print(
        f"within other labs' quantiles: {inside.mean():.0%} of rows, {np.mean(each):.0%} of a lab's"
    )


def quantiles(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the 5th, 50th and 95th percentile of weighed values."""
    order = np.argsort(values)
    place = (np.cumsum(weights[order]) - weights[order] / 2) / weights.sum()
    return np.interp([0.05, 0.5, 0.95], place, values[order])


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
