"""Seeded mutations: of nested data, as files hold it, and of the text of a table."""

from __future__ import annotations

import copy
import random
from typing import Any

NUMBERS = (
    0, -0.0, -1, 0.5, float("nan"), float("inf"), -float("inf"), 1e308, 1e-308, 1e59, 1e-59,
    10**9, 10**18, 10**400, 2**63,
)  # fmt: skip
TEXTS = (
    "", " ", "0", "-0.0", "x" * 5000, "9" * 5000, "日本語", "\x00", "a\x1b[31mb", "a\nb",
    "../..", "nan", "inf", "1e308", "1..3", "\ud800", "ſ", "None",
)  # fmt: skip
CELLS = (
    "", "0", "-0.0", "-1", "nan", "inf", "1e308", "1e-308", "1e59", "1e18", "9" * 400, "0.5",
    "x" * 5000, "日本語", "\x00", "1..3", '"', "[]", "7,5", "1000000000",
)  # fmt: skip


def mutated(data: Any, rng: random.Random) -> Any:
    """Return a copy of nested data with one to three changes."""
    data = copy.deepcopy(data)
    for _ in range(rng.randint(1, 3)):
        places = list(_places(data))
        if not places:
            return data
        holder, key = rng.choice(places)
        _change(holder, key, rng)
    return data


def _places(data: Any) -> Any:
    """Yield every holder and key below ``data``."""
    items = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in list(items):
        yield data, key
        if isinstance(value, dict | list):
            yield from _places(value)


def _change(holder: Any, key: Any, rng: random.Random) -> None:
    what = rng.randrange(10)
    if what == 0:
        del holder[key]
    elif what == 1 and isinstance(holder, dict):
        holder[rng.choice([f"{key}_", str(key).upper(), "x", ""])] = holder.pop(key)
    elif what == 1:
        holder.append(copy.deepcopy(holder[key]))
    else:
        holder[key] = _other(holder[key], rng)


def _other(value: Any, rng: random.Random) -> Any:
    """Return another value: three times of four of the same kind."""
    same = rng.random() < 0.75
    if same and isinstance(value, int | float) and not isinstance(value, bool):
        return rng.choice([*NUMBERS, value * 1000, -value, value // 1000])
    if same and isinstance(value, str):
        return rng.choice([*TEXTS, value * 3, value.upper()])
    nested: Any = "x"
    for _ in range(rng.choice([3, 30])):
        nested = [nested]
    return rng.choice([
        rng.choice(NUMBERS), rng.choice(TEXTS), [], {}, [copy.deepcopy(value)],
        {"x": copy.deepcopy(value)}, True, None, nested,
    ])  # fmt: skip


def mutated_table(table: list[list[str]], rng: random.Random) -> str:
    """Return a CSV's text with one to three changes; the first row is the header."""
    rows = copy.deepcopy(table)
    for _ in range(rng.randint(1, 3)):
        row = rng.randrange(len(rows)) if rng.random() < 0.1 else rng.randrange(1, len(rows))
        place = rng.randrange(len(rows[row])) if rows[row] else 0
        what = rng.randrange(12)
        if what == 0:
            rows[row][place : place + 1] = []
        elif what == 1:
            rows.append(list(rows[row]))
        elif rows[row]:
            rows[row][place] = rng.choice(CELLS)
    return "\n".join(",".join(row) for row in rows) + "\n"
