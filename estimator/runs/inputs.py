"""What goes into a run's price: given by its user, looked up in the profile, or assumed.

Each input is told with its source, so that the answer can be traced.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from computebill.base.assumptions import GIVEN, Assumption, sequence_assumption
from computebill.base.errors import RequestError
from computebill.base.quantity import Quantity, constant, number_text, parse_quantity
from computebill.costs import method
from computebill.costs.method import Interval
from computebill.costs.ownership import price_with_server, years_owned
from computebill.costs.prices import cloud_price, purchase_price, typical_cloud_price
from computebill.hardware.accelerators import Accelerator
from computebill.hardware.assumptions import peak_assumption, source_of, source_title
from computebill.kernels.cost import JOULES_PER_KWH, SECONDS_PER_DAY, SECONDS_PER_HOUR
from computebill.training.inputs import batch_assumption, layout_assumptions, step_assumptions

from .spec import lost_time

if TYPE_CHECKING:
    from .model import RunModel
    from .spec import RunSpec

UNKNOWN = constant(math.nan)
LLAMA_3_FAILURES = 419 / (54 * 16384)
LLAMA_3 = "Grattafiori et al. 2024, arXiv:2407.21783: 419 in 54 days on 16,384 GPUs"
METHOD = "Cottier et al. 2024, arXiv:2405.21015"


@dataclass(frozen=True)
class Inputs:
    """A run's inputs by name, SI units and USD; the same for people, and each name's label."""

    quantities: Mapping[str, Quantity]
    assumptions: tuple[Assumption, ...]
    labels: Mapping[str, str]


class _Gathering:
    """Collects inputs; a later unit conversion scales the numbers, not the text."""

    def __init__(self) -> None:
        self.quantities: dict[str, Quantity] = {}
        self.assumptions: list[Assumption] = []
        self.labels: dict[str, str] = {}

    def take(
        self, key: str, quantity: Quantity, label: str = "", source: str = "", scale: float = 1.0
    ) -> None:
        self.quantities[key] = scaled(quantity, scale)
        self.labels[key] = label or key.replace("_", " ")
        if label:
            self.assumptions.append(Assumption(label, quantity.text, source))


def gather_inputs(run: RunSpec, accelerator: Accelerator, model: RunModel | None = None) -> Inputs:
    """Complete a run with its model's and accelerator's figures and the cost method's constants.

    Raises:
        RequestError: where the accelerator has no such precision, or the provider no price.
    """
    found = _Gathering()
    _take_model(found, run, model)
    _take_accelerator(found, run, accelerator, model)
    _take_step(found, run, model)
    _take_failures(found, run, model)
    _take_price(found, run, accelerator)
    _take_programme(found, run)
    _take_ownership(found, run, accelerator)
    _take_energy(found, run, accelerator)
    return Inputs(found.quantities, tuple(found.assumptions), found.labels)


def scaled(quantity: Quantity, factor: float) -> Quantity:
    """Return the quantity in another unit; the factor is positive."""
    if factor == 1.0 or quantity is UNKNOWN:
        return quantity
    # The sigmas of a log-normal have no unit; every other parameter has the quantity's own.
    in_unit = 1 if quantity.family == "lognormal" else len(quantity.parameters)
    numbers = [p * factor if i < in_unit else p for i, p in enumerate(quantity.parameters)]
    return Quantity(
        quantity.family,
        tuple(numbers),
        quantity.text,
        quantity.lower * factor,
        quantity.upper * factor,
        quantity.shared,
    )


def _take_model(found: _Gathering, run: RunSpec, model: RunModel | None) -> None:
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
        source = f"{run.model}, {model.card.architecture.model_type}"
        found.assumptions += [
            Assumption("parameters", f"{int(counts.total):,}", source),
            Assumption("active parameters", f"{int(counts.active):,}", source),
            sequence_assumption(model.card.sequence, is_given=run.sequence_length is not None),
            Assumption("model FLOP per token", f"{per_token.value:.4g}", run.convention),
        ]
    found.take("params", params)
    found.take("params_active", active)
    found.take("tokens", run.tokens or UNKNOWN)
    found.take("flop", run.flop or UNKNOWN)
    found.take("flop_per_token", per_token)
    found.take("hardware_flop_per_token", hardware)
    batch = run.sequences(sequence)
    if batch is not None and run.global_batch_tokens is not None:
        whole = f"{batch:,.0f} sequences"
        told = f"given as {number_text(run.global_batch_tokens)} tokens, rounded down to sequences"
        found.assumptions.append(Assumption("global batch", whole, told))
    found.take("tokens_per_step", constant((batch or math.nan) * sequence))
    for key, label in (
        ("params", "parameters"),
        ("params_active", "active parameters"),
        ("tokens", "tokens"),
        ("flop", "training FLOP"),
        ("count", "accelerators"),
    ):
        quantity: Quantity | None = getattr(run, key)
        if quantity is not None:
            found.assumptions.append(Assumption(label, quantity.text, GIVEN))
    found.take("count", run.count or UNKNOWN)


def _take_accelerator(
    found: _Gathering, run: RunSpec, accelerator: Accelerator, model: RunModel | None
) -> None:
    precision = run.precision or accelerator.default_precision
    peak = accelerator.peak_flop_per_s(precision)
    found.quantities["peak_flop_per_s"] = constant(peak)
    found.assumptions.append(peak_assumption(accelerator, precision))
    observed = method.cost_method().mfu.observed
    predicted = None if model is None else model.utilisation(run.convention, peak)
    if run.mfu is not None:
        found.take("mfu", run.mfu, "utilisation (MFU)", GIVEN)
    elif predicted is not None and model is not None and model.step is not None:
        found.take("mfu", predicted, "utilisation (MFU)", model.step.source)
    else:
        ranges = {"p10": observed.p10, "p50": observed.p50, "p90": observed.p90}
        source = f"observed on {observed.runs} runs: {observed.source}"
        found.take("mfu", parse_quantity(ranges, upper=1.0), "utilisation (MFU)", source)


def _take_step(found: _Gathering, run: RunSpec, model: RunModel | None) -> None:
    """What a layout and its timed step take without being told."""
    if model is None or model.layout is None or run.layout is None:
        return
    found.assumptions += batch_assumption(model.layout)
    found.assumptions += layout_assumptions(model.layout, run.layout)
    # A utilisation that was given tells the time in the step's place.
    if model.step is not None and run.mfu is None:
        is_given = "software" in run.model_fields_set
        found.assumptions += step_assumptions(model.step, software_given=is_given)


def is_observed(run: RunSpec, model: RunModel | None) -> bool:
    """Whether the utilisation is what other runs reached: neither given nor predicted."""
    return run.mfu is None and (model is None or model.step is None)


def holds_lost_time(run: RunSpec, model: RunModel | None) -> bool:
    """Whether the utilisation is of time that was lost too: observed, or given by itself."""
    is_alone = run.goodput is None and run.failures_per_gpu_day is None
    return is_observed(run, model) or (run.mfu is not None and is_alone)


def _take_failures(found: _Gathering, run: RunSpec, model: RunModel | None) -> None:
    """What interrupts training, where the utilisation does not hold it already."""
    failures, source = run.failures_per_gpu_day, GIVEN
    if holds_lost_time(run, model):
        told = "whole runs, by their GPU-hours" if run.mfu is None else "what was given"
        put_aside = ", ".join(lost_time(run))
        told += f"; not applied: {put_aside}" if put_aside else ""
        found.assumptions.append(Assumption("lost time", "within the utilisation", told))
    elif run.goodput is not None:
        found.take("goodput", run.goodput, "share of the time that trains (goodput)", GIVEN)
    elif failures is not None and failures.is_constant and failures.value == 0:
        found.assumptions.append(Assumption("failures a GPU and day", "0", GIVEN))
    else:
        if failures is None:
            failures, source = constant(LLAMA_3_FAILURES), LLAMA_3
        _take_interruptions(found, run, failures, source)
    for name in ("goodput", "failures_per_second", "checkpoint_seconds", "restart_seconds"):
        if name not in found.quantities:
            found.take(name, UNKNOWN)


def _take_interruptions(found: _Gathering, run: RunSpec, failures: Quantity, source: str) -> None:
    found.take(
        "failures_per_second", failures, "failures a GPU and day", source, 1 / SECONDS_PER_DAY
    )
    for name, what, usual in (
        ("checkpoint_seconds", "seconds a checkpoint stops training", {"p10": 5.0, "p90": 60.0}),
        ("restart_seconds", "seconds from a failure to training", {"p10": 180.0, "p90": 1200.0}),
    ):
        given: Quantity | None = getattr(run, name)
        quantity = given if given is not None else parse_quantity(usual)
        found.take(name, quantity, what, GIVEN if given is not None else "assumed (not checked)")


def _take_programme(found: _Gathering, run: RunSpec) -> None:
    if run.final_share is None:
        found.take("final_share", UNKNOWN)
        return
    label = "share of the programme's R&D compute that is this run"
    found.take("final_share", run.final_share, label, GIVEN)


def _take_price(found: _Gathering, run: RunSpec, accelerator: Accelerator) -> None:
    label, scale = "USD per accelerator-hour", 1 / SECONDS_PER_HOUR
    if run.price is not None:
        found.take("usd_per_second", run.price, label, GIVEN, scale)
        return
    if run.provider is not None or run.commitment != "on-demand":
        quote = cloud_price(
            accelerator,
            provider=run.provider,
            date=run.date,
            commitment=run.commitment,
        )
        how = ", from its on-demand price and usual discount" if quote.derived else ""
        source = f"{quote.provider}, {quote.commitment}, {quote.date}{how}"
        source += f": {source_title(accelerator, quote.source)}"
        found.take("usd_per_second", constant(quote.usd_per_hour), label, source, scale)
        return
    try:
        typical = typical_cloud_price(accelerator, run.date)
    except RequestError:
        found.take("usd_per_second", UNKNOWN)
        none = "no rental price on record; give one with --price"
        found.assumptions.append(Assumption(label, "not known", none))
        return
    floor = "; widened to the pooled spread between providers" if typical.is_floored else ""
    span = {"p10": typical.p10, "p50": typical.p50, "p90": typical.p90}
    source = (
        f"on-demand prices of {typical.count} provider{'s' * (typical.count != 1)}, "
        f"{typical.first_date} to {typical.last_date}{floor}; see `computebill hardware show "
        f"{accelerator.name}`"
    )
    found.take("usd_per_second", parse_quantity(span), label, source, scale)


def _take_ownership(found: _Gathering, run: RunSpec, accelerator: Accelerator) -> None:
    constants = method.cost_method()
    ranges = constants.uncertainty
    overhead = method.server_overhead(accelerator.title, accelerator.vendor)
    found.take(
        "orders_per_year",
        _between(ranges.values.orders_per_year),
        "depreciation, orders of magnitude a year",
        METHOD,
    )
    share = constant(constants.interconnect.share)
    found.take("interconnect_share", share, "interconnect, share of a cluster's price", METHOD)
    found.take("server_overhead", constant(overhead), "server price over its chips'", METHOD)
    try:
        quote = purchase_price(accelerator, date=run.date)
    except RequestError:
        found.take("chip_usd", UNKNOWN)
        found.take("years_owned", UNKNOWN)
        found.assumptions.append(
            Assumption("purchase price, USD", "not known", "no purchase price on record")
        )
        return
    usd = price_with_server(accelerator, quote)
    spread = method.price_spread(accelerator.vendor)
    source = f"{quote.kind}, {quote.date or 'undated'}: {source_title(accelerator, quote.source)}"
    if not quote.includes_server:
        source += f"; times {overhead:g} for the server"
    source += f"; range {METHOD}"
    price = parse_quantity({"p5": usd * spread.p5, "p95": usd * spread.p95})
    found.take("chip_usd", price, "purchase price with its share of the server, USD", source)
    # Bought for the run where no date is given.
    years = constant(years_owned(accelerator, quote, run.date) if run.date else 0.0)
    source = "from acquisition to --date" if run.date else "bought for the run: no --date"
    found.take("years_owned", years, "years owned at the start", source)


def _take_energy(found: _Gathering, run: RunSpec, accelerator: Accelerator) -> None:
    values = method.cost_method().uncertainty.values
    is_tpu = method.is_tpu(accelerator.vendor)
    chip = accelerator.power.chip_watt
    found.take("chip_watt", constant(chip.value) if chip else UNKNOWN)
    if chip:
        source = source_of(accelerator, chip.source)
        found.assumptions.append(Assumption("chip power", f"{chip.value:g} W", source))
    server = accelerator.power.server_watt_per_chip
    ratio, source = method.chip_to_server_power(accelerator.title, accelerator.vendor), METHOD
    if server and chip:
        ratio = server.value / chip.value
        source = source_of(accelerator, server.source)
    found.take("chip_to_server", constant(ratio), "server power over chip power", source)
    fraction = values.power_fraction_tpu if is_tpu else values.power_fraction_gpu
    found.take("power_fraction", _between(fraction), "average share of rated power", METHOD)
    if run.pue is not None:
        found.take("pue", run.pue, "PUE", GIVEN)
    else:
        pue = values.pue_hyperscale if method.is_hyperscale(run.operator) else values.pue_other
        found.take("pue", _between(pue), "PUE", METHOD)
    _take_electricity(found, run)


def _take_electricity(found: _Gathering, run: RunSpec) -> None:
    constants = method.cost_method()
    if run.usd_per_kwh is not None:
        usd, source = run.usd_per_kwh, GIVEN
    else:
        year = run.date.year if run.date else max(constants.electricity.usd_per_kwh)
        middle = method.usd_per_kwh(dt.date(year, 1, 1))
        spread = constants.uncertainty.multiples.electricity
        usd = parse_quantity({"p5": middle * spread.p5, "p95": middle * spread.p95})
        source = constants.electricity.source.removeprefix(f"{METHOD}; ")
        source = f"US industrial, {year}: {source}"
    found.take("usd_per_joule", usd, "USD per kWh", source, 1 / JOULES_PER_KWH)
    carbon = constants.carbon
    if run.carbon_g_per_kwh is not None:
        grams, source = run.carbon_g_per_kwh, GIVEN
    else:
        grams = constant(carbon.kg_per_joule * JOULES_PER_KWH * 1e3)
        source = f"{carbon.source}{'' if carbon.checked else ' (not re-checked)'}"
    found.take("kg_per_joule", grams, "g CO2e per kWh", source, 1e-3 / JOULES_PER_KWH)


def _between(interval: Interval) -> Quantity:
    upper = 1.0 if interval.p95 <= 1.0 else math.inf
    return parse_quantity({"p5": interval.p5, "p95": interval.p95}, upper=upper)
