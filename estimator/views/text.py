"""Numbers as people write them: 3.8e25 FLOP, $51.0 M, 30.8 M GPU-hours, 22.7 %."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from computebill.base.quantity import parse_quantity

if TYPE_CHECKING:
    from computebill.uncertainty.distribution import Distribution

UNKNOWN = "–"
WIDE = 100.0
"""Bounds further apart have a unit each."""
SMALLEST_EXCESS = 0.001
"""Share of draws beyond the spend from which on it is told."""
_SCALES = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))

_Units = tuple[tuple[float, str], ...]
"""Units of a quantity, the largest first: how much of the first argument each is, and its name."""

_ENERGIES: _Units = ((1e6, "TWh"), (1e3, "GWh"), (1.0, "MWh"), (1e-3, "kWh"))
_DURATIONS: _Units = ((1.0, "days"), (1 / 24, "hours"), (1 / 1440, "minutes"), (1 / 86400, "s"))
_MASSES: _Units = ((1.0, "t"), (1e-3, "kg"), (1e-6, "g"))


def digits(value: float, figures: int = 3) -> str:
    """Write a number of ordinary size with ``figures`` significant digits, no exponent."""
    if not math.isfinite(value):
        return UNKNOWN
    if value == 0:
        return "0"
    places = max(0, figures - 1 - math.floor(math.log10(abs(value))))
    # Rounding may carry into one more digit: 9.996 is 10.0.
    rounded = round(value, places)
    places = max(0, figures - 1 - math.floor(math.log10(abs(rounded)))) if rounded else places
    return f"{rounded:,.{min(places, 12)}f}".replace("-", "−")


def scale_of(value: float) -> tuple[float, str]:
    """Return the factor and the letter that bring a number below a thousand."""
    for factor, letter in _SCALES:
        if abs(value) >= factor * 0.9995:
            return factor, letter
    return 1.0, ""


def count(value: float) -> str:
    """Write a large number: ``30.8 M``."""
    if not math.isfinite(value):
        return UNKNOWN
    factor, letter = scale_of(value)
    return f"{digits(value / factor)} {letter}".rstrip()


def number(value: float) -> str:
    """Return a number of things as it stands, without a point where it is whole."""
    return UNKNOWN if math.isnan(value) else f"{value:,.10g}"


def size_range(low: float, high: float) -> str:
    """Write sizes of models: ``100 M–200 M``, ``100 B and more``; NaN and infinity are no ends."""
    if math.isnan(low):
        return "not known"
    return f"{_size(low)}–{_size(high)}" if math.isfinite(high) else f"{_size(low)} and more"


def _size(value: float) -> str:
    factor, letter = scale_of(value)
    return f"{value / factor:g} {letter}".rstrip()


def money(value: float) -> str:
    """Write dollars: ``$51.0 M``; cents where there are only cents."""
    if not math.isfinite(value):
        return UNKNOWN
    return f"{'−' if value < 0 else ''}${count(abs(value))}"


def flop(value: float) -> str:
    """Write FLOP: ``3.80e25``."""
    if not math.isfinite(value):
        return UNKNOWN
    mantissa, _, exponent = f"{value:.2e}".partition("e")
    return f"{mantissa}e{int(exponent)}"


def percent(value: float) -> str:
    """Write a fraction: ``22.7 %``."""
    return f"{digits(value * 100)} %" if math.isfinite(value) else UNKNOWN


def memory_with_ends(gb: float, ends: Mapping[str, float] | None) -> str:
    """Write predicted GB with their 5th and 95th percentile: ``87.1 (70.2–108)``.

    Args:
        gb: as predicted.
        ends: p5 and p95; None of a result of a release that did not tell them.
    """
    return (
        digits(gb) if ends is None else f"{digits(gb)} ({digits(ends['p5'])}–{digits(ends['p95'])})"
    )


def fit_text(odds: float | None) -> str:
    """Write odds of fitting: ``97 %``; nothing where they are not told."""
    if odds is None:
        return ""
    whole = round(odds * 100)
    return f"{whole} %" if 0 < whole < 100 else "< 1 %" if whole == 0 else "> 99 %"


def mended(change: Mapping[str, Any]) -> str:
    """Write the change that makes a layout fit: ``--recompute full: 60.1 GB, fits 97 %``."""
    return (
        f"{change['change']}: {digits(change['total_gb'])} GB, fits {fit_text(change['fit_odds'])}"
    )


def money_interval(value: Distribution) -> str:
    """Write ``$40.9 M (19.0–88.0)``."""
    return _interval(value, money)


def count_interval(value: Distribution) -> str:
    """Write ``30.8 M (24.1–36.0)``."""
    return _interval(value, count)


def energy(mwh: float) -> str:
    """Write MWh in the unit that fits: ``53.7 GWh``."""
    if not math.isfinite(mwh):
        return UNKNOWN
    factor, unit = _unit_of(mwh, _ENERGIES)
    return f"{count(mwh / factor)} {unit}"


def energy_interval(mwh: Distribution) -> str:
    """Write ``53.7 (40.1–60.2) GWh``."""
    return _in_unit(mwh, _ENERGIES)


def duration(days: float) -> str:
    """Write days in the unit that fits: ``72.1 days``, ``4.87 hours``."""
    if not math.isfinite(days):
        return UNKNOWN
    factor, unit = _unit_of(days, _DURATIONS)
    return f"{count(days / factor)} {unit}"


def duration_interval(days: Distribution) -> str:
    """Write ``72.1 (57.6–91.0) days``."""
    return _in_unit(days, _DURATIONS)


def mass_interval(tonnes: Distribution) -> str:
    """Write ``71.3 (35.2–145) t``, ``1.27 (0.60–2.50) kg``."""
    return _in_unit(tonnes, _MASSES)


def amount(value: float, basis: str) -> str:
    """Write an amount of a programme in the unit of its basis: ``$51.0 M``, ``8.34 M h``."""
    return _AMOUNTS[basis][0](value)


def amount_interval(value: Distribution, basis: str) -> str:
    """Write ``$40.9 M (19.0–88.0)``, ``8.34 M (8.10–8.50) h``, ``913 MWh`` or ``24.7 t``."""
    return _AMOUNTS[basis][1](value) if value.is_known else UNKNOWN


def _with_unit(unit: str) -> tuple[Callable[[float], str], Callable[[Distribution], str]]:
    return (
        lambda value: f"{count(value)} {unit}" if math.isfinite(value) else UNKNOWN,
        lambda value: f"{count_interval(value)} {unit}",
    )


_AMOUNTS: dict[str, tuple[Callable[[float], str], Callable[[Distribution], str]]] = {
    "dollars": (money, money_interval),
    "hours": _with_unit("h"),
    "energy": (energy, energy_interval),
    "emissions": _with_unit("t"),
}
"""How amounts of each basis read, alone and with their interval."""


def bounded(text: str, bound: str | None) -> str:
    """Write a share that is only a bound: ``at least 1.45 % (0.70–2.80)``."""
    return text if bound is None or text == UNKNOWN else f"{bound} {text}"


def _unit_of(value: float, units: _Units) -> tuple[float, str]:
    """Return the largest unit that a value has one of."""
    return next((each for each in units if abs(value) >= each[0] * 0.9995), units[-1])


def _in_unit(value: Distribution, units: _Units) -> str:
    if not value.is_known:
        return UNKNOWN
    factor, unit = _unit_of(value.p50, units)
    return f"{count_interval(value.scaled(1.0 / factor))} {unit}"


def signed(value: float) -> str:
    """Write a fraction with its sign: ``+1.2 %``, ``−0.2 %``."""
    return f"{value * 100:+.1f} %".replace("-", "−")


def percent_interval(value: Distribution) -> str:
    """Write ``22.7 % (10.6–48.9)``."""
    if not value.is_known:
        return UNKNOWN
    return f"{percent(value.p50)}{_bounds(value, 0.01)}"


def observed_text(p10: float, p50: float, p90: float) -> str:
    """Write shares that are known by deciles as others are: with their 5th and 95th percentile.

    Args:
        p10: 10th percentile of a log-normal distribution on each side of its median, cut off at 1.
        p50: median.
        p90: 90th percentile.
    """
    share = parse_quantity({"p10": p10, "p50": p50, "p90": p90}, upper=1.0)
    (under, over), (median, below, above) = share.cut_off(), share.parameters

    def at(probability: float) -> float:
        place = NormalDist().inv_cdf(under + probability * (1 - under - over))
        return 100 * median * math.exp(place * (below if place < 0 else above))

    return f"{digits(at(0.5))} % ({digits(at(0.05))}–{digits(at(0.95))})"


def flop_interval(value: Distribution) -> str:
    """Write ``3.80e25 (3.10–4.20)``, all three in the median's power of ten where they are near."""
    if not value.is_known:
        return UNKNOWN
    middle = flop(value.p50)
    if value.p5 > 0 and value.p95 > WIDE * value.p5:
        return f"{middle} ({_span(flop(value.p5), flop(value.p95))})"
    return f"{middle}{_bounds(value, 10.0 ** int(middle.partition('e')[2]))}"


def beyond_spend(excess: float, is_left_out: bool = False) -> str | None:
    """Tell of draws in which the final runs cost more than all R&D compute; None of too few.

    Args:
        excess: their share of all draws.
        is_left_out: whether the result leaves them out.
    """
    if excess < SMALLEST_EXCESS:
        return None
    return (
        f"In {percent(excess)} of the draws the final runs cost more than all R&D compute: the "
        f"assumptions cannot all hold there{'; these draws are left out' * is_left_out}."
    )


def monte_carlo(value: Distribution) -> str:
    """Write the largest Monte Carlo error of p5, p50 and p95: ``0.11 %``."""
    error = value.relative_error
    if not value.is_known or not math.isfinite(error):
        return UNKNOWN
    return "0" if error == 0 else f"{digits(error * 100, 2)} %" if error >= 1e-5 else "< 0.001 %"


def _interval(value: Distribution, write: Callable[[float], str]) -> str:
    if not value.is_known:
        return UNKNOWN
    if value.p5 != value.p95 and (value.p5 <= 0 or value.p95 > WIDE * value.p5):
        return f"{write(value.p50)} ({_span(write(value.p5), write(value.p95))})"
    factor, _ = scale_of(value.p50)
    return f"{write(value.p50)}{_bounds(value, factor)}"


def _bounds(value: Distribution, factor: float) -> str:
    low, high = digits(value.p5 / factor), digits(value.p95 / factor)
    # Draws of one number differ in its last bit: no interval.
    return f" ({_span(low, high)})" if low != high else ""


def _span(low: str, high: str) -> str:
    return f"{low} to {high}" if "−" in low + high else f"{low}–{high}"


def stage_texts(layout: Mapping[str, Any]) -> list[str]:
    """Tell what stages of a layout have of their own, and what they compute again.

    Args:
        layout: its JSON form.
    """
    ends = ("first_layers", "last_layers")
    told = [f"{name.replace('_', ' ')} {layout[name]}" for name in ends if layout.get(name)]
    if layout.get("layers_per_stage"):
        told.append(f"layers {_runs(layout['layers_per_stage'])}")
    again = layout.get("recompute_layers")
    if again is not None:
        each = "each stage" if isinstance(again, int) else "the stages"
        number = again if isinstance(again, int) else _runs(again)
        told.append(f"recompute {number} layers of {each}")
    elif layout["recompute"] != "none":
        told.append(f"recompute {layout['recompute']}")
    return told


def _runs(numbers: Sequence[int]) -> str:
    """Return 3, 4, 4, 4, 2 as ``3, 3 x 4, 2``."""
    runs = [(number, len(list(equal))) for number, equal in itertools.groupby(numbers)]
    return ", ".join(f"{count} x {number}" if count > 1 else f"{number}" for number, count in runs)
