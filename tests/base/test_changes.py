"""Changes of a file's data by path."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from computebill.base.changes import Change, read_change, set_in
from computebill.base.errors import RequestError
from computebill.programmes.spec import Programme
from computebill.runs.spec import RunSpec

Data = dict[str, Any]
DATA: Data = {
    "title": "Lab",
    "assumptions": {"price": {"value": {"p10": 1.5, "p90": 3.0}, "source": "s"}},
    "sources": {"a.b": {"title": "A"}, "a": {"title": "other"}},
    "reported": [{"item": "R&D compute", "periods": [{"period": "2024", "amount": 1e9}]}],
    "runs": [{"name": "GPT-4", "flop": 1e24}, {"name": "GPT-4.5", "flop": 1e25, "days": 3}],
}


def changed(text: str) -> Data:
    data = copy.deepcopy(DATA)
    set_in(data, read_change(text), Programme)
    return data


def refusal(text: str) -> str:
    with pytest.raises(RequestError) as caught:
        changed(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=2.5..4", "2.5..4"),
        ("a=70B", "70B"),
        ("a = 2024", 2024),
        ("a=true", True),
        ('a="x = 1"', "x = 1"),
        ("a={ p10 = 1, p90 = 2 }", {"p10": 1, "p90": 2}),
        ("a=[1, 2]", [1, 2]),
        ("a=2025-05-01", "2025-05-01"),  # a day stays a text, as files have periods
        ("a=1\nb=2", "1\nb=2"),  # one value and no more
        ("a=b=c", "b=c"),
    ],
)
def test_values_are_read_as_toml_or_as_flags_have_them(text: str, value: object) -> None:
    assert read_change(text) == Change("a", value)


@pytest.mark.parametrize("text", ["", "a", "=1", "a=", " = "])
def test_what_is_no_change(text: str) -> None:
    with pytest.raises(RequestError, match=r"--set: got .*; allowed: PATH=VALUE"):
        read_change(text)


def test_a_number_with_a_source_keeps_its_table() -> None:
    price = changed("assumptions.price=2.5..4")["assumptions"]["price"]
    assert price == {"value": "2.5..4", "source": "s"}
    assert changed("assumptions.mfu=0.3")["assumptions"]["mfu"] == {"value": 0.3}
    whole = changed('assumptions.price={ value = 2, source = "t" }')["assumptions"]["price"]
    assert whole == {"value": 2, "source": "t"}
    inside = changed("assumptions.price.value.p90=4")["assumptions"]["price"]
    assert inside == {"value": {"p10": 1.5, "p90": 4}, "source": "s"}


@pytest.mark.parametrize(
    "path", ["runs.GPT-4.5.days", "runs[1].days", "runs.1.days", 'runs."GPT-4.5".days']
)
def test_a_list_goes_by_name_or_number(path: str) -> None:
    runs = changed(f"{path}=9")["runs"]
    assert [run.get("days") for run in runs] == [None, 9]


def test_the_longest_name_that_fits_is_meant() -> None:
    assert changed("sources.a.b.title=B")["sources"]["a.b"] == {"title": "B"}
    assert changed("reported.R&D compute.periods.2024.amount=3")["reported"][0]["periods"] == [
        {"period": "2024", "amount": 3}
    ]


def test_a_table_that_is_not_there_is_begun() -> None:
    data: Data = {}
    set_in(data, Change("layout.tp", 4), RunSpec)
    assert data == {"layout": {"tp": 4}}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("asumptions.price=2", "asumptions.price: 'asumptions' is not known; nearest: assumptions"),
        ("assumptions.prise=2", "assumptions.prise: 'prise' is not known; nearest: price; allowed"),
        ("runs.GPT-5.flop=2", "'GPT-5' is not known; nearest: GPT-4.5; allowed: GPT-4, GPT-4.5"),
        ("runs[7].flop=2", "'7' is not known; allowed: GPT-4, GPT-4.5"),
        ("runs.GPT-4.flops=2", "'flops' is not known; nearest: flop"),
        ("runs.GPT-4.flop.p10=2", "'flop' has no parts"),
        ("title.x=2", "'title' has no parts"),
        ("variants.a.name=2", "'variants' has no parts"),
        (".=2", "'' is not known"),
    ],
)
def test_a_path_that_leads_nowhere_names_what_is_nearest(text: str, problem: str) -> None:
    assert refusal(text).startswith("--set: ")
    assert problem in refusal(text)


@given(st.text(max_size=20), st.text(min_size=1, max_size=5))
def test_any_text_is_a_change_or_refused(path: str, value: str) -> None:
    data = copy.deepcopy(DATA)
    try:
        set_in(data, read_change(f"{path}={value}"), Programme)
    except RequestError:
        return
    assert set(data) >= set(DATA)
