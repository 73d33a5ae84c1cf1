from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest
from known import DEEPSEEK_LIKE, LLAMA_8B
from plans import SEQUENCE, planned

import computebill as cb
from computebill.planning.search import FITS
from computebill.training.cases import Case
from computebill.training.memory import stage_bytes
from computebill.training.memory_odds import most_predicted
from computebill.training.rules import check_layout
from computebill.training.step_time import estimate_step


def test_the_best_is_the_run_that_it_is_priced_as(llama_config: str) -> None:
    found = planned(llama_config)
    rows = found.estimate.rows
    assert rows["step_seconds"].p50 == pytest.approx(found.best.step_seconds, rel=0.01)
    assert rows["days"].p50 == pytest.approx(found.best.days, rel=0.01)
    # Its draws have the same doubts as those that give the costs of the tables.
    assert rows["cloud"].p50 == pytest.approx(found.best.cost_usd, rel=0.005)
    # 1T tokens in steps of 512 sequences; failures take some of the time.
    steps = 1e12 / (512 * SEQUENCE)
    assert found.best.days >= steps * found.best.step_seconds / 86400
    assert found.best.days == pytest.approx(steps * found.best.step_seconds / 86400, rel=0.05)


def test_more_accelerators_are_faster_and_fewer_cheaper(llama_config: str) -> None:
    few, many = (
        planned(llama_config, count=[16, 256], objective=what) for what in ("cost", "time")
    )
    assert few.best.layout.accelerators == 16
    assert many.best.layout.accelerators == 256
    assert many.best.days < few.best.days
    assert many.best.cost_usd > few.best.cost_usd
    counts = {each.layout.accelerators for each in many.pareto}
    assert counts == {16, 256}


def test_limits_hold(llama_config: str) -> None:
    free = planned(llama_config, count=None, max_gpus=256, objective="cost")
    asked = planned(
        llama_config, count=None, max_gpus=256, objective="cost", max_days=free.best.days / 4
    )
    assert asked.best.days <= free.best.days / 4
    assert asked.best.layout.accelerators > free.best.layout.accelerators
    narrow = planned(llama_config, memory_margin=0.7)
    assert narrow.best.memory_gb <= 24
    fixed = planned(llama_config, tp=[4], recompute="full")
    assert fixed.best.layout.tp == 4
    assert fixed.best.layout.recompute == "full"


def test_every_layout_has_the_odds_that_are_asked_for(llama_config: str) -> None:
    found = {odds: planned(llama_config, fit_odds=odds) for odds in (0.5, 0.9, 0.99)}
    for odds, each in found.items():
        told = (each.best, *each.runners_up, *each.pareto)
        assert all(one.fit_odds >= odds for one in told)
        # Whatever the odds, the margin stays free.
        assert all(one.memory_share <= 0.95 for one in told)
    counts = [each.feasible for each in found.values()]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1]
    assert found[0.5].best.step_seconds <= found[0.99].best.step_seconds
    best = found[0.9].to_dict()["best"]
    assert best["fit_odds"] == found[0.9].best.fit_odds
    assert best["memory_interval_gb"]["p5"] < best["memory_gb"] < best["memory_interval_gb"]["p95"]


def test_accelerators_are_compared(llama_config: str) -> None:
    found = planned(llama_config, accelerator="a100-sxm-80gb,h100-sxm,b200", precision="bf16")
    assert found.best.accelerator.name == "b200"
    assert {each.accelerator.name for each in found.pareto} >= {"b200"}
    names = [each.accelerator.name for each in found.each]
    assert sorted(names) == ["a100-sxm-80gb", "b200", "h100-sxm"]
    alone = planned(llama_config, accelerator="a100-sxm-80gb")
    assert found.each[names.index("a100-sxm-80gb")].days == pytest.approx(alone.best.days)
    assert found.odds(found.each[names.index("h100-sxm")]) is None
    low = planned(llama_config, precision="bf16,fp8")
    assert low.best.precision == "fp8"


def test_tensor_parallel_ranks_stay_inside_a_domain_unless_allowed(llama_config: str) -> None:
    with pytest.raises(cb.RequestError) as caught:
        planned(llama_config, tp=16)
    assert "tp stays inside a scale-up domain" in str(caught.value)
    assert planned(llama_config, tp=16, across_domains=True).best.layout.tp == 16
    # A rack of 72 is one domain.
    assert planned(llama_config, accelerator="gb200-nvl72", tp=16).best.layout.tp == 16
    wide = planned(llama_config, across_domains=True)
    assert wide.evaluated > planned(llama_config).evaluated
    assert wide.best.days <= planned(llama_config).best.days


def test_sequence_parallelism_may_be_searched(llama_config: str) -> None:
    both = planned(llama_config, tp=8, sequence_parallel="on,off", top=64)
    kinds = {each.layout.is_sequence_parallel for each in (both.best, *both.runners_up)}
    assert kinds == {True, False}
    without = planned(llama_config, tp=8, sequence_parallel="off")
    assert not without.best.layout.is_sequence_parallel
    assert without.best.step_seconds >= both.best.step_seconds


def test_each_accelerator_may_have_its_own_price(llama_config: str) -> None:
    both = {"accelerator": "a100-sxm-80gb,h100-sxm", "objective": "cost"}
    dear = planned(llama_config, **both, price="a100-sxm-80gb=1,h100-sxm=20")
    assert dear.best.accelerator.name == "a100-sxm-80gb"
    cheap = planned(llama_config, **both, price={"a100-sxm-80gb": 4, "h100-sxm": "1..2"})
    assert cheap.best.accelerator.name == "h100-sxm"
    hours = dear.best.days * 24 * dear.best.layout.accelerators
    assert dear.best.cost_usd == pytest.approx(hours * 1.0, rel=5e-3)
    # One that has none takes what is typical.
    assert (
        planned(llama_config, **both, price={"h100-sxm": 90}).best.accelerator.name
        == "a100-sxm-80gb"
    )


def test_accelerators_without_a_layout_are_named(llama_config: str) -> None:
    found = planned(llama_config, accelerator="v100-sxm-32gb,h100-sxm", precision="fp16", count=4)
    told = found.to_dict()
    assert [each["accelerator"] for each in told["by_accelerator"]] == ["h100-sxm"]
    (dropped,) = told["dropped"]
    assert dropped["accelerator"] == "v100-sxm-32gb"
    assert FITS in dropped["reason"]
    names = {"accelerator": "a100-sxm-80gb,h100-sxm"}
    both = planned(llama_config, **names)
    days = {each.accelerator.name: each.days for each in both.each}
    limited = planned(llama_config, **names, max_days=sum(days.values()) / 2)
    reason = limited.dropped["a100-sxm-80gb", "bf16"]
    assert f"takes {days['a100-sxm-80gb']:,.4g} days" in reason


def test_layouts_that_are_near_cannot_be_told_apart(llama_config: str) -> None:
    found = planned(llama_config, top=60)
    odds = [found.odds(each) or 0.0 for each in found.runners_up]
    assert odds == sorted(odds)
    assert odds[0] >= 0.5
    # Half of all pairs are as far off; of these, one in two in the other direction.
    gaps = [math.log(each.step_seconds / found.best.step_seconds) for each in found.runners_up]
    found = dataclasses.replace(found, apart=gaps[len(gaps) // 2])
    odds = [found.odds(each) or 0.0 for each in found.runners_up]
    assert all(
        (one > 0.75) == (gap > found.apart) for one, gap in zip(odds, gaps, strict=True) if gap
    )


def test_an_empty_answer_counts_what_each_rule_left_out(llama_config: str) -> None:
    with pytest.raises(cb.RequestError) as caught:
        planned(llama_config, count=1, memory_margin=0.9)
    message = str(caught.value)
    assert "is legal and fits; the nearest, " in message
    assert "; left out by each rule (several may leave out one): " in message
    assert FITS in message
    assert "tp x pp x cp divides the accelerators" in message


def test_gradients_that_are_fused_have_one_micro_batch(llama_config: str) -> None:
    asked = {"layout": {"gradients": "fused"}, "global_batch": 64}
    found = planned(llama_config, **asked)
    told = (found.best, *found.runners_up, *found.pareto)
    assert {each.layout.micro_batches for each in told} == {1}
    rule = "gradients fused have one micro-batch"
    assert found.excluded[rule] > 0
    with pytest.raises(cb.RequestError, match=rule):
        # 64 sequences of 8 replicas are 8 micro-batches of one.
        planned(llama_config, **asked, count=8, micro_batch=[1])


def test_a_trainer_s_preset_is_what_is_tried(llama_config: str) -> None:
    found = planned(llama_config, layout={"recipe": "trl"})
    told = [each.layout for each in (found.best, *found.runners_up, *found.pareto)]
    assert {(each.tp, each.pp, each.vpp, each.recompute) for each in told} == {(1, 1, 1, "full")}
    assumed = {each["name"]: each["value"] for each in found.to_dict()["assumptions"]}
    assert assumed["tp that is tried"] == assumed["pp that is tried"] == "1"
    # What its user gives goes before it, and is no assumption.
    given = planned(llama_config, layout={"recipe": "trl"}, tp=[2, 4], recompute="selective")
    assert given.best.layout.tp in (2, 4)
    assert given.best.layout.recompute == "selective"
    names = {each["name"] for each in given.to_dict()["assumptions"]}
    assert "pp that is tried" in names
    assert "tp that is tried" not in names
    free = planned(llama_config, layout={"recipe": "axolotl"}, tp=[2])
    assert (free.best.layout.tp, free.best.layout.pp) == (2, 1)


def test_a_preset_of_full_sharding_is_tried_on_one_accelerator_too(llama_config: str) -> None:
    found = planned(llama_config, layout={"recipe": "fsdp2"}, count=1, accelerator="b300")
    assert found.best.layout.zero == 3
    both = planned(
        llama_config, layout={"recipe": "fsdp2"}, count=1, accelerator="b300", zero="1,3"
    )
    assert {each.layout.zero for each in (both.best, *both.runners_up)} == {1}


def test_the_json_form_keeps_its_contract(llama_config: str) -> None:
    found = planned(llama_config).to_dict()
    assert {"best", "pareto", "evaluated", "feasible", "search_seconds"} <= set(found)
    assert {"layout", "step_seconds", "mfu", "memory_gb", "days", "cost_usd"} <= set(found["best"])
    assert {"p5", "p50", "p95", "mean"} <= set(found["best"]["days"])
    assert found["runners_up"][0]["odds_slower"] >= 0.5
    json.dumps(found, allow_nan=False)
    frame = planned(llama_config).to_frame()
    assert list(frame["role"].unique()) == ["best", "runner-up", "front"]
    assert {"tp", "pp", "dp", "days", "memory_gb"} <= set(frame.columns)


def test_accelerators_without_a_price_or_a_profile_of_the_package(
    llama_config: str, tmp_path: Path
) -> None:
    for names in ("v100-pcie-32gb,h100-sxm", "h100-sxm,v100-pcie-32gb"):
        found = planned(llama_config, accelerator=names, objective="cost", precision=None)
        assert found.best.accelerator.name == "h100-sxm"
        assert "h100-sxm" in {each.accelerator.name for each in found.pareto}
    shipped = Path(cb.__file__).parent.parent / "hardware_profiles" / "h100-sxm.toml"
    if not shipped.exists():
        shipped = Path(cb.__file__).parent / "hardware_profiles" / "h100-sxm.toml"
    own = tmp_path / "mine.toml"
    own.write_text(shipped.read_text().replace('name = "h100-sxm"', 'name = "mine"'))
    assert planned(llama_config, accelerator=str(own)).best.accelerator.name == "mine"


def test_buckets_are_weighed(llama_config: str) -> None:
    found = planned(llama_config, layout={"recipe": "deepspeed"})
    stages = stage_bytes(cb.read_architecture(LLAMA_8B), [found.best.layout], float(SEQUENCE))
    assert found.best.memory_gb == pytest.approx(float(stages.nan_to_num(0.0).amax()) / 1e9)


def test_spot_machines_that_are_taken_away_are_paid_for(llama_config: str) -> None:
    both = {"accelerator": "a100-sxm-80gb,h100-sxm", "objective": "cost", "restart_seconds": 1800}
    # At the same price a FLOP, what is taken away more often costs more.
    prices = {"a100-sxm-80gb": 0.5, "h100-sxm": 2.5}
    calm = planned(llama_config, **both, price=prices)
    rough = planned(llama_config, **both, price=prices, interruptions_per_gpu_day="a100-sxm-80gb=2")
    assert calm.best.accelerator.name == "a100-sxm-80gb"
    assert rough.best.accelerator.name == "h100-sxm"
    costs = [{each.accelerator.name: each.cost_usd for each in one.each} for one in (calm, rough)]
    assert costs[0]["h100-sxm"] == pytest.approx(costs[1]["h100-sxm"])
    # As failures are: they are one sum.
    failures = 2 + 419 / (54 * 16384)
    alone = {**both, "accelerator": "a100-sxm-80gb", "price": 0.5}
    taken = planned(llama_config, **alone, interruptions_per_gpu_day=2)
    failed = planned(llama_config, **alone, failures_per_gpu_day=failures)
    assert taken.best.cost_usd == pytest.approx(failed.best.cost_usd)
    assert taken.best.cost_usd == pytest.approx(costs[1]["a100-sxm-80gb"])
    assert taken.to_dict()["best"]["goodput"] == failed.to_dict()["best"]["goodput"]
    told = {each.name: each for each in taken.assumptions}
    assert told["spot machines taken away, a GPU and day"].value == "2"


def test_spot_prices_say_that_no_interruption_is_counted(llama_config: str) -> None:
    found = planned(llama_config, commitment="spot", top=1, tp=1, pp=1)
    told = {each.name: each for each in found.assumptions}
    assert told["spot machines taken away, a GPU and day"].value == "none"
    with pytest.raises(cb.RequestError, match="give goodput or interruptions_per_gpu_day"):
        planned(llama_config, goodput=0.9, interruptions_per_gpu_day=0.1)
    with pytest.raises(cb.RequestError, match=r"interruptions_per_gpu_day.*no such accelerator"):
        planned(llama_config, interruptions_per_gpu_day="b200=0.1")
    with pytest.raises(cb.RequestError, match=r"interruptions_per_gpu_day.*allowed: a number"):
        planned(llama_config, interruptions_per_gpu_day="often")


def test_clusters_of_different_parts_stand_side_by_side(llama_config: str) -> None:
    prices = {"a100-sxm-80gb": 1.2, "h100-sxm": 2.4}
    both = planned(
        llama_config,
        accelerator="a100-sxm-80gb,h100-sxm",
        count={"a100-sxm-80gb": 128, "h100-sxm": 32},
        price=prices,
    )
    found = {each.accelerator.name: each for each in both.each}
    for name, count in (("a100-sxm-80gb", 128), ("h100-sxm", 32)):
        alone = planned(llama_config, accelerator=name, count=count, price=prices[name]).best
        assert found[name].layout == alone.layout
        assert found[name].cost_usd == pytest.approx(alone.cost_usd)


def test_a_plan_of_adapters_is_as_fast_and_as_light_as_its_steps(llama_config: str) -> None:
    found = planned(llama_config, count=4, layout={"lora_rank": 16}, top=4)
    architecture = cb.read_architecture(LLAMA_8B)
    for each in (found.best, *found.runners_up):
        assert each.layout.lora_rank == 16
        step = estimate_step(
            Case(architecture, each.layout, each.accelerator, "bf16", SEQUENCE, "modern")
        )
        assert each.step_seconds == pytest.approx(step.seconds, rel=1e-9)
        sizes = stage_bytes(architecture, [each.layout], SEQUENCE)
        assert each.memory_gb == pytest.approx(float(sizes.nan_to_num(0.0).amax()) / 1e9, rel=1e-9)
    whole = planned(llama_config, count=4, top=1)
    # Frozen weights have neither gradients to add nor states to hold.
    assert found.best.step_seconds < whole.best.step_seconds


def test_a_lighter_last_stage_pays_for_a_large_vocabulary(llama_config: str) -> None:
    wide = {**LLAMA_8B, "vocab_size": 512000}
    asked = {"model": wide, "tp": 8, "pp": 4, "cp": 1, "vpp": 1, "micro_batch": 1, "zero": 1}
    even, uneven = (planned(llama_config, **asked, uneven=each) for each in (False, True))
    # The head of 512,000 words is as much as several layers.
    assert uneven.best.layout.deal.stages(32)[-1] < 8
    assert uneven.best.step_seconds < even.best.step_seconds
    assert uneven.evaluated > even.evaluated
    # A small one is not worth it: what is even is found again.
    small = {**asked, "model": {**LLAMA_8B, "vocab_size": 8000}}
    even, uneven = (planned(llama_config, **small, uneven=each) for each in (False, True))
    assert uneven.best.step_seconds <= even.best.step_seconds


def test_ends_that_leave_no_whole_layers_are_refused() -> None:
    architecture = cb.read_architecture(LLAMA_8B)
    for ends in ({"first_layers": 7}, {"first_layers": 30, "last_layers": 2}):
        with pytest.raises(cb.RequestError, match=r"first_layers: got .*; allowed: what leaves"):
            check_layout(architecture, cb.Layout(pp=4, **ends), SEQUENCE)
    check_layout(architecture, cb.Layout(pp=4, first_layers=7, last_layers=7), SEQUENCE)
    with pytest.raises(ValueError, match="first_layers: got 7; allowed with more than one stage"):
        cb.Layout(first_layers=7)


NARROW = {"tp": 4, "pp": [2, 4], "cp": 1, "vpp": 1, "micro_batch": [2, 4], "zero": 1, "top": 64}


def test_as_few_layers_are_computed_again_as_fit(llama_config: str) -> None:
    asked = {**NARROW, "model": WIDE, "sequence_length": 16384, "recompute": "fewest"}
    found = planned(llama_config, **asked)
    few = [each for each in (found.best, *found.runners_up) if each.layout.deal.again is not None]
    assert len(few) > 1
    limit = min(80 * 0.95, most_predicted(80.0, 0.9))
    for each in few:
        again = each.layout.recompute_layers
        assert isinstance(again, tuple)
        assert each.memory_gb <= limit
        assert each.step_seconds == pytest.approx(timed(each.layout), rel=1e-12)
        # One layer fewer on any stage that has one to spare does not fit there.
        for stage, count in enumerate(again):
            fewer = [*again[:stage], count - 1, *again[stage + 1 :]]
            update = {"recompute_layers": tuple(fewer)}
            sizes = stage_bytes(WIDE_LLAMA, [each.layout.model_copy(update=update)], 16384.0)
            assert count == 0 or float(sizes[stage]) > limit * 1e9
        # It is faster than if all were, and what fits with none has none.
        update = {"recompute_layers": None}
        assert each.step_seconds < timed(each.layout.model_copy(update=update))
    alike = planned(llama_config, **asked, framework="megatron-lm")
    told = [each.layout.recompute_layers for each in (alike.best, *alike.runners_up)]
    assert any(isinstance(each, int) for each in told)
    assert not any(isinstance(each, tuple) for each in told)


WIDE = LLAMA_8B | {"hidden_size": 6144, "intermediate_size": 16384, "num_attention_heads": 48}
WIDE_LLAMA = cb.read_architecture(WIDE)


def timed(layout: cb.Layout) -> float:
    """Seconds of a step of the wide model."""
    part = cb.find_accelerator("h100-sxm")
    return estimate_step(Case(WIDE_LLAMA, layout, part, "bf16", 16384, "modern")).seconds


def test_fewest_layers_are_asked_of_frameworks_that_count_them(llama_config: str) -> None:
    with pytest.raises(cb.RequestError, match=r"recompute: got fewest; allowed with torchtune"):
        planned(llama_config, recompute="fewest", framework="torchtune")
    with pytest.raises(cb.RequestError, match=r"layout.recompute_layers: .*give recompute fewest"):
        planned(llama_config, layout={"qlora": True, "recompute_layers": 4})


def test_layers_that_are_listed_win(llama_config: str) -> None:
    listed = (7, 9, 9, 7)
    asked = {"layers_per_stage": "7,9,9,7", "cp": 1, "zero": 1}
    found = planned(llama_config, **asked, uneven=True)
    kept = (found.best, *found.runners_up, *found.pareto)
    assert {(each.layout.pp * each.layout.vpp) for each in kept} == {4}
    assert {each.layout.layers_per_stage for each in kept} == {listed}
    stages = {each.layout.pp for each in kept}
    assert stages <= {1, 2, 4}
    with pytest.raises(cb.RequestError, match="layers_per_stage: got 7,9,16, 3 in all"):
        planned(llama_config, layers_per_stage=(7, 9, 16), pp=4)
    with pytest.raises(cb.RequestError, match=r"layers_per_stage: got .*, 33 in all; allowed: the"):
        planned(llama_config, layers_per_stage=(7, 9, 9, 8))


def test_stages_with_as_equal_work_as_can_be_are_tried(llama_config: str) -> None:
    mixed = DEEPSEEK_LIKE | {"vocab_size": 32000, "num_hidden_layers": 13}
    asked = {"model": mixed, "pp": 4, "tp": 1, "cp": 1, "micro_batch": 1, "recompute": "none"}
    found = planned(llama_config, **asked, uneven=True, top=64)
    listed = [
        each for each in (found.best, *found.runners_up) if each.layout.layers_per_stage is not None
    ]
    assert listed
    architecture = cb.read_architecture(mixed)
    for each in listed:
        case = Case(architecture, each.layout, each.accelerator, "bf16", SEQUENCE, "modern")
        assert each.step_seconds == pytest.approx(estimate_step(case).seconds, rel=1e-12)
        sizes = stage_bytes(architecture, [each.layout], SEQUENCE)
        assert each.memory_gb == pytest.approx(float(sizes.amax()) / 1e9, rel=1e-12)


def test_adapters_are_planned_with_uneven_stages_and_few_layers_again(llama_config: str) -> None:
    asked = {**NARROW, "model": WIDE, "sequence_length": 16384, "recompute": "fewest"}
    found = planned(llama_config, **asked, uneven=True, layout={"lora": True})
    told = (found.best, *found.runners_up, *found.pareto)
    assert all(each.layout.lora_rank == 16 for each in told)
    assert any(each.layout.recompute_layers is not None for each in told)
    assert any(each.layout.ends or each.layout.layers_per_stage for each in told)
    limit = min(80 * 0.95, most_predicted(80.0, 0.9))
    assert all(each.memory_gb <= limit for each in told)
    for each in (found.best, found.runners_up[-1]):
        assert each.step_seconds == pytest.approx(timed(each.layout), rel=1e-9)
