"""What a run takes on each cluster, for a second of a step: days, rent, electricity; at medians."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from computebill.base.assumptions import Input, gathered
from computebill.base.quantity import Quantity
from computebill.costs.hour import Pricing, hour_inputs
from computebill.hardware.accelerators import Accelerator
from computebill.kernels.run import Hour, Interruptions, price_time
from computebill.kernels.units import SECONDS_PER_DAY
from computebill.runs.inputs import lost_time_inputs
from computebill.training.cases import Case
from computebill.training.step_time import timed_step
from computebill.uncertainty.draws import Columns, Settings, bundle

from .spec import PlanSpec

DRAWS = Settings(samples=2**14)
"""As many as give a median that a table's three figures do not tell from the estimate's."""


class Priced(NamedTuple):
    """A cluster's fastest layout.

    Attributes:
        case: the step.
        seconds: it takes [s].
    """

    case: Case
    seconds: float


class Step(NamedTuple):
    """What a step of the global batch is.

    Attributes:
        tokens: trained on.
        flop: model FLOP, 6 N D [FLOP].
    """

    tokens: float
    flop: float


class Prices(NamedTuple):
    """What a run takes for each second of a step, at the median.

    Attributes:
        days: of the run [d/s].
        cost_usd: of renting [USD/s]; NaN where no price is known.
        energy_mwh: electricity [MWh/s]; NaN where the part's power is not known.
    """

    days: float
    cost_usd: float
    energy_mwh: float


def prices_of(
    spec: PlanSpec,
    spelled: Callable[[Accelerator], str],
    clusters: Iterable[Priced],
    step: Step,
) -> Iterator[Prices]:
    """Yield what each cluster's run takes for each second of a step.

    Args:
        spec: what is planned.
        spelled: what the spec calls an accelerator.
        clusters: those of one accelerator side by side.
        step: of the global batch.

    Raises:
        RequestError: where the provider has no price.
    """
    for _, group in itertools.groupby(clusters, key=lambda each: each.case.accelerator.name):
        yield from _of_part(spec, spelled, list(group), step)


def _of_part(
    spec: PlanSpec,
    spelled: Callable[[Accelerator], str],
    clusters: Sequence[Priced],
    step: Step,
) -> Iterator[Prices]:
    """Yield prices of clusters of one accelerator, in one batch ``(clusters, draws)``."""
    part = clusters[0].case.accelerator
    pricing = Pricing(**spec.pricing(spelled(part)))
    inputs = gathered(
        [
            Input("tokens", spec.tokens),
            *lost_time_inputs(spec),
            *hour_inputs(pricing, part),
        ]
    ).quantities
    reached = list(_utilisations(spec, clusters, step))
    names = [*inputs, *map(str, range(len(reached)))]
    drawn = Columns([*inputs.values(), *reached], names, "cpu")
    values = drawn.draw(drawn.points(DRAWS, 0, 0, DRAWS.samples))
    given = dict(zip(inputs, values, strict=False))
    middles, count = (
        torch.tensor(each, dtype=torch.float64).unsqueeze(1)
        for each in (
            [quantity.median for quantity in reached],
            [float(each.case.layout.accelerators) for each in clusters],
        )
    )
    # Accelerator time of the run, for a second that the step is predicted to take.
    training = given["tokens"] / step.tokens * count * (middles / values[len(inputs) :])
    seconds = training / bundle(Interruptions, given).training_share(count)
    bill = price_time(seconds, bundle(Hour, given))
    days = seconds / count / SECONDS_PER_DAY
    return itertools.starmap(
        Prices,
        zip(*(_medians(each, days) for each in (days, bill.cloud, bill.energy_mwh)), strict=True),
    )


def _utilisations(spec: PlanSpec, clusters: Sequence[Priced], step: Step) -> Iterator[Quantity]:
    """Yield what clusters reach, as their steps' true times may lie."""
    efficiency = None if spec.efficiency is None else Path(spec.efficiency)
    for case, seconds in clusters:
        peak = case.accelerator.peak_flop_per_s(case.precision)
        yield timed_step(case, seconds, efficiency).utilisation(step.flop, peak)


def _medians(values: Tensor, like: Tensor) -> list[float]:
    return values.expand_as(like).median(1).values.tolist()
