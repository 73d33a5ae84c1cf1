"""What goes into a run's price: given by its user, looked up in the profile, or assumed.

Each input is told with its source, so that the answer can be traced.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain
from typing import Protocol

from computebill.base.assumptions import (
    GIVEN,
    Assumption,
    Input,
    Inputs,
    gathered,
)
from computebill.base.quantity import UNKNOWN, Quantity, constant, number_text, parse_quantity
from computebill.costs import method
from computebill.costs.hour import owned_inputs, rent_inputs
from computebill.hardware.accelerators import Accelerator
from computebill.hardware.assumptions import peak_assumption
from computebill.kernels.run import Interruptions
from computebill.kernels.units import SECONDS_PER_DAY
from computebill.training.cases import usual_precision
from computebill.training.inputs import (
    batch_assumption,
    layout_assumptions,
    recipe_assumptions,
    step_assumptions,
)
from computebill.training.memory_odds import odds_assumption

from .model import RunModel
from .spec import LLAMA_3, LLAMA_3_FAILURES, RunFields, RunSpec, lost_time

Parts = Iterator[Input | Assumption]


def gather_inputs(run: RunSpec, accelerator: Accelerator, model: RunModel | None = None) -> Inputs:
    """Complete a run with its model's and accelerator's figures and the cost method's constants.

    Raises:
        RequestError: where the accelerator has no such precision, or the provider no price.
    """
    return gathered(
        chain(
            model_inputs(run, model),
            accelerator_inputs(run, accelerator, model),
            step_inputs(run, model),
            failure_inputs(run, model),
            rent_inputs(run.pricing, accelerator),
            _programme_inputs(run),
            owned_inputs(run.pricing, accelerator),
        )
    )


def model_inputs(run: RunFields, model: RunModel | None) -> Parts:
    """Yield the fields of ``kernels.run.Training`` and the accelerators' number."""
    params = run.params or run.params_active or UNKNOWN
    active = run.params_active or params
    sequence = run.sequence_length or math.nan
    per_token = hardware = UNKNOWN
    if model is not None:
        counts, flop = model.card.parameters, model.card.flop
        params, active = constant(float(counts.total)), constant(float(counts.active))
        sequence = float(model.card.sequence) * model.card.architecture.stacks
        per_token = constant(model.flop_per_token(run.convention))
        hardware = constant(float(flop.hardware)) if model.layout else UNKNOWN
        source = f"{run.model_name}, {model.card.architecture.model_type}"
        yield Assumption("parameters", f"{int(counts.total):,}", source)
        yield Assumption("active parameters", f"{int(counts.active):,}", source)
        yield from model.told
        yield Assumption("model FLOP per token", f"{per_token.value:.4g}", run.convention)
    yield Input("params", params)
    yield Input("params_active", active)
    yield Input("tokens", run.tokens or UNKNOWN)
    yield Input("flop", run.flop or UNKNOWN)
    yield Input("flop_per_token", per_token)
    yield Input("hardware_flop_per_token", hardware)
    batch = run.sequences(sequence)
    if batch is not None and run.global_batch_tokens is not None:
        whole = f"{batch:,.0f} sequences"
        told = f"given as {number_text(run.global_batch_tokens)} tokens, rounded down to sequences"
        yield Assumption("global batch", whole, told)
    yield Input("tokens_per_step", constant((batch or math.nan) * sequence))
    for key, label in (
        ("params", "parameters"),
        ("params_active", "active parameters"),
        ("tokens", "tokens"),
        ("flop", "training FLOP"),
        ("count", "accelerators"),
    ):
        quantity: Quantity | None = getattr(run, key)
        if quantity is not None:
            yield Assumption(label, quantity.text, GIVEN)
    yield Input("accelerators", run.count or UNKNOWN)


def accelerator_inputs(run: RunFields, accelerator: Accelerator, model: RunModel | None) -> Parts:
    """Yield the peak and the utilisation: as given, predicted, or as runs were seen to reach.

    Raises:
        RequestError: where the accelerator has no such precision.
    """
    precision = run.precision or usual_precision(accelerator, run.layout)
    peak = accelerator.peak_flop_per_s(precision)
    yield Input("peak_flop_per_s", constant(peak))
    yield peak_assumption(accelerator, precision)
    observed = method.cost_method().mfu.observed
    predicted = None if model is None else model.utilisation(run.convention, peak)
    label = "utilisation (MFU)"
    if run.mfu is not None:
        yield Input("mfu", run.mfu, label, GIVEN)
    elif predicted is not None and model is not None and model.step is not None:
        yield Input("mfu", predicted, label, model.step.source)
    else:
        ranges = {"p10": observed.p10, "p50": observed.p50, "p90": observed.p90}
        source = f"observed on {observed.runs} runs: {observed.source}"
        yield Input("mfu", parse_quantity(ranges, upper=1.0), label, source)


def step_inputs(run: RunFields, model: RunModel | None) -> Iterator[Assumption]:
    """Yield what a layout and its timed step take without being told."""
    if model is None or model.layout is None or run.layout is None:
        return
    yield from batch_assumption(model.layout)
    yield from layout_assumptions(model.layout, run.layout, run.software_choice)
    yield from recipe_assumptions(model.layout, run.layout)
    yield odds_assumption()
    # A utilisation that was given tells the time in the step's place.
    if model.step is not None and run.mfu is None:
        yield from step_assumptions(model.step, run.software_choice)


def is_observed(run: RunFields, model: RunModel | None) -> bool:
    """Whether the utilisation is what other runs reached: neither given nor predicted."""
    return run.mfu is None and (model is None or model.step is None)


def holds_lost_time(run: RunFields, model: RunModel | None) -> bool:
    """Whether the utilisation is of time that was lost too: observed, or given by itself."""
    is_alone = run.goodput is None and run.failures_per_gpu_day is None
    return is_observed(run, model) or (run.mfu is not None and is_alone)


def failure_inputs(run: RunFields, model: RunModel | None) -> Parts:
    """Yield what interrupts training, where the utilisation does not hold it already."""
    if not holds_lost_time(run, model):
        yield from lost_time_inputs(run)
        return
    told = "whole runs, by their GPU-hours" if run.mfu is None else "what was given"
    put_aside = ", ".join(lost_time(run))
    told += f"; not applied: {put_aside}" if put_aside else ""
    yield Assumption("lost time", "within the utilisation", told)
    yield from (Input(key, UNKNOWN) for key in Interruptions._fields)


class LosesTime(Protocol):
    """What says how time is lost: a run, or a plan."""

    @property
    def goodput(self) -> Quantity | None:
        """Share of the time that trains."""

    @property
    def failures_per_gpu_day(self) -> Quantity | None:
        """Unexpected interruptions [1/(GPU d)]."""

    @property
    def checkpoint_seconds(self) -> Quantity | None:
        """What a checkpoint takes from training [s]."""

    @property
    def restart_seconds(self) -> Quantity | None:
        """What passes from a failure until training goes on [s]."""


def lost_time_inputs(spec: LosesTime) -> Parts:
    """Yield the fields of ``kernels.run.Interruptions``: as given, or as is usual."""
    failures, taken = spec.failures_per_gpu_day, dict[str, Input]()
    if spec.goodput is not None:
        label = "share of the time that trains (goodput)"
        taken["goodput"] = Input("goodput", spec.goodput, label, GIVEN)
    elif failures is not None and failures.is_constant and failures.value == 0:
        yield Assumption("failures a GPU and day", "0", GIVEN)
    else:
        found = interruption_inputs(failures, spec.checkpoint_seconds, spec.restart_seconds)
        taken = {each.key: each for each in found}
    yield from taken.values()
    yield from (Input(key, UNKNOWN) for key in Interruptions._fields if key not in taken)


def interruption_inputs(
    failures_per_gpu_day: Quantity | None = None,
    checkpoint_seconds: Quantity | None = None,
    restart_seconds: Quantity | None = None,
) -> Iterator[Input]:
    """Yield failures, and what they and checkpoints take: Llama 3's and usual ones if not given.

    Args:
        failures_per_gpu_day: unexpected interruptions [1/(GPU d)].
        checkpoint_seconds: that training stands still for a checkpoint [s].
        restart_seconds: from a failure until training goes on [s].
    """
    failures, source = failures_per_gpu_day, GIVEN
    if failures is None:
        failures, source = constant(LLAMA_3_FAILURES), LLAMA_3
    label, per_second = "failures a GPU and day", 1 / SECONDS_PER_DAY
    yield Input("failures_per_second", failures, label, source, per_second)
    for key, given, label, usual in (
        (
            "checkpoint_seconds",
            checkpoint_seconds,
            "seconds a checkpoint stops training",
            {"p10": 5.0, "p90": 60.0},
        ),
        (
            "restart_seconds",
            restart_seconds,
            "seconds from a failure to training",
            {"p10": 180.0, "p90": 1200.0},
        ),
    ):
        quantity = given if given is not None else parse_quantity(usual)
        yield Input(key, quantity, label, "assumed (not checked)" if given is None else GIVEN)


def _programme_inputs(run: RunSpec) -> Iterator[Input]:
    if run.final_share is None:
        yield Input("final_share", UNKNOWN)
        return
    label = "share of the programme's R&D compute that is this run"
    yield Input("final_share", run.final_share, label, GIVEN)
