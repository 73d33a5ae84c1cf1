"""What an accelerator's hour costs: given, looked up in its profile, or from the cost method.

One list of inputs for a run, a search of layouts and a sweep of experiments; each is told with
its source.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from computebill.base.assumptions import GIVEN, Assumption, Input
from computebill.base.errors import RequestError
from computebill.base.quantity import UNKNOWN, Quantity, constant, parse_quantity
from computebill.hardware.accelerators import Accelerator
from computebill.hardware.assumptions import source_of, source_title
from computebill.kernels.units import JOULES_PER_KWH, SECONDS_PER_HOUR

from . import method
from .method import Interval
from .ownership import price_with_server, years_owned
from .price_lists import Asked, listed_price
from .prices import Commitment, cloud_price, purchase_price, typical_cloud_price

METHOD = "Cottier et al. 2024, arXiv:2405.21015"

CARDS_OF_A_PC = 4
"""Most cards of a desktop that are taken as one's own PC's: as many as a large case holds."""

DESKTOP = re.compile(r"GeForce|GTX|RTX|Quadro|TITAN", re.I)
"""In titles of cards that are sold by themselves, for desktops."""

OF_A_PC = f"the card alone: up to {CARDS_OF_A_PC} of a desktop are taken as one's own PC's"


@dataclass(frozen=True)
class Pricing:
    """What a user says of an accelerator's hour; the rest is looked up.

    Attributes:
        price: rent [USD an accelerator-hour]; or it is taken from a provider's list.
        provider: whose list price.
        commitment: kind of rent: on-demand, 1y, 3y or spot.
        prices: a price list in place of the profile's: a CSV of SkyPilot, of gpuhunt or of one's
            own, or a folder of them.
        region: of the offers of that list that count.
        count: accelerators of the run; a few cards of a desktop are bought without a server.
        date: day of the prices, and of the start.
        operator: who runs the data centre, for its power usage effectiveness.
        pue: power usage effectiveness.
        usd_per_kwh: price of electricity [USD/kWh].
        carbon_g_per_kwh: greenhouse gases of electricity [g CO2e/kWh].
    """

    price: Quantity | None = None
    provider: str | None = None
    commitment: Commitment = "on-demand"
    date: dt.date | None = None
    operator: str | None = None
    pue: Quantity | None = None
    usd_per_kwh: Quantity | None = None
    carbon_g_per_kwh: Quantity | None = None
    prices: str | None = None
    region: str | None = None
    count: Quantity | None = None

    def is_of_a_pc(self, accelerator: Accelerator) -> bool:
        """Whether the cards are those of somebody's own PC, which is no cluster."""
        count = self.count
        is_few = count is not None and count.is_constant and count.value <= CARDS_OF_A_PC
        return is_few and DESKTOP.search(accelerator.title) is not None


def hour_inputs(pricing: Pricing, accelerator: Accelerator) -> Iterator[Input | Assumption]:
    """Yield the fields of ``kernels.run.Hour``, and what is told beside them.

    Raises:
        RequestError: where the provider has no price.
    """
    yield from rent_inputs(pricing, accelerator)
    yield from owned_inputs(pricing, accelerator)


def rent_inputs(pricing: Pricing, accelerator: Accelerator) -> Iterator[Input | Assumption]:
    """Yield the rent, and that there is none on record where that is so.

    Raises:
        RequestError: where the provider or the list has no price.
    """
    label, scale = "USD per accelerator-hour", 1 / SECONDS_PER_HOUR
    if pricing.price is None and pricing.prices is not None:
        asked = Asked(pricing.commitment, pricing.provider, pricing.region, pricing.date)
        listed = listed_price(pricing.prices, accelerator, asked)
        yield Input("usd_per_second", listed.quantity, label, listed.source, scale)
        if listed.left_out is not None:
            yield listed.left_out
        return
    found = _rent(pricing, accelerator)
    if found is None:
        yield Input("usd_per_second", UNKNOWN)
        yield Assumption(label, "not known", "no rental price on record; give one with --price")
        return
    quantity, source = found
    yield Input("usd_per_second", quantity, label, source, scale)


def _rent(pricing: Pricing, accelerator: Accelerator) -> tuple[Quantity, str] | None:
    """Rent [USD an accelerator-hour] and its source; None where no price is on record."""
    if pricing.price is not None:
        return pricing.price, GIVEN
    if pricing.provider is not None or pricing.commitment != "on-demand":
        quote = cloud_price(
            accelerator,
            provider=pricing.provider,
            date=pricing.date,
            commitment=pricing.commitment,
        )
        how = ", from its on-demand price and usual discount" if quote.derived else ""
        source = f"{quote.provider}, {quote.commitment}, {quote.date}{how}"
        return constant(quote.usd_per_hour), f"{source}: {source_title(accelerator, quote.source)}"
    try:
        typical = typical_cloud_price(accelerator, pricing.date)
    except RequestError:
        return None
    floor = "; widened to the pooled spread between providers" if typical.is_floored else ""
    span = {"p10": typical.p10, "p50": typical.p50, "p90": typical.p90}
    source = (
        f"on-demand prices of {typical.count} provider{'s' * (typical.count != 1)}, "
        f"{typical.first_date} to {typical.last_date}{floor}; see `computebill hardware show "
        f"{accelerator.name}`"
    )
    return parse_quantity(span), source


def owned_inputs(pricing: Pricing, accelerator: Accelerator) -> Iterator[Input | Assumption]:
    """Yield what owning an accelerator costs: its price as it falls, its power, electricity."""
    yield from _hardware_inputs(pricing, accelerator)
    yield from power_inputs(pricing, accelerator)
    yield from _electricity_inputs(pricing)


def _hardware_inputs(pricing: Pricing, accelerator: Accelerator) -> Iterator[Input | Assumption]:
    constants = method.cost_method()
    overhead = method.server_overhead(accelerator.title, accelerator.vendor)
    share = constants.interconnect.share
    is_pc = pricing.is_of_a_pc(accelerator)
    if is_pc:
        overhead, share = 1.0, 0.0
    method_of = OF_A_PC if is_pc else METHOD
    falling = _between(constants.uncertainty.values.orders_per_year)
    yield Input("orders_per_year", falling, "depreciation, orders of magnitude a year", METHOD)
    label = "interconnect, share of a cluster's price"
    yield Input("interconnect_share", constant(share), label, method_of)
    yield Input("server_overhead", constant(overhead), "server price over its chips'", method_of)
    try:
        quote = purchase_price(accelerator, date=pricing.date)
    except RequestError:
        yield Input("chip_usd", UNKNOWN)
        yield Input("years_owned", UNKNOWN)
        yield Assumption("purchase price, USD", "not known", "no purchase price on record")
        return
    usd = quote.usd if is_pc else price_with_server(accelerator, quote)
    spread = method.price_spread(accelerator.vendor)
    source = f"{quote.kind}, {quote.date or 'undated'}: {source_title(accelerator, quote.source)}"
    if not (is_pc or quote.includes_server):
        source += f"; times {overhead:g} for the server"
    source += f"; range {METHOD}"
    price = parse_quantity({"p5": usd * spread.p5, "p95": usd * spread.p95})
    label = "purchase price, USD" if is_pc else "purchase price with its share of the server, USD"
    yield Input("chip_usd", price, label, source)
    # Bought for the run where no date is given.
    years = constant(years_owned(accelerator, quote, pricing.date) if pricing.date else 0.0)
    source = "from acquisition to --date" if pricing.date else "bought for the run: no --date"
    yield Input("years_owned", years, "years owned at the start", source)


def power_inputs(pricing: Pricing, accelerator: Accelerator) -> Iterator[Input | Assumption]:
    """Yield what decides an accelerator's electricity: rated power, share drawn, PUE."""
    values = method.cost_method().uncertainty.values
    is_tpu = method.is_tpu(accelerator.vendor)
    chip = accelerator.power.chip_watt
    yield Input("chip_watt", constant(chip.value) if chip else UNKNOWN)
    if chip:
        source = source_of(accelerator, chip.source)
        yield Assumption("chip power", f"{chip.value:g} W", source)
    server = accelerator.power.server_watt_per_chip
    ratio, source = method.chip_to_server_power(accelerator.title, accelerator.vendor), METHOD
    if server and chip:
        ratio = server.value / chip.value
        source = source_of(accelerator, server.source)
    yield Input("chip_to_server", constant(ratio), "server power over chip power", source)
    fraction = values.power_fraction_tpu if is_tpu else values.power_fraction_gpu
    yield Input("power_fraction", _between(fraction), "average share of rated power", METHOD)
    if pricing.pue is not None:
        yield Input("pue", pricing.pue, "PUE", GIVEN)
    else:
        is_hyperscale = method.is_hyperscale(pricing.operator)
        pue = values.pue_hyperscale if is_hyperscale else values.pue_other
        yield Input("pue", _between(pue), "PUE", METHOD)


def _electricity_inputs(pricing: Pricing) -> Iterator[Input]:
    constants = method.cost_method()
    if pricing.usd_per_kwh is not None:
        usd, source = pricing.usd_per_kwh, GIVEN
    else:
        year = pricing.date.year if pricing.date else max(constants.electricity.usd_per_kwh)
        middle = method.usd_per_kwh(dt.date(year, 1, 1))
        spread = constants.uncertainty.multiples.electricity
        usd = parse_quantity({"p5": middle * spread.p5, "p95": middle * spread.p95})
        source = constants.electricity.source.removeprefix(f"{METHOD}; ")
        source = f"US industrial, {year}: {source}"
    yield Input("usd_per_joule", usd, "USD per kWh", source, 1 / JOULES_PER_KWH)
    carbon = constants.carbon
    if pricing.carbon_g_per_kwh is not None:
        grams, source = pricing.carbon_g_per_kwh, GIVEN
    else:
        grams = constant(carbon.kg_per_joule * JOULES_PER_KWH * 1e3)
        source = f"{carbon.source}{'' if carbon.checked else ' (not re-checked)'}"
    yield Input("kg_per_joule", grams, "g CO2e per kWh", source, 1e-3 / JOULES_PER_KWH)


def _between(interval: Interval) -> Quantity:
    upper = 1.0 if interval.p95 <= 1.0 else math.inf
    return parse_quantity({"p5": interval.p5, "p95": interval.p95}, upper=upper)
