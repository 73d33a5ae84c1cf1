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

from computebill.catalogue.cells import arrow_column, read_days, read_numbers, read_texts
from computebill.catalogue.headers import find_columns, read_heading
from computebill.errors import RequestError


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
    ("heading", "field"),
    [
        ("Training compute (FLOP)", ("flop", 1.0)),
        ("training_compute", ("flop", 1.0)),
        ("Training compute (petaFLOP)", ("flop", 1e15)),
        ("Training compute (PF-days)", ("flop", 8.64e19)),
        ("Hardware utilization", ("mfu", 1.0)),
        ("Hardware utilization (MFU)", ("mfu", 1.0)),
        ("Hardware utilization (HFU)", ("hfu", 1.0)),
        ("Training dataset size (datapoints)", ("tokens", 1.0)),
        ("Training dataset size (gradients)", ("tokens", 1.0)),
        ("Training dataset size (total)", ("tokens", 1.0)),
        ("System", ("model", 1.0)),
        ("Training time (hours)", ("hours", 1.0)),
        ("Training time (days)", ("hours", 24.0)),
        ("Training time (d)", ("hours", 24.0)),
        ("Training time (months)", ("hours", 730.5)),
        ("Training time (m)", None),
        ("GPU-days", ("chip_hours", 24.0)),
        ("GPU hours (millions)", ("chip_hours", 1e6)),
        ("Training FLOPs", ("flop", 1.0)),
        ("Training compute (ZFLOPs)", ("flop", 1e21)),
        ("MFU (%)", ("mfu", 0.01)),
        ("Parameters (in billions)", ("params", 1e9)),
        ("Training compute cost (million USD)", ("listed_cost", 1e6)),
        ("Parameters (B)", ("params", 1e9)),
        ("Training compute cost (2023 USD)", ("listed_cost", 1.0)),
        ("Training compute cost (cloud)", ("listed_cost_cloud", 1.0)),
        ("Country (from Organization)", None),
        ("Organization categorization", None),
        ("Hardware acquisition cost", None),
    ],
)
def test_headings_in_all_their_spellings(heading: str, field: tuple[str, float] | None) -> None:
    assert read_heading(heading) == field


def test_a_mapping_goes_before_what_a_heading_looks_like() -> None:
    headings = ["Size (B)", "Parameters", "Days"]
    found = find_columns(headings, {"params": "Size (B)"})
    assert found["params"].heading == "Size (B)"
    with pytest.raises(RequestError, match=r"mapping\.params: got 'None'; the file has no such"):
        find_columns(headings, {"params": "None"})
    with pytest.raises(RequestError, match=r"mapping\.parms: is no field"):
        find_columns(headings, {"parms": "Days"})
