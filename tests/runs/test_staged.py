"""Runs of stages, against published hours, the sweep's steps and the Commission's examples."""

from __future__ import annotations

import csv
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from known import LLAMA_8B
from sweeping import experiments

import computebill as cb
from computebill.base.errors import RequestError
from computebill.runs.stage_draws import StageDraws
from computebill.runs.stage_inputs import stage_rows
from computebill.runs.stage_models import longest_of
from computebill.runs.stage_passes import ANSWER_DOUBT
from computebill.runs.staged import FIGURES, StagedEstimate, stage_parts
from computebill.runs.staged_spec import read_staged
from computebill.sweep.effort import effort_of
from computebill.training.documents import read_documents
from computebill.training.utilisation import practice

Data = dict[str, Any]

ROOT = Path(__file__).parents[2]
STAGES = ROOT / "tests/data/stages"
STEPS = ROOT / "tests/data/rl_steps.csv"
H100 = 989.4e12  # dense BF16, NVIDIA
PRE: Data = {"name": "pre", "params": "7B", "tokens": "1T"}
ON: Data = {"accelerator": "h100", "count": 64, "price": 2}


def staged(*stages: Data, samples: int = 512, **above: Any) -> StagedEstimate:
    return cb.estimate_stages({**above, "stage": list(stages)}, samples=samples)


@cache
def of_file(path: Path) -> StagedEstimate:
    return cb.estimate_stages(path, samples=2048)


def test_one_stage_of_pretraining_is_the_run_of_the_same_fields() -> None:
    fields = {"params": "7B", "tokens": "2T", **ON, "mfu": 0.4}
    alone, one = cb.estimate_run(fields, samples=512), staged(fields)
    for name in ("flop", "gpu_hours", "days", "cloud", "tokens"):
        assert one.stages[0].rows[name].p50 == pytest.approx(alone.rows[name].p50), name
        assert one.rows[name] == one.stages[0].rows[name]
    for name in ("amortised", "energy_mwh"):
        assert one.rows[name].p50 == pytest.approx(alone.rows[name].p50, rel=0.02), name


@pytest.mark.parametrize(
    ("params", "tokens", "flop"),
    [
        # Annex A.3 of the Commission's guidelines, C(2025) 5045: A and C to G, by architecture.
        (3.8e9, 3.3e12, 7.524e22),
        (0.6e9, 36e12, 1.296e23),
        (1.54e9, 18e12, 1.6632e23),
        (1.7e9, 36e12, 3.672e23),
        (2.5e9, 12e12, 1.8e23),
        (2.6e9, 10e12, 1.56e23),
    ],
)
def test_the_commission_s_examples_by_architecture(
    params: float, tokens: float, flop: float
) -> None:
    found = staged({"params": params, "tokens": tokens})
    assert found.stages[0].rows["updates"].p50 == pytest.approx(flop, rel=1e-9)
    assert not found.rows["gpu_hours"].is_known


@pytest.mark.parametrize(
    ("accelerator", "hours", "flop"),
    [("a100-40gb", 200_000, 1.08e23), ("h100", 370_000, 6.58674e23)],
)
def test_the_commission_s_examples_by_hardware(accelerator: str, hours: int, flop: float) -> None:
    # B takes a peak of 300e12 where the data sheet says 312e12, H one of 989e12 (989.4e12).
    found = staged({"gpu_hours": hours, "mfu": 0.5, "accelerator": accelerator}).stages[0].rows
    peak = {"a100-40gb": 312 / 300, "h100": 989.4 / 989}[accelerator]
    assert found["hardware"].p50 == pytest.approx(flop * peak, rel=1e-6)
    assert found["updates"] == found["hardware"]


def test_both_methods_stand_side_by_side_where_both_can_be_had() -> None:
    found = staged({**PRE, "params": "1.23B", "gpu_hours": 370_000, "mfu": 0.5, **ON})
    rows = found.stages[0].rows
    assert rows["updates"].p50 == pytest.approx(6 * 1.23e9 * 1e12)
    assert rows["hardware"].p50 == pytest.approx(370_000 * 3600 * H100 * 0.5)
    # What the hours imply, beside the utilisation that was told.
    assert rows["mfu"].p50 == pytest.approx(0.5 * rows["updates"].p50 / rows["hardware"].p50)


def steps() -> list[dict[str, str]]:
    lines = STEPS.read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


@pytest.mark.parametrize("place", [0, 9, 27])
def test_measured_steps_of_rl_take_what_the_sweep_says(place: int) -> None:
    """Equal to the sweep's prediction, whose error on all rows ``bench/rl_steps.py`` measures."""
    row = steps()[place]
    mean, gpus = float(row["avg_seq"]), int(row["gpus"])
    tail = float(row["max_seq"]) / mean if row["policy"] == "on" else 1.0
    shared: Data = {
        "kind": "rl", "params": float(row["params_b"]) * 1e9, "steps": 1, "precision": "bf16",
        "params_active": float(row["active_b"]) * 1e9, "accelerator": row["accelerator"],
        "prompts": float(row["rollouts"]) / 16, "samples_per_prompt": 16, "count": gpus,
    }  # fmt: skip
    of, workshop = experiments(
        **shared, name="step", input_tokens=150, output_tokens=mean - 150, tail=tail
    )
    predicted = float(effort_of(of, workshop).seconds)
    spec = read_staged(
        {"stage": [{
            **shared, "prompt_length": 150, "answer_length": mean - 150, "tail": tail,
            "goodput": 1.0,
        }]}
    )  # fmt: skip
    draws = StageDraws(list(stage_rows(spec, stage_parts(spec))), "cpu")
    middle = torch.full((draws.columns.dimensions, 1), 0.5, dtype=torch.float64)
    hours = float(draws.price(middle).bill.gpu_hours[0, 0])
    assert hours * 3600 == pytest.approx(predicted * practice("rl").middle, rel=1e-6)


def test_rl_follows_its_lengths_its_reference_and_what_it_throws_away() -> None:
    rl: Data = {
        "kind": "rl", "params": "8B", "steps": 10, "prompts": 64, "samples_per_prompt": 16,
        "prompt_length": 200, "answer_length": 1800, "answer_mean": 1800, **ON,
    }  # fmt: skip
    plain, waiting, picky, judged = staged(
        {**rl, "name": "plain"},
        {**rl, "name": "waiting", "answer_length": [900] * 9 + [9900]},
        {**rl, "name": "picky", "kept": 2560, "references": 0},
        {**rl, "name": "judged", "reward_params": "8B"},
    ).stages
    tokens = 10 * 64 * 16 * 2000
    assert plain.rows["updates"].p50 == pytest.approx(6 * 8e9 * tokens)
    assert plain.rows["samples"].p50 == plain.rows["reference"].p50
    # As many tokens, but the longest of a step is waited for.
    assert waiting.rows["flop"].p50 == pytest.approx(plain.rows["flop"].p50)
    assert waiting.rows["gpu_hours"].p50 > 1.2 * plain.rows["gpu_hours"].p50
    assert picky.rows["discarded"].p50 == pytest.approx(0.75 * plain.rows["samples"].p50)
    assert picky.rows["updates"].p50 == pytest.approx(0.25 * plain.rows["updates"].p50)
    assert picky.rows["reference"].p50 == 0
    assert judged.rows["reward"].p50 == pytest.approx(2 * 8e9 * tokens)
    assert judged.rows["gpu_hours"].p50 > plain.rows["gpu_hours"].p50


FEW: Data = {
    "kind": "rl", "params": "8B", "steps": 1, "prompts": 8, "samples_per_prompt": 4,
    "prompt_length": 400, "answer_length": {"low": 500, "high": 1500},
}  # fmt: skip


def test_the_mean_of_lengths_is_as_uncertain_as_it_is_said_or_seen_to_be() -> None:
    guessed = staged(FEW, samples=4096)
    told = {each.name: each for each in guessed.assumptions}
    assert told["tokens of an answer"].value == "1,000"
    assert "tokens of a prompt" not in told
    assert (
        "answer_mean says it better" in told["mean tokens of an answer, over what is told"].source
    )
    tokens = 8 * 4 * (400 + 1000 / ANSWER_DOUBT), 8 * 4 * (400 + 1000 * ANSWER_DOUBT)
    rows = guessed.rows["updates"]
    assert (rows.p5, rows.p95) == pytest.approx([6 * 8e9 * each for each in tokens], rel=0.02)
    known = staged({**FEW, "answer_mean": 1200}).rows["updates"]
    assert known.p5 == known.p95 == pytest.approx(6 * 8e9 * 8 * 4 * 1600)
    counted = staged({**FEW, "answer_length": [500, 1500]}).rows["updates"]
    assert counted.p5 == counted.p95
    alone = staged({**{k: v for k, v in FEW.items() if k != "answer_length"}, "answer_mean": 1000})
    assert alone.rows["updates"].p50 == pytest.approx(6 * 8e9 * 8 * 4 * 1400)


def test_an_uncertain_mean_takes_the_time_that_its_ends_take() -> None:
    """Drawn means against stages that were told them: the same at half and at twice the mean."""
    spec = read_staged({"stage": [{**FEW, **ON, "answer_mean": {"p5": 500, "p95": 2000}}]})
    draws = StageDraws(list(stage_rows(spec, stage_parts(spec))), "cpu")
    place = draws.columns.dimension_names.index("rl: mean tokens of an answer, over the median")
    points = torch.full((draws.columns.dimensions, 3), 0.5, dtype=torch.float64)
    points[place] = torch.tensor([0.05, 0.5, 0.95])
    found = draws.price(points).bill.gpu_hours[0]
    for at, mean in zip(found.tolist(), (500.0, 1000.0, 2000.0), strict=True):
        told = read_staged({"stage": [{**FEW, **ON, "answer_mean": mean}]})
        alone = StageDraws(list(stage_rows(told, stage_parts(told))), "cpu")
        middle = torch.full((alone.columns.dimensions, 1), 0.5, dtype=torch.float64)
        expected = float(alone.price(middle).bill.gpu_hours[0, 0])
        # Its updates go at one utilisation, and what is waited for has one tail.
        assert at == pytest.approx(expected, rel=0.02)


def test_a_critic_values_all_and_learns_from_what_is_kept() -> None:
    ppo: Data = {**FEW, **ON, "answer_mean": 1000, "kept_share": 0.5, "kind": "ppo"}
    large, small, none = staged(
        {**ppo, "name": "large"},
        {**ppo, "name": "small", "critic_params": "1B"},
        {**ppo, "name": "none", "kind": "rl"},
    ).stages
    tokens = 8 * 4 * 1400
    # PPO's value model passes forward over all samples, and is updated as the policy is.
    assert large.rows["critic"].p50 == pytest.approx(2 * 8e9 * tokens)
    assert large.rows["critic_updates"].p50 == pytest.approx(6 * 8e9 * tokens / 2)
    assert small.rows["critic_updates"].p50 == pytest.approx(large.rows["critic_updates"].p50 / 8)
    assert large.rows["updates"] == none.rows["updates"]
    whole, without = large.rows["flop"].p50, none.rows["flop"].p50
    assert whole - without == pytest.approx((2 + 3) * 8e9 * tokens)
    hours = [each.rows["gpu_hours"].p50 for each in (none, small, large)]
    assert hours == sorted(hours)
    told = large.to_dict()["flop"]
    assert told["forward_by"]["critic"]["p50"] > 0
    assert told["critic_updates"]["p50"] == pytest.approx(large.rows["critic_updates"].p50)


def test_answers_of_more_steps_under_way_fill_the_servers() -> None:
    apart: Data = {**FEW, **ON, "answer_mean": 1000, "prompts": 64, "count": 8}
    of = {
        name: staged({**apart, "generation": {"count": 32, **given}}, samples=64).rows["days"].p50
        for name, given in {
            "waits": {}, "overlaps": {"asynchronous": True}, "one": {"staleness": 1},
            "four": {"staleness": 4},
        }.items()
    }  # fmt: skip
    assert of["waits"] > of["overlaps"] == of["one"] >= of["four"]
    with pytest.raises(RequestError, match=r"staleness: got 0; allowed with asynchronous"):
        staged({**apart, "generation": {"count": 8, "asynchronous": True, "staleness": 0}})
    # What no whole copy takes is held all the same: 9 accelerators write as fast as 8.
    big: Data = {**apart, "params": "300B", "mfu": 0.3, "answer_mean": 20_000}
    eight, nine = (
        staged({**big, "generation": {"count": count, "staleness": 1}}, samples=64).rows["days"].p50
        for count in (16, 17)
    )
    assert nine == pytest.approx(eight)


def test_the_longest_answer_is_the_one_that_one_of_so_many_reaches() -> None:
    answers = read_documents(list(range(1, 1001)))
    assert longest_of(answers, 1000) == 1000
    assert longest_of(answers, 10) == pytest.approx(900, abs=2)
    assert longest_of(answers, 1) == 1


def test_shared_assumptions_are_wrong_together() -> None:
    stage: Data = {**PRE, "mfu": 0.4, "accelerator": "h100"}
    other = {**stage, "name": "other"}
    shared = staged(stage, other, price="1..3", samples=4096)
    own = staged({**stage, "price": "1..3"}, {**other, "price": "1..3"}, samples=4096)
    one = shared.stages[0].rows["cloud"]
    for name in ("p5", "p50", "p95"):
        assert getattr(shared.rows["cloud"], name) == pytest.approx(2 * getattr(one, name))
    wide, narrow = (each.rows["cloud"].p95 / each.rows["cloud"].p5 for each in (shared, own))
    assert narrow < 0.85 * wide
    # What a part's hour uses up is the same for both, whoever gave the price.
    both = own.rows["energy_mwh"]
    assert both.p95 == pytest.approx(2 * own.stages[0].rows["energy_mwh"].p95)


def test_parts_of_a_schedule_are_one_stage() -> None:
    parts = [{"tokens": "400B", "count": 32}, {"tokens": "600B", "count": 64, "mfu": 0.3}]
    whole = staged({**PRE, **ON, "mfu": 0.4, "schedule": parts})
    first = staged({**PRE, **ON, "mfu": 0.4, "tokens": "400B", "count": 32})
    second = staged({**PRE, **ON, "mfu": 0.3, "tokens": "600B"})
    assert len(whole.stages) == 1
    for name in ("flop", "gpu_hours", "days", "cloud"):
        together = first.rows[name].p50 + second.rows[name].p50
        assert whole.stages[0].rows[name].p50 == pytest.approx(together), name


def test_what_a_stage_took_as_a_whole_is_not_counted_once_a_part() -> None:
    parts = [{"tokens": "400B"}, {"tokens": "600B", "count": 32}]
    took: Data = {"gpu_hours": "800..1200", "mfu": 0.4, "restarted_tokens": "10B"}
    whole = staged({**PRE, **ON, **took}).rows
    parted = staged({**PRE, **ON, **took, "schedule": parts}).rows
    for name in ("gpu_hours", "cloud", "updates", "restarted", "hardware"):
        for key in ("p5", "p50", "p95"):
            expected = getattr(whole[name], key)
            assert getattr(parted[name], key) == pytest.approx(expected, rel=1e-6), name


@pytest.mark.parametrize("twice", [{"flop": 1e21}, {"kind": "dpo", "pairs": 5, "answer_length": 9}])
def test_a_schedule_is_not_told_beside_another_amount(twice: Data) -> None:
    with pytest.raises(RequestError, match=r"give (flop|pairs) or schedule, not both"):
        staged({"params": "7B", "schedule": [{"tokens": "1B"}], **twice})


def test_totals_are_sums_and_say_what_they_lack() -> None:
    found = staged(
        {**PRE, **ON, "mfu": 0.4},
        {"kind": "sft", "from": "pre", "tokens": "10B", "restarted_tokens": "1B"},
        {"kind": "evaluate", "from": "pre", "requests": 1000, "answer_length": 100},
    )
    assert found.rows["flop"].p50 == pytest.approx(sum(e.rows["flop"].p50 for e in found.stages))
    assert found.rows["restarted"].p50 == pytest.approx(6 * 7e9 * 1e9)
    assert not found.rows["gpu_hours"].is_known
    assert "No total of GPU-hours: not known of sft, evaluate." in found.notes
    told = found.to_dict()
    assert set(FIGURES) >= {"updates", "forward", "recomputed"}
    for stage in told["stages"]:
        assert {"name", "kind", "flop", "gpu_hours", "cost_usd"} <= set(stage)
        assert {"updates", "forward", "recomputed"} <= set(stage["flop"])
    assert told["stages"][2]["flop"]["forward_by"]["evaluation"]["p50"] > 0
    assert json.dumps(told, allow_nan=False)
    frame = found.to_frame()
    assert set(frame["stage"]) == {"pre", "sft", "evaluate", "total"}


def test_tokens_that_are_sold_need_no_accelerator() -> None:
    tuned = staged({"kind": "sft", "params": "8B", "tokens": "10M", "epochs": 3}, price_per_token=2)
    assert tuned.rows["cloud"].p50 == pytest.approx(30 * 2)
    # A reference's passes are in the price of training, unless reading has its own.
    pairs: Data = {"kind": "dpo", "params": "8B", "pairs": 1e4, "answer_length": 500}
    assert staged(pairs, price_per_token=2).rows["cloud"].p50 == pytest.approx(20)
    with_reading = staged({**pairs, "price_per_token_read": 1}, price_per_token=2)
    assert with_reading.rows["cloud"].p50 == pytest.approx(30)
    rl: Data = {
        "kind": "rl", "params": "8B", "steps": 10, "prompts": 8, "samples_per_prompt": 4,
        "prompt_length": 250, "answer_mean": 750, "references": 0,
        "price_per_token": 3, "price_per_token_read": 1, "price_per_token_written": 2,
    }  # fmt: skip
    expected = 0.32 * 3 + 0.08 * 1 + 0.24 * 2
    assert staged(rl).rows["cloud"].p50 == pytest.approx(expected)
    del rl["price_per_token_read"], rl["price_per_token_written"]
    priced = staged(rl)
    assert priced.rows["cloud"].p50 == pytest.approx(0.64 * 3)
    assert any("as a token trained" in each.source for each in priced.assumptions)


def test_a_configuration_counts_recomputation_and_long_attention(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_8B))
    model = {"model": str(tmp_path / "config.json"), "tokens": "1B", **ON}
    layout = {"tp": 2, "zero": 1, "micro_batch": 1, "recompute": "full"}
    short, long, laid = staged(
        {**model, "name": "short", "convention": "causal", "sequence_length": 4096},
        {**model, "name": "long", "convention": "causal", "sequence_length": 131072},
        {**model, "name": "laid", "layout": layout, "sequence_length": 4096, "global_batch": 64},
    ).stages
    assert long.rows["updates"].p50 > 2 * short.rows["updates"].p50
    card = cb.describe_model(model["model"], sequence_length=4096, layout={**layout, "dp": 32})
    assert laid.rows["recomputed"].p50 == pytest.approx(float(card.flop.recomputed) * 1e9)
    assert not short.rows["recomputed"].is_known


@pytest.mark.parametrize(
    ("stage", "told"),
    [
        (
            {"kind": "rl", "params": "900B", "steps": 5, "prompts": 8, "samples_per_prompt": 8,
             "answer_length": 100, "accelerator": "h100", "count": 8},
            "rl: count: no common layout of 9e+11 parameters",
        ),
        (
            {"kind": "evaluate", "params": "90T", "requests": 5, "answer_length": 9, **ON},
            "evaluate.params: 9e+13 parameters do not fit on any number of h100-sxm",
        ),
        (
            {"kind": "evaluate", "params": "9B", "requests": 5, "answer_length": "9..3"},
            "evaluate.answer_length: p10: got 9",
        ),
        ({**PRE, "accelerator": "h999"}, "h999"),
    ],
)  # fmt: skip
def test_what_cannot_be_met_is_told_with_the_stage(stage: Data, told: str) -> None:
    with pytest.raises(RequestError) as caught:
        staged(stage)
    assert told in str(caught.value)


PUBLISHED = [
    # Olmo 3 (arXiv:2512.13961, section 1): 9.5 days on 512 GPUs and 35 on 1,024; mid-training 1.5
    # days on 1,024, merging included; long context about a day; SFT 36 hours on 256 for each rate,
    # two of them a stage here; RL about 5 days, then 21, on 224.
    (ROOT / "examples/stages.toml", ("pretraining",), 976_896),
    (ROOT / "examples/stages.toml", ("mid-training", "mid-training, other order"), 36_864),
    (ROOT / "examples/stages.toml", ("long context",), 24_576),
    (ROOT / "examples/stages.toml", ("SFT",), 18_432),
    (ROOT / "examples/stages.toml", ("RL",), 26_880),
    (ROOT / "examples/stages.toml", ("RL, continued",), 112_896),
    # SmolLM3: 384 GPUs for 24 days of training, or 30 with what went wrong (its README; playbook).
    (STAGES / "smollm3.toml", ("stage 1", "stage 2", "stage 3, decay"), 221_184),
    (STAGES / "smollm3.toml", ("stage 1", "stage 2", "stage 3, decay"), 276_480),
    # DeepSeek-V3, table 1, and R1-Zero: 512 GPUs for 198 hours (arXiv:2501.12948v2, table of cost).
    (STAGES / "deepseek.toml", ("pretraining",), 2_664_000),
    (STAGES / "deepseek.toml", ("context to 32K", "context to 128K"), 119_000),
    (STAGES / "deepseek.toml", ("R1-Zero",), 101_376),
]


@pytest.mark.parametrize(("path", "names", "hours"), PUBLISHED)
def test_published_hours_lie_within_the_interval(
    path: Path, names: tuple[str, ...], hours: float
) -> None:
    found = {each.stage.label: each.rows["gpu_hours"] for each in of_file(path).stages}
    low, high = (sum(getattr(found[name], end) for name in names) for end in ("p5", "p95"))
    assert low <= hours <= high


def test_published_flop_of_pretraining_are_met() -> None:
    # Stated nowhere for SmolLM3; 6 N D of 3.08 B parameters and 11.1 T tokens. Of DeepSeek-V3 with
    # 37 B active parameters and 14.8 T tokens, the head and one embedding in.
    smol = of_file(STAGES / "smollm3.toml").stages
    assert sum(each.rows["updates"].p50 for each in smol[1:4]) == pytest.approx(
        6 * 3.075e9 * 4_720_000 * 2_359_296, rel=1e-3
    )
    deep = of_file(STAGES / "deepseek.toml").stages[0]
    assert deep.rows["updates"].p50 == pytest.approx(6 * 37e9 * 14.8e12, rel=0.02)
    # Olmo 3 pays 56 days of 1,024 GPUs at $2, idle days too: 2.75 M; its stages until the first RL
    # are what is used of that.
    olmo = of_file(ROOT / "examples/stages.toml").stages[:-1]
    assert 0.5 * 2.75e6 < sum(each.rows["cloud"].p50 for each in olmo) < 2.75e6
