"""What goes into the price of stages: quantities by key, each stage's own or shared by all.

What a stage's own fields give is drawn for it alone; what its accelerator's hour costs, what
interrupts it and what predictions are off by is drawn once for all stages, since it is wrong in
all of them together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from computebill.base.assumptions import (
    GIVEN,
    Assumption,
    Input,
    Inputs,
    gathered,
    given_inputs,
)
from computebill.base.errors import RequestError
from computebill.base.quantity import UNKNOWN, Quantity, constant
from computebill.costs.hour import hour_inputs
from computebill.hardware.accelerators import Accelerator, peak_flop_per_s
from computebill.hardware.assumptions import peak_assumption
from computebill.kernels.run import Hour, Interruptions
from computebill.training.cases import usual_precision
from computebill.training.utilisation import Utilisation

from .inputs import Parts, model_inputs, step_inputs
from .model import RunModel
from .stage_bench import Bench, make_bench, pieces
from .stage_models import once
from .stage_passes import flop_of, passes
from .stage_speeds import apart_hour, sold, speeds, utilisation
from .staged_spec import StagedSpec

GIVEN_BY = {
    "accelerators": "count",
    "answer_factor": "answer_mean",
    "failures_per_second": "failures_per_gpu_day",
    "kg_per_joule": "carbon_g_per_kwh",
    "usd_per_joule": "usd_per_kwh",
    "usd_per_second": "price",
}
"""Fields that give a quantity which bears another name."""

LOST = tuple(Interruptions._fields)
SHARED = frozenset((*LOST, *Hour._fields, "mfu"))
"""Quantities that are drawn with all stages on an accelerator, where a stage gives none itself."""


@dataclass(frozen=True)
class StageRow:
    """A stage, or a part of one, as quantities.

    Attributes:
        stage: place of the stage in its file.
        quantities: by key, in SI units and USD.
        assumptions: what went in, with sources.
        model: counted, where a config.json was given.
        accelerator: the part it runs on; None where none is named.
    """

    stage: int
    quantities: Mapping[str, Quantity]
    assumptions: tuple[Assumption, ...]
    model: RunModel | None
    accelerator: Accelerator | None


def stage_rows(spec: StagedSpec, parts: Mapping[str, Accelerator]) -> Iterator[StageRow]:
    """Yield the rows of all stages, one of each part of a schedule.

    Args:
        spec: the run.
        parts: accelerators by the name that stages give.

    Raises:
        RequestError: naming the stage's field that is wrong.
    """
    once.cache_clear()  # a file may have changed since
    searched: dict[tuple[object, ...], Utilisation] = {}
    for place, stage in enumerate(spec.stage):
        for each in pieces(stage):
            try:
                yield row_of(place, make_bench(each, spec, parts, searched))
            except RequestError as error:
                raise (
                    error if error.field.startswith(stage.label) else error.within(stage.label)
                ) from None


def row_of(place: int, bench: Bench) -> StageRow:
    """Return a stage, or a part of one, as quantities.

    Args:
        place: of the stage among those that are priced together.
        bench: the stage with its models and parts.

    Raises:
        RequestError: naming the field that is wrong.
    """
    stage = bench.stage
    run = gathered(_run_parts(bench))
    beside = gathered((*passes(bench), *speeds(bench), *sold(stage)))
    apart = gathered(apart_hour(bench))
    found, other, hours = (_drawn(bench, each) for each in (run, beside, apart))
    apart_hours = {f"apart.{key}": hours.get(key, found[key]) for key in Hour._fields}
    source = stage.source or GIVEN
    told = (*given_inputs(stage, source=source, left_out=("name", "source")),)
    kept = [
        each for each in (*run.assumptions, *beside.assumptions, *apart.assumptions)
        if each.source != GIVEN
    ]  # fmt: skip
    return StageRow(
        stage=place,
        quantities={**found, **other, **apart_hours, **flop_of(bench, found)},
        assumptions=(*told, *kept),
        model=bench.model,
        accelerator=bench.accelerator,
    )


def _drawn(bench: Bench, inputs: Inputs) -> dict[str, Quantity]:
    """Return quantities, drawn for their stage where that gave them, else for all on its part."""
    found = {}
    for key, quantity in inputs.quantities.items():
        if not quantity.is_constant and quantity.shared is None:
            given = getattr(bench.stage, GIVEN_BY.get(key, key), None) is not None
            whose = bench.stage.label
            if not given and bench.accelerator is not None and key in SHARED:
                whose = bench.accelerator.name
            quantity = replace(quantity, shared=f"{whose}: {inputs.labels[key]}")
        found[key] = quantity
    return found


def _run_parts(bench: Bench) -> Parts:
    """Yield what a run has too: size, tokens, utilisation, what interrupts it, its hour's cost."""
    stage, accelerator = bench.stage, bench.accelerator
    yield from model_inputs(stage, bench.model)
    if accelerator is None:
        yield Input("peak_flop_per_s", UNKNOWN)
        yield Input("mfu", stage.mfu or UNKNOWN)
        yield from (Input(key, UNKNOWN) for key in (*LOST, *Hour._fields))
        return
    if not stage.updates or bench.has_hours:
        precision = stage.precision or usual_precision(accelerator, stage.layout)
        yield Input("peak_flop_per_s", constant(peak_flop_per_s(accelerator, precision)))
        yield peak_assumption(accelerator, precision)
        yield Input("mfu", stage.mfu or UNKNOWN)
        yield from (Input(key, UNKNOWN) for key in LOST)
    else:
        yield from utilisation(bench, accelerator)
        yield from step_inputs(stage, bench.model)
    yield from hour_inputs(stage.pricing, accelerator)
