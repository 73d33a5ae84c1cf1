"""What a run has done, and the passport it comes to."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from computebill.base.errors import RequestError, shown
from computebill.base.quantity import number_text
from computebill.kernels.units import SECONDS_PER_HOUR

from .passport import Basis, Entry, Passport, worst
from .subject import Subject

TAKEN = {"usd": ("Dollars", "USD"), "kwh": ("Energy", "kWh"), "kg_co2e": ("Carbon", "kg CO2e")}


@dataclass(frozen=True)
class Done:
    """What a run has done so far.

    Attributes:
        tokens: trained on; what was done again counts once.
        tokens_computed: of all updates.
        tokens_are: how tokens are known.
        updates: optimizer steps, those done again included.
        seconds: time that the cluster was held [s].
        goodput: share of it that trained; None where nobody knows it.
        restarts: times that it went back, or was started again.
        stalls: of its updates.
        speed: tokens a second and accelerator of updates that count; None before any.
        sources: where tokens, updates, hours, goodput, restarts and stalls are from.
        software: versions by package.
    """

    tokens: float
    tokens_computed: float
    tokens_are: Basis
    updates: int
    seconds: float
    goodput: float | None
    restarts: int
    stalls: int
    speed: float | None
    sources: Mapping[str, str]
    software: Mapping[str, str] = field(default_factory=dict)


def passport(
    subject: Subject, done: Done, *, kwh: float | None = None, name: str | None = None
) -> Passport:
    """Return the passport of a run as it stands.

    Args:
        subject: what was watched.
        done: what it has done.
        kwh: electricity that a meter measured, of the whole run [kWh].
        name: of the run; its own if not given.

    Raises:
        RequestError: where the meter's figure is no number above zero.
    """
    if kwh is not None:
        kwh = as_number("kwh", kwh, zero=False)
    return Passport(
        name=name or subject.run.name,
        model=subject.unit.model or f"{number_text(subject.params, 3)} parameters",
        hardware=f"{subject.count:,} x {subject.accelerator.title}",
        entries=(*_done(subject, done), *_used(subject, done), *_taken(subject, done, kwh)),
        software=done.software,
        assumptions=tuple(each.to_dict() for each in subject.assumptions),
        day=dt.date.today(),
    )


def _done(subject: Subject, done: Done) -> Iterator[Entry]:
    """Yield what it was and did."""
    told = "counted from its configuration" if subject.unit.model else "as given"
    yield Entry("params", "Parameters", subject.params, "", "declared", told)
    yield Entry(
        "params_active", "Of them, a token meets", subject.params_active, "", "declared", told
    )
    of = done.sources
    yield Entry("tokens", "Tokens trained on", done.tokens, "", done.tokens_are, of["tokens"])
    yield Entry("updates", "Updates", done.updates, "", "measured", of["updates"])
    for name, flop in subject.unit.flop_per_token.items():
        if flop is not None:
            source = f"updates' tokens, those done again included, as {name} counts"
            used, basis = flop * done.tokens_computed, worst("declared", done.tokens_are)
            yield Entry(f"flop_{name}", f"FLOP, {name}", used, "FLOP", basis, source)
    hours = done.seconds / SECONDS_PER_HOUR
    yield Entry("hours", "Hours", hours, "h", "measured", of["hours"])
    yield Entry(
        "gpu_hours", "Accelerator-hours", hours * subject.count, "h", "declared",
        f"hours times {subject.count:,} accelerators",
    )  # fmt: skip
    yield Entry(
        "goodput", "Share of the time that trained", done.goodput, "", "measured", of["goodput"]
    )
    yield Entry("restarts", "Restarts", done.restarts, "", "measured", of["restarts"])
    yield Entry("stalls", "Stalls", done.stalls, "", "measured", of["stalls"])


def _used(subject: Subject, done: Done) -> Iterator[Entry]:
    """Yield utilisation under every convention."""
    if done.speed is None:
        return
    peak = f"of {subject.unit.peak_flop_per_s:.4g} FLOP/s, {subject.unit.precision}"
    basis = worst("declared", done.tokens_are)
    for name, share in subject.shares(done.speed).items():
        key, label = ("hfu", "HFU") if name == "hfu" else (f"mfu_{name}", f"MFU, {name}")
        yield Entry(key, label, share, "", basis, peak)


def _taken(subject: Subject, done: Done, kwh: float | None) -> Iterator[Entry]:
    """Yield dollars, energy and carbon."""
    given = subject.is_given
    listed = subject.run.prices is not None or subject.run.provider is not None
    bases: dict[str, Basis] = {
        "usd": "declared" if given("USD per accelerator-hour") or listed else "assumed",
        "kwh": "assumed",
        "kg_co2e": "assumed",
    }
    for key, (label, unit) in TAKEN.items():
        rate, basis = subject.rates.get(key), bases[key]
        if rate is None:
            yield Entry(key, label, None, unit, "assumed", "no figure of it is on record")
            continue
        value, ends = rate.p50 * done.seconds, (rate.p5 * done.seconds, rate.p95 * done.seconds)
        source = "hours times the cluster's hour; what that rests on is below"
        if kwh is not None and key == "kwh":
            value, ends, basis, source = kwh, (kwh, kwh), "measured", "a meter, as given"
        if kwh is not None and key == "kg_co2e" and "kwh" in subject.rates:
            value = kwh * rate.p50 / subject.rates["kwh"].p50
            basis = "declared" if given("g CO2e per kWh") else "assumed"
            ends, source = (value, value), "the meter's kWh times grams a kWh"
        low, high = ends if ends[0] != ends[1] else (None, None)
        yield Entry(key, label, value, unit, basis, source, low, high)


def as_number(name: str, value: object, *, zero: bool) -> float:
    """Return a finite number above zero: Python's, NumPy's, or a tensor of one.

    Args:
        name: of it, for the error.
        value: of it.
        zero: whether it may be zero.

    Raises:
        RequestError: naming it.
    """
    try:
        found = math.nan if isinstance(value, bool | str | bytes) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError, OverflowError):  # a tensor of several, a list
        found = math.nan
    if not math.isfinite(found) or found < 0 or (found == 0 and not zero):
        allowed = "0 or more" if zero else "a number above 0"
        raise RequestError(name, f"got {shown(value)}; allowed: {allowed}")
    return found
