"""What the best layout of a run would take, beside the run."""

from __future__ import annotations

from typing import Any

import pytest

from computebill.base.specfile import validate
from computebill.planning.of_run import asked_of, beside_run
from computebill.planning.search import plan
from computebill.runs.spec import RunSpec

RUN: dict[str, Any] = {"model": "llama-3.1-8b", "tokens": "1T", "accelerator": "h100", "count": 64}


def run(**more: Any) -> RunSpec:
    return validate(RunSpec, {**RUN, **more}, "run")


def test_the_best_layout_is_the_plans() -> None:
    found = beside_run(run(price="1.5..3", goodput=0.9))["best_layout"]
    asked = {**RUN, "price": "1.5..3", "goodput": 0.9}
    best = plan(asked).to_dict()["best"]
    assert found["layout"] == best["layout"]
    assert found["days"] == best["days"]
    assert found["cost_usd"] == best["cost_usd"]
    assert found["goodput"]["p50"] == pytest.approx(0.9)


def test_nothing_fits_tells_the_nearest_and_what_would_fit() -> None:
    found = beside_run(run(accelerator="rtx-4090", count=1))
    assert found["best_layout"] is None
    assert found["nothing_fits"].startswith("the nearest, 1 x rtx-4090 with zero 1, ")
    assert "with --qlora" in found["nothing_fits"]


@pytest.mark.parametrize(
    "more",
    [
        {"mfu": 0.4},
        {"layout": {"tp": 8, "dp": 8}},
        {"count": "32..64"},
        {"count": None},
        {"global_batch": 512, "lengths": "200..4000"},
    ],
)
def test_a_run_that_needs_no_plan_or_has_none(more: dict[str, Any]) -> None:
    assert asked_of(run(**more)) is None
    assert beside_run(run(**more)) == {"best_layout": None, "nothing_fits": None}


def test_what_a_plan_cannot_be_made_of_is_left_out() -> None:
    # On 7 no degrees are legal with a batch of a power of two: no memory is wanting.
    found = beside_run(run(count=7, global_batch=64))
    assert found == {"best_layout": None, "nothing_fits": None}
