from __future__ import annotations

import json
from typing import Any

import pytest
from sweeping import FEW, HOURS, RUNS, grid, priced

import computebill as cb


def test_a_utilisation_that_is_given_prices_a_run_as_run_does() -> None:
    fields = {
        "params": "7B",
        "tokens": "140B",
        "accelerator": "h100",
        "price": 2,
        "mfu": "0.3..0.5",
    }
    run = cb.estimate_run({**fields, "count": 64}, **FEW)
    group = {key: value for key, value in fields.items() if key != "price"}
    found = priced({"name": "one", "count": 64, **group})
    for key in ("gpu_hours", "cloud", "amortised", "energy_mwh", "flop"):
        for quantile in ("p5", "p50", "p95"):
            ours, theirs = (getattr(rows[key], quantile) for rows in (found.rows, run.rows))
            assert ours == pytest.approx(theirs, rel=0.01)


def test_brackets_have_to_hold_all_experiments() -> None:
    brackets = [{"count": 81, "rungs": 5}, {"count": 27, "rungs": 4}]
    group = RUNS | {"repeats": 100, "stop": {"halving": {"eta": 3, "brackets": brackets}}}
    with pytest.raises(cb.RequestError) as caught:
        priced(group)
    assert str(caught.value) == (
        "groups[0].stop.halving.brackets: got 108 experiments in all; allowed: as many as the "
        "group has, 100"
    )
    found = priced(group | {"repeats": 108})
    # Hyperband's printed budgets, resumed: 81, 27 … x 1/81 …, then 27, 9 … x 1/27 …
    first = (81 + 27 * 2 + 9 * 6 + 3 * 18 + 54) / 81
    second = (27 + 9 * 2 + 3 * 6 + 18) / 27
    assert found.groups[0].length == pytest.approx((first + second) / 108)


def test_what_no_price_is_known_of_is_shared_by_hours() -> None:
    found = cb.price_sweep(
        {"groups": [HOURS | {"accelerator": "tpu-v3"}], "final": {"gpu_hours": 100}}, **FEW
    )
    if found.rows["cloud"].is_known:
        pytest.skip("a price of it is known by now")
    assert found.share_basis == "gpu_hours"
    assert found.to_dict()["cost_usd"] is None


def test_sizes_add_up_and_say_what_a_smaller_ladder_saves() -> None:
    found = priced(grid(["100M", "400M", "3B"], [20]))
    assert sum(size.experiments for size in found.sizes) == found.experiments
    hours = sum(size.gpu_hours for size in found.sizes)
    assert hours == pytest.approx(found.rows["gpu_hours"].p50)
    smaller = priced(grid(["100M", "400M"], [20]))
    saved = found.rows["cloud"].p50 - smaller.rows["cloud"].p50
    assert found.sizes[-1].saved_usd == pytest.approx(saved, rel=1e-3)


def test_a_schedule_is_of_what_runs() -> None:
    found = priced(HOURS | {"repeats": 8}, cluster={"gpus": 32})
    assert found.schedule is not None
    assert found.schedule.days == pytest.approx(2 * 100 / 8 / 24, rel=0.03)
    stopped = priced(
        HOURS | {"repeats": 8, "stop": {"killed": [{"at": 0.5, "share": 0.5}]}},
        cluster={"gpus": 64},
    )
    assert stopped.schedule is not None
    assert stopped.schedule.days == pytest.approx(100 / 8 / 24, rel=0.03)
    assert stopped.schedule.idle_share == pytest.approx(0.25, abs=0.02)


def test_many_experiments_are_asked_about_first() -> None:
    group = RUNS | {"grid": {"seed": list(range(1001)), "data": list(range(1000))}}
    with pytest.raises(cb.RequestError) as caught:
        priced(group)
    assert "1,001,000 experiments, 1 that are priced, about" in str(caught.value)
    assert "--yes prices more" in str(caught.value)
    assert priced(group, confirmed=True).experiments == 1_001_000


@pytest.mark.parametrize(
    ("group", "problem"),
    [
        ({"params": "400B"}, "no common layout of 4e+11 parameters with"),
        ({"params": "1e60", "count": 8192, "global_batch": 8192}, "of 1e+60 parameters"),
        ({"experiments": [{"params": 1e9}, {"seed": 2}], "params": ""}, "params: is missing in"),
        ({"kind": "evaluate", "requests": 5, "input_tokens": 0, "tokens": ""}, "do nothing"),
        (
            {"kind": "generate", "output_tokens": 0},
            "groups[0].output_tokens: got 0; allowed with tokens: above 0",
        ),
        ({"count": 4096, "global_batch": 8}, "sequences a step is legal and fits on 4,096"),
        ({"accelerator": "h900"}, "'h900' is not a known accelerator"),
        ({"precision": "fp5"}, "h100-sxm has no 'fp5' peak"),
        ({"accelerator": ""}, "accelerator: is missing; a group or defaults has to give one"),
        ({"params": "1B", "params_active": "2B"}, "params_active: is more than params"),
        ({"experiments": [{"model": "nothing.json"}], "params": ""}, "nothing.json"),
    ],
)
def test_experiments_that_cannot_be_name_their_group(group: dict[str, Any], problem: str) -> None:
    changed = {name: value for name, value in {**RUNS, **group}.items() if value != ""}
    with pytest.raises(cb.RequestError) as caught:
        priced(changed)
    assert problem in str(caught.value)
    assert "groups[0]" in str(caught.value)


def test_the_json_form_keeps_its_contract() -> None:
    found = priced(HOURS, final={"gpu_hours": 300}, cluster={"gpus": 64}).to_dict()
    assert {
        "experiments", "flop", "gpu_hours", "cost_usd", "share_of_programme", "groups", "schedule",
    } <= set(found)  # fmt: skip
    assert {"gpus", "days"} <= set(found["schedule"])
    assert {"p5", "p50", "p95", "mean"} <= set(found["share_of_programme"])
    json.dumps(found, allow_nan=False)
