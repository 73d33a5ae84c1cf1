"""What goes into a statement's figures: by stage, each number with its source."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from computebill.base.assumptions import GIVEN, Assumption, Input, Inputs, gathered
from computebill.base.errors import RequestError
from computebill.base.quantity import UNKNOWN, Quantity, constant, parse_quantity
from computebill.costs import method
from computebill.costs.hour import power_inputs
from computebill.hardware.accelerators import Accelerator, find_accelerator
from computebill.hardware.assumptions import peak_assumption
from computebill.kernels.flop import FORWARD_FLOP_PER_PARAMETER
from computebill.kernels.stages import Passes, PassFlop
from computebill.kernels.units import SECONDS_PER_HOUR
from computebill.runs.stage_spec import Stage

from .methods import Hours
from .spec import Lineage, StatedStage, StatementSpec

ZERO, ONE = constant(0.0), constant(1.0)

Parts = Iterator[Input | Assumption]

POWER = ("chip_watt", "chip_to_server", "power_fraction", "pue")
"""Inputs of the electricity that accelerator time takes."""


class Power(NamedTuple):
    """What decides stages' electricity; ``(stages, draws)`` each, NaN where it is not known.

    Attributes:
        metered: electricity, where it was told [MWh].
        chip_watt: rated power of an accelerator [W].
        chip_to_server: rated power of a server over that of its accelerators.
        power_fraction: share of the rated power that is drawn.
        pue: power usage effectiveness.
    """

    metered: Tensor
    chip_watt: Tensor
    chip_to_server: Tensor
    power_fraction: Tensor
    pue: Tensor


def gather(spec: StatementSpec, profiles: Sequence[Path]) -> Inputs:
    """Return every number of a statement; stage i's have keys ``i.name``, a lineage's ``of i``.

    Args:
        spec: the statement.
        profiles: folders of accelerator profiles of one's own.

    Raises:
        RequestError: where an accelerator, its precision or a configuration is not known.
    """
    stages = (
        _of_stage(f"{place}.", stage, spec, profiles) for place, stage in enumerate(spec.stage)
    )
    lineage = (_of_lineage(f"of {place}", each, spec) for place, each in enumerate(spec.lineage))
    return gathered(chain.from_iterable((*stages, *lineage)))


def _of_lineage(key: str, each: Lineage, spec: StatementSpec) -> Parts:
    source = f"{each.told_basis}: {spec.title_of(each.source) or GIVEN}"
    yield Input(key, each.flop or UNKNOWN, f"{each.name}: training FLOP", source)


def _of_stage(key: str, stage: StatedStage, spec: StatementSpec, profiles: Sequence[Path]) -> Parts:
    source = spec.title_of(stage.source) or GIVEN
    name = f"{stage.label}: "
    found = chain(
        _passes(stage, source),
        _of_each(stage, spec, source),
        _hours(stage, source, profiles),
    )
    for each in found:
        if isinstance(each, Assumption):
            yield dataclasses.replace(each, name=name + each.name)
        else:
            label = name + each.label if each.label else ""
            yield dataclasses.replace(each, key=key + each.key, label=label)


def _passes(stage: StatedStage, source: str) -> Iterator[Input]:
    """Yield the fields of ``kernels.stages.Passes``."""
    prompt, answer = _length(stage.prompt_length), _length(stage.answer_length)
    tokens, unit, label = stage.tokens, 1.0, "tokens"
    if stage.schedule:
        tokens = constant(sum(piece.tokens.median for piece in stage.schedule))
    if stage.pairs is not None:
        tokens, unit, label = stage.pairs, 2.0 * ((prompt or 0.0) + (answer or 0.0)), "pairs"
    for name, is_so in (("tokens", stage.updates), ("read", stage.kind == "filter")):
        if tokens is not None and is_so:
            yield Input(name, tokens, label, source, unit)
        else:
            yield Input(name, ZERO)
    yield Input("epochs", stage.epochs or ONE, "epochs" if stage.epochs else "", source)
    again = stage.restarted_tokens
    yield Input("restarted", again or ZERO, "tokens trained again" if again else "", source)
    yield from _samples(stage, prompt, answer, source)


def _samples(
    stage: StatedStage, prompt: float | None, answer: float | None, source: str
) -> Iterator[Input]:
    """Yield what a stage's model reads and writes itself."""
    samples, each = _made(stage)
    yield Input("samples", samples, "samples" if each else "", source, each or 1.0)
    is_whole = stage.tokens is not None and not stage.updates
    yield Input("prompt", constant(prompt or 0.0), "tokens of a prompt" if prompt else "", source)
    written = 1.0 if is_whole and answer is None else answer or 0.0
    yield Input("answer", constant(written), "tokens of an answer" if answer else "", source)
    kept, label = stage.kept_share or ONE, "share kept" if stage.kept_share else ""
    if stage.kept is not None:
        kept, label = constant(stage.kept.median / (stage.samples or math.nan)), "share kept"
    yield Input("kept", kept, label, source)
    yield Input("learns", ONE if stage.kind == "rl" else ZERO)
    usual = 1.0 if stage.kind in ("preference", "rl") else 0.0
    references = stage.references or constant(usual)
    yield Input("references", references, "reference passes" if usual else "", source)
    yield Input("teachers", ONE if stage.kind == "distill" else ZERO)


def _made(stage: StatedStage) -> tuple[Quantity, float | None]:
    """Return the uncertain factor of the samples made, and what it is multiplied by."""
    if stage.requests is not None:
        return stage.requests, 1.0
    if stage.tokens is not None and not stage.updates and stage.kind != "filter":
        return stage.tokens, 1.0 / (_length(stage.answer_length) or 1.0)
    factors = [
        each for each in (stage.steps, stage.prompts, stage.samples_per_prompt) if each is not None
    ]
    if len(factors) < 3:
        return ZERO, None
    uncertain = [each for each in factors if not each.is_constant] or factors[:1]
    if len(uncertain) > 1:
        raise RequestError(
            stage.label,
            "steps, prompts and samples_per_prompt: got several ranges; allowed: one of them",
        )
    rest = [each.value for each in factors if each is not uncertain[0]]
    return uncertain[0], math.prod(rest)


def _length(given: object) -> float | None:
    """Return mean tokens of prompts or answers."""
    if given is None or isinstance(given, int | float):
        return None if given is None else float(given)
    from computebill.training.documents import given_documents

    documents = given_documents(given, None)
    return None if documents is None else documents.mean


def _of_each(stage: StatedStage, spec: StatementSpec, source: str) -> Parts:
    """Yield the fields of ``kernels.stages.PassFlop``."""
    active, told = _size(stage, source)
    yield from told
    yield Input("active", active)
    yield Input("update", UNKNOWN)
    share = stage.trained_share if stage.trained_share is not None else float(stage.kind != "lora")
    per_parameter = 2.0 * FORWARD_FLOP_PER_PARAMETER + FORWARD_FLOP_PER_PARAMETER * share
    yield Input("update_per_parameter", constant(per_parameter))
    if stage.updates and stage.flop is None:
        yield Assumption("FLOP of an update, a parameter and token", f"{per_parameter:g}", RULE)
    yield Input("forward", UNKNOWN)
    again = stage.recomputed_share
    yield Input("recomputed_share", again or ZERO, "computed again" if again else "", source)
    for role in ("teacher", "reward"):
        size = _size_beside(stage, spec, role)
        label = f"parameters of the {role}" if size is not None else ""
        yield Input(role, size or ZERO, label, source, FORWARD_FLOP_PER_PARAMETER)
    yield Input("total", stage.flop or UNKNOWN, "FLOP" if stage.flop else "", source)


RULE = "passes times operations: 2 forward, 4 backward (Kaplan et al. 2020, arXiv:2001.08361)"


def _size(stage: Stage, source: str) -> tuple[Quantity, list[Assumption]]:
    """Return the parameters that a token meets, and what is told of them."""
    if stage.model is not None:
        active = constant(_counted(stage.model))
        return active, [Assumption("active parameters", f"{active.value:,.0f}", stage.model)]
    size = stage.params_active or stage.params
    if size is None:
        return UNKNOWN, []
    name = "active parameters" if stage.params_active else "parameters"
    return size, [Assumption(name, size.text, source)]


def _counted(config: str) -> float:
    """Return the parameters that a token meets, counted from a configuration."""
    from computebill.architectures import read_architecture
    from computebill.architectures.columns import columns
    from computebill.architectures.counting import count_parameters

    return float(count_parameters(columns(read_architecture(config))).active)


def _size_beside(stage: StatedStage, spec: StatementSpec, role: str) -> Quantity | None:
    """Return the parameters of a stage's teacher or judge; None where it has none of any size."""
    given: Quantity | None = getattr(stage, f"{role}_params")
    config: str | None = getattr(stage, f"{role}_model")
    name: str | None = getattr(stage, role)
    if given is not None:
        return given
    if name is not None and config is None:
        other = spec.named(name)
        given, config = other.params_active or other.params, other.model
    return given if config is None else constant(_counted(config))


def _hours(stage: StatedStage, source: str, profiles: Sequence[Path]) -> Parts:
    """Yield the fields of ``Hours`` and ``Power``."""
    part = None if stage.accelerator is None else find_accelerator(stage.accelerator, profiles)
    hours = stage.gpu_hours
    yield Input(
        "seconds",
        hours or UNKNOWN,
        "accelerator-hours" if hours else "",
        source,
        SECONDS_PER_HOUR,
    )
    yield from _peak(stage, part, source)
    yield from _utilisation(stage, source)
    metered = stage.energy_mwh
    yield Input("metered", metered or UNKNOWN, "MWh, as metered" if metered else "", source)
    if part is None or metered is not None:
        yield from (Input(key, UNKNOWN) for key in POWER)
    else:
        yield from power_inputs(stage.pricing, part)


def _peak(stage: StatedStage, part: Accelerator | None, source: str) -> Parts:
    if stage.peak_tflops is not None:
        label = "peak of an accelerator, TFLOP/s"
        yield Input("peak_flop_per_s", stage.peak_tflops, label, source, 1e12)
        return
    if part is None:
        yield Input("peak_flop_per_s", UNKNOWN)
        return
    precision = stage.precision or part.default_precision
    yield Input("peak_flop_per_s", constant(part.peak_flop_per_s(precision)))
    if stage.gpu_hours is not None:
        yield peak_assumption(part, precision)


def _utilisation(stage: StatedStage, source: str) -> Parts:
    """Yield a stage's utilisation: as told, or what runs reached where only hours are known."""
    is_hardware = stage.hfu is not None
    yield Input("is_hardware", ONE if is_hardware else ZERO)
    told = stage.hfu or stage.mfu
    if told is not None:
        label = f"utilisation ({'HFU' if is_hardware else 'MFU'})"
        yield Input("utilisation", told, label, source)
    elif stage.gpu_hours is not None and is_by_hours(stage):
        seen = method.cost_method().mfu.observed
        quantity = parse_quantity({"p10": seen.p10, "p50": seen.p50, "p90": seen.p90}, upper=1.0)
        label, told_by = "utilisation (MFU)", f"observed on {seen.runs} runs: {seen.source}"
        yield Input("utilisation", quantity, label, told_by)
    else:
        yield Input("utilisation", UNKNOWN)


def is_by_hours(stage: StatedStage) -> bool:
    """Whether nothing but its hours tells what a stage computed."""
    ways = (stage.tokens, stage.flop, stage.pairs, stage.samples)
    return not stage.schedule and all(each is None for each in ways)


def bundled(given: Mapping[str, Tensor], stages: int) -> tuple[Passes, PassFlop, Hours, Power]:
    """Return the inputs of all stages as the bundles of their formulas; ``(stages, draws or 1)``.

    Args:
        given: drawn inputs by key; ``(draws,)`` each, or ``(1,)``.
        stages: how many.
    """

    def column(name: str) -> Tensor:
        # What is the same in every draw stays one column.
        rows = [given[f"{place}.{name}"] for place in range(stages)]
        return torch.stack(list(torch.broadcast_tensors(*rows)))

    passes = Passes(*(column(name) for name in Passes._fields))
    names = [name for name in PassFlop._fields if name != "recomputed"]
    of = {name: column(name) for name in names}
    # What is computed again follows from the stage's FLOP, however these are told.
    flop = PassFlop(**of, recomputed=torch.zeros_like(of["active"]))
    hours = Hours(*(column(name) for name in Hours._fields))
    return passes, flop, hours, Power(*(column(name) for name in Power._fields))
