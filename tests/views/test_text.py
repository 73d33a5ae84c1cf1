from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from computebill.uncertainty.distribution import Distribution
from computebill.views import text

finite = st.floats(1e-6, 1e18)


def row(p5: float, p50: float, p95: float) -> Distribution:
    return Distribution(p5, p50, p95, p50, (0.0, 0.0, 0.0, 0.0))


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0"),
        (1, "1.00"),
        (9.996, "10.0"),
        (99.96, "100"),
        (123.4, "123"),
        (1485, "1,485"),
        (0.0123, "0.0123"),
        (-2.5, "−2.50"),
        (math.nan, "–"),
        (math.inf, "–"),
    ],
)
def test_three_digits(value: float, written: str) -> None:
    assert text.digits(value) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0"),
        (999.4, "999"),
        (999.6, "1.00 k"),
        (1000, "1.00 k"),
        (30.84e6, "30.8 M"),
        (999.96e6, "1.00 B"),
        (5e9, "5.00 B"),
        (2.5e15, "2,500 T"),
        (-12e3, "−12.0 k"),
        (math.nan, "–"),
    ],
)
def test_counts(value: float, written: str) -> None:
    assert text.count(value) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (51.02e6, "$51.0 M"),
        (0.123, "$0.123"),
        (-16.4e6, "−$16.4 M"),
        (0, "$0"),
        (math.nan, "–"),
        (-math.inf, "–"),
    ],
)
def test_money(value: float, written: str) -> None:
    assert text.money(value) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [(3.8e25, "3.80e25"), (9.999e24, "1.00e25"), (1, "1.00e0"), (2e-3, "2.00e-3"), (math.nan, "–")],
)
def test_flop(value: float, written: str) -> None:
    assert text.flop(value) == written


def test_percent() -> None:
    assert text.percent(0.2274) == "22.7 %"
    assert text.percent(1.93) == "193 %"
    assert text.percent(math.nan) == "–"


def test_intervals_are_in_the_medians_unit() -> None:
    assert text.money_interval(row(19e6, 40.94e6, 1.2e9)) == "$40.9 M (19.0–1,200)"
    assert text.count_interval(row(900e3, 1.1e6, 2e6)) == "1.10 M (0.900–2.00)"
    assert text.percent_interval(row(0.106, 0.2274, 0.489)) == "22.7 % (10.6–48.9)"
    assert text.flop_interval(row(3.1e25, 3.8e25, 4.2e26)) == "3.80e25 (3.10–42.0)"
    assert text.flop_interval(row(3.1e22, 3.8e25, 4.2e29)) == "3.80e25 (3.10e22–4.20e29)"
    # Of another sign, or far apart, each bound has its own.
    assert text.money_interval(row(-16.4e6, 25e6, 30e6)) == "$25.0 M (−$16.4 M to $30.0 M)"
    assert text.count_interval(row(8, 1660, 270e3)) == "1.66 k (8.00–270 k)"


@pytest.mark.parametrize(
    ("mwh", "written"),
    [
        ((40.1e3, 53.7e3, 60.2e3), "53.7 (40.1–60.2) GWh"),
        ((0.8e3, 0.99999e3, 1.2e3), "1.00 (0.800–1.20) GWh"),
        ((21.0, 46.4, 46.4), "46.4 (21.0–46.4) MWh"),
        ((2e6, 2e6, 2e6), "2.00 TWh"),
        ((0.012, 0.012, 0.012), "12.0 kWh"),
        ((0.0, 0.0, 0.0), "0 kWh"),
        ((math.nan, math.nan, math.nan), "–"),
    ],
)
def test_energy(mwh: tuple[float, float, float], written: str) -> None:
    assert text.energy_interval(row(*mwh)) == written


def test_one_number_has_no_interval() -> None:
    assert text.money_interval(row(2e6, 2e6, 2e6)) == "$2.00 M"
    assert text.flop_interval(row(1e24, 1e24, 1e24)) == "1.00e24"
    # Draws of one number differ in its last bit.
    assert text.percent_interval(row(0.368, 0.368, 0.368 + 1e-16)) == "36.8 %"
    assert text.percent_interval(row(0.36801, 0.36802, 0.36803)) == "36.8 %"


def test_what_is_not_known_is_a_dash() -> None:
    unknown = row(math.nan, math.nan, math.nan)
    for write in (text.money_interval, text.count_interval, text.percent_interval):
        assert write(unknown) == "–"
    assert text.flop_interval(unknown) == "–"
    assert text.monte_carlo(unknown) == "–"


@pytest.mark.parametrize(
    ("error", "written"),
    [(0.0, "0"), (0.0011, "0.11 %"), (0.02, "2.0 %"), (1e-7, "< 0.001 %"), (math.nan, "–")],
)
def test_the_monte_carlo_error(error: float, written: str) -> None:
    assert text.monte_carlo(Distribution(1, 1, 1, 1, (error, 0.0, 0.0, 0.0))) == written


@given(finite | finite.map(lambda value: -value))
def test_what_is_written_is_the_number_to_three_digits(value: float) -> None:
    found = text.count(value)
    number, _, letter = found.partition(" ")
    factor = {"": 1, "k": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}[letter]
    assert float(number.replace(",", "").replace("−", "-")) * factor == pytest.approx(
        value, rel=5.01e-3, abs=1e-12
    )
    assert re.fullmatch(r"−?[\d,]+(\.\d+)?( [kMBT])?", found)


@given(finite)
def test_flop_is_the_number_to_three_digits(value: float) -> None:
    assert float(text.flop(value)) == pytest.approx(value, rel=5.01e-3)


@given(st.floats(allow_subnormal=False))
def test_any_float_can_be_written(value: float) -> None:
    for write in (text.digits, text.count, text.money, text.flop, text.percent):
        assert write(value).isprintable()
    assert text.money_interval(row(value, value, value)).isprintable()
    assert text.flop_interval(row(value, value, 1e300)).isprintable()
