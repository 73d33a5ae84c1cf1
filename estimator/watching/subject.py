"""What is watched: a run's FLOP per token, and what a second of its cluster costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from computebill.base.assumptions import GIVEN, Assumption, Input, gathered
from computebill.base.errors import RequestError
from computebill.costs.hour import hour_inputs
from computebill.hardware.accelerators import Accelerator, find_accelerator
from computebill.hardware.cluster import in_cluster
from computebill.kernels.run import Hour, price_time
from computebill.models.mfu import Speed, Utilisation, utilisation
from computebill.runs.model import count_run_model, run_architecture
from computebill.runs.spec import RunSpec, read_run
from computebill.training.cases import usual_precision
from computebill.training.documents import given_documents
from computebill.uncertainty.draws import Columns, Settings, bundle

DRAWS = Settings(samples=2**13)
"""Draws of what an hour costs: its quantiles are read off once, at the start."""


class Rate(NamedTuple):
    """What a second of the whole cluster takes, in the unit of its name."""

    p5: float
    p50: float
    p95: float

    @property
    def is_exact(self) -> bool:
        """Whether nothing of it is uncertain."""
        return self.p5 == self.p95


@dataclass(frozen=True)
class Subject:
    """A run that is watched.

    Attributes:
        run: as described.
        accelerator: the part it runs on.
        count: of them.
        tokens: that it is to be trained on.
        params: parameters of the model.
        params_active: parameters that one token meets.
        unit: a speed of one token a second and accelerator under every convention.
        rates: what a second takes, by ``usd``, ``kwh`` and ``kg_co2e``; those that are known.
        assumptions: what was given or assumed of FLOP and of an hour.
    """

    run: RunSpec
    accelerator: Accelerator
    count: int
    tokens: float
    params: float
    params_active: float
    unit: Utilisation
    rates: Mapping[str, Rate]
    assumptions: tuple[Assumption, ...]

    def shares(self, tokens_per_second_per_gpu: float) -> dict[str, float]:
        """Return utilisation by convention, and ``hfu``, of a speed; what is known of them."""
        found = self.unit.at(tokens_per_second_per_gpu)
        return {name: share for name, share in found.items() if share is not None}

    def is_given(self, label: str) -> bool:
        """Whether the user gave an input, by its label among the assumptions."""
        return any(each.name == label and each.source == GIVEN for each in self.assumptions)


def read_subject(
    spec: RunSpec | str | Path | Mapping[str, Any] | None,
    given: Mapping[str, Any],
    profiles: Sequence[Path] = (),
) -> Subject:
    """Return the run that is watched.

    Args:
        spec: a run, a mapping of its fields, a TOML file, or nothing.
        given: fields that go before it.
        profiles: folders of accelerator profiles of one's own.

    Raises:
        RequestError: naming the field that is wrong or missing.
    """
    run = read_run(spec, given)
    if run.count is None or not run.count.is_constant:
        raise RequestError("count", "is needed, one number: dollars and days are of all together")
    if run.tokens is None:
        raise RequestError("tokens", "is needed: what is left hangs on it")
    part = in_cluster(
        find_accelerator(run.accelerator, profiles), run.node_network, run.power_limit
    )
    architecture = run_architecture(run)
    given_active, layout = run.params_active or run.params, run.layout
    unit = utilisation(
        architecture,
        speed=Speed(tokens_per_second_per_gpu=1.0),
        accelerator=run.accelerator,
        precision=run.precision or usual_precision(part, layout),
        params_active=given_active.median if given_active and architecture is None else None,
        sequence_length=run.sequence_length if architecture is not None else None,
        documents=given_documents(run.lengths, run.packing),
        recompute=layout.recompute if layout else "none",
        lora_rank=layout.lora_rank if layout else None,
        profiles=profiles,
    )
    if architecture is not None:
        counts = count_run_model(run, part, architecture).card.parameters
        params, active = float(counts.total), float(counts.active)
    else:
        # A run without a model has one of the two, or it had been refused.
        active = given_active.median if given_active is not None else math.nan
        params = run.params.median if run.params is not None else active
    parts = list(hour_inputs(run.pricing, part))
    # A watch tells rent, electricity and carbon; what owning costs is a run's to tell.
    rented = gathered(each for each in parts if not _is_of_owning(each)).assumptions
    told = tuple(each for each in unit.assumptions if each.name != "tokens per second per gpu")
    count = int(run.count.value)
    return Subject(
        run=run,
        accelerator=part,
        count=count,
        tokens=run.tokens.median,
        params=params,
        params_active=active,
        unit=unit,
        rates=_rates(gathered(parts).quantities, count),
        assumptions=(*told, *rented),
    )


OWNING = frozenset(
    {"orders_per_year", "interconnect_share", "server_overhead", "chip_usd", "years_owned"}
    | {"usd_per_joule"}
)
"""Inputs of what owning hardware costs, by their keys."""


def _is_of_owning(part: Input | Assumption) -> bool:
    if isinstance(part, Input):
        return part.key in OWNING
    return part.name.startswith("purchase price")


def _rates(quantities: Mapping[str, Any], count: int) -> dict[str, Rate]:
    columns = Columns(list(quantities.values()), list(quantities), "cpu")
    values = columns.draw(columns.points(DRAWS, 0, 0, DRAWS.samples))
    hour = bundle(Hour, dict(zip(quantities, values, strict=True)))
    bill = price_time(torch.tensor([float(count)], dtype=torch.float64), hour)
    taken = {
        "usd": bill.cloud,
        "kwh": bill.energy_mwh * 1e3,
        "kg_co2e": bill.carbon_t * 1e3,
    }
    shares = torch.tensor([0.05, 0.5, 0.95], dtype=torch.float64)
    found = {}
    for name, each in taken.items():
        low, middle, high = each.double().expand(DRAWS.samples).quantile(shares).tolist()
        if middle == middle:  # not NaN: it is known
            found[name] = Rate(low, middle, high)
    return found
