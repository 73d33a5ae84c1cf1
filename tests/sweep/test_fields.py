from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from computebill.sweep.fields import (
    NUMBERS,
    SHARED,
    USED,
    read_axis,
    read_neutral,
    read_sampled,
    read_value,
    unknown,
)


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("params", "7B", 7e9),
        ("count", 8, 8.0),
        ("trained_share", "10%", 0.1),
        ("input_tokens", 0, 0.0),
        ("accelerator", "h100", "h100"),
    ],
)
def test_a_value_is_read(name: str, given: object, expected: object) -> None:
    assert read_value(name, given) == expected


@pytest.mark.parametrize(
    ("name", "given", "told"),
    [
        ("params", 0, "params: got 0; allowed: above 0"),
        ("params", 7, "params: got 7; allowed: 10,000 or more; did you mean 7B?"),
        ("count", 1.5, "count: got 1.5; allowed: a whole number, 1 or more, up to 1e+09"),
        ("trained_share", 2, "trained_share: got 2; allowed: above 0, up to 1"),
        ("tail", 0.5, "tail: got 0.5; allowed: 1 or more, up to 1000"),
        ("model", "", "model: got ''; allowed: a name"),
        ("accelerator", 3, "accelerator: got 3; allowed: a name"),
    ],
)
def test_a_value_that_cannot_be_is_told_with_what_can(name: str, given: object, told: str) -> None:
    with pytest.raises(ValueError, match="got") as caught:
        read_value(name, given)
    assert str(caught.value) == told


@given(st.floats(1e6, 1e9), st.floats(1.1, 1e3), st.integers(2, 40))
def test_spaced_values_rise_by_one_ratio(low: float, times: float, count: int) -> None:
    high = low * times
    found = read_axis("params", {"from": low, "to": high, "count": count})
    values = [float(each) for each in found]
    assert len(values) == count
    assert values[0] == low
    assert values[-1] == pytest.approx(high)
    ratios = [one / other for one, other in zip(values[1:], values, strict=False)]
    assert ratios == pytest.approx([times ** (1 / (count - 1))] * (count - 1))


def test_spaced_whole_numbers_are_whole() -> None:
    found = read_axis("width", {"from": 64, "to": 1000, "count": 7})
    assert all(float(each).is_integer() for each in found)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ([], "got 0 values"),
        ({"from": 1e8, "to": 1e9}, "got the keys from, to"),
        ({"from": 1e9, "to": 1e8, "count": 3}, "allowed: rising"),
        ({"from": 1e8, "to": 1e9, "count": 1}, "params.count: got 1"),
        ({"from": 1e8, "to": 1e9, "count": "x"}, "params.count: "),
    ],
)
def test_axes_that_cannot_be(value: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read_axis("params", value)


def test_of_an_axis_that_changes_no_cost_only_the_number_counts() -> None:
    assert len(read_neutral("seed", {"from": 0.1, "to": 10, "count": 5})) == 5
    assert len(read_neutral("schedule", ["cosine", "linear"])) == 2
    for wrong in ("cosine", [], {"from": 1, "to": 2}):
        with pytest.raises(ValueError, match="schedule: got"):
            read_neutral("schedule", wrong)


def test_a_field_is_drawn_from_a_distribution_or_a_list() -> None:
    listed = read_sampled("params", ["3B", "1B"])
    assert (listed.family, listed.parameters) == ("table", (1e9, 3e9))
    assert read_sampled("params", {"p10": 1e8, "p90": 1e9}).family == "lognormal"
    with pytest.raises(ValueError, match="count: is listed, never drawn"):
        read_sampled("count", [8, 16])
    with pytest.raises(ValueError, match="params: got the keys most"):
        read_sampled("params", {"most": 3})


def test_a_mistyped_name_is_told_with_the_nearest() -> None:
    assert "nearest: tokens" in unknown("tokenss")
    assert "nearest: repeats" in unknown("repeat", ("repeats",))


def test_every_kind_uses_numbers_that_there_are() -> None:
    for names in (SHARED, *USED.values()):
        assert names <= NUMBERS.keys()
    assert SHARED.union(*USED.values()) == NUMBERS.keys()
