from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from computebill.base.quantity import Quantity, constant, from_table, parse_number, parse_quantity
from computebill.uncertainty.draws import Columns, Settings

DRAWS = 2**14


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2,2", "write 2.2"),
        ("72,7B", "write 72.7B"),
        ("14,8 T", "write 14.8T"),
        ("6,3e24", "write 6.3e24"),
        ("1,234", "write 1234 or 1.234"),
        ("0,125", "write 0.125"),
        ("1,234,567", "write 1234567"),
        ("1,234.5", "write 1234.5"),
        ("0,3..0,45", "write 0.3"),
    ],
)
def test_a_number_with_commas_is_refused_with_the_right_spelling(text: str, written: str) -> None:
    with pytest.raises(ValueError, match=re.escape(written) + "$"):
        parse_quantity(text)


def test_what_is_no_number_gets_no_spelling() -> None:
    for text in ("2,2,2", "1,2,3B", "a,b", ",2"):
        with pytest.raises(ValueError, match=r"or 405B$"):
            parse_number(text)


def drawn(*quantities: Quantity) -> np.ndarray[Any, Any]:
    names = [str(i) for i in range(len(quantities))]
    columns = Columns(quantities, names, "cpu")
    points = columns.points(Settings(), 0, 0, DRAWS)
    return columns.draw(points).numpy()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3.0),
        ("3.0", 3.0),
        (".5", 0.5),
        ("15.6e12", 15.6e12),
        ("15.6T", 15.6e12),
        ("405B", 405e9),
        ("405b", 405e9),
        ("7 M", 7e6),
        ("16k", 16e3),
        ("40%", 0.4),
        ("-2.5", -2.5),
        ("+2", 2.0),
        ("1_000", 1000.0),
        (" 12 ", 12.0),
        ("0", 0.0),
        (3, 3.0),
        (10**30, 1e30),
    ],
)
def test_numbers_as_people_write_them(text: object, value: float) -> None:
    assert parse_number(text) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "nan",
        "inf",
        "-inf",
        "1e400",
        "1e61",
        "1e-61",
        "0x10",
        "3,5",
        "B",
        "4BB",
        "1..2",
        "--3",
        "1 2",
        True,
        None,
        [1],
        {"p10": 1},
        math.nan,
        math.inf,
        -math.inf,
        pytest.param(10**400, id="above any float"),
        pytest.param(16**5000, id="more digits than Python writes"),
        1e300,
        1e-300,
        b"3",
        1j,
    ],
)
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="allowed"):
        parse_number(value)


@given(st.text(max_size=40))
def test_any_text_is_a_finite_number_or_a_value_error(text: str) -> None:
    try:
        number = parse_number(text)
    except ValueError:
        return
    assert math.isfinite(number)


@given(st.text(max_size=40) | st.from_regex(r"\A[0-9.eKMBT%_ +-]{0,20}\Z"))
def test_any_text_is_a_quantity_or_a_value_error(text: str) -> None:
    try:
        quantity = parse_quantity(text, upper=1.0)
    except ValueError:
        return
    assert 0 < quantity.median <= 1


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["p5", "p10", "p50", "p90", "p95", "low", "high", "mean", "sd", "shared"]
            )
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=6,
)


@given(json_like)
def test_any_data_is_a_quantity_or_a_value_error(value: object) -> None:
    try:
        quantity = parse_quantity(value, upper=1.0)
    except ValueError:
        return
    values = drawn(quantity)[0]
    assert (values > 0).all()
    assert (values <= 1.0 + 1e-12).all()


ordered = st.tuples(st.floats(1e-6, 1e9), st.floats(1.0, 1e3)).map(lambda t: (t[0], t[0] * t[1]))


@given(ordered, st.sampled_from([("p10", "p90", 0.1), ("p5", "p95", 0.05)]))
def test_two_quantiles_are_those_of_the_draws(
    bounds: tuple[float, float], keys: tuple[str, str, float]
) -> None:
    low, high = bounds
    values = drawn(parse_quantity({keys[0]: low, keys[1]: high}))[0]
    found = np.quantile(values, [keys[2], 0.5, 1 - keys[2]])
    width = math.log(high / low)
    assert np.log(found) == pytest.approx(
        [math.log(low), math.log(low * high) / 2, math.log(high)], abs=2e-3 * width + 1e-9
    )


@given(st.floats(1e-3, 1e6), st.floats(1.0, 30.0), st.floats(1.0, 30.0))
def test_three_quantiles_are_those_of_the_draws(middle: float, down: float, up: float) -> None:
    given_as = {"p5": middle / down, "p50": middle, "p95": middle * up}
    values = drawn(parse_quantity(given_as))[0]
    found = np.quantile(values, [0.05, 0.5, 0.95])
    expected = [middle / down, middle, middle * up]
    assert np.log(found / expected) == pytest.approx(0, abs=0.02)


def test_a_range_is_a_log_normal_by_scipy() -> None:
    values = drawn(parse_quantity("0.15..0.35"))[0]
    sigma = math.log(0.35 / 0.15) / (stats.norm.ppf(0.9) - stats.norm.ppf(0.1))
    oracle = stats.lognorm(sigma, scale=math.sqrt(0.15 * 0.35))
    assert stats.kstest(values, oracle.cdf).statistic < 1e-3
    assert values.mean() == pytest.approx(oracle.mean(), rel=1e-3)


def test_low_and_high_are_a_uniform() -> None:
    values = drawn(parse_quantity({"low": 4e22, "high": 8e22}))[0]
    assert stats.kstest(values, stats.uniform(4e22, 4e22).cdf).statistic < 1e-3
    assert values.min() > 4e22
    assert values.max() < 8e22


def test_mean_and_sd_are_those_of_the_draws() -> None:
    values = drawn(parse_quantity({"mean": 10, "sd": 1.5}))[0]
    assert values.mean() == pytest.approx(10, rel=1e-4)
    assert values.std() == pytest.approx(1.5, rel=1e-3)


def test_a_normal_is_cut_off_at_what_the_field_allows() -> None:
    values = drawn(parse_quantity({"mean": 0.75, "sd": 0.15}, upper=1.0))[0]
    oracle = stats.truncnorm(-0.75 / 0.15, 0.25 / 0.15, 0.75, 0.15)
    assert values.max() <= 1.0
    assert stats.kstest(values, oracle.cdf).statistic < 1e-3


def test_a_log_normal_is_cut_off_at_what_the_field_allows() -> None:
    values = drawn(parse_quantity({"p5": 0.56, "p95": 1.0}, upper=1.0))[0]
    sigma = math.log(1 / 0.56) / (2 * stats.norm.ppf(0.95))
    whole = stats.lognorm(sigma, scale=math.sqrt(0.56))
    expected = whole.ppf(np.array([0.05, 0.5, 0.95]) * whole.cdf(1.0))
    assert values.max() <= 1.0
    assert np.quantile(values, [0.05, 0.5, 0.95]) == pytest.approx(expected, rel=1e-3)


def test_a_table_is_drawn_as_it_is() -> None:
    table = [3.0, 1.0, 2.0, 10.0]
    values = drawn(from_table(table, "four"))[0]
    assert values.min() == 1.0
    assert values.max() == 10.0
    # Point i of the sorted table stands at probability (i + 1/2) / 4, straight lines between.
    places = [0.125, 0.375, 0.625, 0.875]
    expected = np.interp([0.2, 0.5, 0.8], places, sorted(table))
    assert np.quantile(values, [0.2, 0.5, 0.8]) == pytest.approx(expected, rel=2e-3)


def test_shared_names_have_one_rank_in_every_draw() -> None:
    first = parse_quantity({"p10": 1, "p90": 3, "shared": "price"})
    second = parse_quantity({"low": 5, "high": 50, "shared": "price"})
    alone = parse_quantity({"p10": 1, "p90": 3})
    values = drawn(first, second, alone)
    assert (values[0].argsort() == values[1].argsort()).all()
    assert abs(stats.spearmanr(values[0], values[2]).statistic) < 0.02


def test_constants_take_no_dimension() -> None:
    columns = Columns([constant(3), parse_quantity("1..2")], ["a", "b"], "cpu")
    assert columns.dimension_names == ["b"]
    assert (drawn(constant(3), parse_quantity("1..2"))[0] == 3).all()


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (0, "above 0"),
        (-1, "above 0"),
        (1.01, "up to 1"),
        ("0.4..0.3", "at most p90"),
        ("0.3..1.2", "p90: got 1.2"),
        ("0..0.3", "p10: got 0"),
        ("..", "allowed: a number"),
        ("0.1..0.2..0.3", "allowed: a number"),
        ({"low": 0.5, "high": 0.4}, "at most high"),
        ({"p5": 0.1, "p50": 0.05, "p95": 0.2}, "at most p50"),
        ({"mean": 0.5, "sd": 0}, "sd: got 0"),
        ({"mean": 0.5, "sd": -1}, "sd: got -1"),
        ({"mean": 0.9, "sd": 0.2}, "lies outside"),
        ({"mean": math.nan, "sd": 0.2}, "finite"),
        ({"mean": 0.5, "sd": math.inf}, "finite"),
        ({"p10": "nan", "p90": 0.2}, "allowed: a number"),
        ({"p10": 0.1}, "got the keys p10"),
        ({"p10": 0.1, "p95": 0.2}, "got the keys"),
        ({"p10": 0.1, "p90": 0.2, "sd": 1}, "got the keys"),
        ({}, "got the keys none"),
        ({"p10": 1e-20, "p90": 0.2}, "1e+12 times p10"),
        ({"p10": 0.1, "p90": 0.2, "shared": 3}, "shared: got 3"),
        ({"p10": 0.1, "p90": 0.2, "shared": ""}, "shared: got ''"),
        ([0.1, 0.2], "allowed: a number"),
        (None, "allowed: a number"),
        (False, "allowed: a number"),
    ],
)
def test_bad_shares_say_what_is_allowed(value: object, what: str) -> None:
    with pytest.raises(ValueError, match=re.escape(what)):
        parse_quantity(value, upper=1.0)


def test_zero_is_allowed_where_the_field_says_so() -> None:
    assert parse_quantity(0, zero=True).value == 0
    assert (drawn(parse_quantity({"low": 0, "high": 2}, zero=True))[0] > 0).all()
    with pytest.raises(ValueError, match="above 0"):
        parse_quantity({"p10": 0, "p90": 2}, zero=True)


def test_only_a_constant_is_one_number() -> None:
    assert parse_quantity("405B").value == 405e9
    with pytest.raises(TypeError, match="not one number"):
        _ = parse_quantity("1..2").value


@pytest.mark.parametrize(
    ("value", "median"),
    [("2..8", 4), ({"low": 2, "high": 8}, 5), ({"mean": 3, "sd": 1}, 3), (7, 7)],
)
def test_the_median_before_cutting_off(value: object, median: float) -> None:
    assert parse_quantity(value).median == pytest.approx(median)


@pytest.mark.parametrize(
    ("text", "value"),
    [("4 trillion", 4e12), ("34 Billion", 34e9), ("2million", 2e6), ("7 thousand", 7e3)],
)
def test_numbers_in_words(text: str, value: float) -> None:
    assert parse_number(text) == value
    assert parse_quantity(f"{text}..{text}").median == pytest.approx(value)


@pytest.mark.parametrize("text", ["trillion", "4 trillions", "4 B illion", "billion 4"])
def test_words_that_are_no_number(text: str) -> None:
    with pytest.raises(ValueError, match="allowed: a number"):
        parse_number(text)
