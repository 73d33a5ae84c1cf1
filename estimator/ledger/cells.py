"""Cells of records, a column at a time: words, numbers, moments and durations in any form."""

from __future__ import annotations

import datetime as dt
import re
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from computebill.batches.columns import PLAIN, arrow_column, is_number

NOTHING = frozenset(
    {"", "-", "–", "?", "n/a", "na", "nan", "none", "none assigned", "null", "unknown", "(null)"}
)
"""Cells that say nothing, in lower case."""

SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "min": 60.0, "h": 3600.0, "d": 86400.0}
"""Units of time [s]."""

EPOCHS = ((1e17, 1e-9), (1e14, 1e-6), (1e11, 1e-3), (0.0, 1.0))
"""Least number that is a moment in such a unit [s], since 1970."""

EARLIEST, LATEST = (
    int(dt.datetime(year, 1, 1, tzinfo=dt.UTC).timestamp()) for year in (1990, 2100)
)
"""Moments outside are mistakes [s since 1970]."""

NO_TIME = np.iinfo(np.int64).min
"""No moment, as NumPy's NaT is."""

_ISO = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?$"
_ZONED = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
    r"( ?UTC|Z|[+-][0-9]{2}:?[0-9]{2})$"
)
_DURATION = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)")
_WORDED = re.compile(r"(?:(\d+) days?,? )?(\d+):(\d+):(\d+(?:\.\d+)?)")
_UNITED = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|us|s|sec|min|m|h|d)\b")
_SPELLED = {"sec": "s", "m": "min"}
_SEPARATED = re.compile(
    r"(\d{4})[-_/](\d{1,2})[-_/](\d{1,2})[-_ T](\d{1,2})[:_-](\d{2})(?:[:_-](\d{2}))?"
)
_SUFFIX = re.compile(r"([+-]?[\d.,]*\d)\s*([kmgtp]?)")
_SCALES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "p": 1e15}

SLOTS_EACH = 2
"""Slots, at least, for each key that is looked at; twice as many at most."""

T = TypeVar("T")


class Words(NamedTuple):
    """A column of texts, each different one once.

    Attributes:
        codes: place of each row's text among the values, -1 for nothing; ``(rows,)``.
        values: texts, without spaces around them.
    """

    codes: np.ndarray
    values: list[str]

    def told(self, function: Callable[[str], T], nothing: T) -> np.ndarray:
        """Return a function's value of every row's text, called once for each text."""
        found = np.array([*map(function, self.values), nothing])
        return np.asarray(found[self.codes])

    def mapped(self, function: Callable[[str], str | None]) -> Words:
        """Return another text for each; None for nothing."""
        found = [function(value) for value in self.values]
        values = list(dict.fromkeys(each for each in found if each is not None))
        places = {value: place for place, value in enumerate(values)}
        codes = np.array([*(-1 if each is None else places[each] for each in found), -1])
        return Words(codes[self.codes].astype(np.int32), values)

    def column(self) -> pa.DictionaryArray:
        """Return the texts row by row."""
        is_nothing = self.codes < 0
        mask = is_nothing if is_nothing.any() else None
        codes = pa.array(self.codes.astype(np.int32, copy=False), mask=mask)
        return pa.DictionaryArray.from_arrays(codes, pa.array(self.values, pa.string()))


def hashed(words: Words) -> np.ndarray:
    """Return a number for each row's text, whatever rows come with it; ``(rows,)``."""
    texts = np.array([*words.values, ""], dtype=object)
    return np.asarray(pd.util.hash_array(texts, categorize=False)[words.codes])


def may_be_twice(keys: np.ndarray) -> np.ndarray:
    """Return which keys others may equal: all that do, and few that do not; ``(keys,)``."""
    slots = 1 << max(10, int(SLOTS_EACH * len(keys)).bit_length())
    slot = keys & (slots - 1)
    return np.asarray(np.bincount(slot, minlength=slots)[slot] > 1)


def no_words(rows: int) -> Words:
    """Return a column that says nothing."""
    return Words(np.full(rows, -1, dtype=np.int32), [])


def same_words(rows: int, text: str) -> Words:
    """Return a column that says the same everywhere."""
    return Words(np.zeros(rows, dtype=np.int32), [text])


def together(one: Words, other: Words) -> Words:
    """Return texts of one, and those of the other where it has none."""
    values = list(dict.fromkeys([*one.values, *other.values]))
    place = {value: number for number, value in enumerate(values)}
    moved = np.array([*(place[value] for value in other.values), -1], dtype=np.int32)
    codes = np.where(one.codes >= 0, one.codes, moved[other.codes])
    return Words(codes.astype(np.int32), values)


def whole(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return a column as one array, its kind as it is."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    found = column.combine_chunks()
    if isinstance(found, pa.ChunkedArray):
        return found.chunk(0) if found.num_chunks else pa.array([], column.type)
    return found


def read_words(column: pa.ChunkedArray | pa.Array) -> Words:
    """Read texts; nothing where a cell says nothing."""
    if pa.types.is_dictionary(column.type):
        coded = whole(column)
    else:
        plain = arrow_column(column)
        coded = plain.cast(pa.string()).dictionary_encode()
    told = Words(codes_of(coded), coded.dictionary.to_pylist())
    if _all_say_something(coded.dictionary):
        return told
    return told.mapped(lambda value: None if value is None or is_nothing(value) else value.strip())


def codes_of(column: pa.DictionaryArray) -> np.ndarray:
    """Return the place of each row's text in a column's dictionary, -1 for nothing; ``(rows,)``."""
    places = column.indices.fill_null(-1) if column.null_count else column.indices
    return np.asarray(places.to_numpy(zero_copy_only=False)).astype(np.int32, copy=False)


def _all_say_something(texts: pa.Array) -> bool:
    """Whether texts all say something, and have no spaces around them."""
    if texts.null_count:
        return False
    is_bare = pc.equal(pc.utf8_trim_whitespace(texts), texts)
    is_empty = pc.is_in(pc.utf8_lower(texts), pa.array(sorted(NOTHING)))
    return bool(pc.all(is_bare, min_count=0).as_py() and not pc.any(is_empty, min_count=0).as_py())


def is_nothing(text: str) -> bool:
    """Whether a cell says nothing."""
    return text.strip().lower() in NOTHING


def read_ids(column: pa.Array) -> pa.Array:
    """Read texts that are all different: null where a cell says nothing."""
    texts = arrow_column(column).cast(pa.string())
    is_empty = pc.equal(pc.binary_length(texts), 0).fill_null(True)
    if not pc.any(is_empty, min_count=0).as_py():
        return texts
    return pc.if_else(is_empty, None, texts)


def read_numbers(column: pa.Array) -> np.ndarray:
    """Read numbers, NaN where there is none; 1,234 and 2.5K are numbers too."""
    column = arrow_column(column)
    if is_number(column.type):
        return _floats(column)
    texts = column.cast(pa.string())
    try:
        return _floats(pc.if_else(pc.equal(texts, ""), None, texts).cast(pa.float64()))
    except pa.ArrowInvalid:
        pass
    texts = pc.utf8_trim_whitespace(texts)
    is_plain = pc.match_substring_regex(texts, PLAIN).fill_null(False)
    values = _floats(pc.if_else(is_plain, texts, None).cast(pa.float64())).copy()
    _others(values, texts, ~_bools(is_plain), _number)
    return values


def _floats(column: pa.Array) -> np.ndarray:
    found = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return np.asarray(found, dtype=np.float64)


def _bools(column: pa.Array) -> np.ndarray:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=bool)


def _others(
    values: np.ndarray, texts: pa.Array, rows: np.ndarray, function: Callable[[str], float]
) -> None:
    """Set the values of some rows from their texts, each different one read once."""
    places = np.flatnonzero(rows)
    if not len(places):
        return
    coded = texts.take(pa.array(places)).dictionary_encode()
    codes = coded.indices.fill_null(len(coded.dictionary)).to_numpy(zero_copy_only=False)
    read = [np.nan if each is None else function(each) for each in coded.dictionary.to_pylist()]
    values[places] = np.array([*read, np.nan])[codes]


def _number(text: str) -> float:
    found = _SUFFIX.fullmatch(text.strip().lower().replace("$", "").replace(",", ""))
    if not found:
        return np.nan
    try:
        return float(found[1]) * _SCALES[found[2]]
    except ValueError:
        return np.nan


def read_durations(column: pa.Array, factor: float = 1.0) -> np.ndarray:
    """Read durations [s], NaN where there is none.

    ``D-HH:MM:SS``, ``HH:MM:SS`` and ``MM:SS`` as Slurm writes them, ``1h 2m``, plain numbers.

    Args:
        column: numbers or texts.
        factor: of plain numbers, to seconds.
    """
    column = arrow_column(column)
    if is_number(column.type):
        return _floats(column) * factor
    texts = column.cast(pa.string())
    found, is_clock = _clocks(texts)
    _others(found, texts, ~is_clock, lambda text: _duration(text, factor))
    return found


CLOCK, LONGEST_DAYS = 8, 6
"""Letters of ``HH:MM:SS``, and of the days before it, without their dash."""
_DIGITS, _COLONS = (0, 1, 3, 4, 6, 7), (2, 5)
_EACH = (36000, 3600, 600, 60, 10, 1)
"""Seconds of one of each digit."""


def _clocks(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Return the durations [s] of ``D-HH:MM:SS`` and ``HH:MM:SS``, and which rows have that form.

    All rows' letters are looked at together: durations are seldom the same twice.
    """
    letters, begins, ends = _letters(texts)
    length = ends - begins
    is_clock = (length == CLOCK) | ((length > CLOCK + 1) & (length <= CLOCK + 1 + LONGEST_DAYS))
    seconds = np.zeros(len(texts))
    if not is_clock.any():
        return np.full(len(texts), np.nan), is_clock
    first = np.where(is_clock, ends - CLOCK, 0)
    for place, each in zip(_DIGITS, _EACH, strict=True):
        digit = letters[first + place] - np.uint8(ord("0"))
        is_clock &= digit <= (5 if each in (600, 10) else 9)
        seconds += digit * np.float64(each)
    is_clock &= seconds < SECONDS["d"]
    for place in _COLONS:
        is_clock &= letters[first + place] == ord(":")
    rows = np.flatnonzero(is_clock & (length > CLOCK))
    if len(rows):
        days, is_day = _days(letters, begins[rows], ends[rows] - CLOCK - 1)
        is_clock[rows] = is_day
        seconds[rows] += days * SECONDS["d"]
    return np.where(is_clock, seconds, np.nan), is_clock


def _days(letters: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the numbers between some letters and a dash, and which are such."""
    days, is_day = np.zeros(len(ends)), letters[ends] == ord("-")
    for place in range(int((ends - begins).max())):
        at = ends - 1 - place
        is_inside = at >= begins
        digit = letters[np.where(is_inside, at, 0)] - np.uint8(ord("0"))
        is_day &= ~is_inside | (digit <= 9)
        days += np.where(is_inside, digit, 0) * np.float64(10**place)
    return days, is_day


def _letters(texts: pa.Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the bytes of texts, and where each text begins and ends in them; nothing has none."""
    _, places, letters = texts.buffers()
    if places is None or letters is None or not len(texts):
        nowhere = np.zeros(len(texts), dtype=np.int64)
        return np.zeros(1, dtype=np.uint8), nowhere, nowhere
    ends = np.frombuffer(places, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    ends = ends.astype(np.int64)
    if not texts.null_count:
        return np.frombuffer(letters, np.uint8), ends[:-1], ends[1:]
    is_there = np.asarray(texts.is_valid().to_numpy(zero_copy_only=False), dtype=bool)
    return np.frombuffer(letters, np.uint8), ends[:-1], np.where(is_there, ends[1:], ends[:-1])


@lru_cache(maxsize=1 << 18)
def _duration(text: str, factor: float) -> float:
    try:
        return float(text) * factor
    except ValueError:
        pass
    found = _DURATION.fullmatch(text)
    if found is None:
        found = _WORDED.fullmatch(text)
    if found:
        days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if _UNITED.match(text) and not _UNITED.sub("", text).strip(" ,"):
        parts = _UNITED.findall(text)
        return sum(float(number) * SECONDS[_SPELLED.get(unit, unit)] for number, unit in parts)
    return np.nan


def read_moments(
    column: pa.Array, day_first: Callable[[], bool | None] | None = None
) -> np.ndarray:
    """Read moments [s since 1970], those with a zone in UTC; `NO_TIME` where there is none.

    Args:
        column: ISO 8601 with or without a zone, numbers of seconds, milli- or microseconds since
            1970, or what people write.
        day_first: tells whether dates such as 03/04/2023 begin with the day.
    """
    column = arrow_column(column)
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return _whole(column.cast(pa.timestamp("us")).cast(pa.int64(), safe=False))
    if is_number(column.type):
        return _checked(_since(_floats(column)))
    texts = column.cast(pa.string())
    found = _read_iso(texts)
    if found is not None:
        return found
    texts = pc.utf8_trim_whitespace(texts)
    moments = np.full(len(texts), np.nan)
    is_iso = _bools(pc.match_substring_regex(texts, _ISO).fill_null(False))
    is_zoned = _bools(pc.match_substring_regex(texts, _ZONED).fill_null(False))
    for rows, kind in ((is_iso, pa.timestamp("us")), (is_zoned, pa.timestamp("us", "UTC"))):
        moments[rows] = _cast(texts, rows, kind)
    rest = ~(is_iso | is_zoned) & _bools(pc.is_valid(texts))
    _others(moments, texts, rest, lambda text: _moment(text, day_first))
    return _checked(moments)


def _cast(texts: pa.Array, rows: np.ndarray, kind: pa.DataType) -> np.ndarray:
    """Return moments of texts of one form; those of no calendar's day are none."""
    chosen = texts.filter(pa.array(rows))
    if kind.tz is not None:
        chosen = pc.replace_substring_regex(chosen, r" ?UTC$", "Z")
    try:
        ticks = chosen.cast(kind).cast(pa.int64())
    except pa.ArrowInvalid:
        return np.array([_moment(text, None) for text in chosen.to_pylist()], dtype=float)
    return np.asarray(_floats(ticks) // 1e6)


def _read_iso(texts: pa.Array) -> np.ndarray | None:
    """Return moments where all cells are of one usual form, which is soon read."""
    with suppress(pa.ArrowInvalid):
        return _whole(texts.cast(pa.timestamp("s")).cast(pa.int64()), 1)
    with suppress(pa.ArrowInvalid):
        plain = pc.if_else(pc.is_in(texts, pa.array(["", "Unknown", "None"])), None, texts)
        return _whole(plain.cast(pa.timestamp("s")).cast(pa.int64()), 1)
    return None


def _whole(ticks: pa.Array, each: int = 1_000_000) -> np.ndarray:
    numbers = ticks.fill_null(NO_TIME).to_numpy(zero_copy_only=False)
    seconds = numbers if each == 1 else np.where(numbers == NO_TIME, NO_TIME, numbers // each)
    return np.where((seconds >= EARLIEST) & (seconds <= LATEST), seconds, NO_TIME)


def _since(values: np.ndarray) -> np.ndarray:
    """Return numbers as seconds since 1970: larger ones are of smaller units."""
    found = np.full(len(values), np.nan)
    for least, unit in reversed(EPOCHS):
        rows = values >= least
        found[rows] = values[rows] * unit
    return found


def _checked(seconds: np.ndarray) -> np.ndarray:
    """Return moments as whole seconds; those out of any record's time are none."""
    with np.errstate(invalid="ignore"):
        is_good = (seconds >= EARLIEST) & (seconds <= LATEST)
    return np.where(is_good, np.where(is_good, seconds, 0).astype(np.int64), NO_TIME)


def _moment(text: str, day_first: Callable[[], bool | None] | None) -> float:
    plain = text.strip().rstrip("-")
    if is_nothing(plain):
        return np.nan
    try:
        return float(_since(np.array([float(plain)]))[0])
    except ValueError:
        pass
    parts = _SEPARATED.fullmatch(plain)
    if parts:
        plain = "{}-{}-{} {}:{}:{}".format(*(part or "00" for part in parts.groups()))
    begins = "/" in plain and day_first is not None and bool(day_first())
    with warnings.catch_warnings(action="ignore"):
        found = pd.to_datetime(plain, errors="coerce", utc=True, dayfirst=begins)
    return np.nan if pd.isna(found) else float(found.timestamp())


def joined(parts: list[pa.Array], between: str) -> pa.Array:
    """Return texts of each row together; what says nothing is left out."""
    if len(parts) == 1:
        return parts[0].fill_null("")
    return pc.binary_join_element_wise(*parts, between, null_handling="skip")


def as_timestamps(seconds: np.ndarray) -> pa.Array:
    """Return moments [s since 1970] as Arrow's."""
    is_none = seconds == NO_TIME
    mask = is_none if is_none.any() else None
    return pa.array(seconds, pa.int64(), mask=mask).cast(pa.timestamp("s"))


def as_numbers(values: np.ndarray) -> pa.Array:
    """Return numbers as Arrow's, null where there is none."""
    is_none = np.isnan(values)
    return pa.array(values, pa.float64(), mask=is_none if is_none.any() else None)
