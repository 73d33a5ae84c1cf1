"""What goes into a statement's figures beside what a run of stages has: hours, lineage, meters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from computebill.base.assumptions import GIVEN, Assumption, Input, gathered
from computebill.base.quantity import UNKNOWN, Quantity, constant, parse_quantity
from computebill.costs import method
from computebill.costs.hour import hour_inputs, power_inputs
from computebill.hardware.accelerators import Accelerator
from computebill.kernels.run import Hour
from computebill.runs.stage_inputs import StageRow, stage_rows
from computebill.runs.staged import stage_parts, told_once

from .spec import StatedStage, StatementSpec

NO_INPUTS = frozenset({"begins", "kind", "start", "end", "fate", "method", "public"})
"""Fields of a stage that tell what it was, not how much."""

POWER = frozenset({"chip_watt", "chip_to_server", "power_fraction", "pue"})
MONEY = frozenset(Hour._fields) - POWER
"""What an accelerator's hour costs beside its electricity."""

OBSERVED = "utilisation (MFU), where only hours are told"


class Gathered(NamedTuple):
    """Every number of a statement.

    Attributes:
        rows: of the stages, as a run of stages has them.
        beside: what a statement adds; stage i's under ``i name``, lineage i's under ``of i``.
        assumptions: what went in, with sources.
    """

    rows: list[StageRow]
    beside: Mapping[str, Quantity]
    assumptions: tuple[Assumption, ...]


def gather(spec: StatementSpec, profiles: Sequence[Path]) -> Gathered:
    """Return every number of a statement.

    Args:
        spec: the statement.
        profiles: folders of accelerator profiles of one's own.

    Raises:
        RequestError: where an accelerator, its precision or a configuration is not known.
    """
    parts = stage_parts(spec, profiles)
    rows = [_unpriced(row) for row in stage_rows(spec, parts)]
    beside = gathered(
        chain(
            *(_of_stage(place, each) for place, each in enumerate(spec.stage)),
            _of_lineage(spec),
        )
    )
    left_out = _of_money(spec, parts) | NO_INPUTS
    told = told_once(
        (
            spec.stage[row.stage].label,
            [each for each in row.assumptions if each.name not in left_out],
        )
        for row in rows
    )
    return Gathered(
        rows, beside.quantities, (*_titled(spec, told), *_titled(spec, beside.assumptions))
    )


def _unpriced(row: StageRow) -> StageRow:
    """Return a stage's numbers without those of money, which no statement draws."""
    kept = {
        key: UNKNOWN if key.removeprefix("apart.") in MONEY or key.startswith("sold.") else each
        for key, each in row.quantities.items()
    }
    return replace(row, quantities=kept)


def _titled(
    spec: StatementSpec, told: Iterator[Assumption] | Sequence[Assumption]
) -> Iterator[Assumption]:
    """Yield assumptions with the titles of the sources that stages call by a key."""
    for each in told:
        yield Assumption(each.name, each.value, spec.title_of(each.source) or GIVEN)


def _of_money(spec: StatementSpec, parts: Mapping[str, Accelerator]) -> frozenset[str]:
    """Return the names of assumptions that decide what an hour costs, and nothing stated."""
    found: set[str] = set()
    for stage in spec.stage:
        if stage.accelerator is not None:
            part = parts[stage.accelerator]
            hour, power = (
                {
                    each.name if isinstance(each, Assumption) else each.label
                    for each in inputs(stage.pricing, part)
                }
                for inputs in (hour_inputs, power_inputs)
            )
            found |= hour - power
    return frozenset(found)


def _of_lineage(spec: StatementSpec) -> Iterator[Input]:
    for place, each in enumerate(spec.lineage):
        source = f"{each.told_basis}: {spec.title_of(each.source) or GIVEN}"
        yield Input(f"of {place}", each.flop or UNKNOWN, f"{each.name}: training FLOP", source)


def _of_stage(place: int, stage: StatedStage) -> Iterator[Input | Assumption]:
    peak = stage.peak_tflops
    yield Input(f"{place} peak", peak or UNKNOWN, scale=1e12)
    yield _utilisation(place, stage)
    yield Input(f"{place} recomputed_share", stage.recomputed_share or constant(0.0))
    yield Input(f"{place} metered", stage.energy_mwh or UNKNOWN)
    told = stage.days
    if stage.start is not None and stage.end is not None:
        told = constant(float((stage.end - stage.start).days))
    yield Input(f"{place} days", told or UNKNOWN)


def _utilisation(place: int, stage: StatedStage) -> Input:
    """Return a stage's utilisation: as told, or what runs reached where only hours are known."""
    key, told = f"{place} utilisation", stage.hfu or stage.mfu
    if told is not None or stage.gpu_hours is None or not is_by_hours(stage):
        return Input(key, told or UNKNOWN)
    seen = method.cost_method().mfu.observed
    quantity = parse_quantity({"p10": seen.p10, "p50": seen.p50, "p90": seen.p90}, upper=1.0)
    source = f"observed on {seen.runs} runs: {seen.source}"
    return Input(key, quantity, f"{stage.label}: {OBSERVED}", source)


def is_by_hours(stage: StatedStage) -> bool:
    """Whether nothing but its hours tells what a stage computed."""
    ways = (stage.tokens, stage.flop, stage.pairs, stage.samples)
    return not stage.schedule and all(each is None for each in ways)
