"""Is the Laplace posterior of the efficiencies right: ``python bench/posterior_by_sampling.py``.

Draws from the same model (rows, priors, effects of labs and sources, robust likelihood) by
Hamiltonian Monte Carlo (Neal 2011, "MCMC Using Hamiltonian Dynamics"), seeded, in the coordinates
that make the Laplace posterior a standard normal, and sets means and standard deviations of every
efficiency beside its. A thousand draws take a quarter of an hour on one core; ``[DRAWS]``: others.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from computebill.accuracy.measured import read_measured
from computebill.accuracy.measurements import measurements
from computebill.accuracy.posterior import Problem, fit_widths, least, prior_of_all
from computebill.training.cases import step_times
from computebill.training.parameters import NAMES, bounded

DRAWS = 1000
WARMING = 40
STEP = 0.35
"""Length of a step, in standard deviations; shortened or stretched by a fifth at random."""

STEPS = 5
"""Of a way, at the median; at random, so that no way closes on itself."""


class Sampled(NamedTuple):
    """Draws and how they went.

    Attributes:
        draws: ``(draws, numbers)``.
        accepted: share of the ways that were taken.
    """

    draws: Tensor
    accepted: float


def sample(energy: Callable[[Tensor], Tensor], size: int, draws: int, seed: int = 0) -> Sampled:
    """Draw from ``exp(-energy)`` of so many numbers, begun at zero."""
    generator = torch.Generator().manual_seed(seed)
    place = torch.zeros(size, dtype=torch.float64)
    value, slope = _with_slope(energy, place)
    found, taken = [], 0
    for turn in range(WARMING + draws):
        speed = torch.randn(size, generator=generator, dtype=torch.float64)
        length = STEP * (0.8 + 0.4 * float(torch.rand(1, generator=generator)))
        count = int(torch.randint(STEPS // 2, 2 * STEPS, (1,), generator=generator))
        there, there_value, there_slope = place, value, slope
        moving = speed - length / 2 * slope
        for step in range(count):
            there = there + length * moving
            there_value, there_slope = _with_slope(energy, there)
            moving = moving - length * (1.0 if step + 1 < count else 0.5) * there_slope
        gain = value + float(speed @ speed) / 2 - there_value - float(moving @ moving) / 2
        if float(torch.rand(1, generator=generator).log()) < gain:
            place, value, slope = there, there_value, there_slope
            taken += turn >= WARMING
        if turn >= WARMING:
            found.append(place)
    return Sampled(torch.stack(found), taken / draws)


def _with_slope(energy: Callable[[Tensor], Tensor], place: Tensor) -> tuple[float, Tensor]:
    place = place.detach().requires_grad_(True)
    value = energy(place)
    (slope,) = torch.autograd.grad(value, place)
    return float(value.detach()), slope


def independent(draws: Tensor) -> Tensor:
    """Return how many independent draws are worth as much, ``(numbers,)``.

    Autocorrelations are added up to the first that is negative.
    """
    centred = draws - draws.mean(0)
    count = len(draws)
    spectrum = torch.fft.rfft(centred, n=2 * count, dim=0).abs().square()
    lags = torch.fft.irfft(spectrum, dim=0)[:count]
    lags = lags / lags[0].clamp_min(1e-300)
    positive = (lags > 0).to(torch.float64).cumprod(0)
    return count / (2 * (lags * positive).sum(0) - 1).clamp_min(1.0)


def main(draws: int) -> None:
    torch.set_num_threads(1)
    measured = measurements(read_measured()[0])
    prior = prior_of_all()
    full = fit_widths(measured, prior)
    problem = Problem(measured, prior, full.widths)
    middle, inverse = least(problem, problem.at(full.free))
    root: Tensor = torch.linalg.cholesky(inverse)

    def energy(place: Tensor) -> Tensor:
        x = middle + root @ place
        seconds = step_times(measured.cases, bounded(problem.free(x))).total
        return problem.objective(x, seconds.log() - measured.log_seconds)

    started = time.perf_counter()
    found = sample(energy, problem.size, draws)
    count = len(NAMES)
    x = middle + found.draws @ root.T
    free = prior.middle + x[:, :count] @ problem.root.T
    wide = (problem.root @ inverse[:count, :count] @ problem.root.T).diagonal().sqrt()
    known = wide > 1e-9
    shift = ((free.mean(0) - problem.free(middle)) / wide)[known]
    ratio = (free.std(0) / wide)[known]
    worth = independent(free[:, known])
    names = [name for name, is_known in zip(NAMES, known.tolist(), strict=True) if is_known]
    print(f"{draws} draws, {found.accepted:.0%} taken, {time.perf_counter() - started:.0f} s")
    print(f"worth {worth.min():.0f} independent ones at least, {worth.median():.0f} at the median")
    print(f"means: {shift.abs().median():.2f} standard deviations apart at the median, at most "
          f"{shift.abs().max():.2f} ({names[int(shift.abs().argmax())]})")  # fmt: skip
    print(f"standard deviations: {ratio.median():.2f} times Laplace's at the median, "
          f"{ratio.min():.2f} ({names[int(ratio.argmin())]}) to "
          f"{ratio.max():.2f} ({names[int(ratio.argmax())]})")  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else DRAWS)
