"""What charges cost with commitments by the hour, and what was committed to and not used."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa

from . import cells
from .cells import Words
from .formats import plain
from .rows import Rows

OF_RESERVATION = ", of a reservation"
"""Behind a kind of charge: such as are of a reservation that the row names."""


def kind_of(text: str) -> str:
    """Return a kind of charge as forms name it: lower case, no spaces."""
    return text.lower().replace(" ", "")


def _of_kind(charge: Words, kind: str) -> np.ndarray:
    """Return which charges are of a kind."""
    return charge.told(lambda text: kind_of(text) == kind, False).astype(bool)


def tells_amortised(rows: Rows) -> bool:
    """Whether a bill has a column of what the form's amortised costs are made of."""
    wanted = {
        name.lstrip("-") for told in rows.reading.form.bill.amortised.values() for name in told
    }
    return any(_column(rows, name) is not None for name in wanted)


def amortised(rows: Rows, billed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each charge's cost with commitments by the hour, and which should have one and do not.

    What is bought ahead is nothing, use that it covers costs its part, and what was not used
    stands where the form says. Other charges cost what was billed.

    Args:
        rows: charges.
        billed: what they cost as billed.
    """
    found, lacks = billed.copy(), np.zeros(rows.count, dtype=bool)
    charge, has_reservation = rows.words("charge"), rows.words("reservation").codes >= 0
    for kind, columns in rows.reading.form.bill.amortised.items():
        own = kind.removesuffix(OF_RESERVATION)
        at = _of_kind(charge, own)
        if own != kind:
            at &= has_reservation
        if not at.any():
            continue
        cost = np.zeros(rows.count)
        is_told = np.full(rows.count, not columns)
        for name in columns:
            values = _numbers(rows, name.lstrip("-"))
            is_told |= ~np.isnan(values)
            cost += np.nan_to_num(values) * (-1.0 if name.startswith("-") else 1.0)
        found[at] = np.where(is_told, cost, billed)[at]
        lacks |= at & ~is_told
    return found, lacks


def unused_hours(rows: Rows, hours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which charges are of what nobody used, and the hours of those; NaN of none.

    Args:
        rows: charges.
        hours: of each, as its quantity and unit tell.
    """
    bill, charge = rows.reading.form.bill, rows.words("charge")
    idle = _says(rows, bill.idle)
    found = np.where(idle, hours, np.nan)
    for kind, column in bill.unused.items():
        if bill.amortised and not rows.reading.is_effective:
            continue  # as billed, it is the whole fee
        at = _of_kind(charge, kind)
        own = hours if column == "quantity" else _numbers(rows, column)
        found, idle = np.where(at, own, found), idle | at
    commitment = rows.words("commitment").told(lambda text: text.lower() == "unused", False)
    is_unused = commitment.astype(bool)
    return idle | is_unused, np.where(is_unused, hours, found)


def is_apart(rows: Rows) -> np.ndarray:
    """Return which charges' time is of no accelerator, though they name one."""
    return _says(rows, rows.reading.form.bill.apart)


def credits_of(rows: Rows) -> np.ndarray:
    """Return what is taken off each charge, a number below 0; 0 where nothing is."""
    words = rows.words("credits")
    plain_numbers = cells.read_numbers(pa.array(words.values, pa.string()))
    listed = np.array([_amounts(text) for text in words.values], dtype=float)
    values = np.append(np.where(np.isnan(plain_numbers), listed, plain_numbers), np.nan)
    return np.asarray(np.nan_to_num(values[words.codes]))


def _amounts(text: str) -> float:
    """Return the sum of the ``amount`` of a list of credits; NaN of anything else."""
    try:
        return sum(float(each["amount"]) for each in json.loads(text))
    except (ValueError, RecursionError, TypeError, KeyError):
        return np.nan


def _says(rows: Rows, wanted: tuple[str, ...]) -> np.ndarray:
    """Return which charges' name or SKU has one of some texts in it."""
    found = np.zeros(rows.count, dtype=bool)
    if wanted:
        for name in ("name", "sku"):
            words: Words = rows.words(name)
            found |= words.told(lambda text: any(each in text.lower() for each in wanted), False)
    return found


def _numbers(rows: Rows, name: str) -> np.ndarray:
    heading = _column(rows, name)
    if heading is None:
        return np.full(rows.count, np.nan)
    return cells.read_numbers(rows.table[heading])


def _column(rows: Rows, name: str) -> str | None:
    """Return the heading of a column, whichever way its words are divided."""
    wanted = _compact(name)
    return next((each for each in rows.table.column_names if _compact(each) == wanted), None)


def _compact(name: str) -> str:
    return plain(name).replace("_", "")
