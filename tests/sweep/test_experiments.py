from __future__ import annotations

import math

import pytest
import torch
from sweeping import experiments

from computebill.base.errors import RequestError


def test_what_a_row_does_not_give_is_what_holds_otherwise() -> None:
    of, _ = experiments({"params": [1e9, 2e9]}, tokens=5e9)
    assert of.get("tokens", 1.0).tolist() == [5e9, 5e9]
    assert of.get("epochs", 3.0).tolist() == [3.0, 3.0]
    assert "params" in of
    assert "epochs" not in of
    some = of.with_default("epochs", torch.tensor([2.0, math.nan]).double())
    assert some.get("epochs", 3.0).tolist() == [2.0, 3.0]
    # A field that is given goes before what holds by default.
    assert of.with_default("tokens", of.full(1.0)).get("tokens", 0.0).tolist() == [5e9, 5e9]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"tokens": 7e9}, [7e9, 7e9]),
        ({"tokens_per_param": 20}, [2e10, 4e10]),
        # 6 N D = C, by the parameters that a token meets.
        ({"flop": 6e19, "params_active": 5e8}, [2e10, 2e10]),
    ],
)
def test_tokens_are_given_or_follow(fields: dict[str, float], expected: list[float]) -> None:
    of, _ = experiments({"params": [1e9, 2e9]}, **fields)
    assert of.tokens.tolist() == pytest.approx(expected)


def test_a_dense_model_meets_all_of_its_parameters() -> None:
    of, _ = experiments({"params": [1e9, 2e9]}, tokens=1e9)
    assert of.active.tolist() == of.params.tolist() == [1e9, 2e9]
    of, _ = experiments({"params": [1e9]}, tokens=1e9, params_active=3e8)
    assert (of.params.item(), of.active.item()) == (1e9, 3e8)
    of, _ = experiments(width=1024, depth=12, tokens=1e9)
    assert of.params.tolist() == [12 * 12 * 1024**2]


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"params": [1e9, math.nan]}, "params: is missing in some"),
        ({"params": [1e9], "params_active": [2e9]}, "params_active: is more than params"),
    ],
)
def test_sizes_that_cannot_be(columns: dict[str, list[float]], told: str) -> None:
    with pytest.raises(RequestError, match=told):
        experiments(columns, tokens=1e9)


def test_hours_need_no_size() -> None:
    of, _ = experiments(gpu_hours=10)
    assert of.params.isnan().tolist() == [True]
    assert of.count == 8
    of, _ = experiments(gpu_hours=10, params=1e9)
    assert of.params.tolist() == of.active.tolist() == [1e9]


def test_the_time_in_which_one_is_to_end() -> None:
    of, _ = experiments({"params": [1e9]}, tokens=1e9)
    assert of.within_seconds.tolist() == [48 * 3600]
    assert of.part == "h100-sxm, bf16"
