"""Cells of records, a column at a time: words, numbers, moments and durations in any form."""

from __future__ import annotations

import datetime as dt
import re
import warnings
from collections.abc import Callable
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
_CLOCK = r"^([0-9]{1,6}-)?([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$"
_DURATION = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)")
_WORDED = re.compile(r"(?:(\d+) days?,? )?(\d+):(\d+):(\d+(?:\.\d+)?)")
_UNITED = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|us|s|sec|min|m|h|d)\b")
_SPELLED = {"sec": "s", "m": "min"}
_SEPARATED = re.compile(
    r"(\d{4})[-_/](\d{1,2})[-_/](\d{1,2})[-_ T](\d{1,2})[:_-](\d{2})(?:[:_-](\d{2}))?"
)
_SUFFIX = re.compile(r"([+-]?[\d.,]*\d)\s*([kmgtp]?)")
_SCALES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "p": 1e15}

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
        codes = pa.array(self.codes.astype(np.int32), mask=self.codes < 0)
        return pa.DictionaryArray.from_arrays(codes, pa.array(self.values, pa.string()))


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


def read_words(column: pa.Array) -> Words:
    """Read texts; nothing where a cell says nothing."""
    if pa.types.is_dictionary(column.type):
        coded = column
    else:
        plain = arrow_column(column)
        coded = plain.cast(pa.string()).dictionary_encode()
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    told = Words(codes, coded.dictionary.to_pylist())
    if not any(value is None or value != value.strip() or is_nothing(value) for value in told[1]):
        return told
    return told.mapped(lambda value: None if value is None or is_nothing(value) else value.strip())


def is_nothing(text: str) -> bool:
    """Whether a cell says nothing."""
    return text.strip().lower() in NOTHING


def read_ids(column: pa.Array) -> pa.Array:
    """Read texts that are all different: null where a cell says nothing."""
    texts = arrow_column(column).cast(pa.string())
    is_empty = pc.equal(pc.utf8_length(texts), 0).fill_null(True)
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
    coded = column.cast(pa.string()).dictionary_encode()
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return np.asarray(np.append(_durations(coded.dictionary, factor), np.nan)[codes])


def _durations(texts: pa.Array, factor: float) -> np.ndarray:
    """Return durations of different texts: ``D-HH:MM:SS`` at once, others one by one."""
    is_clock = _bools(pc.match_substring_regex(texts, _CLOCK))
    found = np.full(len(texts), np.nan)
    clocks = texts.filter(pa.array(is_clock))
    day = pc.utf8_slice_codeunits(clocks, 0, -9)
    days = pc.if_else(pc.equal(day, ""), "0", day).cast(pa.float64())
    clock = pc.binary_join_element_wise("1970-01-01T", pc.utf8_slice_codeunits(clocks, -8), "")
    seconds = clock.cast(pa.timestamp("s")).cast(pa.int64())
    found[is_clock] = _floats(days) * SECONDS["d"] + _floats(seconds)
    for place in np.flatnonzero(~is_clock):
        found[place] = _duration(texts[place].as_py(), factor)
    return found


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
    try:
        plain = pc.if_else(pc.is_in(texts, pa.array(["", "Unknown", "None"])), None, texts)
        return _whole(plain.cast(pa.timestamp("s")).cast(pa.int64()), 1)
    except pa.ArrowInvalid:
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
    return pa.array(seconds, pa.int64(), mask=seconds == NO_TIME).cast(pa.timestamp("s"))


def as_numbers(values: np.ndarray) -> pa.Array:
    """Return numbers as Arrow's, null where there is none."""
    return pa.array(values, pa.float64(), mask=np.isnan(values))
