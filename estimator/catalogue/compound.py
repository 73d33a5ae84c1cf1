"""Cells that tell two fields: ``384 x A100 80GB``, ``671B (37B active)``, ``8x7B``, ``7 days``."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from computebill.base.quantity import number_text, parse_number
from computebill.batches.columns import PLAIN, distinct, is_text

from .cells import Texts


class Told(NamedTuple):
    """What a cell tells.

    Attributes:
        text: of the column's own field.
        other: number of the other field; NaN where it tells none.
        note: what was made of it.
    """

    text: str
    other: float = math.nan
    note: str = ""


class Parted(NamedTuple):
    """A column whose cells tell two fields.

    Attributes:
        column: cells of its own field.
        others: numbers of the other field, NaN where a cell tells none; ``(rows,)``.
        notes: what was made of cells; None where each is plain.
    """

    column: pa.Array
    others: np.ndarray
    notes: Texts | None


_NUMBER = r"[\d.,]+\s*(?:[KMBT]|million|billion|trillion)?"
_ACTIVE = re.compile(
    rf"(?P<all>{_NUMBER})\s*(?:total)?\s*[(\[,/;]\s*(?P<one>{_NUMBER})\s*(?:active|activated)\w*[)\]]?",
    re.I,
)
_ACTIVE_FIRST = re.compile(
    rf"(?P<one>{_NUMBER})\s*(?:active|activated)\s*[(\[,/;]\s*(?P<all>{_NUMBER})\s*(?:total)?[)\]]?",
    re.I,
)
_NAMED = re.compile(rf"(?P<all>{_NUMBER})-A(?P<one>{_NUMBER})", re.I)
_EXPERTS = re.compile(r"(?P<experts>\d{1,3})\s*[x×]\s*(?P<each>\d+(?:\.\d+)?\s*[MB])", re.I)
CHOSEN = 2
"""Experts that a token meets where a name says only how many there are (Jiang et al. 2024, arXiv
2401.04088: 2 of 8)."""

_COUNT_FIRST = re.compile(r"(?P<count>\d[\d,]*)\s*(?:[x×*]\s*|\s)(?P<name>[A-Za-z].*)", re.I)
_COUNT_LAST = re.compile(
    r"(?P<name>.*?[^\d\s].*?)\s*(?:\s[x×*]\s*|[×*]\s*|\sx)(?P<count>\d[\d,]*)", re.I
)

_PLAIN = re.compile(PLAIN)

_DAYS = re.compile(r"(?P<number>[\d.,]+)\s*(?P<unit>h|hrs?|hours?|d|days?|weeks?|months?)", re.I)
HOURS = {"h": 1.0, "d": 24.0, "w": 168.0, "m": 730.5}
"""Hours of a unit of time, by its first letter; a month is a twelfth of a year of 365.25 days."""


def read_size(text: str) -> Told | None:
    """Return all and active parameters of ``671B (37B active)``, ``30B-A3B`` or ``8x7B``."""
    for form in (_ACTIVE, _ACTIVE_FIRST, _NAMED):
        found = form.fullmatch(text)
        if found:
            active = _number(found["one"])
            return None if active is None else Told(found["all"], active)
    found = _EXPERTS.fullmatch(text)
    each = _number(found["each"]) if found else None
    if found is None or each is None:
        return None
    experts = int(found["experts"])
    total, active = each * experts, each * min(CHOSEN, experts)
    note = f"{experts} experts, taken as {number_text(total, 4)} at most, of which a token meets "
    return Told(f"{total:g}", active, f"{note}{number_text(active, 4)} (two experts)")


def read_chips(text: str) -> Told | None:
    """Return the name and the number of ``384 x A100 80GB``, ``A100 x 64`` or ``992 A100``."""
    for form in (_COUNT_LAST, _COUNT_FIRST):
        found = form.fullmatch(text)
        count = _number(found["count"]) if found else None
        if found and count and count.is_integer():
            return Told(found["name"].strip(" ,-"), count)
    return None


def read_time(text: str) -> Told | None:
    """Return the hours of ``7 days``, ``3 weeks`` or ``2 months``."""
    found = _DAYS.fullmatch(text)
    number = _number(found["number"]) if found else None
    if found is None or number is None:
        return None
    unit = found["unit"][0].lower()
    hours = number * HOURS[unit]
    return Told(f"{hours:g}", note="" if unit == "h" else f"read as {hours:g} hours")


def part(column: pa.Array, read: Callable[[str], Told | None]) -> Parted:
    """Return what cells of a column tell of its own field, and of another.

    Args:
        column: cells, as ``arrow_column`` gives them; numbers tell their own field alone.
        read: reads a cell; None where it is plain.
    """
    nothing = np.full(len(column), math.nan)
    if not is_text(column.type):
        return Parted(column, nothing, None)
    codes, values = distinct(column)
    # Plain numbers tell their own field alone, and may be as many as rows.
    odd = {text: read(text.strip()) for text in values if not _PLAIN.match(text.strip())}
    if not any(each is not None for each in odd.values()):
        return Parted(column, nothing, None)
    plain = [odd.get(text) or Told(text) for text in values]
    # Cells of nothing have the last value's place.
    texts = pa.array([*(each.text for each in plain), None], pa.string())
    others = np.array([*(each.other for each in plain), math.nan])
    notes = Texts(codes, [*(each.note for each in plain), ""])
    return Parted(texts.take(pa.array(codes)), others[codes], notes)


def _number(text: str) -> float | None:
    try:
        return parse_number(text.replace(",", "") if re.search(r",\d{3}\b", text) else text)
    except ValueError:
        return None
