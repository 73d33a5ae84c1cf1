"""Mutations of what users give: plain data, tables of text, and command lines."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from random import Random
from typing import Any

NUMBERS: tuple[Any, ...] = (
    0, -0.0, -1, 1, 2, 3, 0.5, 1e-308, 5e-324, 1e308, 1e60, 1e-60, 9.9e59, 1e12, 1e-12, 2**31,
    2**63, 10**18, 10**30, 10**400, math.nan, math.inf, -math.inf, 1e6, 10**5, 999_999_937, True,
    False,
)  # fmt: skip
TEXTS: tuple[Any, ...] = (
    "", " ", "a" * 5000, "a/" * 3000, "\u00e9\u4e2d\U0001f4a5", "\x00", "\x1b[31mred", "\r\n",
    "\u202egnp", "-", "..", "1..2", "1e5", "nan", "inf", "-1", "0", "1e308", "-0.0", "9" * 400,
    "9" * 5000, "1e60", "405B", "40%", "2024-13", "2024-02-30", "0001-01-01", "1,2,4", "none",
    "true", "h100", "=1", "a=b", "{}", "[1]", '"', "'", "\ufeff", "\t",
)  # fmt: skip
NESTED: tuple[Any, ...] = (
    [], {}, [[]], [0], [""], {"": 0}, {"a": {"b": {"c": 1}}}, [1, "a", None], {"p10": 1, "p90": 2},
    {"p10": 1e-60, "p90": 1e60}, {"low": 0, "high": 1e60}, {"mean": 1, "sd": 1e60}, None,
)  # fmt: skip


def deep(levels: int) -> Any:
    """Return lists in lists."""
    found: Any = 0
    for _ in range(levels):
        found = [found]
    return found


def odd_value(random: Random) -> Any:
    """Return what a field hardly ever holds."""
    pool = random.choice((NUMBERS, NUMBERS, TEXTS, NESTED))
    if random.random() < 0.02:
        return deep(random.choice((15, 40, 100)))
    return copy.deepcopy(random.choice(pool))


Place = tuple[Any, Any]
"""A table or a list, and the key in it."""


def places(data: Any) -> list[Place]:
    """Return every place of nested data that holds a value."""
    found: list[Place] = []
    waiting = [data]
    while waiting:
        held = waiting.pop()
        keys = list(held) if isinstance(held, dict) else range(len(held))
        for key in keys:
            found.append((held, key))
            if isinstance(held[key], dict | list):
                waiting.append(held[key])
    return found


def _scaled(value: Any, random: Random) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return odd_value(random)
    factor = random.choice((-1, 0.1, 3, 7, 1e3, 1e6, 1e12, 1e50, 1e-6, 1e-50, 0.999))
    if isinstance(value, int) and isinstance(factor, int):
        return value * factor
    try:
        scaled = value * factor
    except OverflowError:
        return value
    return int(scaled) if isinstance(value, int) and math.isfinite(scaled) else scaled


def _worded(value: Any, random: Random) -> Any:
    text = str(value) if not isinstance(value, dict | list) else "x"
    return random.choice(
        (text[:-1], text + random.choice(TEXTS), text * 2, text.upper(), f" {text}", text[::-1])
    )


def _odd(held: Any, key: Any, random: Random) -> None:
    held[key] = odd_value(random)


def _delete(held: Any, key: Any, random: Random) -> None:
    del held[key]


def _double(held: Any, key: Any, random: Random) -> None:
    if isinstance(held, list):
        held.insert(key, copy.deepcopy(held[key]))
    else:
        held[f"{key}{random.choice(('', '_', '2'))}"] = copy.deepcopy(held[key])


def _rename(held: Any, key: Any, random: Random) -> None:
    value = held.pop(key)
    if isinstance(held, list):
        held.append(value)
    else:
        held[random.choice((f"{key}s", str(key)[:-1], str(key).upper(), *TEXTS[:6]))] = value


def _scale(held: Any, key: Any, random: Random) -> None:
    held[key] = _scaled(held[key], random)


def _word(held: Any, key: Any, random: Random) -> None:
    held[key] = _worded(held[key], random)


def _wrap(held: Any, key: Any, random: Random) -> None:
    held[key] = random.choice(([held[key]], [held[key]] * 3, {"value": held[key]}))


MUTATIONS: tuple[Callable[[Any, Any, Random], None], ...] = (
    _odd, _odd, _odd, _scale, _scale, _scale, _delete, _double, _rename, _word, _wrap,
)  # fmt: skip


EXTREMES = (1e60, 1e-60, 9e59, 2e-60, 1e30, 1e-30, 1e12, 1e-12, 1e9, 1e-9, 1e6, 1, 1e300, 1e-300)
"""What bounds of single numbers may let through, and a product of several does not bear."""


def _exaggerated(data: Any, random: Random) -> Any:
    """Return plain data with some of its numbers at the ends of what is allowed."""
    share = random.choice((0.05, 0.2, 0.7))
    for held, key in places(data):
        if isinstance(held[key], int | float) and random.random() < share:
            held[key] = random.choice(EXTREMES)
    return data


def mutated(data: Any, random: Random) -> Any:
    """Return a copy of plain data with one to four mutations, or with many numbers extreme."""
    found = copy.deepcopy(data)
    if random.random() < 0.2:
        return _exaggerated(found, random)
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4))):
        there = places(found)
        if not there:
            break
        if random.random() < 0.1 and len(there) > 1:  # one value where another belongs
            (held, key), (other, name) = random.sample(there, 2)
            held[key] = copy.deepcopy(other[name])
            continue
        held, key = random.choice(there)
        random.choice(MUTATIONS)(held, key, random)
    return found


def mutated_text(text: str, random: Random) -> str:
    """Return a file's text with some of its characters lost, doubled or exchanged."""
    found = list(text)
    for _ in range(random.choice((1, 1, 2, 5))):
        first = random.randrange(len(found) + 1)
        last = min(len(found), first + random.choice((0, 1, 1, 5, 40)))
        new = random.choice(
            (
                "",
                "".join(found[first:last]) * 2,
                random.choice(TEXTS),
                random.choice("[]{}\",'#=\n0"),
            )
        )
        found[first:last] = new
    return "".join(found)


def as_cell(value: Any) -> str:
    """Return a value as a table's cell holds it."""
    try:
        return str(value)
    except ValueError:  # more digits than Python writes
        return "9" * 400


def mutated_table(rows: list[dict[str, Any]], random: Random) -> list[dict[str, str]]:
    """Return rows of a table with cells, columns and rows mutated; each row has all columns."""
    found = [{key: as_cell(value) for key, value in row.items()} for row in rows]
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4))):
        row = random.choice(found)
        key = random.choice(list(row))
        chance = random.random()
        if chance < 0.05:
            for each in found:
                each.pop(key, None)
        elif chance < 0.1:
            found.append(dict(row))
        elif chance < 0.15:
            new = random.choice((key.upper(), f"{key}s", *TEXTS[:6]))
            for each in found:
                each[new] = each.pop(key, "")
        elif chance < 0.5:
            row[key] = as_cell(_scaled(_plain_number(row[key]), random))
        else:
            row[key] = as_cell(odd_value(random))
        if not all(found):
            return [dict.fromkeys(("model",), "")]
    return found


def _plain_number(text: str) -> Any:
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() and abs(number) < 1e18 else number


def mutated_flags(flags: dict[str, Any], random: Random) -> list[str]:
    """Return a command line's words, of flags by name, each value maybe mutated."""
    return [
        word
        for name, value in mutated(flags, random).items()
        for word in (f"--{name}", *([] if value is None else [as_cell(value)]))
    ]
