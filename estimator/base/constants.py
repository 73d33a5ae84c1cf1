"""The physical and assumed constants of the package, each with its unit and its source.

They stand in ``constants.toml``, beside this file, under the module that uses each and its name
there; the documentation prints all of them. A module reads its own by their full names::

    STATE_BYTES = number("training.cases.STATE_BYTES")
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

Value = float | tuple[float, ...] | Mapping[str, float]


class Constant(NamedTuple):
    """A constant as its file describes it.

    Attributes:
        value: one number, several in an order that ``what`` tells, or several by name.
        unit: unit of every number.
        what: noun phrase of the quantity.
        source: paper, documentation or file that the value is from; empty where it is assumed.
        checked: whether the value was compared with its source, or follows from a definition.
    """

    value: Value
    unit: str
    what: str
    source: str
    checked: bool


@cache
def constants() -> Mapping[str, Constant]:
    """Return every constant by its full name, such as ``training.cases.STATE_BYTES``.

    Raises:
        TypeError: an entry of the file lacks a field, or has one that is not known.
    """
    text = Path(__file__).with_name("constants.toml").read_text(encoding="utf-8")
    return dict(_entries(tomllib.loads(text), ""))


def _entries(table: Mapping[str, Any], name: str) -> Iterator[tuple[str, Constant]]:
    if "value" not in table:
        for key, inner in table.items():
            yield from _entries(inner, f"{name}.{key}" if name else key)
        return
    value = table["value"]
    yield name, Constant(**{**table, "value": tuple(value) if isinstance(value, list) else value})


def number(name: str) -> float:
    """Return a constant that is one number.

    Args:
        name: full name.

    Raises:
        KeyError: there is no constant of the name.
        TypeError: it is several numbers.
    """
    value = constants()[name].value
    if not isinstance(value, int | float):
        raise TypeError(f"{name} is not one number")
    return float(value)


def whole(name: str) -> int:
    """Return a constant that is one whole number.

    Args:
        name: full name.

    Raises:
        KeyError: there is no constant of the name.
        TypeError: it is not one whole number.
    """
    value = constants()[name].value
    if not isinstance(value, int):
        raise TypeError(f"{name} is not one whole number")
    return value


def pair(name: str) -> tuple[float, float]:
    """Return a constant that is two numbers in an order.

    Args:
        name: full name.

    Raises:
        KeyError: there is no constant of the name.
        TypeError: it is not two numbers.
    """
    value = constants()[name].value
    if not isinstance(value, tuple) or len(value) != 2:
        raise TypeError(f"{name} is not two numbers")
    return value[0], value[1]


def table(name: str) -> dict[str, float]:
    """Return a constant that is several numbers, by what each is of.

    Args:
        name: full name.

    Raises:
        KeyError: there is no constant of the name.
        TypeError: its numbers have no names.
    """
    value = constants()[name].value
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} has no numbers by name")
    return dict(value)
