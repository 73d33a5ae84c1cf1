from __future__ import annotations

import math

import pytest

from computebill.base import constants


def kinds() -> dict[str, list[str]]:
    """Names of constants by what their value is."""
    found: dict[str, list[str]] = {"number": [], "tuple": [], "table": []}
    for name, each in constants.constants().items():
        value = each.value
        kind = "number" if isinstance(value, int | float) else "table"
        found["tuple" if isinstance(value, tuple) else kind].append(name)
    return found


def test_every_constant_has_a_unit_a_noun_and_a_source_or_is_assumed() -> None:
    for name, each in constants.constants().items():
        assert each.unit, name
        assert each.what, name
        assert each.source or not each.checked, name


def test_every_number_is_finite() -> None:
    for name, each in constants.constants().items():
        value = each.value
        if isinstance(value, int | float):
            numbers = [value]
        else:
            numbers = list(value) if isinstance(value, tuple) else list(value.values())
        assert numbers, name
        assert all(map(math.isfinite, numbers)), name


def test_a_constant_is_read_as_what_it_is() -> None:
    by_kind = kinds()
    one = by_kind["number"][0]
    assert constants.number(one) == constants.constants()[one].value
    for read in (constants.pair, constants.table):
        with pytest.raises(TypeError, match=one):
            read(one)
    for name in by_kind["table"]:
        assert constants.table(name) == constants.constants()[name].value
        with pytest.raises(TypeError, match=name):
            constants.number(name)
    fractions = [
        name for name in by_kind["number"] if not float(constants.number(name)).is_integer()
    ]
    with pytest.raises(TypeError, match="whole"):
        constants.whole(fractions[0])


def test_a_name_that_is_none_is_an_error() -> None:
    with pytest.raises(KeyError):
        constants.number("training.cases.NOTHING")
