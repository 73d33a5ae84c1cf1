"""Cells as people fill them: numbers with units and signs, lists, words, nothing.

Columns are Arrow's. What a column tells by words is looked at once for each different text, and
kept as numbers into a short list.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from computebill.base.quantity import number_text, parse_number
from computebill.batches.columns import MONTHS, PLAIN, SLASHED, distinct, is_number, is_text
from computebill.costs.method import DAYS_PER_YEAR

MISSING = frozenset({"", "-", "–", "?", "n/a", "na", "nan", "none", "null", "unknown", "tbd"})
"""Cells that say nothing."""

SMALLEST = 1e-40
LARGEST = 1e40
"""Largest number of a catalogue: the largest runs are at some 1e27 FLOP."""

NO_DAY = np.datetime64("NaT", "D")
ORIGIN = np.datetime64("2020-01-01", "D")
"""Day from which lines and trends count years."""

_SPREADSHEET = np.datetime64("1899-12-30", "D")
"""Day 0 of Excel's."""

_THOUSANDS = re.compile(r"([+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?)\s*([KMBT%]?)", re.I)
_DOTTED = re.compile(r"([+-]?\d{1,3}(?:\.\d{3})+)(?:,(\d+))?\s*([KMBT%]?)", re.I)
_COMMA = re.compile(r"([+-]?\d+),(\d+)((?:E[+-]?\d+)?\s*[KMBT%]?)", re.I)
_SCALES = {"thousand": "K", "million": "M", "mn": "M", "billion": "B", "bn": "B", "mrd": "B"}
_SCALES |= {"trillion": "T", "tn": "T"}
_SCALE = re.compile(rf"\s*\b({'|'.join(_SCALES)})s?$|(?<=\d)({'|'.join(_SCALES)})$", re.I)
_LISTS = (re.compile(r"\s*[;/]\s*|,\s+"), re.compile(r"\s*[,;/]\s*"))
_POINTED = re.compile(r"(\d{1,2})\.(\d{1,2})\.\d{4}(?!\d)")
_WORDS = re.compile(
    r"(\s*\b(flops?|tokens|parameters|params|hours|usd|gpus?|chips?|accelerators?|x))+\s*$", re.I
)
_BETWEEN = re.compile(r"\s*(?:–|—|\bto\b|\.\.|~)\s*|(?<=[\dKMBTkmbt])\s*-\s*(?=\d)")


class Style(NamedTuple):
    """How a column's cells are written.

    Attributes:
        comma: whether a comma is a decimal one, as where cells are divided by semicolons.
        day_first: tells whether dates such as 03/04/2023 begin with the day; None where nothing
            tells. Asked where a column has such a date.
    """

    comma: bool = False
    day_first: Callable[[], bool | None] | None = None


USUAL = Style()


class Texts(NamedTuple):
    """A column of texts, each different one once.

    Attributes:
        codes: place of each row's text among the values; ``(rows,)``.
        values: texts, without spaces around them; empty where a cell says nothing.
    """

    codes: np.ndarray
    values: Sequence[str]

    def told(self, function: Callable[[str], float | bool]) -> np.ndarray:
        """Return a function's number of every row's text, called once for each text."""
        return np.asarray(np.array([function(value) for value in self.values])[self.codes])

    def as_column(self) -> pa.Array:
        """Return the texts row by row."""
        return pa.array(self.values, pa.string()).take(pa.array(self.codes))


class Numbers(NamedTuple):
    """A column of numbers.

    Attributes:
        values: NaN where there is none; ``(rows,)``.
        notes: what was made of a cell that is no plain number, or why it is of no use.
    """

    values: np.ndarray
    notes: Texts | None


def read_texts(column: pa.Array) -> Texts:
    """Read texts; empty where a cell says nothing."""
    codes, values = distinct(_as_text(column))
    plain = [value.strip() for value in values]
    # Cells of nothing have the last value's place.
    return Texts(codes, [*("" if each.lower() in MISSING else each for each in plain), ""])


def _as_text(column: pa.Array) -> pa.Array:
    return column if is_text(column.type) else column.cast(pa.string())


def read_numbers(column: pa.Array, factor: float = 1.0, style: Style = USUAL) -> Numbers:
    """Read a column of numbers.

    Zero stands for nothing: in catalogues it is what was not filled.

    Args:
        column: numbers, or texts of them.
        factor: one of the column's unit, in the field's.
        style: how they are written.
    """
    if is_number(column.type):
        read, odd = _values(column), None
    elif is_text(column.type):
        read, odd = _read_column(pc.utf8_trim_whitespace(column), style.comma)
    else:  # days are no numbers
        read, odd = _read_column(column.cast(pa.string()), style.comma)
    with np.errstate(invalid="ignore", over="ignore"):
        values = read * factor
        problems = {
            "is negative": values < 0,
            "is not finite": np.isinf(values),
            f"is above {LARGEST:g}": np.isfinite(values) & (values > LARGEST),
            f"is below {SMALLEST:g}": (values > 0) & (values < SMALLEST),
        }
    if any(rows.any() for rows in problems.values()):
        texts, codes = ["", *problems], np.zeros(len(values), dtype=np.int64)
        for place, rows in enumerate(problems.values(), start=1):
            codes[rows] = place
        values = np.where(codes > 0, np.nan, values)
        odd = _joined_notes(odd, Texts(codes, texts))
    return Numbers(np.where(values == 0, np.nan, values), odd)


def _values(column: pa.Array) -> np.ndarray:
    """Return numbers, NaN where there is none."""
    found = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return np.asarray(found, dtype=np.float64)


def _read_column(texts: pa.Array, comma: bool) -> tuple[np.ndarray, Texts | None]:
    """Return texts' numbers, and what was made of those that are no plain ones."""
    is_plain = pc.match_substring_regex(texts, PLAIN)
    values = _values(pc.if_else(is_plain, texts, None))
    is_odd = pc.and_not(pc.is_valid(texts), is_plain).fill_null(False)
    rows = np.flatnonzero(is_odd.to_numpy(zero_copy_only=False))
    if not len(rows):
        return values, None
    codes, different = distinct(texts.take(pa.array(rows)))
    read = [_read(text, comma) for text in different]
    values = values.copy()
    values[rows] = np.array([value for value, _ in read])[codes]
    told = np.zeros(len(values), dtype=np.int64)
    told[rows] = codes + 1
    return values, Texts(told, ["", *(note for _, note in read)])


def _joined_notes(one: Texts | None, other: Texts) -> Texts:
    """Return notes, those of the other where it has one."""
    if one is None:
        return other
    codes = np.where(other.codes > 0, other.codes + len(one.values), one.codes)
    return Texts(codes, [*one.values, *other.values])


def _read(text: str, comma: bool = False) -> tuple[float, str]:
    """Return a cell's number, and what was made of it or why it is of no use."""
    if text.lower() in MISSING:
        return math.nan, ""
    plain = text.replace("$", "").strip()
    try:
        return float(plain), ""
    except ValueError:
        pass
    worded = _WORDS.sub("", plain).lstrip("~≈<>=").strip()
    number = _SCALE.sub(lambda found: _SCALES[(found[1] or found[2]).lower()], worded)
    try:
        return parse_number(number), ""
    except ValueError:
        pass
    with_comma = _with_comma(number, comma, is_worded=worded != plain)
    if with_comma is not None:
        return with_comma
    return _read_several(worded, comma)


def _with_comma(text: str, comma: bool, *, is_worded: bool) -> tuple[float, str] | None:
    """Return a number with commas in it, and what was made of it; None where it is not one.

    Args:
        text: a cell without words.
        comma: whether commas are decimal ones.
        is_worded: whether the cell had a word that only a number has.
    """
    dotted = _DOTTED.fullmatch(text)
    if dotted and (dotted[2] or dotted[1].count(".") > 1):  # 1.234,5 and 1.234.567
        return parse_number(f"{dotted[1].replace('.', '')}.{dotted[2] or 0}{dotted[3]}"), ""
    thousands, one = _THOUSANDS.fullmatch(text), _COMMA.fullmatch(text)
    if thousands and (one is None or not (comma or thousands[2] or text.startswith("0"))):
        return parse_number(thousands[1].replace(",", "") + thousands[2]), ""
    if one is None:
        return None
    whole, digits, rest = one[1], one[2], one[3].strip()
    decimal = f"{whole}.{digits}{rest}"
    try:
        value = parse_number(decimal)
    except ValueError:
        return None
    if comma:
        return value, ""
    is_sure = whole.lstrip("+-") == "0" or (len(whole) == 1 and rest[:1] in ("e", "E"))
    if is_sure or (len(digits) < 3 and (rest or is_worded)):
        return value, f"decimal comma, read as {decimal}"
    if thousands:
        return math.nan, f"may be {whole}{digits}{rest} or {decimal}"
    return (math.nan, f"may be {decimal} or a list") if len(digits) < 3 else None


def _read_several(text: str, comma: bool) -> tuple[float, str]:
    """Read one number of several: of a range the ends' geometric mean, of a list the largest."""
    for split in (_BETWEEN, *_LISTS):
        parts = [part for part in split.split(text) if part]
        read = [_read(part, comma) for part in parts] if len(parts) > 1 else []
        if split is _BETWEEN and any("list" in note for _, note in read):
            continue  # a range in a list, and not of lists
        values = [value for value, _ in read]
        if values and all(0 < value < math.inf for value in values):
            if split is not _BETWEEN:
                return max(values), f"the largest of a list, {number_text(max(values), 4)}"
            middle = math.exp(sum(map(math.log, values)) / len(values))
            return middle, f"the middle of a range, {number_text(middle, 4)}"
    return math.nan, "is no number"


class Days(NamedTuple):
    """A column of days.

    Attributes:
        values: NaT where there is none; ``(rows,)``.
        notes: what was made of a cell that is no plain day, or that it is none.
    """

    values: np.ndarray
    notes: Texts | None


def read_days(column: pa.Array, style: Style = USUAL) -> Days:
    """Read days as ``2026-07-15``, ``2026-07``, ``2026``, ``July 2026`` or ``Q3 2026``.

    Dates with points begin with the day. Those with slashes do as the style tells; where nothing
    tells, with the month.

    Args:
        column: days, or texts of them.
        style: how they are written.
    """
    if pa.types.is_date(column.type) or pa.types.is_timestamp(column.type):
        return Days(_checked_days(_days(column.cast(pa.date32(), safe=False))), None)
    texts = pc.utf8_trim_whitespace(_as_text(column))
    codes, different = distinct(texts)
    is_asked = style.day_first is not None and any(map(_is_ambiguous, different))
    day_first = style.day_first() if is_asked and style.day_first is not None else None
    read = [*(_day(text, day_first) for text in different), (NO_DAY, "")]
    days = np.array([day for day, _ in read], dtype="datetime64[D]")
    return Days(days[codes], Texts(codes, [note for _, note in read]))


def years_of(days: np.ndarray) -> np.ndarray:
    """Return days as years since the beginning of 2020; NaN for no day."""
    return np.asarray((days - ORIGIN) / np.timedelta64(1, "D") / DAYS_PER_YEAR)


def _days(column: pa.Array) -> np.ndarray:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype="datetime64[D]")


def _checked_days(days: np.ndarray) -> np.ndarray:
    years = days.astype("datetime64[Y]").astype(int) + 1970
    return np.where((years >= 1940) & (years <= 2100), days, NO_DAY)


def _is_ambiguous(text: str) -> bool:
    found = SLASHED.match(text)
    return found is not None and int(found[1]) <= MONTHS and int(found[2]) <= MONTHS


@lru_cache(maxsize=65536)
def _day(text: str, day_first: bool | None) -> tuple[np.datetime64, str]:
    """Return a cell's day, and what was made of it."""
    plain = text.removesuffix(".0")
    if re.fullmatch(r"(19|20)\d\d", plain):
        return _middle(plain, 7, 1), ""
    if re.fullmatch(r"[2-5]\d{4}", plain):
        return _SPREADSHEET + np.timedelta64(int(plain), "D"), "a spreadsheet's number of a day"
    quarter = re.fullmatch(r"(?:(\d{4})[ -]?)?Q([1-4])(?:[ -]?(\d{4}))?", text, re.I)
    if quarter and (quarter[1] or quarter[3]):
        return _middle(quarter[1] or quarter[3], 3 * int(quarter[2]) - 1, 15), "the middle of it"
    years = re.findall(r"(?<!\d)(?:19|20)\d\d(?!\d)", text)
    if not years:
        return NO_DAY, "" if text.lower() in MISSING else "is no date"
    slashed, pointed = SLASHED.match(text), _POINTED.match(text)
    begins = pointed is not None or (slashed is not None and bool(day_first))
    with warnings.catch_warnings(action="ignore"):
        found = pd.to_datetime(text, errors="coerce", utc=True, dayfirst=begins)
    if pd.isna(found) or not 1940 <= found.year <= 2100:
        return _middle(years[0], 7, 1), "only the year is read"
    note = f"read as {found:%d %B %Y}" if slashed or pointed else ""
    note += ", as others of the column" if day_first is not None and _is_ambiguous(text) else ""
    return np.datetime64(found.date(), "D"), note


def _middle(year: str, month: int, day: int) -> np.datetime64:
    return np.datetime64(f"{year}-{month:02d}-{day:02d}", "D")
