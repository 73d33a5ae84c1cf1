"""How fast a stage goes: utilisation, time of forward passes, what a token is sold for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import torch

from computebill.base.amounts import LARGEST
from computebill.base.assumptions import Assumption, Input
from computebill.base.errors import RequestError
from computebill.base.quantity import UNKNOWN, Quantity, constant, parse_quantity
from computebill.costs.hour import Pricing, hour_inputs
from computebill.hardware.accelerators import Accelerator, peak_flop_per_s
from computebill.hardware.assumptions import peak_assumption
from computebill.kernels.stages import TokenPrices
from computebill.kernels.units import SECONDS_PER_HOUR
from computebill.training import serving
from computebill.training.cases import usual_precision
from computebill.training.efficiency import efficiencies_of
from computebill.training.inputs import software_assumption
from computebill.training.layout import DEFAULT_SEQUENCE, default_sequence
from computebill.training.utilisation import Utilisation, practice

from .inputs import Parts, accelerator_inputs, failure_inputs, lost_time_inputs
from .stage_bench import Bench
from .stage_models import (
    NOBODY,
    Server,
    Weights,
    longer,
    read_seconds,
    sample_seconds,
    sampled,
)
from .stage_passes import ONE, ZERO, critic_of
from .stage_spec import Stage

PER_MILLION = 1e-6
HALF, TWICE = 0.5, 2.0
"""Times the mean answer at which samples are timed beside it, for what other means take."""


def utilisation(bench: Bench, accelerator: Accelerator) -> Parts:
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
    is_told = stage.mfu is not None or bench.steps_are_timed or not stage.is_reinforced
    batch = stage.global_batch or bench.rollouts
    if is_told or batch is None or stage.count is None or bench.own is NOBODY:
        return None
    if not stage.count.is_constant or stage.count.value > LARGEST:
        allowed = f"allowed without mfu: one number, to {LARGEST:,}"
        raise RequestError("count", f"got {stage.count.text}; {allowed}")
    layouts = common_layouts(bench, accelerator)
    batches = torch.tensor([batch], dtype=torch.float64)
    count, active, model = int(stage.count.value), bench.own.active.median, bench.own.model
    if model is not None:
        architecture = model.architecture.at(default_sequence(model.architecture))
        share = layouts.of_model(architecture, active, batches, count)
    else:
        share = layouts.of_sizes(torch.tensor([active], dtype=torch.float64), batches, count)
    reached = float(share)
    if math.isnan(reached):
        odds = "" if stage.fit_odds is None else f" with odds of {stage.fit_odds:g}"
        raise RequestError(
            "count",
            f"no common layout of {active:.3g} parameters with {batch:.4g} sequences a step is "
            f"legal and fits on {count:,} {accelerator.name}{odds}; give another count, "
            f"global_batch or precision, {'less fit_odds, ' if odds else ''}or mfu",
        )
    per_token = 1.0 if bench.model is None else bench.flop_per_token / (6.0 * active)
    return reached * per_token


def common_layouts(bench: Bench, accelerator: Accelerator) -> Utilisation:
    """Return the common layouts of a stage's sequences on a part, searched once for all stages."""
    stage = bench.stage
    precision = stage.precision or usual_precision(accelerator, None)
    sequence = int(stage.sequence_length or DEFAULT_SEQUENCE)
    software = stage.software_choice.software
    of = (
        stage.accelerator, stage.node_network, precision, sequence, software, stage.efficiency,
        stage.fit_odds,
    )  # fmt: skip
    if of not in bench.searched:
        fitted = efficiencies_of(accelerator, Path(stage.efficiency) if stage.efficiency else None)
        bench.searched[of] = Utilisation(
            accelerator, precision, sequence, software, fitted, stage.fit_odds
        )
    return bench.searched[of]


def speeds(bench: Bench) -> Iterator[Input | Assumption]:
    """Yield accelerator time of forward passes, and what predictions are off by."""
    stage, accelerator = bench.stage, bench.accelerator
    given = stage.gpu_hours or UNKNOWN
    yield Input("given_seconds", given, scale=SECONDS_PER_HOUR)
    yield Input("utilisation", stage.mfu if bench.has_hours and stage.mfu else UNKNOWN)
    if accelerator is None or bench.writer is None or bench.has_hours:
        names = [f"{name}_seconds" for name in ("sample", "read", "teacher", "reward", "critic")]
        yield from (Input(name, UNKNOWN) for name in names)
        yield from (Input(name, ONE) for name in ("training_off", "serving_off"))
        yield from (Input(f"sample_power_{end}", ONE) for end in ("below", "above"))
    else:
        writer = bench.server(bench.writer, apart=True)
        reader = bench.server(accelerator, apart=False)
        sample = sample_seconds(stage, bench.own, sampled(stage), writer)
        yield Input("sample_seconds", _over(constant(sample), stage.throughput))
        yield from _powers(bench, sample, writer)
        reads = stage.references is None or stage.references.median > 0 or stage.kind == "filter"
        yield Input("read_seconds", _speed(stage, bench.own if reads else NOBODY, reader))
        yield Input("teacher_seconds", _speed(stage, bench.teacher, reader))
        yield Input("reward_seconds", _speed(stage, bench.reward, reader))
        yield Input("critic_seconds", _speed(stage, critic_of(bench), reader))
        yield from _errors(bench)
    generation = stage.generation
    yield Input("generators", ZERO if generation is None else generation.count)
    yield Input("overlaps", ONE if generation is not None and generation.steps_under_way else ZERO)


def _powers(bench: Bench, sample: float, writer: Server) -> Iterator[Input]:
    """Yield powers of the mean answer that the time of a sample goes by, below and above it.

    A longer answer holds more of the cache, so that fewer are written at a time: time grows faster
    than length. Longest answers that are cut make it grow slower.
    """
    stage, found = bench.stage, sampled(bench.stage)
    for end, times in (("below", HALF), ("above", TWICE)):
        other = sample * times
        if math.isfinite(sample) and stage.throughput is None:
            other = sample_seconds(stage, bench.own, longer(stage, found, times), writer)
        power = math.log(other / sample) / math.log(times) if sample > 0 else 1.0
        yield Input(f"sample_power_{end}", constant(1.0 if math.isnan(power) else power))


def _over(seconds: Quantity, throughput: Quantity | None) -> Quantity:
    """Tokens of an answer over tokens a second, at the median of the latter."""
    return seconds if throughput is None else constant(seconds.value / throughput.median)


def _speed(stage: Stage, weights: Weights, on: Server) -> Quantity:
    return UNKNOWN if weights is NOBODY else constant(read_seconds(stage, weights, on))


def _errors(bench: Bench) -> Iterator[Input | Assumption]:
    """Yield what predictions are off by: of reinforcement learning both, else of serving."""
    stage = bench.stage
    is_rl = stage.is_reinforced
    serves = not stage.updates or is_rl or stage.kind in ("distill", "preference")
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


def sold(stage: Stage) -> Iterator[Input]:
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


def apart_hour(bench: Bench) -> Parts:
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
