"""Fields of a plan as users write them: choices, numbers of accelerators, rates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator

from computebill.base.amounts import parse_whole
from computebill.base.errors import shown
from computebill.costs.spot_rates import Rate, published_rates
from computebill.training.layout import Degree, Recompute, Schedule


def _split(value: object) -> object:
    """Read ``1,2,4`` as three."""
    if isinstance(value, str):
        if not value.strip():
            raise ValueError("got nothing; allowed: one or more, with commas between")
        return tuple(part.strip() for part in value.split(","))
    return value if isinstance(value, list | tuple) else (value,)


def _texts(value: object) -> object:
    parts = _split(value)
    return tuple(str(part) for part in parts) if isinstance(parts, list | tuple) else parts


def _counts(value: object) -> object:
    """Read numbers, or those of each accelerator: a table, or ``h100=256,512,b200=64..128``."""
    if isinstance(value, str) and "=" in value:
        found: dict[str, list[str]] = {}
        name = ""
        for part in value.split(","):
            before, equals, count = part.rpartition("=")
            if equals:
                name = before.strip()
            if not name:
                raise ValueError(f"got {shown(value)}; allowed: of each accelerator, h100=512")
            found.setdefault(name, []).append(count)
        value = found
    if isinstance(value, Mapping):
        return {str(name): _split_counts(each) for name, each in value.items()}
    return _split_counts(value)


def _split_counts(value: object) -> object:
    """Read ``64..512`` as the powers of two between, ``64,96`` as two."""
    parts = _split(value)
    if not isinstance(parts, list | tuple):
        return parts
    found: list[Any] = []
    for part in parts:
        low, dots, high = str(part).partition("..")
        if not dots:
            found.append(parse_whole(part))
            continue
        first, last = parse_whole(low), parse_whole(high)
        if first > last:
            raise ValueError(f"got {part}; allowed: from the fewer to the more, 64..512")
        found += [first * 2**n for n in range(64) if first * 2**n <= last]
    return tuple(found)


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


Counts = Annotated[tuple[int, ...], Field(min_length=1)]
CountsOf = Annotated[Counts | dict[str, Counts] | None, BeforeValidator(_counts)]
"""Numbers of accelerators, of all or by accelerator."""
Degrees = Annotated[tuple[Degree, ...], BeforeValidator(_split), Field(min_length=1)]
Switches = Annotated[tuple[bool, ...], BeforeValidator(_split), Field(min_length=1)]
Stages = Annotated[
    tuple[Annotated[int, Field(ge=0, le=3)], ...], BeforeValidator(_split), Field(min_length=1)
]
Schedules = Annotated[tuple[Schedule, ...], BeforeValidator(_split), Field(min_length=1)]
Recomputes = Annotated[
    tuple[Literal[Recompute, "fewest"], ...], BeforeValidator(_split), Field(min_length=1)
]
Experts = Annotated[tuple[Literal["1", "tp"], ...], BeforeValidator(_texts), Field(min_length=1)]
"""Whether experts are whole, or divided as all else."""
Names = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    BeforeValidator(_split),
    Field(min_length=1),
    AfterValidator(_each_once),
]


def _rates(value: object) -> float | dict[str, float]:
    """Read a rate, or one of each accelerator: a table, or ``h100=0.01,b200=0``."""
    if isinstance(value, str) and "=" in value:
        value = {
            name.strip(): rate
            for name, _, rate in (part.partition("=") for part in value.split(","))
        }
    if isinstance(value, Mapping):
        return {str(name): _rate(rate) for name, rate in value.items()}
    return _rate(value)


def _rate(value: object) -> float:
    if isinstance(value, Rate):
        return value
    published = published_rates()
    if isinstance(value, str) and value.strip() in published:
        return published[value.strip()].rate
    try:
        rate = float(str(value))
    except ValueError:
        rate = math.nan
    if not 0 <= rate < math.inf:
        raise ValueError(
            f"got {shown(value)}; allowed: a number from 0 on, or of each, h100=0.01, or one that "
            f"was published: {', '.join(published)}"
        )
    return rate


Rates = Annotated[float | dict[str, float], PlainValidator(_rates)]
"""Of all accelerators, or by their names."""
