from __future__ import annotations

import calendar
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from computebill.programmes.periods import Months, check_sum, month_name, parse_period, parse_window


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2024", "2024-01-01", "2024-12-31"),
        (2024, "2024-01-01", "2024-12-31"),
        ("2024-H1", "2024-01-01", "2024-06-30"),
        ("2024-H2", "2024-07-01", "2024-12-31"),
        ("2024-Q1", "2024-01-01", "2024-03-31"),
        ("2024-Q4", "2024-10-01", "2024-12-31"),
        ("2024-9M", "2024-01-01", "2024-09-30"),
        ("2024-07..2025-06", "2024-07-01", "2025-06-30"),
        ("2024-12M", "2024-01-01", "2024-12-31"),
        ("2024-02", "2024-02-01", "2024-02-29"),
        ("2025-02", "2025-02-01", "2025-02-28"),
        ("0001-01", "0001-01-01", "0001-01-31"),
        ("9999", "9999-01-01", "9999-12-31"),
    ],
)
def test_periods_by_the_calendar(text: object, first: str, last: str) -> None:
    months = parse_period(text)
    assert months.first_day == dt.date.fromisoformat(first)
    assert months.last_day == dt.date.fromisoformat(last)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "24",
        "0000",
        "2024-H3",
        "2024-Q5",
        "2024-Q0",
        "2024-13",
        "2024-00",
        "2024-13M",
        "2024-0M",
        "2024-1",
        "2024-01-01",
        "2024 ",
        "2024\n",
        "H1-2024",
        "2024-h1",
        None,
        True,
        2024.0,
        0,
        -2024,
        10000,
        pytest.param(16**5000, id="more digits than Python writes"),
        [2024],
        dt.date(2024, 1, 1),
        b"2024",
    ],
)
def test_what_is_no_period_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="allowed: 2024, 2024-H1"):
        parse_period(text)


@given(st.text(max_size=12) | st.integers() | st.floats() | st.none())
def test_anything_is_a_period_or_a_value_error(value: object) -> None:
    try:
        months = parse_period(value)
    except ValueError:
        return
    assert months.first_day < months.last_day


@given(st.integers(1, 9999), st.integers(1, 12))
def test_month_names_are_read_back(year: int, month: int) -> None:
    months = parse_period(f"{year:04d}-{month:02d}")
    assert month_name(months.start) == f"{year:04d}-{month:02d}"
    assert months.last_day.day == calendar.monthrange(year, month)[1]


def test_windows() -> None:
    window = parse_window("2024-10", "2025-09")
    assert str(window) == "2024-10 – 2025-09"
    assert window.end - window.start == 12
    assert window.holds(parse_period("2025-H1"))
    assert not window.holds(parse_period("2024"))
    with pytest.raises(ValueError, match="an end after the start"):
        parse_window("2025", "2024")


@pytest.mark.parametrize(
    ("terms", "first", "last"),
    [
        ([(1, "2024"), (-1, "2024-9M"), (1, "2025-9M")], "2024-10", "2025-09"),
        ([(1, "2024"), (-1, "2024-H1"), (1, "2025-H1")], "2024-07", "2025-06"),
        ([(1, "2024-Q1"), (1, "2024-Q2"), (1, "2024-H2")], "2024-01", "2024-12"),
    ],
)
def test_periods_that_add_up(terms: list[tuple[int, str]], first: str, last: str) -> None:
    check_sum([(sign, parse_period(text)) for sign, text in terms], parse_window(first, last))


@pytest.mark.parametrize(
    ("terms", "problem"),
    [
        ([(1, "2024-9M")], "2024-10, 2024-11, 2024-12 missing"),
        ([(1, "2024"), (1, "2024-12")], "2024-12 counted more than once"),
        ([(1, "2024"), (1, "2024-H1")], r"2024-01 … 2024-06 \(6 months\) counted more than once"),
        ([(1, "2024"), (1, "2025-01")], "2025-01 outside"),
        ([(1, "2024"), (-1, "2023-12")], "2023-12 outside"),
        ([(-1, "2024")], r"2024-01 … 2024-12 \(12 months\) missing"),
        ([(1, "2025")], "missing.*outside"),
        ([], "missing"),
    ],
)
def test_periods_that_do_not_add_up(terms: list[tuple[int, str]], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        check_sum([(sign, parse_period(text)) for sign, text in terms], parse_period("2024"))


spans = st.tuples(st.sampled_from([1, -1]), st.integers(0, 20), st.integers(1, 12))


@given(st.lists(spans, max_size=5))
def test_the_check_agrees_with_counting_month_by_month(rows: list[tuple[int, int, int]]) -> None:
    terms = [(sign, Months(start, start + length)) for sign, start, length in rows]
    counts = [sum(sign for sign, (a, b) in terms if a <= month < b) for month in range(40)]
    fits = counts == [1 if 6 <= month < 18 else 0 for month in range(40)]
    try:
        check_sum(terms, Months(6, 18))
    except ValueError:
        assert not fits
    else:
        assert fits
