"""Numbers with uncertainty: what a spec or a flag may give wherever it takes a number."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import NormalDist
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PlainSerializer

from .errors import shown

Family = Literal["constant", "lognormal", "uniform", "normal", "table"]

SUFFIXES = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12, "%": 1e-2}
WORDS = {"THOUSAND": 1e3, "MILLION": 1e6, "BILLION": 1e9, "TRILLION": 1e12}
LARGEST = 1e60
SMALLEST = 1e-60
"""Far beyond any FLOP count; between them, products of a few quantities stay finite."""

WIDEST = 1e12
"""Largest ratio of a log-normal's outer quantiles; a wider one is a slip of the exponent."""

MOST_CUT_OFF = 0.05
"""A distribution with more of its mass outside what the field allows is refused, not bent."""

FORMS = (
    "a number, {p10, p90}, {p5, p95}, {p5, p50, p95}, {p10, p50, p90}, {low, high} or {mean, sd}"
)
KEYS = frozenset({"p5", "p10", "p50", "p90", "p95", "low", "high", "mean", "sd", "shared"})
"""Keys of a distribution's table."""

_NUMBER = re.compile(
    r"([+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*([KMBT%]|thousand|million|billion|trillion|)",
    re.IGNORECASE,
)
_COMMAS = re.compile(
    r"([+-]?\d{1,40}(?:,\d{1,40})+(?:\.\d{1,40})?(?:[eE][+-]?\d{1,3})?)\s*([KMBTkmbt%]?)"
)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?")
_STANDARD = NormalDist()
P90 = _STANDARD.inv_cdf(0.9)
"""Standard deviations from the middle of a normal distribution to its 90th percentile."""


@dataclass(frozen=True)
class Quantity:
    """A number that may be uncertain.

    Attributes:
        family: the distribution's name.
        parameters: constant (value); lognormal (median, sigma below it, sigma above it);
            uniform (low, high); normal (mean, sd); table (ascending values, equally likely).
        text: the number or the distribution as a person reads it.
        lower: least value that the field allows; a distribution is cut off there.
        upper: largest value that the field allows.
        shared: quantities of one such name are drawn together: same rank in every draw.
    """

    family: Family
    parameters: tuple[float, ...]
    text: str
    lower: float = 0.0
    upper: float = math.inf
    shared: str | None = None

    @property
    def is_constant(self) -> bool:
        """Whether every draw is the same number."""
        return self.family == "constant"

    @property
    def value(self) -> float:
        """The number of a constant."""
        if not self.is_constant:
            raise TypeError(f"{self.text} is not one number")
        return self.parameters[0]

    @property
    def median(self) -> float:
        """The middle of the distribution, before any cutting off."""
        if self.family == "uniform":
            return sum(self.parameters) / 2
        if self.family == "table":
            return self.parameters[len(self.parameters) // 2]
        return self.parameters[0]

    def cut_off(self) -> tuple[float, float]:
        """Return the probability mass below ``lower`` and above ``upper``."""
        if self.family == "normal":
            mean, sd = self.parameters
            place: Callable[[float], float] = lambda x: (x - mean) / sd  # noqa: E731
        elif self.family == "lognormal":
            median, below, above = self.parameters
            place = partial(_log_place, median=median, below=below, above=above)
        else:
            return 0.0, 0.0
        under = _STANDARD.cdf(place(self.lower)) if self.lower > -math.inf else 0.0
        over = 1 - _STANDARD.cdf(place(self.upper)) if self.upper < math.inf else 0.0
        return under, over


def _log_place(x: float, median: float, below: float, above: float) -> float:
    if x <= 0:
        return -40.0
    ratio = math.log(x / median)
    sigma = below if ratio < 0 else above
    return ratio / sigma if sigma > 0 else math.copysign(40.0, ratio)


def constant(value: float) -> Quantity:
    """Return a quantity that is one number."""
    return Quantity("constant", (float(value),), number_text(value, 4))


def scaled(quantity: Quantity, factor: float) -> Quantity:
    """Return the quantity in another unit; the factor is positive, the text stays."""
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


def from_table(values: Sequence[float], text: str) -> Quantity:
    """Return the empirical distribution of ``values``."""
    return Quantity("table", tuple(sorted(values)), text)


def between(low: float, high: float, text: str) -> Quantity:
    """Return a uniform quantity."""
    return Quantity("uniform", (low, high), text)


def number_text(value: float, figures: int = 6) -> str:
    """Write a number as people do: ``405B``, ``15.6T``, ``16,384``, ``3.8e+25``, ``0.35``."""
    for letter in "TBM":
        if SUFFIXES[letter] <= abs(value) < 1e15:
            return f"{value / SUFFIXES[letter]:.{figures}g}{letter}"
    if 1e4 <= abs(value) < 1e6:
        return f"{float(f'{value:.{figures}g}'):,.0f}"
    return f"{value:.{figures}g}"


UNKNOWN = constant(math.nan)
"""A quantity that nobody knows; what hangs on it is not known either."""


def parse_number(value: object) -> float:
    """Read ``3``, ``"15.6e12"``, ``"15.6T"``, ``"405B"``, ``"4 trillion"`` or ``"40%"``.

    Raises:
        ValueError: for anything else, NaN and infinities included.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"got {shown(value)}; allowed: a number such as 3.0, 15.6e12 or '405B'")
    if isinstance(value, str):
        match = _NUMBER.fullmatch(value.strip())
        if match is None:
            allowed = f"allowed: a number such as 3.0, 15.6e12 or 405B{_respelt(value.strip())}"
            raise ValueError(f"got {shown(value)}; {allowed}")
        number = float(match[1].replace("_", "")) * (SUFFIXES | WORDS).get(match[2].upper(), 1.0)
    else:
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
    if not math.isfinite(number) or abs(number) > LARGEST or 0 < abs(number) < SMALLEST:
        raise ValueError(
            f"got {shown(value)}; allowed: a finite number, of {SMALLEST:g} to {LARGEST:g} or zero"
        )
    return number


def _respelt(text: str) -> str:
    """Return how a number with commas may be written, for a message; empty for anything else.

    A comma is a decimal one to some and divides thousands to others, so none is guessed at.
    """
    found = _COMMAS.fullmatch(text)
    if found is None:
        return ""
    number, unit = found[1], found[2]
    ways = []
    if _THOUSANDS.fullmatch(number):
        ways.append(number.replace(",", ""))
    if number.count(",") == 1 and "." not in number:
        ways.append(number.replace(",", "."))
    return f"; write {' or '.join(each + unit for each in ways)}" if ways else ""


def parse_quantity(
    value: object, *, lower: float = 0.0, upper: float = math.inf, zero: bool = False
) -> Quantity:
    """Read a number, a range ``"0.3..0.45"`` (p10..p90) or a table of a distribution.

    Args:
        value: what the spec or the flag gave.
        lower: the field's bound, excluded unless ``zero``.
        upper: the field's bound, included.
        zero: whether ``lower`` itself is allowed.

    Raises:
        ValueError: with what was given and what is allowed.
    """
    if isinstance(value, Quantity):
        return value
    if isinstance(value, str) and ".." in value:
        low, _, high = value.partition("..")
        value = {"p10": low, "p90": high}
    check = partial(_bounded, lower=lower, upper=upper, zero=zero)
    if not isinstance(value, Mapping):
        number = check("", parse_number(value))
        return Quantity("constant", (number,), number_text(number), lower, upper)
    given = dict(value)
    shared = given.pop("shared", None)
    if shared is not None and (not isinstance(shared, str) or not shared):
        raise ValueError(f"shared: got {shown(shared)}; allowed: a name")
    # A standard deviation is a width: the field's bounds are not its own.
    numbers = {
        key: parse_number(item) if key == "sd" else check(f"{key}: ", parse_number(item))
        for key, item in given.items()
        if isinstance(key, str)
    }
    family, parameters = _shape(numbers)
    quantity = Quantity(family, parameters, _text(numbers), lower, upper, shared)
    if sum(quantity.cut_off()) > MOST_CUT_OFF + 1e-9:
        raise ValueError(
            f"got {quantity.text}; {sum(quantity.cut_off()):.0%} of it lies outside "
            f"{_range(lower, upper, zero)}, at most {MOST_CUT_OFF:.0%} may"
        )
    return quantity


def _bounded(key: str, number: float, lower: float, upper: float, zero: bool) -> float:
    if number < lower or number > upper or (number == lower and not zero):
        is_percent = upper == 1.0 and 1.0 < number <= 100.0
        asked = f"; did you mean {number_text(number)}%?" if is_percent else ""
        allowed = f"allowed: {_range(lower, upper, zero)}"
        raise ValueError(f"{key}got {number_text(number)}; {allowed}{asked}")
    return number


def _range(lower: float, upper: float, zero: bool) -> str:
    low, high = number_text(lower), number_text(upper)
    if upper == math.inf:
        return f"{low} or more" if zero else f"above {low}"
    return f"{low} to {high}" if zero else f"above {low}, up to {high}"


def _shape(numbers: Mapping[str, float]) -> tuple[Family, tuple[float, ...]]:
    keys = frozenset(numbers)
    for outer in ("10", "5"):
        low_key, high_key = f"p{outer}", "p90" if outer == "10" else "p95"
        z = _STANDARD.inv_cdf(1 - int(outer) / 100)
        if keys == {low_key, high_key}:
            low, high = _ascending(numbers, low_key, high_key)
            sigma = math.log(high / low) / (2 * z)
            return "lognormal", (math.sqrt(low) * math.sqrt(high), sigma, sigma)
        if keys == {low_key, "p50", high_key}:
            low, middle, high = _ascending(numbers, low_key, "p50", high_key)
            return "lognormal", (middle, math.log(middle / low) / z, math.log(high / middle) / z)
    if keys == {"low", "high"}:
        low, high = _ascending(numbers, "low", "high")
        return "uniform", (low, high)
    if keys == {"mean", "sd"}:
        if numbers["sd"] <= 0:
            raise ValueError(f"sd: got {numbers['sd']:g}; allowed: above 0")
        return "normal", (numbers["mean"], numbers["sd"])
    raise ValueError(f"got the keys {', '.join(sorted(keys)) or 'none'}; allowed: {FORMS}")


def _ascending(numbers: Mapping[str, float], *keys: str) -> list[float]:
    values = [numbers[key] for key in keys]
    if keys[0] != "low" and values[0] <= 0:
        raise ValueError(
            f"{keys[0]}: got {number_text(values[0])}; allowed: above 0 (a log-normal)"
        )
    for i in range(len(keys) - 1):
        if values[i] > values[i + 1]:
            raise ValueError(
                f"{keys[i]}: got {number_text(values[i])}; "
                f"allowed: at most {keys[i + 1]}, {number_text(values[i + 1])}"
            )
    if keys[0] != "low" and values[-1] / values[0] > WIDEST:
        raise ValueError(
            f"{keys[-1]}: got {number_text(values[-1])}; "
            f"allowed: at most {WIDEST:g} times {keys[0]}"
        )
    return values


def _text(numbers: Mapping[str, float]) -> str:
    if set(numbers) == {"mean", "sd"}:
        return f"{number_text(numbers['mean'], 4)} ± {number_text(numbers['sd'], 4)} (sd)"
    ordered = sorted(numbers.items(), key=lambda item: item[1])
    values = "–".join(number_text(value, 4) for _, value in ordered)
    return f"{values} ({'–'.join(key for key, _ in ordered)})"


def _annotated(**bounds: Any) -> BeforeValidator:
    return BeforeValidator(partial(parse_quantity, **bounds))


AS_TEXT = PlainSerializer(lambda quantity: quantity.text, return_type=str)
"""A quantity in JSON is the text that a person reads."""
Positive = Annotated[Quantity, _annotated(), AS_TEXT]
"""Above zero."""
NotNegative = Annotated[Quantity, _annotated(zero=True), AS_TEXT]
"""Zero or more."""
Share = Annotated[Quantity, _annotated(upper=1.0), AS_TEXT]
"""Above zero, up to one: a utilisation, a fraction."""
AtLeastOne = Annotated[Quantity, _annotated(lower=1.0, zero=True), AS_TEXT]
"""One or more: a ratio of a whole to its part."""
Number = Annotated[float, BeforeValidator(parse_number)]
"""One finite number, with the suffixes that flags take."""
