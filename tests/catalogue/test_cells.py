from __future__ import annotations

import datetime as dt
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from computebill.batches.columns import arrow_column, days_come_first
from computebill.catalogue.cells import (
    Style,
    read_days,
    read_numbers,
    read_texts,
)


def number(text: str | None, factor: float = 1.0) -> float:
    return float(read_numbers(pa.array([text], pa.string()), factor).values[0])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("975000000000.0", 9.75e11),
        ("1.845e+24", 1.845e24),
        ("1,234,567", 1234567),
        ("405B", 405e9),
        ("15.6T tokens", 15.6e12),
        ("$4,300,000", 4.3e6),
        ("~3e24 FLOP", 3e24),
        (" 7 ", 7),
        ("2260275840,2290000001", 2290000001),  # a list, not thousands
        ("14180000,14180000", 14180000),
        ("1e24-4e24", 2e24),
        ("10 to 1000", 100),
        ("35%", 0.35),
    ],
)
def test_numbers_are_read_as_people_write_them(text: str, value: float) -> None:
    assert number(text) == pytest.approx(value)
    assert number(text, 24.0) == pytest.approx(24 * value)


@pytest.mark.parametrize("text", ["", "0", "0.0", "n/a", "Unknown", "-", None, "nan"])
def test_zeros_and_words_for_nothing_are_missing(text: str | None) -> None:
    found = read_numbers(pa.array([text], pa.string()))
    assert math.isnan(found.values[0])
    assert found.notes is None or not any(found.notes.values)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("-5", "is negative"),
        ("inf", "is not finite"),
        ("1e60", "is above 1e+40"),
        ("5e-324", "is below 1e-40"),
        ("many", "is no number"),
        ("3,many", "is no number"),
        ("=1+1", "is no number"),
    ],
)
def test_what_is_of_no_use_is_told(text: str, problem: str) -> None:
    found = read_numbers(pa.array(["1", text]))
    assert found.notes is not None
    assert found.notes.as_column().to_pylist() == ["", problem]
    assert found.values[0] == 1.0
    assert math.isnan(found.values[1])


@given(st.lists(st.floats(1e-30, 1e39), min_size=1), st.sampled_from([repr, "{:e}".format, str]))
def test_a_column_is_read_as_python_reads_its_cells(
    values: list[float], form: Callable[[float], str]
) -> None:
    texts = [form(value) for value in values]
    assert read_numbers(pa.array(texts)).values.tolist() == [float(text) for text in texts]
    assert read_numbers(pa.array(values)).values.tolist() == values


@pytest.mark.parametrize(
    "cells",
    [
        pd.Series([3, 0, None, -1], dtype="Int64"),
        pd.Series(["3", "", None, "-1"], dtype="category"),
        pd.Series([3, "0", None, -1.0], dtype=object),
        pa.array([3, 0, None, -1], pa.decimal128(10, 2)),
        pa.chunked_array([[3.0, 0.0], [None, -1.0]]),
        pa.array(["3", "0", None, "-1"], pa.large_string()),
        pa.array([["3"], [], None, ["-1"]]),
    ],
    ids=["integers", "categories", "mixed", "decimals", "chunks", "large texts", "lists"],
)
def test_columns_of_every_kind_are_read(cells: Any) -> None:
    found = read_numbers(arrow_column(cells))
    assert found.values[0] == 3
    assert np.isnan(found.values[1:]).all()
    assert found.notes is not None
    assert found.notes.as_column().to_pylist()[3] == "is negative"


@given(st.lists(st.one_of(st.none(), st.text(max_size=20), st.floats().map(str)), min_size=1))
def test_no_cell_stops_a_column(cells: list[str | None]) -> None:
    column = arrow_column(pd.Series(cells, dtype="string"))
    values = read_numbers(column).values
    assert len(values) == len(cells)
    known = values[np.isfinite(values)]
    assert ((known > 0) & (known <= 1e40)).all()
    assert len(read_days(column).values) == len(read_texts(column).codes) == len(cells)


def test_days_are_read_as_people_write_them() -> None:
    known = {
        "2026-07-15": ("2026-07-15", ""),
        "2026-07": ("2026-07-01", ""),
        "2020": ("2020-07-01", ""),
        "2020.0": ("2020-07-01", ""),
        "July 2021": ("2021-07-01", ""),
        "2024-05-01T10:00:00Z": ("2024-05-01", ""),
        "Q3 2023": ("2023-08-15", "the middle of it"),
        "2023-Q1": ("2023-02-15", "the middle of it"),
        "45123": ("2023-07-16", "a spreadsheet's number of a day"),
        "03/04/2023": ("2023-03-04", "read as 04 March 2023"),
        "2018-02-30": ("2018-07-01", "only the year is read"),
        "circa 2023": ("2023-07-01", "only the year is read"),
        "": ("NaT", ""),
        "unknown": ("NaT", ""),
        "soon": ("NaT", "is no date"),
        "1e9": ("NaT", "is no date"),
        "99999-01-01": ("NaT", "is no date"),
    }
    with warnings.catch_warnings(action="error"):
        found = read_days(pa.array(list(known)))
    assert found.notes is not None
    told = zip(map(str, found.values), found.notes.as_column().to_pylist(), strict=True)
    assert dict(zip(known, told, strict=True)) == known
    for moment in (dt.date(2024, 2, 29), dt.datetime(2024, 2, 29, 23)):
        assert str(read_days(pa.array([moment])).values[0]) == "2024-02-29"
    assert np.isnat(read_days(pa.array([dt.date(1000, 1, 1)])).values[0])


@pytest.mark.parametrize(
    ("text", "value", "note"),
    [
        ("72,7B", 72.7e9, "decimal comma, read as 72.7B"),
        ("11,2T", 11.2e12, "decimal comma, read as 11.2T"),
        ("14,8 T", 14.8e12, "decimal comma, read as 14.8T"),
        ("2,0T", 2e12, "decimal comma, read as 2.0T"),
        ("14,8 T tokens", 14.8e12, "decimal comma, read as 14.8T"),
        ("72,7 billion", 72.7e9, "decimal comma, read as 72.7B"),
        ("35,5%", 0.355, "decimal comma, read as 35.5%"),
        ("6,3e24", 6.3e24, "decimal comma, read as 6.3e24"),
        ("6,345e24", 6.345e24, "decimal comma, read as 6.345e24"),
        ("0,125", 0.125, "decimal comma, read as 0.125"),
        ("$4,3M", 4.3e6, "decimal comma, read as 4.3M"),
        ("7,3B; 70,6B", 70.6e9, "the largest of a list, 70.6B"),
        ("7,3B-7,3B", 7.3e9, "the middle of a range, 7.3B"),
        ("7B, 70B", 70e9, "the largest of a list, 70B"),
        ("7B,70B", 70e9, "the largest of a list, 70B"),
        ("8, 16", 16, "the largest of a list, 16"),
        ("7,13,70B", 70e9, "the largest of a list, 70B"),
        ("2,2", None, "may be 2.2 or a list"),
        ("1,234B", None, "may be 1234B or 1.234B"),
        ("1,234,567B", 1234567e9, ""),
        ("1,234 tokens", 1234, ""),
        ("1.234.567", 1234567, ""),
        ("1.234,5B", 1234.5e9, ""),
        ("175 billion", 175e9, ""),
        ("2 trillion tokens", 2e12, ""),
        ("40 Mrd", 40e9, ""),
        ("7.3bn", 7.3e9, ""),
    ],
)
def test_commas_are_decimal_ones_only_where_they_can_be_no_other(
    text: str, value: float | None, note: str
) -> None:
    found = read_numbers(pa.array([text]))
    assert (found.notes.as_column().to_pylist()[0] if found.notes else "") == note
    assert found.values[0] == pytest.approx(math.nan if value is None else value, nan_ok=True)


@given(
    st.integers(0, 10**6), st.integers(0, 99), st.booleans(), st.sampled_from(["K", "M", "B", "T"])
)
def test_a_decimal_comma_is_read_as_a_point(
    whole: int, digits: int, padded: bool, unit: str
) -> None:
    tail = f"{digits:02d}" if padded else str(digits)
    assert number(f"{whole},{tail}{unit}") == pytest.approx(
        number(f"{whole}.{tail}{unit}"), nan_ok=True
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7,3", 7.3),
        ("1,234", 1.234),
        ("72,75B", 72.75e9),
        ("1.234,5", 1234.5),
        ("1,234,567", 1234567),
    ],
)
def test_where_semicolons_divide_a_comma_is_a_decimal_one(text: str, value: float) -> None:
    found = read_numbers(pa.array([text]), style=Style(comma=True))
    assert found.values[0] == pytest.approx(value)
    assert found.notes is None or not any(found.notes.values)


def test_dates_with_points_begin_with_the_day() -> None:
    known = {
        "11.12.2023": ("2023-12-11", "read as 11 December 2023"),
        "1.2.2024": ("2024-02-01", "read as 01 February 2024"),
        "25.05.2023": ("2023-05-25", "read as 25 May 2023"),
        "2023.12.11": ("2023-12-11", ""),
    }
    for first in (None, True, False):
        found = read_days(pa.array(list(known)), Style(day_first=lambda first=first: first))
        assert found.notes is not None
        told = zip(map(str, found.values), found.notes.as_column().to_pylist(), strict=True)
        assert dict(zip(known, told, strict=True)) == known


@pytest.mark.parametrize(
    ("others", "first"),
    [
        (["25/04/2024"], True),
        (["04/25/2024"], False),
        (["25-04-2024"], True),
        (["04/25/2024", "25/04/2024"], None),
        (["25.04.2024", "2024-04-25", "03/04/2024", None, "soon"], None),
        ([], None),
    ],
)
def test_a_column_tells_whether_its_dates_begin_with_the_day(
    others: list[str | None], first: bool | None
) -> None:
    assert days_come_first([pa.array([each], pa.string()) for each in others]) is first
    column = pa.array(["03/04/2023", *others], pa.string())
    found = read_days(column, Style(day_first=lambda: days_come_first([column])))
    assert str(found.values[0]) == ("2023-04-03" if first else "2023-03-04")
    assert found.notes is not None
    note = found.notes.as_column().to_pylist()[0]
    assert note.endswith("as others of the column") == (first is not None)


def test_a_column_is_asked_only_where_a_date_may_be_read_two_ways() -> None:
    def never() -> bool:
        raise AssertionError

    plain = pa.array(["2024-04-25", "25/04/2024", "11.12.2023", "July 2021"])
    read_days(plain, Style(day_first=never))
