"""Clusters and markets side by side: against each by itself, and how interruptions add up."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from known import LLAMA_8B

import computebill as cb
from computebill.base.errors import RequestError
from computebill.costs.spot_rates import MACHINE, published_rates
from computebill.kernels.goodput import best_interval, training_share
from computebill.planning.compared import ComparedPlan, compare_plans
from computebill.planning.compared_spec import compared_spec, read_compared
from computebill.runs.spec import LLAMA_3_FAILURES

Data = dict[str, Any]

FEW: Data = {
    "model": LLAMA_8B, "tokens": "100B", "global_batch": 256, "tp": [1, 2], "pp": [1],
    "cp": [1], "zero": [1, 3], "micro_batch": [1, 2], "recompute": ["full"], "vpp": [1],
}  # fmt: skip
ONE: Data = {**FEW, "accelerator": "h100", "count": 64}
SPOT = 0.05
BOTH: Data = {
    "market": {
        "on-demand": {"price": 2.5},
        "spot": {"price": 1.0, "interruptions_per_gpu_day": SPOT},
    },
    "checkpoint_seconds": 30, "restart_seconds": 600,
}  # fmt: skip


@cache
def both() -> ComparedPlan:
    return compare_plans({**ONE, **BOTH, "deadline": 2.0, "objective": "cost"})


def test_each_market_is_what_a_plan_of_it_alone_is() -> None:
    found = {each.way.market: each for each in both().alternatives}
    given = {key: BOTH[key] for key in ("checkpoint_seconds", "restart_seconds")}
    alone = {
        "on-demand": cb.plan({**ONE, **given, "price": 2.5}),
        "spot": cb.plan({**ONE, **given, "price": 1.0, "interruptions_per_gpu_day": SPOT}),
    }
    for market, plan in alone.items():
        own = found[market].plan
        assert own.best.layout == plan.best.layout
        for name in ("days", "cloud", "goodput"):
            assert own.estimate.rows[name] == plan.estimate.rows[name], (market, name)


def test_spot_takes_longer_and_costs_less_and_the_sentence_says_so() -> None:
    found = {each.way.market: each for each in both().alternatives}
    spot, other = found["spot"], found["on-demand"]
    assert spot.figure("days") > other.figure("days")
    assert spot.figure("cost_usd") < other.figure("cost_usd")
    assert both().best is spot
    assert both().least("days") is other
    # Rent is hours times price; both lose time to failures, spot to machines that are taken too.
    for each, price in ((spot, 1.0), (other, 2.5)):
        hours = each.plan.estimate.rows["gpu_hours"].p50
        assert each.figure("cost_usd") == pytest.approx(hours * price)
    between = torch.tensor([86400 / (LLAMA_3_FAILURES + SPOT) / 64], dtype=torch.float64)
    interval = best_interval(between, torch.tensor([30.0]))
    assert spot.checkpoint_seconds == pytest.approx(float(interval))
    share = training_share(between, torch.tensor([30.0]), torch.tensor([600.0]), interval)
    assert spot.plan.estimate.rows["goodput"].p50 == pytest.approx(float(share), rel=1e-6)
    # No other time between checkpoints trains for more of the time.
    best = max(spot.by_interval, key=lambda pair: pair[1])
    assert best == (pytest.approx(spot.checkpoint_seconds), pytest.approx(float(share)))
    assert len(spot.by_interval) == 5


def test_odds_by_a_day_are_the_share_of_draws_done_by_it() -> None:
    for each in both().alternatives:
        days = each.plan.estimate.rows["days"]
        for deadline, share in ((days.p5, 0.05), (days.p50, 0.5), (days.p95, 0.95)):
            way = {**ONE, **BOTH, "deadline": deadline, "objective": "cost"}
            way["market"] = {each.way.market: BOTH["market"][each.way.market]}
            alone = compare_plans(way)
            assert alone.best.deadline_odds == pytest.approx(share, abs=0.01)
    slow, fast = (each.deadline_odds for each in both().alternatives)
    assert slow <= fast


def test_json_is_that_of_the_best_with_all_beside_it() -> None:
    told = both().to_dict()
    assert json.dumps(told, allow_nan=False)
    assert told["best"]["days"]["p50"] == pytest.approx(both().best.figure("days"))
    assert [each["market"] for each in told["alternatives"]] == ["spot", "on-demand"]
    assert told["alternatives"][0]["interruptions_per_gpu_day"] == SPOT
    assert told["deadline_days"] == 2.0
    names = {each["name"] for each in told["assumptions"]}
    assert {"spot: machines taken away, a GPU and day", "machines in place of those taken"} <= names
    assert list(both().to_frame()["market"]) == ["spot", "on-demand"]


def test_clusters_of_one_part_differ_by_their_network_and_price() -> None:
    tables = [
        {"name": "near", "node_network": "3200gbit", "price": 3},
        {"name": "far", "node_network": "25gbit", "price": 2},
        {"name": "few", "count": 16, "accelerator": "a100-sxm-80gb", "price": 1},
        {"name": "tiny", "count": 1, "accelerator": "t4", "price": 0.1},
    ]
    found = compare_plans({**ONE, "cluster": tables})
    by_name = {each.way.cluster: each for each in found.alternatives}
    assert set(by_name) == {"near", "far", "few"}
    assert "tiny" in found.dropped
    assert found.best.way.cluster == "near"
    assert by_name["near"].figure("days") < by_name["far"].figure("days")
    few = by_name["few"].plan.best
    assert (few.accelerator.name, few.layout.accelerators) == ("a100-sxm-80gb", 16)
    for name, price in (("near", 3), ("far", 2), ("few", 1)):
        hours = by_name[name].plan.estimate.rows["gpu_hours"].p50
        assert by_name[name].figure("cost_usd") == pytest.approx(hours * price)
    alone = cb.plan({**ONE, "node_network": "25gbit", "price": 2})
    assert by_name["far"].plan.estimate.rows["days"] == alone.estimate.rows["days"]


def test_files_of_clusters_are_named_by_themselves(tmp_path: Path) -> None:
    for name, price in (("east", 2), ("west", 3)):
        text = f'accelerator = "h100"\ncount = 64\nprice = {price}\n'
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
    files = [tmp_path / "east.toml", tmp_path / "west.toml"]
    asked = compared_spec(None, {**FEW, "market": "on-demand"}, clusters=files)
    assert [each.label for each in asked.ways] == ["east, on-demand", "west, on-demand"]
    prices = [each.plan.price for each in asked.ways]
    assert [getattr(price, "value", None) for price in prices] == [2, 3]
    (tmp_path / "west.toml").write_text('tokens = "1T"\n', encoding="utf-8")
    with pytest.raises(RequestError, match=r"west.toml: tokens: is no field of a cluster"):
        compared_spec(None, FEW, clusters=files)


def test_prices_of_markets_come_from_a_list(tmp_path: Path) -> None:
    rows = "provider,region,accelerator,usd_per_hour,commitment,date\n"
    rows += "lambda,us,h100,2.4,on-demand,2026-01-01\nlambda,us,h100,0.9,spot,2026-01-01\n"
    (tmp_path / "list.csv").write_text(rows, encoding="utf-8")
    asked = {**ONE, "prices": str(tmp_path / "list.csv"), "market": "on-demand,spot",
             "interruptions_per_gpu_day": "aws-under-5"}  # fmt: skip
    found = {each.way.market: each for each in compare_plans(asked).alternatives}
    assert [found[name].price[0] for name in ("on-demand", "spot")] == ["2.4", "0.9"]
    assert "list.csv: spot" in found["spot"].price[1]
    assert "AWS Spot Instance Advisor" in found["spot"].interruptions_source
    assert found["on-demand"].interruptions == 0


def test_published_rates_are_shares_of_machines_by_accelerator_and_day() -> None:
    # 5 % of machines of 8 in 30 days, each taken at random: 1 - exp(-8 r 30) = 0.05.
    rate = published_rates()["aws-under-5"].per_gpu_day
    assert -math.expm1(-MACHINE * rate * 30) == pytest.approx(0.05)
    for each in published_rates().values():
        assert each.source
        assert ("not re-checked" in each.rate.source) == (not each.checked)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"market": "on-demand,spot", "price": "spot=1,on-demand=2"},
         "market.spot.interruptions_per_gpu_day: is missing"),
        ({"market": "on-demand,spot", "price": 2}, "market.spot.price: is missing"),
        ({"market": "weekly"}, "market: got 'weekly'; allowed: on-demand, 1y, 3y, spot"),
        ({"market": {"spot": {"prise": 2}}}, "prise"),
        ({"market": "spot", "interruptions_per_gpu_day": "aws"}, "got 'aws'; allowed"),
        ({"deadline": -3}, "deadline: got -3; allowed: days, above 0"),
        ({"cluster": [{"tokens": 5}]}, "tokens: is no field of a cluster; allowed: name, acc"),
        ({"cluster": [{"name": "a"}, {"name": "a"}]}, "cluster: the name 'a' is given twice"),
        ({"cluster": "a"}, "cluster: got 'a'; allowed: [[cluster]] tables"),
    ],
)  # fmt: skip
def test_a_mistake_names_field_and_what_is_allowed(given: Data, told: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_compared({**ONE, **given})
    assert told in str(caught.value)
