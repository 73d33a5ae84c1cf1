from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from known import LLAMA_8B

import computebill as cb
from computebill.sweep.estimate import count_experiments
from computebill.sweep.serving import Requests, request_seconds, served_sizes

FEW: dict[str, Any] = {"samples": 4096}
HOURS = {"name": "one", "gpu_hours": 100, "accelerator": "h100", "count": 8}
RUNS = {"name": "runs", "params": "1B", "tokens": "20B", "accelerator": "h100", "count": 8}


def priced(*groups: dict[str, Any], **fields: Any) -> cb.SweepEstimate:
    options = {key: fields.pop(key) for key in ("budget", "confirmed", "sink") if key in fields}
    return cb.price_sweep({"groups": list(groups), "price": 2, **fields}, **FEW, **options)


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


def test_totals_are_the_sums_of_experiments_one_by_one() -> None:
    sizes, lengths = ["100M", "400M", "1B"], [5, 20]
    whole = priced(_grid(sizes, lengths))
    alone = [
        priced({**_plain(), "params": size, "tokens_per_param": length})
        for size in sizes
        for length in lengths
    ]
    assert whole.experiments == 12
    assert whole.rows["flop"].p50 == pytest.approx(2 * sum(one.rows["flop"].p50 for one in alone))
    hours = 2 * sum(one.rows["gpu_hours"].p50 for one in alone)
    assert whole.rows["gpu_hours"].p50 == pytest.approx(hours, rel=1e-6)


def _plain() -> dict[str, Any]:
    return {"name": "runs", "accelerator": "h100", "count": 8}


def _grid(sizes: list[str], lengths: list[int]) -> dict[str, Any]:
    return {**_plain(), "grid": {"params": sizes, "tokens_per_param": lengths, "seed": [1, 2]}}


def test_small_runs_and_many_gpus_reach_less() -> None:
    def reached(**fields: Any) -> float:
        return priced({**RUNS, **fields}).groups[0].mfu

    assert reached(params="20M") < 0.5 * reached(params="1B")
    assert reached(count=512, global_batch=512) < reached(count=64, global_batch=512)


def test_a_model_s_configuration_may_be_an_axis(tmp_path: Path) -> None:
    paths = []
    for layers in (16, 32):
        path = tmp_path / f"{layers}.json"
        path.write_text(json.dumps(LLAMA_8B | {"num_hidden_layers": layers}))
        paths.append(str(path))
    group = {"name": "g", "accelerator": "h100", "count": 64, "tokens": "10B"}
    both = priced({**group, "grid": {"model": paths}})
    alone = [priced({**group, "model": path}) for path in paths]
    flop = [one.rows["flop"].p50 for one in alone]
    counted = cb.describe_model(paths[1]).parameters.total
    assert flop[1] == pytest.approx(6 * float(counted) * 10e9)
    assert both.rows["flop"].p50 == pytest.approx(sum(flop))


def test_stops_and_failures_scale_the_mean() -> None:
    plain = priced(RUNS | {"repeats": 100})
    half = priced(RUNS | {"repeats": 100, "stop": {"fraction": 0.5}})
    assert half.rows["gpu_hours"].p50 == pytest.approx(plain.rows["gpu_hours"].p50 / 2)
    failing = priced(RUNS | {"repeats": 100, "mfu": 0.4, "failures": {"rate": 0.2, "restarted": 1}})
    certain = priced(RUNS | {"repeats": 100, "mfu": 0.4})
    # One in five is begun again, after half its length on average.
    ratio = failing.rows["gpu_hours"].mean / certain.rows["gpu_hours"].mean
    assert ratio == pytest.approx(1.1, rel=2e-3)
    assert failing.rows["gpu_hours"].p95 > 1.02 * failing.rows["gpu_hours"].p5


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


def test_experiments_without_a_count_keep_most_of_their_speed() -> None:
    free = priced(_without_count("70B", "2T"))
    fixed = priced(RUNS | {"params": "70B", "tokens": "2T", "count": 256})
    ratio = free.rows["gpu_hours"].p50 / fixed.rows["gpu_hours"].p50
    assert 0.9 < ratio < 1 / 0.65
    # Small ones with few sequences a step take fewer than a node.
    assert priced(_without_count("160M", "10M")).experiments == 1
    with pytest.raises(cb.RequestError, match=r"within_hours: got 0\.1; the soonest"):
        priced(_without_count("7B", "20B") | {"within_hours": 0.1})
    assert priced(_without_count("1B", "20B"), cluster={"gpus": 4}).schedule is not None


def _without_count(params: str, tokens: str) -> dict[str, Any]:
    return {"name": "one", "accelerator": "h100", "params": params, "tokens": tokens}


def test_models_of_about_a_size_write_about_as_fast() -> None:
    group = {"name": "g", "kind": "generate", "tokens": "20B", "accelerator": "h100"}
    words = {"input_tokens": 500, "output_tokens": 500}
    hours = [
        priced(group | words | {"params": params}).rows["gpu_hours"].p50
        for params in ("5B", "6.7B", "7B", "8B", "13B")
    ]
    assert hours == sorted(hours)
    assert hours[-1] < 4 * hours[0]


def test_a_configuration_s_own_cache_decides_how_fast_it_writes(tmp_path: Path) -> None:
    group = {"name": "g", "kind": "generate", "tokens": "1B", "accelerator": "h100"}
    words = {"input_tokens": 4000, "output_tokens": 1000}

    def hours(**changes: int) -> float:
        path = tmp_path / "config.json"
        path.write_text(json.dumps(LLAMA_8B | changes))
        return float(priced(group | words | {"model": str(path)}).rows["gpu_hours"].p50)

    assert hours(num_key_value_heads=32) > 1.5 * hours(num_key_value_heads=8)


def test_generation_takes_what_the_serving_model_says() -> None:
    group = {"name": "g", "kind": "generate", "params": "8B", "tokens": "1B", "precision": "fp8"}
    found = priced(group | {"accelerator": "h100", "input_tokens": 500, "output_tokens": 2000})
    one = torch.ones(1, dtype=torch.float64)
    seconds = request_seconds(
        served_sizes(one * 8e9, one * 8e9, "fp8"),
        cb.find_accelerator("h100"),
        "fp8",
        Requests(one * 500, one * 2000, one * math.nan, one),
    )
    hours = 1e9 / 2000 * float(seconds) / 3600
    assert found.rows["gpu_hours"].p50 == pytest.approx(hours, rel=0.01)
    assert found.rows["flop"].p50 == pytest.approx(2 * 8e9 * 1e9 / 2000 * 2500)
    fixed = priced(group | {"accelerator": "h100", "output_tokens": 2000, "throughput": 5000})
    assert fixed.rows["gpu_hours"].p50 == pytest.approx(1e9 / 5000 / 3600)


def test_reinforcement_learning_is_rollouts_updates_and_references() -> None:
    group = {
        "name": "rl", "kind": "rl", "params": "8B", "accelerator": "h100", "count": 64,
        "steps": 100,
        "prompts": 64, "samples_per_prompt": 16, "input_tokens": 500, "output_tokens": 3500,
    }  # fmt: skip
    found = priced(group)
    tokens = 100 * 64 * 16 * 4000
    # Written and read once, one pass of the reference, one update.
    assert found.rows["flop"].p50 == pytest.approx((2 + 2 + 6) * 8e9 * tokens)
    waiting = priced(group | {"tail": 4})
    assert waiting.rows["gpu_hours"].p50 > 1.2 * found.rows["gpu_hours"].p50
    without = priced(group | {"references": 0, "epochs": 2})
    assert without.rows["flop"].p50 == pytest.approx((2 + 12) * 8e9 * tokens)


def test_distillation_has_its_teacher_and_adapters_their_frozen_weights() -> None:
    student = priced(RUNS).rows["flop"].p50
    taught = priced(RUNS | {"kind": "distill", "teacher_params": "70B"}).rows["flop"].p50
    assert taught - student == pytest.approx(2 * 70e9 * 20e9)
    low = priced(RUNS | {"kind": "finetune", "trained_share": 0.001}).rows["flop"].p50
    assert low == pytest.approx((4 + 0.002) * 1e9 * 20e9)


def test_filtering_takes_about_what_fineweb_reports() -> None:
    # 6,000 H100-hours to score 15 T tokens with a classifier of 109 M parameters that reads 512
    # (Penedo et al. 2024, arXiv:2406.17557, section 4).
    found = priced(
        {"name": "filter", "kind": "filter", "params": "109M", "tokens": "15T"}
        | {"accelerator": "h100", "sequence_length": 512}
    )
    assert found.rows["gpu_hours"].p50 == pytest.approx(6000, rel=0.75)


def test_idle_time_is_reserved_time() -> None:
    busy, idle = priced(HOURS), priced(HOURS | {"idle": 0.5})
    assert idle.rows["gpu_hours"].p50 == pytest.approx(2 * busy.rows["gpu_hours"].p50)


def test_the_final_run_shares_the_price_of_an_hour() -> None:
    found = priced(HOURS, final={"gpu_hours": 300, "accelerator": "h100"}, price="1..4")
    assert found.share is not None
    assert found.share.p5 == pytest.approx(0.25)
    assert found.share.p95 == pytest.approx(0.25)
    described = priced(
        HOURS, final={"params": "7B", "tokens": "1T", "accelerator": "h100", "mfu": 0.4}
    )
    flop = 6 * 7e9 * 1e12
    assert described.final is not None
    assert described.final["gpu_hours"].p50 == pytest.approx(flop / (0.4 * 989.4e12 * 3600))
    assert priced(HOURS).share is None


def test_each_accelerator_has_its_price() -> None:
    groups = [HOURS, HOURS | {"name": "two", "accelerator": "a100-sxm-80gb"}]
    found = priced(*groups, price={"h100": 3, "a100-sxm-80gb": 1})
    usd = [group.rows["cloud"].p50 for group in found.groups]
    assert usd == pytest.approx([300, 100])


def test_what_no_price_is_known_of_is_shared_by_hours() -> None:
    found = cb.price_sweep(
        {"groups": [HOURS | {"accelerator": "tpu-v3"}], "final": {"gpu_hours": 100}}, **FEW
    )
    if found.rows["cloud"].is_known:
        pytest.skip("a price of it is known by now")
    assert found.share_basis == "gpu_hours"
    assert found.to_dict()["cost_usd"] is None


def test_sizes_add_up_and_say_what_a_smaller_ladder_saves() -> None:
    found = priced(_grid(["100M", "400M", "3B"], [20]))
    assert sum(size.experiments for size in found.sizes) == found.experiments
    hours = sum(size.gpu_hours for size in found.sizes)
    assert hours == pytest.approx(found.rows["gpu_hours"].p50)
    smaller = priced(_grid(["100M", "400M"], [20]))
    saved = found.rows["cloud"].p50 - smaller.rows["cloud"].p50
    assert found.sizes[-1].saved_usd == pytest.approx(saved, rel=1e-3)


def test_a_budget_pays_for_a_part() -> None:
    found = priced(HOURS | {"repeats": 10}, budget=1000)
    assert found.fitting is not None
    assert found.fitting.odds == 0.0
    assert found.fitting.part == pytest.approx(0.5)
    assert found.fitting.experiments == pytest.approx(5)
    rich = priced(HOURS | {"repeats": 10}, budget=2001)
    assert rich.fitting is not None
    assert rich.fitting.odds == 1.0
    assert priced(HOURS, budget="2k").fitting == priced(HOURS, budget=2000).fitting
    for wrong in (-1, 0, math.nan, math.inf, "much"):
        with pytest.raises(cb.RequestError, match="budget: got"):
            priced(HOURS, budget=wrong)


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


@pytest.mark.parametrize(
    ("final", "problem"),
    [
        ({"gpu_hours": -1}, "final: gpu_hours: got -1"),
        ({"gpu_hours": 1, "tokens": 5}, "final: tokens: is of no use beside gpu_hours"),
        ({"params": 1e9}, "final: run: give params (or params_active, or model) and tokens"),
    ],
)
def test_final_runs_that_cannot_be(final: dict[str, Any], problem: str) -> None:
    with pytest.raises(cb.RequestError) as caught:
        priced(HOURS, final=final)
    assert problem in str(caught.value)


def test_the_json_form_keeps_its_contract() -> None:
    found = priced(HOURS, final={"gpu_hours": 300}, cluster={"gpus": 64}).to_dict()
    assert {
        "experiments", "flop", "gpu_hours", "cost_usd", "share_of_programme", "groups", "schedule",
    } <= set(found)  # fmt: skip
    assert {"gpus", "days"} <= set(found["schedule"])
    assert {"p5", "p50", "p95", "mean"} <= set(found["share_of_programme"])
    json.dumps(found, allow_nan=False)


def test_the_same_seed_gives_the_same_draws() -> None:
    group = RUNS | {"repeats": 9, "failures": {"rate": 0.3}}
    one, other = (priced(group).rows["gpu_hours"] for _ in range(2))
    assert one == other


def test_rows_of_all_groups_have_the_same_columns() -> None:
    seen: list[dict[str, Any]] = []
    priced(_grid(["1B", "2B"], [20]), HOURS | {"name": "hours"}, sink=seen.append)
    assert [list(each) for each in seen] == [list(seen[0])] * 2
    assert seen[0]["params"].tolist() == [1e9, 2e9]
    assert seen[1]["gpu_hours_to_the_end"].tolist() == [100.0]
    counted = count_experiments(cb.load_sweep({"groups": [_grid(["1B", "2B"], [20])]}))
    assert counted == (4, 2)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_prices_the_same() -> None:
    spec = {"groups": [_grid(["100M", "1B"], [20]) | {"failures": {"rate": 0.1}}], "price": "1..3"}
    one, other = (cb.price_sweep(spec, device=each, **FEW) for each in ("cpu", "cuda"))
    assert other.rows["cloud"].p50 == pytest.approx(one.rows["cloud"].p50, rel=1e-9)


def test_what_predicted_experiments_take_in_silence_is_listed() -> None:
    told = {each.name: (each.value, each.source) for each in priced(RUNS).assumptions}
    assert told["software generation"][1].startswith("assumed")
    assert told["global batch"][1].startswith("assumed where none is given")
    value, source = told["h100-sxm: links inside a domain"]
    assert value == "450 GB/s"
    assert source.startswith("h100-sxm: ")
    named = {each.name: each.source for each in priced(RUNS, software="compiled").assumptions}
    assert named["software generation"] == "given"
    hours = {each.name for each in priced(HOURS).assumptions}
    assert not hours & {"software generation", "global batch", "h100-sxm: links inside a domain"}
