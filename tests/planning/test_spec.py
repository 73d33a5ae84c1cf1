"""What a search may be told, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from plans import planned

import computebill as cb
from computebill.base.errors import RequestError
from computebill.planning.spec import PlanSpec, read_plan


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"count": None}, "give count or max_gpus"),
        ({"max_gpus": 8}, "give count or max_gpus"),
        ({"count": 7}, "plan: none of"),
        ({"count": "64..8"}, "allowed: from the fewer to the more"),
        ({"count": "64.5"}, "allowed: a whole number, 1 or more"),
        ({"tp": 3}, "tp: got 3; allowed: a divisor of 32 heads"),
        ({"pp": 5}, "pp: got 5; allowed: what divides 32 layers"),
        ({"ep": 2}, "ep: got 2; allowed: 1, as the model has no experts"),
        ({"pp": 3, "schedule": "dualpipe"}, "pp: got 3; allowed with dualpipe: an even number"),
        ({"pp": 1, "schedule": "dualpipe"}, "schedule: got dualpipe; allowed: 1f1b, as pp is 1"),
        ({"max_days": 0.1}, "max_days: got 0.1; the least of"),
        ({"max_cost": 10}, "max_cost: got 10; the least of"),
        ({"max_days": -1}, "max_days: got -1; allowed: above 0"),
        ({"accelerator": "h900"}, "'h900' is not a known accelerator"),
        ({"precision": "fp5"}, "h100-sxm has no 'fp5' peak"),
        ({"sequence_length": 0}, "sequence_length: got 0; allowed: a whole number, 1 or more"),
        ({"layout": {"tp": 8}}, "layout.tp: is searched; give tp outside of layout"),
        ({"recompute": []}, "at least 1 item"),
        ({"global_batch": 1e30}, "global_batch: got 1e+30; allowed: a whole number"),
        ({"vpp": 7}, "vpp: got 7"),
        ({"price": 2, "provider": "aws"}, "give price, or provider and commitment, not both"),
        ({"price": {"b200": 2}}, "price.b200: no such accelerator is asked for; h100-sxm"),
        ({"price": "h100-sxm=-2"}, "price: h100-sxm: got -2; allowed: above 0"),
        ({"tp": ""}, "tp: got nothing"),
        ({"sequence_parallel": "perhaps"}, "sequence_parallel[0]: got 'perhaps'"),
        ({"software": "future"}, "software: got 'future'"),
    ],
)
def test_plans_that_cannot_be(llama_config: str, changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(cb.RequestError) as caught:
        planned(llama_config, **changes)
    assert problem in str(caught.value)


def test_counts_and_choices_are_read_as_people_write_them() -> None:
    spec = {"model": "m", "tokens": "1T", "accelerator": "h100, a100", "global_batch": "1k"}
    found = PlanSpec.model_validate(spec | {"count": "64..512,96"})
    assert found.counts("h100") == (64, 128, 256, 512, 96)
    assert found.accelerator == ("h100", "a100")
    assert found.global_batch == 1000
    found = PlanSpec.model_validate(spec | {"max_gpus": "100", "tp": "1,4", "etp": "tp"})
    assert found.counts("h100") == (8, 16, 32, 64, 100)
    assert found.choices == {"tp": (1, 4), "etp": ("tp",)}


def test_fields_by_keyword_go_before_a_spec_as_flags_do() -> None:
    given = {"model": "m", "tokens": "2T", "accelerator": "h100", "count": 8}
    assert read_plan(None, given) == read_plan(given)
    assert read_plan(given, {"max_gpus": 64}).counts("h100") == (8, 16, 32, 64)


def test_a_batch_that_nobody_gives_is_step_laws() -> None:
    given = {"model": "m", "tokens": "1T", "accelerator": "h100", "count": 8}
    # 0.58 (1e12)^0.571 tokens are 1,007 sequences of 4,096: 512 is the power of two below.
    assert read_plan(given).sequences(4096) == 512
    assert read_plan({**given, "tokens": "10k"}).sequences(4096) == 1


def test_each_accelerator_may_have_its_own_numbers() -> None:
    given: dict[str, Any] = {"model": "llama-3.1-8b", "tokens": "1T", "accelerator": "h100,b200"}
    found = read_plan({**given, "count": "h100=256,512,b200=64..128"})
    assert found.counts("h100") == (256, 512)
    assert found.counts("b200") == (64, 128)
    assert read_plan({**given, "count": {"h100": 8, "b200": [4, 4]}}).counts("b200") == (4,)
    for wrong in ("h100=8", "h100=8,b200=8,a100=8", "8,b200=8"):
        with pytest.raises(cb.RequestError, match=r"count: got .*; allowed: of each"):
            read_plan({**given, "count": wrong})


@pytest.mark.parametrize(
    ("field", "other"),
    [("market", "compare_plans"), ("cluster", "compare_plans"), ("kind", "plan_rollouts")],
)
def test_what_is_of_another_search_names_it(field: str, other: str) -> None:
    with pytest.raises(RequestError, match=f"plan: {field}: is of no plan alone; allowed: {other}"):
        read_plan({"model": "llama-3.1-8b", "tokens": "1T", field: "x"})
