"""Fields of an experiment: what each may be, and which change no cost."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from computebill.base.amounts import check_amount
from computebill.base.errors import shown
from computebill.base.quantity import KEYS, Quantity, parse_number, parse_quantity


class Bounds(NamedTuple):
    """What a number may be: above ``low`` (or at it, where ``closed``), up to ``high``."""

    low: float = 0.0
    high: float = math.inf
    closed: bool = False
    whole: bool = False


ABOVE_ZERO = Bounds()
WHOLE = Bounds(1.0, 1e9, closed=True, whole=True)

NUMBERS: dict[str, Bounds] = {
    "params": ABOVE_ZERO,
    "params_active": ABOVE_ZERO,
    "width": WHOLE,
    "depth": WHOLE,
    "vocabulary": WHOLE,
    "teacher_params": ABOVE_ZERO,
    "tokens": ABOVE_ZERO,
    "tokens_per_param": ABOVE_ZERO,
    "flop": ABOVE_ZERO,
    "sequence_length": WHOLE,
    "global_batch": WHOLE,
    "count": WHOLE,
    "within_hours": ABOVE_ZERO,
    "trained_share": Bounds(0.0, 1.0),
    "steps": ABOVE_ZERO,
    "prompts": ABOVE_ZERO,
    "samples_per_prompt": ABOVE_ZERO,
    "requests": ABOVE_ZERO,
    "input_tokens": Bounds(0.0, closed=True),
    "output_tokens": Bounds(0.0, closed=True),
    "batch": Bounds(1.0, closed=True),
    "tail": Bounds(1.0, 1000.0, closed=True),
    "epochs": ABOVE_ZERO,
    "references": Bounds(0.0, 100.0, closed=True),
}
"""Numbers that decide what an experiment costs."""

AMOUNTS = {"params": "B", "params_active": "B", "teacher_params": "B", "tokens": "BT"}
"""Numbers that people forget the unit of, and the units that are meant."""

LENGTHS = frozenset({"tokens", "tokens_per_param", "flop"})
TRAINS = frozenset({"sequence_length", "global_batch"})
ANSWERS = frozenset({"input_tokens", "output_tokens", "batch"})
SHARED = frozenset(
    {"params", "params_active", "width", "depth", "vocabulary", "count", "within_hours"}
)
USED: dict[str, frozenset[str]] = {
    "pretrain": LENGTHS | TRAINS,
    "finetune": LENGTHS | TRAINS | {"trained_share", "epochs"},
    "distill": LENGTHS | TRAINS | {"teacher_params"},
    "generate": ANSWERS | {"tokens", "requests"},
    "evaluate": ANSWERS | {"requests"},
    "filter": frozenset({"tokens", "sequence_length"}),
    "rl": ANSWERS
    | TRAINS
    | {"steps", "prompts", "samples_per_prompt", "tail", "epochs", "references"},
}
"""Numbers that each kind of experiment has a use for, beside those that all have."""

TEXTS = ("model", "accelerator", "precision")
"""Names that decide it."""

APART = (*TEXTS, "sequence_length", "count")
"""Fields whose every value is priced by itself; so that they are listed, never drawn."""

NEUTRAL = frozenset(
    {
        "seed",
        "learning_rate",
        "min_learning_rate",
        "weight_decay",
        "warmup",
        "schedule",
        "data",
        "data_mixture",
        "initialisation",
        "init_std",
        "optimizer",
        "beta1",
        "beta2",
        "epsilon",
        "momentum",
        "gradient_clipping",
        "dropout",
        "temperature",
        "z_loss",
        "tokenizer",
        "prompt",
        "reward",
        "kl_weight",
        "clip",
    }
)
"""Axes that change no cost: experiments along them are counted, not computed."""

MOST_VALUES = 1_000_000


def read_value(name: str, value: object) -> float | str:
    """Return one value of a field.

    Raises:
        ValueError: with what was given and what is allowed.
    """
    if name in TEXTS:
        if not isinstance(value, str) or not value:
            raise ValueError(f"{name}: got {shown(value)}; allowed: a name")
        return value
    bounds = NUMBERS[name]
    try:
        number = parse_number(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    below = number < bounds.low or (number == bounds.low and not bounds.closed)
    if below or number > bounds.high or (bounds.whole and number % 1):
        raise ValueError(f"{name}: got {number:g}; allowed: {_allowed(bounds)}")
    if name in AMOUNTS:
        try:
            check_amount(number, f"{number:g}", AMOUNTS[name])
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return number


def _allowed(bounds: Bounds) -> str:
    kind = "a whole number, " if bounds.whole else ""
    low = f"{bounds.low:g} or more" if bounds.closed else f"above {bounds.low:g}"
    return f"{kind}{low}" + (f", up to {bounds.high:g}" if bounds.high < math.inf else "")


def read_axis(name: str, value: object) -> tuple[float | str, ...]:
    """Return the values of an axis: a list, one value, or ``{from, to, count}``.

    Those from one to another are evenly spaced in the logarithm.

    Raises:
        ValueError: with what was given and what is allowed.
    """
    if isinstance(value, Mapping):
        return tuple(_spaced(name, value))
    items = value if isinstance(value, list | tuple) else (value,)
    if not 1 <= len(items) <= MOST_VALUES:
        raise ValueError(f"{name}: got {len(items)} values; allowed: 1 to {MOST_VALUES:,}")
    return tuple(read_value(name, item) for item in items)


def _spaced(name: str, value: Mapping[Any, Any]) -> Iterator[float]:
    if set(value) != {"from", "to", "count"} or name in TEXTS:
        keys = ", ".join(sorted(map(str, value))) or "none"
        raise ValueError(f"{name}: got the keys {keys}; allowed: a list, or from, to and count")
    low, high = (read_value(name, value[key]) for key in ("from", "to"))
    count = _count(name, value["count"])
    assert isinstance(low, float)
    assert isinstance(high, float)
    if not 0 < low < high:
        raise ValueError(f"{name}: got from {low:g} to {high:g}; allowed: rising, from above 0")
    for i in range(count):
        each = low * (high / low) ** (i / (count - 1))
        yield float(round(each)) if NUMBERS[name].whole else each


def read_neutral(name: str, value: object) -> tuple[Any, ...]:
    """Return the values of an axis that changes no cost, of which only the number counts.

    Raises:
        ValueError: with what was given and what is allowed.
    """
    if isinstance(value, Mapping) and set(value) == {"from", "to", "count"}:
        return tuple(range(_count(name, value["count"])))
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(f"{name}: got {shown(value)}; allowed: a list, or from, to and count")
    return tuple(value)


def _count(name: str, value: object) -> int:
    try:
        count = parse_number(value)
    except ValueError as error:
        raise ValueError(f"{name}.count: {error}") from None
    if count % 1 or not 2 <= count <= MOST_VALUES:
        raise ValueError(f"{name}.count: got {count:g}; allowed: 2 to {MOST_VALUES:,}")
    return int(count)


def read_sampled(name: str, value: object) -> Quantity:
    """Return the distribution that a field is drawn from; of a list, each value is as likely.

    Raises:
        ValueError: with what was given and what is allowed.
    """
    if name in APART:
        raise ValueError(f"{name}: is listed, never drawn; give it in grid or experiments")
    bounds = NUMBERS[name]
    if isinstance(value, list | tuple):
        values = tuple(sorted(float(each) for each in read_axis(name, value)))
        return Quantity("table", values, f"{len(values)} values")
    if isinstance(value, Mapping) and not KEYS.issuperset(value):
        keys = ", ".join(sorted(map(str, value)))
        raise ValueError(f"{name}: got the keys {keys}; allowed: those of a distribution")
    try:
        return parse_quantity(value, lower=bounds.low, upper=bounds.high, zero=bounds.closed)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def unknown(name: str, also: tuple[str, ...] = ()) -> str:
    """Return what to say of a name that is no field."""
    known = [*NUMBERS, *TEXTS, *NEUTRAL, *also]
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"nearest: {', '.join(near)}" if near else f"allowed: {', '.join(known)}"
    return f"{name}: is no field of an experiment; {hint}; one that costs nothing goes in neutral"
