"""Reporting periods: ``2024``, ``2024-H1``, ``2024-9M``, ``2024-Q4``, ``2024-03``, ``2024..2025``.

Companies report overlapping periods; a window is put together by adding and subtracting them.
Months are counted from year 0, so a period is a half-open range of integers.
"""

from __future__ import annotations

import calendar
import datetime
import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from computebill.base.errors import shown

FORMS = "2024, 2024-H1, 2024-9M, 2024-Q4, 2024-03 or 2024-07..2025-06"
_PERIOD = re.compile(r"(\d{4})(?:-(?:H([12])|Q([1-4])|([1-9]|1[0-2])M|(0[1-9]|1[0-2])))?")


class Months(NamedTuple):
    """A range of months, the end excluded."""

    start: int
    end: int

    def __str__(self) -> str:
        """Return first and last month, ``2024-10 – 2025-09``."""
        return f"{month_name(self.start)} – {month_name(self.end - 1)}"

    @property
    def first_day(self) -> datetime.date:
        """First day of the first month."""
        return datetime.date(self.start // 12, self.start % 12 + 1, 1)

    @property
    def last_day(self) -> datetime.date:
        """Last day of the last month."""
        year, month = divmod(self.end - 1, 12)
        return datetime.date(year, month + 1, calendar.monthrange(year, month + 1)[1])

    def holds(self, other: Months) -> bool:
        """Whether ``other`` lies wholly inside."""
        return self.start <= other.start and other.end <= self.end


def month_name(month: int) -> str:
    """Write a month's number as ``2024-10``."""
    return f"{month // 12:04d}-{month % 12 + 1:02d}"


def parse_period(text: object) -> Months:
    """Read a period; a plain year may be a number.

    Raises:
        ValueError: with what was given and what is allowed.
    """
    if isinstance(text, int) and not isinstance(text, bool) and 0 < text < 10_000:
        text = str(text)
    if isinstance(text, str) and text.count("..") == 1:
        return parse_window(*text.split(".."))
    match = _PERIOD.fullmatch(text) if isinstance(text, str) else None
    if match is None or int(match[1]) == 0:
        raise ValueError(f"got {shown(text)}; allowed: {FORMS}")
    year, half, quarter, count, month = match.groups()
    start = int(year) * 12
    if half:
        return Months(start + 6 * (int(half) - 1), start + 6 * int(half))
    if quarter:
        return Months(start + 3 * (int(quarter) - 1), start + 3 * int(quarter))
    if count:
        return Months(start, start + int(count))
    if month:
        return Months(start + int(month) - 1, start + int(month))
    return Months(start, start + 12)


def parse_window(first: object, last: object) -> Months:
    """Read a window from its first and its last month (or any periods).

    Raises:
        ValueError: where the last ends before the first starts.
    """
    start, end = parse_period(first).start, parse_period(last).end
    if end <= start:
        raise ValueError(f"got {first} to {last}; allowed: an end after the start")
    return Months(start, end)


def check_sum(terms: Iterable[tuple[int, Months]], window: Months) -> None:
    """Check that signed periods cover each month of the window once, and no other month.

    Args:
        terms: ``(sign, period)``, sign +1 or -1.
        window: what they must add up to.

    Raises:
        ValueError: naming the months that are missing, counted twice or outside.
    """
    covered: Counter[int] = Counter()
    for sign, period in terms:
        for month in range(period.start, period.end):
            covered[month] += sign
    inside = range(window.start, window.end)
    missing = [month for month in inside if covered[month] < 1]
    double = [month for month in inside if covered[month] > 1]
    outside = [month for month, times in sorted(covered.items()) if times and month not in inside]
    problems = [
        f"{_month_list(months)} {problem}"
        for months, problem in (
            (missing, "missing"),
            (double, "counted more than once"),
            (outside, "outside"),
        )
        if months
    ]
    if problems:
        raise ValueError(f"the periods do not add up to {window}: {'; '.join(problems)}")


def _month_list(months: list[int]) -> str:
    names = [month_name(month) for month in months]
    return (
        ", ".join(names) if len(names) <= 3 else f"{names[0]} … {names[-1]} ({len(names)} months)"
    )
