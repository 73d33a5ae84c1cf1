"""Columns of Arrow's, whatever a file or a frame had: texts, numbers, days."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

MONTHS = 12

LONGEST = 1_000_000
"""Letters of a row that is told as it stands."""

PLAIN = r"^[+-]?([0-9]{1,40}\.?[0-9]{0,20}|\.[0-9]{1,20})([eE][+-]?[0-9]{1,2})?$"
"""Numbers that Arrow reads as Python does."""

SLASHED = re.compile(r"(\d{1,2})[/-](\d{1,2})[/-]\d{4}(?!\d)")
"""Dates such as 03/04/2023, the day or the month first."""


def arrow_column(cells: pd.Series | pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return a column as Arrow's numbers, days or texts; a list is its items with commas between.

    Args:
        cells: cells of any kind; those of mixed kinds become texts.
    """
    if isinstance(cells, pd.Series):
        try:
            mixed = cells.dtype == object
            cells = pa.array(cells.astype("string") if mixed else cells, from_pandas=True)
        except (pa.ArrowException, TypeError, ValueError):  # complex numbers, sparse columns
            cells = pa.array([flat(cell) for cell in cells], pa.string())
    column = cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells
    if isinstance(column, pa.ChunkedArray):  # of no chunks, or too many letters for one
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.nulls(0, column.type)
    kind = column.type
    if pa.types.is_dictionary(kind):
        return arrow_column(column.dictionary_decode())
    if is_number(kind) or pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return column
    if pa.types.is_string(kind) or pa.types.is_null(kind):
        return column.cast(pa.string())
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.large_string())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return pa.array([_decoded(value) for value in column.to_pylist()], pa.string())
    return pa.array([flat(value) for value in column.to_pylist()], pa.string())


def without_zone(column: pa.Array) -> pa.Array:
    """Return a column of moments as texts, in UTC; any other as it is."""
    if not pa.types.is_timestamp(column.type) or column.type.tz is None:
        return column
    moments = column.cast(pa.timestamp(column.type.unit)).cast(pa.string())
    return pc.binary_join_element_wise(moments, "Z", "")


def _decoded(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")


def is_utf8(raw: bytes) -> bool:
    """Whether bytes are UTF-8."""
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def escaped(raw: bytes) -> str:
    r"""Return text; where some bytes are none, those as ``\xNN`` and a backslash as two."""
    if is_utf8(raw):
        return raw.decode()
    return raw.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")


def is_number(kind: pa.DataType) -> bool:
    """Whether a column of that kind is one of numbers."""
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


def flat(value: Any) -> str | None:
    """Return a cell of any kind as text: a list as its items with commas between."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list) and not any(isinstance(each, dict) for each in value):
        return ",".join(map(str, value))
    return json.dumps(value, default=str) if isinstance(value, dict | list | bool) else str(value)


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of that kind is one of texts."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def distinct(texts: pa.Array) -> tuple[np.ndarray, list[str]]:
    """Return where each row's text is among the different ones, and those; nothing comes last."""
    found = texts.dictionary_encode()
    codes = found.indices.fill_null(len(found.dictionary))
    return codes.to_numpy(zero_copy_only=False), found.dictionary.to_pylist()


def days_come_first(columns: Iterable[pa.Array]) -> bool | None:
    """Return whether dates with slashes begin with the day, as 25/04/2024 proves it.

    Args:
        columns: all texts of a column, in parts.

    Returns:
        None where no date proves it, or some prove the one and some the other.
    """
    proofs = set()
    for column in columns:
        if not is_text(column.type):
            continue
        texts = pc.utf8_trim_whitespace(column.unique().drop_null()).to_pylist()
        found = map(SLASHED.match, texts)
        numbers = [(int(each[1]), int(each[2])) for each in found if each]
        proofs |= {day > MONTHS for day, month in numbers if (day > MONTHS) != (month > MONTHS)}
    return proofs.pop() if len(proofs) == 1 else None
