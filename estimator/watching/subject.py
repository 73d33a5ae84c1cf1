"""What is watched: a run's FLOP per token, and what a second of its cluster costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from computebill.base.assumptions import GIVEN, Assumption, Input, gathered
from computebill.base.errors import RequestError
from computebill.costs.hour import hour_inputs
from computebill.hardware.accelerators import Accelerator, find_accelerator
from computebill.hardware.cluster import in_cluster
from computebill.models.mfu import Speed, Utilisation, utilisation
from computebill.runs.model import count_run_model, run_architecture
from computebill.runs.rates import Rate, rates
from computebill.runs.spec import RunSpec, read_run
from computebill.training.cases import usual_precision
from computebill.training.documents import given_documents


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
    found = rates(gathered(parts).quantities, count)
    return Subject(
        run=run,
        accelerator=part,
        count=count,
        tokens=run.tokens.median,
        params=params,
        params_active=active,
        unit=unit,
        rates={name: each for name, each in found.items() if name in TAKEN},
        assumptions=(*told, *rented),
    )


TAKEN = ("usd", "kwh", "kg_co2e")
"""What a watch tells of a second."""

OWNING = frozenset(
    {"orders_per_year", "interconnect_share", "server_overhead", "chip_usd", "years_owned"}
    | {"usd_per_joule"}
)
"""Inputs of what owning hardware costs, by their keys."""


def _is_of_owning(part: Input | Assumption) -> bool:
    if isinstance(part, Input):
        return part.key in OWNING
    return part.name.startswith("purchase price")
