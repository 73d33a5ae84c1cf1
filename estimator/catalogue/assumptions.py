"""What scores rest on besides the rows themselves, each with its source."""

from __future__ import annotations

import math
from collections.abc import Iterator

from computebill.base.assumptions import Assumption
from computebill.base.quantity import P90
from computebill.costs.method import cost_method

from .costs import CLOUD_SPREAD, POWER_SPREAD
from .derive import LISTED_HOURS, LISTED_MFU, PRODUCT_HOURS, WAYS, Z, constants

DEPRECIATION = "depreciation, orders of magnitude a year"
OWN = "computebill's, not checked"
PROFILES = "computebill hardware show NAME, of each row's accelerator"


def assumptions() -> list[Assumption]:
    """Return every number that rows are completed with; intervals are of 90 %."""
    return [*_flop(), *_hours(), *_costs()]


def _flop() -> Iterator[Assumption]:
    table = constants()
    confidence = {key: value for key, value in table["confidence"].items() if key != "source"}
    for word, factor in confidence.items():
        name = "of no such word" if word == "other" else word
        yield _factor(f"listed FLOP, confidence {name}", factor, table["confidence"]["source"])
    for name, each in table["product"].items():
        low, middle, high = (10 ** each[key] for key in ("low", "middle", "high"))
        what = {"tokens": "sizes in tokens", "other": "other domains"}.get(name, name)
        text = f"{_short(middle)} times ({_short(low)}–{_short(high)})"
        yield Assumption(f"6 N D over listed FLOP, {what}", text, table["fitted"])
    ways = dict(zip(("with_size", "by_date"), WAYS[4:6], strict=True))
    for name, each in table["line"].items():
        text = f"{10 ** each['per_year']:.3g} times a year"
        text += f", parameters to the {each['per_size']:.3g}" if each["per_size"] else ""
        text += f", within a factor of {_short(10 ** (Z * each['sd']))}"
        yield Assumption(f"FLOP by the {ways[name]}", text, table["fitted"])


def _hours() -> Iterator[Assumption]:
    method = cost_method().mfu
    seen, told = method.observed, method.predicted
    low, high = (seen.p50 * math.exp(sign * P90 * told.sd) for sign in (-1, 1))
    yield Assumption(
        "utilisation (MFU), where a row tells none",
        f"{seen.p50:.3g} ({low:.3g}–{high:.3g}, p10–p90 of other organisations)",
        f"observed on {seen.runs} runs: {seen.source}",
    )
    yield Assumption(
        "the same, a mixture of experts",
        f"{told.mixture:.3g} times that, within a factor of {math.exp(Z * told.mixture_sd):.3g}",
        told.source,
    )
    for name, wide in (
        ("GPU-hours as listed", LISTED_HOURS),
        ("number of accelerators x time", PRODUCT_HOURS),
        ("utilisation as listed", LISTED_MFU),
    ):
        yield _factor(name, math.exp(wide), OWN)
    yield Assumption("peaks of accelerators", "at 16 bits, or as the row says", PROFILES)


def _costs() -> Iterator[Assumption]:
    table = cost_method()
    uncertain = table.uncertainty
    multiples = uncertain.multiples
    prices = "of the date of training"
    yield Assumption("prices of accelerators and of their hours", prices, PROFILES)
    yield _factor("purchase price of a GPU", multiples.price_gpu.p95, uncertain.source)
    yield _factor("purchase price of a TPU", multiples.price_tpu.p95, uncertain.source)
    yield _factor("price of an hour in the cloud", CLOUD_SPREAD, OWN)
    yield _factor("power", POWER_SPREAD, OWN)
    power = table.power_fraction
    for name, value, given in (
        ("server price over its chips'", table.server_overhead.other, table.server_overhead),
        (DEPRECIATION, table.depreciation.orders_per_year, table.depreciation),
        ("interconnect, share of a cluster's price", table.interconnect.share, table.interconnect),
        ("average share of rated power, GPUs", power.gpu, power),
        ("average share of rated power, TPUs", power.tpu, power),
        ("PUE of hyperscalers", table.pue.hyperscale, table.pue),
        ("PUE of others", table.pue.other, table.pue),
        ("days from training to publication", table.dates.days_to_publication, table.dates),
    ):
        yield Assumption(name, f"{value:g}", given.source)
    kwh = table.electricity.usd_per_kwh
    text = f"{min(kwh.values()):.4f} to {max(kwh.values()):.4f}, by year"
    yield Assumption("USD per kWh", text, table.electricity.source)


def _factor(name: str, factor: float, source: str) -> Assumption:
    return Assumption(name, f"within a factor of {_short(factor)}", source)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"
