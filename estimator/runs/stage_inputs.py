"""What goes into the price of stages: quantities by key, each stage's own or shared by all.

What a stage's own fields give is drawn for it alone; what its accelerator's hour costs, what
interrupts it and what predictions are off by is drawn once for all stages, since it is wrong in
all of them together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from computebill.base.amounts import LARGEST
from computebill.base.assumptions import (
    GIVEN,
    Assumption,
    Input,
    Inputs,
    gathered,
    given_inputs,
)
from computebill.base.errors import RequestError
from computebill.base.quantity import UNKNOWN, Quantity, constant, parse_quantity, scaled
from computebill.costs.hour import Pricing, hour_inputs
from computebill.hardware.accelerators import Accelerator, peak_flop_per_s
from computebill.hardware.assumptions import peak_assumption
from computebill.kernels.run import Hour, Interruptions
from computebill.kernels.stages import TokenPrices
from computebill.kernels.units import SECONDS_PER_HOUR
from computebill.training import serving
from computebill.training.cases import usual_precision
from computebill.training.efficiency import efficiencies_of
from computebill.training.inputs import software_assumption
from computebill.training.layout import DEFAULT_SEQUENCE, default_sequence
from computebill.training.utilisation import Utilisation, practice

from .inputs import (
    Parts,
    accelerator_inputs,
    failure_inputs,
    lost_time_inputs,
    model_inputs,
    step_inputs,
)
from .model import RunModel, by_products, count_run_model
from .stage_models import (
    NOBODY,
    Server,
    Weights,
    beside_weights,
    counted_of,
    once,
    own_weights,
    read_seconds,
    sample_seconds,
    sampled,
)
from .stage_spec import Stage
from .staged_spec import StagedSpec

ZERO, ONE = constant(0.0), constant(1.0)
PER_MILLION = 1e-6
OF_THE_WHOLE = ("gpu_hours", "restarted_tokens")
"""Fields of a stage that are shared out among the parts of its schedule."""


GIVEN_BY = {
    "accelerators": "count",
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


@dataclass(frozen=True)
class Bench:
    """A stage with its models and parts at hand.

    Attributes:
        stage: as described, or a part of its schedule.
        own: its own model.
        teacher: what teaches it, or nobody.
        reward: what judges it, or nobody.
        model: its own model, counted for its sequences and layout.
        accelerator: the part it runs on; None where none is named.
        writer: the part that writes samples, the same or one apart.
        searched: layouts that were searched already, by what they are of.
    """

    stage: Stage
    own: Weights
    teacher: Weights
    reward: Weights
    model: RunModel | None
    accelerator: Accelerator | None
    writer: Accelerator | None
    searched: dict[tuple[object, ...], Utilisation]

    @property
    def has_hours(self) -> bool:
        """Whether its hours are given, in place of a prediction."""
        return self.stage.gpu_hours is not None

    @property
    def steps_are_timed(self) -> bool:
        """Whether its updates' time is predicted from a layout."""
        return self.model is not None and self.model.step is not None

    def server(self, accelerator: Accelerator, *, apart: bool) -> Server:
        """Return what forward passes run on: accelerators apart, or those of the stage."""
        generation, stage = self.stage.generation, self.stage
        precision, count = stage.precision, stage.count
        if apart and generation is not None:
            precision, count = generation.precision or precision, generation.count
        named = precision or usual_precision(accelerator, stage.layout)
        return Server(accelerator, named, math.nan if count is None else count.median)


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
                yield _row(place, _bench(each, spec, parts, searched))
            except RequestError as error:
                raise (
                    error if error.field.startswith(stage.label) else error.within(stage.label)
                ) from None


def pieces(stage: Stage) -> tuple[Stage, ...]:
    """Return the parts of a stage's schedule; without one the stage itself.

    What a stage took as a whole is theirs by their tokens.
    """
    if not stage.schedule:
        return (stage,)
    whole = sum(piece.tokens.median for piece in stage.schedule)
    found = []
    for piece in stage.schedule:
        own: dict[str, Any] = {name: getattr(piece, name) for name in piece.model_fields_set}
        for name in OF_THE_WHOLE:
            if (told := getattr(stage, name)) is not None:
                own[name] = scaled(told, piece.tokens.median / whole)
        found.append(stage.model_copy(update={**own, "schedule": ()}))
    return tuple(found)


def _bench(
    stage: Stage,
    spec: StagedSpec,
    parts: Mapping[str, Accelerator],
    searched: dict[tuple[object, ...], Utilisation],
) -> Bench:
    """Return a stage with its models and parts."""
    accelerator = None if stage.accelerator is None else parts[stage.accelerator]
    generation = stage.generation
    apart = None if generation is None else generation.accelerator
    if stage.kind == "rl" and stage.layout is not None and stage.global_batch is None:
        stage = stage.model_copy(update={"global_batch": _rollouts(stage)})
    whole = counted_of(stage)
    model = None
    if whole is not None and (stage.updates or stage.convention != "6nd"):
        stage = by_products(stage, whole.architecture)
        model = count_run_model(stage, accelerator, whole.architecture)
    return Bench(
        stage=stage,
        own=own_weights(stage),
        teacher=beside_weights(stage, spec, "teacher"),
        reward=beside_weights(stage, spec, "reward"),
        model=model,
        accelerator=accelerator,
        writer=accelerator if apart is None else parts[apart],
        searched=searched,
    )


def _rollouts(stage: Stage) -> float | None:
    """Samples of a step; None where they are not told."""
    if stage.prompts is None or stage.samples_per_prompt is None:
        return None
    return stage.prompts.median * stage.samples_per_prompt.median


def _row(place: int, bench: Bench) -> StageRow:
    stage = bench.stage
    run = gathered(_run_parts(bench))
    beside = gathered((*_passes(bench), *_speeds(bench), *_sold(stage)))
    apart = gathered(_apart(bench))
    found, other, hours = (_drawn(bench, each) for each in (run, beside, apart))
    apart_hour = {f"apart.{key}": hours.get(key, found[key]) for key in Hour._fields}
    source = stage.source or GIVEN
    told = (*given_inputs(stage, source=source, left_out=("name", "source")),)
    kept = [
        each for each in (*run.assumptions, *beside.assumptions, *apart.assumptions)
        if each.source != GIVEN
    ]  # fmt: skip
    return StageRow(
        stage=place,
        quantities={**found, **other, **apart_hour, **_flop(bench, found)},
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
        yield from _utilisation(bench, accelerator)
        yield from step_inputs(stage, bench.model)
    yield from hour_inputs(stage.pricing, accelerator)


def _utilisation(bench: Bench, accelerator: Accelerator) -> Parts:
    """Yield the peak, the utilisation of updates, and what interrupts them."""
    share = fastest_share(bench, accelerator)
    if share is None:
        yield from accelerator_inputs(bench.stage, accelerator, bench.model)
        yield from failure_inputs(bench.stage, bench.model)
        return
    stage = bench.stage
    precision = stage.precision or usual_precision(accelerator, None)
    yield Input("peak_flop_per_s", constant(peak_flop_per_s(accelerator, precision)))
    yield peak_assumption(accelerator, precision)
    told = "step model, of the fastest common layout; practice takes longer, see below"
    yield Input("mfu", constant(share), "utilisation of updates (MFU)", told)
    yield software_assumption(stage.software_choice)
    yield from lost_time_inputs(stage)


def fastest_share(bench: Bench, accelerator: Accelerator) -> float | None:
    """Utilisation of updates of reinforcement learning on the fastest common layout.

    None where the stage says it in another way, or too little to search layouts.

    Raises:
        RequestError: where no layout fits.
    """
    stage = bench.stage
    is_told = stage.mfu is not None or bench.steps_are_timed or stage.kind != "rl"
    batch = stage.global_batch or _rollouts(stage)
    if is_told or batch is None or stage.count is None or bench.own is NOBODY:
        return None
    if not stage.count.is_constant or stage.count.value > LARGEST:
        allowed = f"allowed without mfu: one number, to {LARGEST:,}"
        raise RequestError("count", f"got {stage.count.text}; {allowed}")
    precision = stage.precision or usual_precision(accelerator, None)
    sequence = int(stage.sequence_length or DEFAULT_SEQUENCE)
    software = stage.software_choice.software
    of = (stage.accelerator, stage.node_network, precision, sequence, software, stage.efficiency)
    if of not in bench.searched:
        fitted = efficiencies_of(accelerator, Path(stage.efficiency) if stage.efficiency else None)
        found = Utilisation(accelerator, precision, sequence, software, fitted)
        bench.searched[of] = found
    layouts = bench.searched[of]
    batches = torch.tensor([batch], dtype=torch.float64)
    count, active, model = int(stage.count.value), bench.own.active.median, bench.own.model
    if model is not None:
        architecture = model.architecture.at(default_sequence(model.architecture))
        share = layouts.of_model(architecture, active, batches, count)
    else:
        share = layouts.of_sizes(torch.tensor([active], dtype=torch.float64), batches, count)
    reached = float(share)
    if math.isnan(reached):
        raise RequestError(
            "count",
            f"no common layout of {active:.3g} parameters with {batch:.4g} sequences a step is "
            f"legal and fits on {count:,} {accelerator.name}; give another count, global_batch or "
            "precision, or mfu",
        )
    per_token = 1.0 if bench.model is None else _per_token(bench) / (6.0 * active)
    return reached * per_token


def _per_token(bench: Bench) -> float:
    assert bench.model is not None
    return bench.model.flop_per_token(bench.stage.convention)


def _passes(bench: Bench) -> Iterator[Input | Assumption]:
    """Yield what goes through the models, beside the tokens that a run has too."""
    stage = bench.stage
    found = sampled(stage)
    is_written = not stage.updates and stage.kind != "filter" and stage.tokens is not None
    whole = stage.tokens if is_written and found.answer else None
    yield Input("epochs", stage.epochs or ONE)
    yield Input("restarted", stage.restarted_tokens or ZERO)
    is_unknown = bool(stage.purpose) and stage.tokens is None
    yield Input(
        "steps", stage.steps or stage.requests or whole or (UNKNOWN if is_unknown else ZERO)
    )
    yield Input("prompts", stage.prompts or ONE)
    each = constant(1.0 / found.answer) if whole is not None else ONE
    yield Input("group", stage.samples_per_prompt or each)
    yield Input("prompt", constant(found.prompt))
    yield Input("answer", constant(found.answer))
    reads = not stage.updates and stage.tokens is not None and whole is None
    yield Input("read", (stage.tokens or ZERO) if reads else ZERO)
    yield Input("pairs", stage.pairs or ZERO)
    yield Input("kept_share", stage.kept_share or ONE)
    yield Input("kept_number", stage.kept or UNKNOWN)
    yield Input("learns", ONE if stage.kind == "rl" else ZERO)
    if stage.references is None and stage.kind in ("rl", "preference"):
        told = "assumed: a frozen copy of the policy; 0 where there is none"
        yield Input("references", ONE, "forward passes of a reference", told)
    else:
        yield Input("references", stage.references or ZERO)
    yield Input("teachers", ONE if stage.kind == "distill" else ZERO)
    if stage.kind == "rl" and bench.reward is NOBODY and not bench.has_hours:
        told = "no reward model is given" + (
            "" if stage.verifier_seconds else ": no accelerator waits for it"
        )
        yield Assumption("rewards", "by a verifier", told)
    if found.tail > 1.0 and stage.tail is None:
        told = "the answer's lengths, of a step's samples; all are waited for"
        yield Assumption("longest over mean answer", f"{found.tail:.3g}", told)
    for what, length, mean in (
        ("prompt", stage.prompt_length, found.prompt),
        ("answer", stage.answer_length, found.answer),
    ):
        if length is not None and not _is_number(length):
            told = "mean of lengths that samples have; the mean itself is taken as known"
            yield Assumption(
                f"tokens of {'an' if what == 'answer' else 'a'} {what}", f"{mean:,.4g}", told
            )
    if stage.prompt_length is None and stage.answer_length is not None and found.answer:
        yield Assumption("tokens of a prompt", "0", "assumed: no prompt_length is given")
    yield Input("verifier", stage.verifier_seconds or ZERO)


def _is_number(length: object) -> bool:
    """Whether a length is the same of all samples."""
    if isinstance(length, str):
        try:
            return parse_quantity(length).is_constant
        except ValueError:  # a file of lengths
            return False
    return isinstance(length, int | float)


def _flop(bench: Bench, run: Mapping[str, Quantity]) -> dict[str, Quantity]:
    """FLOP of a token through each model, by key."""
    stage, model = bench.stage, bench.model
    share = stage.trained_share
    if share is None:
        is_frozen = stage.kind == "lora" and (stage.layout is None or not stage.layout.lora_rank)
        share = 0.0 if is_frozen else 1.0
    per_parameter = 4.0 + 2.0 * share
    update = forward = recomputed = UNKNOWN
    if model is not None:
        update = constant(_per_token(bench) * per_parameter / 6.0)
        if stage.convention != "6nd":
            is_whole = stage.layout is None or not stage.layout.lora_rank
            flop = _per_token(bench) / 3.0 if is_whole else float(model.card.flop.forward)
            forward = constant(flop)
        recomputed = constant(float(model.card.flop.recomputed)) if model.layout else UNKNOWN
    return {
        "active": bench.own.active if model is None else run["params_active"],
        "update": update,
        "update_per_parameter": constant(per_parameter),
        "forward": forward,
        "recomputed": recomputed,
        "teacher_flop": _doubled(bench.teacher),
        "reward_flop": _doubled(bench.reward),
        "total": run["flop"] if stage.updates else UNKNOWN,
        "trained_tokens": run["tokens"] if _is_fed(stage) else ZERO,
    }


def _is_fed(stage: Stage) -> bool:
    """Whether a stage trains on tokens from elsewhere that are not counted as pairs."""
    return stage.updates and stage.kind != "rl" and stage.pairs is None


def _doubled(weights: Weights) -> Quantity:
    """FLOP of a token's forward pass; zero of nobody."""
    return ZERO if weights is NOBODY else scaled(weights.active, 2.0)


def _speeds(bench: Bench) -> Iterator[Input | Assumption]:
    """Yield accelerator time of forward passes, and what predictions are off by."""
    stage, accelerator = bench.stage, bench.accelerator
    given = stage.gpu_hours or UNKNOWN
    yield Input("given_seconds", given, scale=SECONDS_PER_HOUR)
    yield Input("utilisation", stage.mfu if bench.has_hours and stage.mfu else UNKNOWN)
    if accelerator is None or bench.writer is None or bench.has_hours:
        names = ("sample_seconds", "read_seconds", "teacher_seconds", "reward_seconds")
        yield from (Input(name, UNKNOWN) for name in names)
        yield from (Input(name, ONE) for name in ("training_off", "serving_off"))
    else:
        writer = bench.server(bench.writer, apart=True)
        reader = bench.server(accelerator, apart=False)
        sample = sample_seconds(stage, bench.own, sampled(stage), writer)
        yield Input("sample_seconds", _over(constant(sample), stage.throughput))
        reads = stage.references is None or stage.references.median > 0 or stage.kind == "filter"
        yield Input("read_seconds", _speed(stage, bench.own if reads else NOBODY, reader))
        yield Input("teacher_seconds", _speed(stage, bench.teacher, reader))
        yield Input("reward_seconds", _speed(stage, bench.reward, reader))
        yield from _errors(bench)
    generation = stage.generation
    yield Input("generators", ZERO if generation is None else generation.count)
    yield Input("overlaps", ONE if generation is not None and generation.asynchronous else ZERO)


def _over(seconds: Quantity, throughput: Quantity | None) -> Quantity:
    """Tokens of an answer over tokens a second, at the median of the latter."""
    return seconds if throughput is None else constant(seconds.value / throughput.median)


def _speed(stage: Stage, weights: Weights, on: Server) -> Quantity:
    return UNKNOWN if weights is NOBODY else constant(read_seconds(stage, weights, on))


def _errors(bench: Bench) -> Iterator[Input | Assumption]:
    """Yield what predictions are off by: of reinforcement learning both, else of serving."""
    stage = bench.stage
    is_rl = stage.kind == "rl"
    serves = not stage.updates or stage.kind in ("rl", "distill", "preference")
    is_predicted = is_rl and stage.mfu is None and not bench.steps_are_timed
    rl = _error("rl") if is_rl else None
    yield Input("training_off", ONE if rl is None or not is_predicted else rl.quantity)
    if not serves or stage.throughput is not None:
        yield Input("serving_off", ONE)
    elif rl is not None:
        yield replace(rl, key="serving_off")
    else:
        yield replace(_error("serving"), key="serving_off")


@lru_cache(maxsize=4)
def _error(of: str) -> Input:
    """Measured over predicted time, as the sweep has it."""
    if of == "serving":
        used = serving.constants()
        ends = {"p5": 1 / used.high, "p50": 1.0, "p95": 1 / used.low}
        source = "serving model, fitted to 557 published throughputs of TensorRT-LLM"
        label = "time of reading and writing tokens, measured over predicted"
    else:
        known = practice(of)
        ends = {"p5": known.low, "p50": known.middle, "p95": known.high}
        source = f"{known.rows:,} measured steps of {known.sources} sources"
        label = "time of reinforcement learning, measured over predicted"
    quantity = replace(parse_quantity(ends), shared=label)
    return Input(of, quantity, label, source)


def _sold(stage: Stage) -> Iterator[Input]:
    """Yield what a service takes for a token; a reference's or teacher's passes are in its price.

    Where nobody prices tokens that samples read and write, they cost what a token trained does.
    """
    trained = stage.price_per_token
    yield Input("sold.trained", _together(stage, trained or UNKNOWN), scale=PER_MILLION)
    for name in TokenPrices._fields[1:]:
        own = getattr(stage, f"price_per_token_{name}")
        label, told, usual = "", "", trained or UNKNOWN
        if own is None and trained is not None and stage.purpose:
            label, told = f"USD per million tokens {name}", "as a token trained: no other is given"
        elif trained is not None and not stage.purpose:
            usual = ZERO
        yield Input(f"sold.{name}", _together(stage, own or usual), label, told, PER_MILLION)


def _together(stage: Stage, price: Quantity) -> Quantity:
    """Return a price of tokens that is drawn with the others of its stage."""
    if price.is_constant or price.shared is not None:
        return price
    return replace(price, shared=f"{stage.label}: price of tokens")


def _apart(bench: Bench) -> Parts:
    """Yield what an hour costs of accelerators apart that write samples."""
    generation = bench.stage.generation
    if generation is None or bench.writer is None:
        return
    pricing = bench.stage.pricing
    if generation.price is not None:
        pricing = Pricing(price=generation.price, date=pricing.date, operator=pricing.operator)
    for each in hour_inputs(pricing, bench.writer):
        if isinstance(each, Input):
            yield each
