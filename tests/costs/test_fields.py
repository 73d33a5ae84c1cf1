from __future__ import annotations

import datetime as dt

import pytest
from pydantic import TypeAdapter, ValidationError

from computebill.costs.fields import PRICE_REPLACES, Day, Prices, Rent

PRICE, DAY, RENT = TypeAdapter(Prices), TypeAdapter(Day), TypeAdapter(Rent)


def test_a_price_is_one_for_all_or_one_of_each() -> None:
    assert PRICE.validate_python("2.1").value == 2.1
    assert PRICE.validate_python({"p10": 1.5, "p90": 3}).family == "lognormal"
    each = PRICE.validate_python("h100 = 2.1, b200=3..5")
    assert each["h100"].value == 2.1
    assert each["b200"].family == "lognormal"
    assert PRICE.validate_python({"h100": 2.1})["h100"] == each["h100"]


@pytest.mark.parametrize("given", ["dear", "h100=dear", {"h100": "dear"}, {"p10": 1}])
def test_what_is_no_price_is_told_with_the_accelerator(given: object) -> None:
    with pytest.raises(ValidationError) as caught:
        PRICE.validate_python(given)
    assert ("h100: " in str(caught.value)) == ("h100" in str(given))


def test_a_day_is_read_as_it_is_written() -> None:
    assert DAY.validate_python("2025-06-30") == dt.date(2025, 6, 30)
    assert DAY.validate_python(dt.date(2025, 6, 30)) == dt.date(2025, 6, 30)
    for wrong in ("30.6.2025", "2025-06-31", 2025, ""):
        with pytest.raises(ValidationError, match="allowed: a day, 2025-06-30"):
            DAY.validate_python(wrong)


def test_a_flag_puts_aside_what_says_the_same() -> None:
    for name, others in PRICE_REPLACES.items():
        for other in others:
            assert name in PRICE_REPLACES[other]


@pytest.mark.parametrize(
    "text", ["2.2", "$2.2", "$2.2/h", "2.2 USD", "$ 2.2 / GPU-hour", "2.2 usd/hr", "$2.20/gpu-h"]
)
def test_a_price_with_its_unit(text: str) -> None:
    assert RENT.validate_python(text).value == PRICE.validate_python(text).value == 2.2


def test_ranges_and_each_accelerator_s_price_with_their_unit() -> None:
    assert RENT.validate_python("$2..$8/h").median == pytest.approx(4.0)
    each = PRICE.validate_python("h100=$2.1/h,b200=$4")
    assert {name: price.value for name, price in each.items()} == {"h100": 2.1, "b200": 4.0}


@pytest.mark.parametrize("text", ["€2", "2.2/day", "$", "-1", "2 to 3"])
def test_what_is_no_price_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="got "):
        RENT.validate_python(text)
