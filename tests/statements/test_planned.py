from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from typing import Any

import pytest

import computebill as cb
from computebill.base.errors import RequestError
from computebill.base.quantity import constant

PLAN = Path(__file__).parents[2] / "examples" / "plan.toml"
SMALL: dict[str, Any] = {
    "model": "llama-3.1-8b",
    "tokens": 1e12,
    "accelerator": "h100",
    "count": 64,
    "global_batch": 512,
    "sequence_length": 8192,
}
LLAMA = 8_030_261_248
"""Parameters of Llama 3.1 8B (its model card; counted from its configuration)."""


@pytest.fixture(scope="module")
def watched() -> cb.Watch:
    return cb.watch(SMALL, rules=["eu-updates", "eu-cumulative"])


def test_a_plan_is_six_n_d(watched: cb.Watch) -> None:
    total = watched.statement.total("eu-cumulative").total
    assert total.flop.p50 == pytest.approx(6 * LLAMA * 1e12, rel=1e-3)
    assert watched.statement.crossings == ()


def test_what_brings_it_to_a_threshold(watched: cb.Watch) -> None:
    for reach in watched.reaches:
        assert reach.tokens == pytest.approx(reach.mark.value / (6 * LLAMA), rel=1e-3)
        assert reach.params == pytest.approx(reach.mark.value / (6 * 1e12), rel=1e-3)
        left = reach.mark.value - 6 * LLAMA * 1e12
        assert reach.made == pytest.approx(left / (2 * LLAMA), rel=1e-3)


def test_what_moves_it(watched: cb.Watch) -> None:
    now = watched.statement.total("eu-cumulative").total.flop.p50
    moved = watched.to_frame().set_index("change")["flop_p50"] / now
    assert moved["half the tokens of pretraining"] == pytest.approx(0.5)
    assert moved["twice the parameters"] == pytest.approx(2.0)
    # A made token takes a third of a trained one; discarded ones count alike, public ones do not.
    share = "10% as many tokens written by the model"
    assert moved[f"{share}, all kept"] == pytest.approx(1 + 0.1 / 3)
    assert moved[f"{share}, one in ten kept"] == pytest.approx(1 + 0.1 / 3)
    assert moved[f"{share}, all public"] == pytest.approx(1.0)


def test_reaching_is_exact(watched: cb.Watch) -> None:
    reach = watched.reaches[0]
    assert reach.tokens is not None
    again = cb.watch({**SMALL, "tokens": reach.tokens}, rules=["eu-cumulative"])
    assert again.statement.total("eu-cumulative").total.flop.p50 == pytest.approx(1e23)


def test_made_data_is_a_stage_of_its_own() -> None:
    found = cb.watch(SMALL, synthetic=constant(3e12), rules=["eu-cumulative"])
    total = found.statement.total("eu-cumulative").total.flop.p50
    assert total == pytest.approx(2 * 6 * LLAMA * 1e12, rel=1e-3)
    assert found.reaches[0].tokens is not None
    assert found.reaches[0].tokens == pytest.approx(
        (1e23 - 6 * LLAMA * 1e12) / (6 * LLAMA), rel=2e-3
    )


def test_with_a_first_day_the_crossing_is_dated() -> None:
    found = cb.watch({**SMALL, "tokens": 4e12}, start=dt.date(2027, 1, 1), rules=["eu-updates"])
    days = found.statement.spec.stage[0].days
    assert days is not None
    assert any(
        each.name == "days" and "see `computebill plan`" in each.source
        for each in found.statement.assumptions
    )
    (crossing,) = (each for each in found.statement.crossings if each.mark.value == 1e23)
    day = crossing.day()
    assert day is not None
    share = 1e23 / found.statement.total("eu-updates").total.flop.p50
    assert (day - dt.date(2027, 1, 1)).days == pytest.approx(share * days.median, abs=1.5)
    # The share that is done when it crosses is certain here; how long the run takes is not.
    early, late = (crossing.days[key] - dt.date(2027, 1, 1).toordinal() for key in ("p5", "p95"))
    _, below, above = days.parameters  # of the logarithm
    assert late / early == pytest.approx(math.exp(1.6449 * (below + above)), rel=0.02)
    assert late > 1.1 * early
    assert crossing.notify_by == day + dt.timedelta(days=14)


def test_a_statement_of_what_is_planned_is_watched_too() -> None:
    stage = {"name": "pretraining", "tokens": 1e12}
    data = {"model": {"name": "m", "params": 1e10}, "stage": [stage]}
    found = cb.watch(data, rules=["eu-cumulative"])
    assert found.reaches[0].tokens == pytest.approx(1e23 / 6e10)
    with pytest.raises(RequestError, match="start: is of a plan"):
        cb.watch(data, start=dt.date(2027, 1, 1))


def test_the_shipped_plan_crosses_the_threshold_of_systemic_risk() -> None:
    found = cb.watch(PLAN, rules=["eu-cumulative"]).to_dict()
    (held,) = (each for each in found["totals"]["eu-cumulative"]["thresholds"] if each["applies"])
    assert held["odds"] == 1.0
    assert {each["name"] for each in found["planned"]["reaches"]} == {
        "general-purpose",
        "systemic-risk",
        "frontier",
    }
