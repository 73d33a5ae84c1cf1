"""What a run takes on each cluster, for a second of a step: days, rent, electricity; at medians."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from computebill.base.assumptions import Input, gathered
from computebill.base.quantity import parse_quantity
from computebill.costs.hour import Pricing, hour_inputs
from computebill.hardware.accelerators import Accelerator
from computebill.kernels.run import Hour, Interruptions, price_time
from computebill.kernels.units import SECONDS_PER_DAY
from computebill.runs.inputs import lost_time_inputs
from computebill.runs.model import with_assumed
from computebill.training.cases import Case
from computebill.training.step_time import estimate_step
from computebill.uncertainty.draws import Columns, Settings, bundle

from .spec import PlanSpec

DRAWS = Settings(samples=2**14)
"""As many as give a median that a table's three figures do not tell from the estimate's."""


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
    clusters: Iterable[Case],
    tokens_per_step: float,
) -> Iterator[Prices]:
    """Yield what each cluster's run takes for each second of a step.

    Args:
        spec: what is planned.
        spelled: what the spec calls an accelerator.
        clusters: a case on each, those of one accelerator side by side.
        tokens_per_step: tokens of the global batch.

    Raises:
        RequestError: where the provider has no price.
    """
    for _, group in itertools.groupby(clusters, key=lambda each: each.accelerator.name):
        yield from _of_part(spec, spelled, list(group), tokens_per_step)


def _of_part(
    spec: PlanSpec,
    spelled: Callable[[Accelerator], str],
    clusters: Sequence[Case],
    tokens_per_step: float,
) -> Iterator[Prices]:
    """Yield prices of clusters of one accelerator, in one batch ``(clusters, draws)``."""
    part = clusters[0].accelerator
    name = spelled(part)
    pricing = Pricing(**spec.pricing(name))
    efficiency = None if spec.efficiency is None else Path(spec.efficiency)
    first = clusters[0]
    fields = first.layout.model_fields_set
    step = estimate_step(with_assumed(first, fields, spec.software_choice), efficiency)
    # Medians of costs hang on how a step's true time may lie about its prediction.
    lateness = parse_quantity({"p5": step.low, "p50": 1.0, "p95": step.high})
    inputs = gathered(
        [
            Input("tokens", spec.tokens),
            Input("lateness", lateness),
            *lost_time_inputs(spec.lost(name)),
            *hour_inputs(pricing, part),
        ]
    ).quantities
    drawn = Columns(list(inputs.values()), list(inputs), "cpu")
    values = drawn.draw(drawn.points(DRAWS, 0, 0, DRAWS.samples))
    given = dict(zip(inputs, values, strict=True))
    count = torch.tensor(
        [[float(each.layout.accelerators)] for each in clusters], dtype=torch.float64
    )
    # Accelerator time of the run, for a second that a step is predicted to take.
    training = given["tokens"] / tokens_per_step * count * given["lateness"]
    seconds = training / bundle(Interruptions, given).training_share(count)
    bill = price_time(seconds, bundle(Hour, given))
    days = seconds / count / SECONDS_PER_DAY
    return itertools.starmap(
        Prices,
        zip(*(_medians(each, days) for each in (days, bill.cloud, bill.energy_mwh)), strict=True),
    )


def _medians(values: Tensor, like: Tensor) -> list[float]:
    return values.expand_as(like).median(1).values.tolist()
