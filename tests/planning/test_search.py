from __future__ import annotations

import dataclasses
import itertools
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from known import LLAMA_8B

import computebill as cb
from computebill.planning.choice_grid import Grid
from computebill.planning.choices import Space, make_space
from computebill.planning.result import Plan
from computebill.planning.search import FITS, plan
from computebill.planning.spec import PlanSpec
from computebill.training.cases import Case
from computebill.training.efficiency import bounded, read_profile, unbounded
from computebill.training.layout import check_layout
from computebill.training.memory import stage_bytes
from computebill.training.step_time import estimate_step

MIXTRAL = LLAMA_8B | {"model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": 2}
LEADING_DENSE = {
    "model_type": "deepseek_v3",
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "moe_intermediate_size": 512,
    "num_hidden_layers": 32,
    "num_attention_heads": 16,
    "num_key_value_heads": 16,
    "n_routed_experts": 16,
    "num_experts_per_tok": 4,
    "n_shared_experts": 1,
    "first_k_dense_replace": 3,
    "q_lora_rank": 256,
    "kv_lora_rank": 128,
    "qk_nope_head_dim": 64,
    "qk_rope_head_dim": 32,
    "v_head_dim": 64,
    "vocab_size": 32000,
}
"""Whose first stages are unlike the others."""

SEQUENCE = 4096


def space(config: dict[str, Any], accelerator: str = "h100-sxm", **given: Any) -> Space:
    part = cb.find_accelerator(accelerator)
    case = Case(cb.read_architecture(config), cb.Layout(), part, "bf16", SEQUENCE, "modern")
    return make_space(case, given)


def grid(of: Space) -> Grid:
    return Grid(of, bounded(unbounded(read_profile().values)), torch.device("cpu"))


def one_by_one(of: Space, place: int, count: int, batch: int) -> tuple[float, float] | None:
    """Seconds and bytes of a layout by the functions of one; None where it is not legal."""
    pipe, tp, cp, experts, sharding, micro, recompute = (
        part[index]
        for part, index in zip(
            (of.pipes, of.tp, of.cp, of.experts, of.sharding, of.micro, of.recompute),
            torch.unravel_index(torch.tensor(place), of.shape),
            strict=True,
        )
    )
    tp, sequence_parallel = tp
    dp, rest = divmod(count, pipe.pp * tp * cp)
    if rest or not dp or batch % (dp * micro):
        return None
    domain = 8
    # Replicas whose tensor parallel ranks all are in the first domain.
    near = sum((replica + 1) * tp <= domain for replica in range(dp * cp))
    # Divided by one rank, sharded over one, or inside a domain that is all there is: the same
    # layout again.
    if (experts.divided and tp == 1) or (sharding.inside and not 1 < near < dp * cp):
        return None
    if sharding.zero == 3 and dp * cp == 1:
        return None
    if tp > domain and not of.across:
        return None
    layout = cb.Layout(
        pp=pipe.pp,
        vpp=pipe.vpp,
        schedule=pipe.schedule,
        tp=tp,
        sequence_parallel=sequence_parallel,
        cp=cp,
        dp=dp,
        ep=experts.ep,
        etp=tp if experts.divided else 1,
        zero=sharding.zero,
        shards=near if sharding.inside else None,
        micro_batch=micro,
        micro_batches=batch // (dp * micro),
        recompute=recompute,
    )
    try:
        check_layout(of.case.architecture, layout, SEQUENCE)
    except cb.RequestError:
        return None
    assert of.layout(place, count, batch).model_dump() == layout.model_dump()
    case = Case(of.case.architecture, layout, of.case.accelerator, "bf16", SEQUENCE, "modern")
    stages = stage_bytes(of.case.architecture, [layout], float(SEQUENCE))
    return estimate_step(case).seconds, float(stages.nan_to_num(0.0).amax())


CHOICES = {
    "tp": st.lists(st.sampled_from([1, 2, 4, 8, 16]), min_size=1, max_size=2, unique=True),
    "sequence_parallel": st.sampled_from([[True], [False], [True, False]]),
    "pp": st.lists(st.sampled_from([1, 2, 4, 8]), min_size=1, max_size=2, unique=True),
    "vpp": st.just([1, 2, 4]),
    "cp": st.lists(st.sampled_from([1, 2, 4]), min_size=1, max_size=2, unique=True),
    "zero": st.lists(st.sampled_from([0, 1, 2, 3]), min_size=1, max_size=2, unique=True),
    "micro_batch": st.lists(st.sampled_from([1, 2, 3, 8]), min_size=1, max_size=2, unique=True),
    "recompute": st.lists(
        st.sampled_from(["none", "selective", "operators", "full"]), min_size=1, max_size=2
    ),
    "schedule": st.lists(
        st.sampled_from(["1f1b", "zero-bubble", "dualpipe"]), min_size=1, max_size=2, unique=True
    ),
}


@settings(max_examples=25)
@given(
    st.sampled_from([LLAMA_8B, MIXTRAL, LLAMA_8B | {"num_hidden_layers": 30}, LEADING_DENSE]),
    st.fixed_dictionaries(CHOICES),
    st.sampled_from([8, 12, 64]),
    st.sampled_from([16, 48, 64]),
    st.booleans(),
)
def test_a_grid_is_every_layout_by_itself(
    config: dict[str, Any], given: dict[str, Any], count: int, batch: int, across: bool
) -> None:
    if 1 in given["pp"] and "1f1b" not in given["schedule"]:
        given = {**given, "schedule": ["1f1b"]}
    if config["num_hidden_layers"] == 30:
        given = {**given, "pp": [1], "schedule": ["1f1b"]}
    of = space(config, **given, **({"ep": [1, 2, 8]} if config is MIXTRAL else {}))
    of = dataclasses.replace(of, across=across)
    whole = grid(of)
    for pipes in whole.chunks():
        chunk = whole.evaluate(pipes, count, batch)
        seconds = chunk.legal_seconds(math.inf).flatten()
        sizes = chunk.bytes.expand_as(chunk.seconds).flatten()
        where = chunk.place(torch.arange(seconds.numel()), of.shape).tolist()
        found = dict(zip(where, zip(seconds.tolist(), sizes.tolist(), strict=True), strict=True))
        rest = math.prod(of.shape[1:])
        for place in range(pipes.start * rest, pipes.stop * rest):
            alone = one_by_one(of, place, count, batch)
            assert (found.get(place, (math.inf,))[0] < math.inf) == (alone is not None)
            if alone is not None:
                assert found[place] == pytest.approx(alone, rel=1e-9)


@pytest.mark.parametrize(("tp", "shards"), [(1, {8, None}), (4, {2, None}), (8, {None})])
def test_shards_of_a_domain_are_those_that_it_holds(tp: int, shards: set[int | None]) -> None:
    # Nodes of eight: of ranks that lie four apart, two are in one.
    of = space(LLAMA_8B, tp=[tp], pp=[1], cp=[1], zero=[3], micro_batch=[1])
    whole = grid(of)
    found = set()
    for pipes in whole.chunks():
        chunk = whole.evaluate(pipes, 64, 64)
        seconds = chunk.legal_seconds(math.inf).flatten()
        places = chunk.place(torch.nonzero(torch.isfinite(seconds)).squeeze(1), of.shape)
        found |= {of.layout(place, 64, 64).shards for place in places.tolist()}
    assert found == shards


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(LLAMA_8B))
    return str(path)


def planned(config: str, **changes: Any) -> Plan:
    spec = {
        "model": config,
        "tokens": "1T",
        "accelerator": "h100-sxm",
        "count": 64,
        "global_batch": 512,
        "sequence_length": SEQUENCE,
    }
    spec = {key: value for key, value in (spec | changes).items() if value is not None}
    return plan(spec)


def test_the_best_is_the_fastest_of_all(config: str) -> None:
    choices = {"tp": [1, 4], "pp": [1, 2, 8], "cp": [1, 2], "micro_batch": [1, 4]}
    found = planned(config, **choices)
    of = space(LLAMA_8B, **choices)
    places = range(math.prod(of.shape))
    alone = [one for place in places if (one := one_by_one(of, place, 64, 512)) is not None]
    limit = 80e9 * 0.95
    fitting = [one for one in alone if one[1] <= limit]
    assert found.evaluated == math.prod(of.shape)
    assert found.feasible == len(fitting)
    assert found.best.step_seconds == pytest.approx(min(one[0] for one in fitting))
    fastest = sorted(one[0] for one in fitting)[1:6]
    assert [each.step_seconds for each in found.runners_up] == pytest.approx(fastest)


def test_the_best_is_the_run_that_it_is_priced_as(config: str) -> None:
    found = planned(config)
    rows = found.estimate.rows
    assert rows["step_seconds"].p50 == pytest.approx(found.best.step_seconds, rel=0.01)
    assert rows["days"].p50 == pytest.approx(found.best.days, rel=0.01)
    assert rows["cloud"].p50 == pytest.approx(found.best.cost_usd, rel=0.02)
    # 1T tokens in steps of 512 sequences; failures take some of the time.
    steps = 1e12 / (512 * SEQUENCE)
    assert found.best.days >= steps * found.best.step_seconds / 86400
    assert found.best.days == pytest.approx(steps * found.best.step_seconds / 86400, rel=0.05)


def test_more_accelerators_are_faster_and_fewer_cheaper(config: str) -> None:
    few, many = (planned(config, count=[16, 256], objective=what) for what in ("cost", "time"))
    assert few.best.layout.accelerators == 16
    assert many.best.layout.accelerators == 256
    assert many.best.days < few.best.days
    assert many.best.cost_usd > few.best.cost_usd
    counts = {each.layout.accelerators for each in many.pareto}
    assert counts == {16, 256}


def test_limits_hold(config: str) -> None:
    free = planned(config, count=None, max_gpus=256, objective="cost")
    asked = planned(config, count=None, max_gpus=256, objective="cost", max_days=free.best.days / 4)
    assert asked.best.days <= free.best.days / 4
    assert asked.best.layout.accelerators > free.best.layout.accelerators
    narrow = planned(config, memory_margin=0.7)
    assert narrow.best.memory_gb <= 24
    fixed = planned(config, tp=[4], recompute="full")
    assert fixed.best.layout.tp == 4
    assert fixed.best.layout.recompute == "full"


def test_accelerators_are_compared(config: str) -> None:
    found = planned(config, accelerator="a100-sxm-80gb,h100-sxm,b200", precision="bf16")
    assert found.best.accelerator.name == "b200"
    assert {each.accelerator.name for each in found.pareto} >= {"b200"}
    names = [each.accelerator.name for each in found.each]
    assert sorted(names) == ["a100-sxm-80gb", "b200", "h100-sxm"]
    alone = planned(config, accelerator="a100-sxm-80gb")
    assert found.each[names.index("a100-sxm-80gb")].days == pytest.approx(alone.best.days)
    assert found.odds(found.each[names.index("h100-sxm")]) is None
    low = planned(config, precision="bf16,fp8")
    assert low.best.precision == "fp8"


def test_tensor_parallel_ranks_stay_inside_a_domain_unless_allowed(config: str) -> None:
    with pytest.raises(cb.RequestError) as caught:
        planned(config, tp=16)
    assert "tp stays inside a scale-up domain" in str(caught.value)
    assert planned(config, tp=16, across_domains=True).best.layout.tp == 16
    # A rack of 72 is one domain.
    assert planned(config, accelerator="gb200-nvl72", tp=16).best.layout.tp == 16
    wide = planned(config, across_domains=True)
    assert wide.evaluated > planned(config).evaluated
    assert wide.best.days <= planned(config).best.days


def test_sequence_parallelism_may_be_searched(config: str) -> None:
    both = planned(config, tp=8, sequence_parallel="on,off", top=64)
    kinds = {each.layout.is_sequence_parallel for each in (both.best, *both.runners_up)}
    assert kinds == {True, False}
    without = planned(config, tp=8, sequence_parallel="off")
    assert not without.best.layout.is_sequence_parallel
    assert without.best.step_seconds >= both.best.step_seconds


def test_each_accelerator_may_have_its_own_price(config: str) -> None:
    both = {"accelerator": "a100-sxm-80gb,h100-sxm", "objective": "cost"}
    dear = planned(config, **both, price="a100-sxm-80gb=1,h100-sxm=20")
    assert dear.best.accelerator.name == "a100-sxm-80gb"
    cheap = planned(config, **both, price={"a100-sxm-80gb": 4, "h100-sxm": "1..2"})
    assert cheap.best.accelerator.name == "h100-sxm"
    hours = dear.best.days * 24 * dear.best.layout.accelerators
    assert dear.best.cost_usd == pytest.approx(hours * 1.0, rel=5e-3)
    # One that has none takes what is typical.
    assert planned(config, **both, price={"h100-sxm": 90}).best.accelerator.name == "a100-sxm-80gb"


def test_accelerators_without_a_layout_are_named(config: str) -> None:
    found = planned(config, accelerator="v100-sxm-32gb,h100-sxm", precision="fp16", count=4)
    told = found.to_dict()
    assert [each["accelerator"] for each in told["by_accelerator"]] == ["h100-sxm"]
    (dropped,) = told["dropped"]
    assert dropped["accelerator"] == "v100-sxm-32gb"
    assert FITS in dropped["reason"]
    names = {"accelerator": "a100-sxm-80gb,h100-sxm"}
    both = planned(config, **names)
    days = {each.accelerator.name: each.days for each in both.each}
    limited = planned(config, **names, max_days=sum(days.values()) / 2)
    reason = limited.dropped["a100-sxm-80gb", "bf16"]
    assert f"takes {days['a100-sxm-80gb']:,.4g} days" in reason


def test_layouts_that_are_near_cannot_be_told_apart(config: str) -> None:
    found = planned(config, top=60)
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
def test_plans_that_cannot_be(config: str, changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(cb.RequestError) as caught:
        planned(config, **changes)
    assert problem in str(caught.value)


def test_an_empty_answer_counts_what_each_rule_left_out(config: str) -> None:
    with pytest.raises(cb.RequestError) as caught:
        planned(config, count=1, memory_margin=0.9)
    message = str(caught.value)
    assert "is legal and fits; left out by each rule" in message
    assert FITS in message
    assert "tp x pp x cp divides the accelerators" in message


def test_counts_and_choices_are_read_as_people_write_them() -> None:
    spec = {"model": "m", "tokens": "1T", "accelerator": "h100, a100", "global_batch": "1k"}
    found = PlanSpec.model_validate(spec | {"count": "64..512,96"})
    assert found.counts == (64, 128, 256, 512, 96)
    assert found.accelerator == ("h100", "a100")
    assert found.global_batch == 1000
    found = PlanSpec.model_validate(spec | {"max_gpus": "100", "tp": "1,4", "etp": "tp"})
    assert found.counts == (8, 16, 32, 64, 100)
    assert found.choices == {"tp": (1, 4), "etp": ("tp",)}


def test_the_json_form_keeps_its_contract(config: str) -> None:
    found = planned(config).to_dict()
    assert {"best", "pareto", "evaluated", "feasible", "search_seconds"} <= set(found)
    assert {"layout", "step_seconds", "mfu", "memory_gb", "days", "cost_usd"} <= set(found["best"])
    assert {"p5", "p50", "p95", "mean"} <= set(found["best"]["days"])
    assert found["runners_up"][0]["odds_slower"] >= 0.5
    json.dumps(found, allow_nan=False)
    frame = planned(config).to_frame()
    assert list(frame["role"].unique()) == ["best", "runner-up", "front"]
    assert {"tp", "pp", "dp", "days", "memory_gb"} <= set(frame.columns)


def test_all_pairs_of_places_are_different_layouts() -> None:
    of = space(MIXTRAL, ep=[1, 8])
    whole = grid(of)
    seen: list[str] = []
    for pipes in whole.chunks():
        chunk = whole.evaluate(pipes, 64, 512)
        legal = torch.nonzero(torch.isfinite(chunk.legal_seconds(math.inf)).flatten()).flatten()
        for place in chunk.place(legal, of.shape).tolist()[::7]:
            seen.append(of.layout(place, 64, 512).model_dump_json())
    assert len(seen) > 100
    assert not any(one == other for one, other in itertools.pairwise(sorted(seen)))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_searches_the_same() -> None:
    of = space(MIXTRAL, ep=[1, 8])
    values = bounded(unbounded(read_profile().values))
    here, there = (Grid(of, values, torch.device(name)) for name in ("cpu", "cuda"))
    for pipes in here.chunks():
        one, other = (each.evaluate(pipes, 64, 512) for each in (here, there))
        torch.testing.assert_close(one.seconds, other.seconds.cpu(), rtol=1e-9, atol=0)
        torch.testing.assert_close(one.bytes, other.bytes.cpu(), rtol=1e-9, atol=0)
        for rule, mask in one.masks.items():
            assert torch.equal(mask, other.masks[rule].cpu())


def test_accelerators_without_a_price_or_a_profile_of_the_package(
    config: str, tmp_path: Path
) -> None:
    for names in ("v100-pcie-32gb,h100-sxm", "h100-sxm,v100-pcie-32gb"):
        found = planned(config, accelerator=names, objective="cost", precision=None)
        assert found.best.accelerator.name == "h100-sxm"
        assert "h100-sxm" in {each.accelerator.name for each in found.pareto}
    shipped = Path(cb.__file__).parent.parent / "hardware_profiles" / "h100-sxm.toml"
    if not shipped.exists():
        shipped = Path(cb.__file__).parent / "hardware_profiles" / "h100-sxm.toml"
    own = tmp_path / "mine.toml"
    own.write_text(shipped.read_text().replace('name = "h100-sxm"', 'name = "mine"'))
    assert planned(config, accelerator=str(own)).best.accelerator.name == "mine"


def test_buckets_are_weighed(config: str) -> None:
    found = planned(config, layout={"recipe": "deepspeed"})
    stages = stage_bytes(cb.read_architecture(LLAMA_8B), [found.best.layout], float(SEQUENCE))
    assert found.best.memory_gb == pytest.approx(float(stages.nan_to_num(0.0).amax()) / 1e9)
