from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from computebill.base.errors import RequestError
from computebill.programmes.spec import Change
from computebill.programmes.variants import apply_change

Data = dict[str, Any]
SIZE_KEYS = ("flop", "params", "tokens", "count", "days")

BASE: Data = {
    "assumptions": {"price": 2},
    "reported": [{"item": "R", "amount": 1, "note": "n"}],
    "runs": [
        {"name": "A", "params": 1, "tokens": 2, "accelerator": "h100", "mfu": 0.3},
        {"name": "B", "flop": 5},
    ],
}


def change(**parts: Any) -> Data:
    return Change(name="c", why="w", source="s", **parts).model_dump()


def applied(**parts: Any) -> Data:
    return apply_change(BASE, change(**parts), SIZE_KEYS, "v")


def refusal(**parts: Any) -> str:
    with pytest.raises(RequestError) as caught:
        applied(**parts)
    return str(caught.value)


def test_no_change_is_no_change() -> None:
    assert applied() == BASE


def test_what_the_change_does_not_name_stays() -> None:
    changed = applied(runs=({"name": "A", "mfu": 0.5},))
    assert changed["runs"] == [{**BASE["runs"][0], "mfu": 0.5}, BASE["runs"][1]]


def test_a_new_size_replaces_the_old_one() -> None:
    run = applied(runs=({"name": "A", "count": 8, "days": 3},))["runs"][0]
    assert run == {"name": "A", "count": 8, "days": 3, "accelerator": "h100", "mfu": 0.3}


def test_a_new_peak_replaces_the_old_one() -> None:
    run = applied(runs=({"name": "A", "peak_flop_per_s": 1e15},))["runs"][0]
    assert "accelerator" not in run
    assert (run["params"], run["peak_flop_per_s"]) == (1, 1e15)


def test_reported_items_are_changed_by_name_or_added() -> None:
    changed = applied(reported=({"item": "R", "amount": 7}, {"item": "S", "amount": 8}))
    assert changed["reported"] == [
        {"item": "R", "amount": 7, "note": "n"},
        {"item": "S", "amount": 8},
    ]


def test_assumptions_are_replaced_one_by_one() -> None:
    changed = applied(assumptions={"mfu": 0.2}, regression_draw="line")
    assert changed["assumptions"] == {"price": 2, "mfu": 0.2, "regression_draw": "line"}
    bare = {key: value for key, value in BASE.items() if key != "assumptions"}
    found = apply_change(bare, change(assumptions={"mfu": 0.2}), SIZE_KEYS, "v")
    assert found["assumptions"] == {"mfu": 0.2}


@pytest.mark.parametrize("name", ["C", "", None, 3, ["A"], {"A": 1}])
def test_a_run_that_is_not_there_is_refused(name: object) -> None:
    assert f"v.runs[0].name: got {name!r}" in refusal(runs=({"name": name, "mfu": 1},))
    assert "v.runs[0].name: got None" in refusal(runs=({},))


@pytest.mark.parametrize("item", [None, 3, ["R"]])
def test_an_item_without_a_name_is_refused(item: object) -> None:
    assert f"v.reported[0].item: got {item!r}" in refusal(reported=({"item": item},))


@given(st.lists(st.dictionaries(st.sampled_from(["item", "x"]), st.text(max_size=2)), max_size=2))
def test_the_programme_itself_is_never_touched(items: list[Data]) -> None:
    before = copy.deepcopy(BASE)
    try:
        changed = applied(reported=tuple(items), runs=({"name": "A", "flop": 1},))
    except RequestError:
        changed = {}
    changed.get("runs", [{}])[0]["name"] = "other"
    assert before == BASE
