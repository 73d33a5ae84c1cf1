from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import computebill as cb
from computebill.runs.spec import run_spec
from computebill.training.efficiency import read_profile
from computebill.training.step_time import scaling


@pytest.fixture
def spec(llama_config: str) -> dict[str, Any]:
    return {
        "model": llama_config,
        "tokens": 15e12,
        "accelerator": "h100-sxm",
        "count": 1024,
        "mfu": 0.4,
        "price": 2,
        "sequence_length": 8192,
        "global_batch": 2048,
    }


def estimate(spec: dict[str, Any], **changes: Any) -> cb.RunEstimate:
    return cb.estimate_run({**spec, **changes}, samples=64)


def test_counts_are_the_model_s(spec: dict[str, Any]) -> None:
    found = estimate(spec).to_dict()
    assert found["model"]["params"]["p50"] == 8_030_261_248
    assert found["flop"]["model"]["p50"] == pytest.approx(6 * 8_030_261_248 * 15e12)
    assert found["memory_gb"] is None
    assert found["layout"] is None


def test_a_convention_changes_the_flop_and_so_the_hours(spec: dict[str, Any]) -> None:
    six, causal = (estimate(spec, convention=name).to_dict() for name in ("6nd", "causal"))
    card = cb.describe_model(spec["model"], sequence_length=8192).to_dict()
    per_token = card["flop_per_token"]["conventions"]["causal"]
    assert causal["flop"]["model"]["p50"] == pytest.approx(per_token * 15e12)
    ratio = causal["gpu_hours"]["p50"] / six["gpu_hours"]["p50"]
    assert ratio == pytest.approx(per_token / (6 * 8_030_261_248))


def test_a_layout_gives_memory_and_hardware_flop(spec: dict[str, Any]) -> None:
    found = estimate(spec, layout={"tp": 2, "pp": 2, "recompute": "full"}).to_dict()
    assert found["layout"]["dp"] == 256
    assert found["layout"]["accelerators"] == 1024
    memory = found["memory_gb"]
    assert set(memory) == {
        "weights",
        "gradients",
        "optimizer",
        "activations",
        "other",
        "total",
        "tensors",
        "host",
    }
    layout = cb.Layout(tp=2, pp=2, dp=256, recompute="full", micro_batches=8)
    card = cb.describe_model(spec["model"], sequence_length=8192, layout=layout)
    assert memory["total"] == max(use.total for use in card.memory)
    hardware = card.to_dict()["flop_per_token"]["hardware"]
    assert found["flop"]["hardware"]["p50"] == pytest.approx(hardware * 15e12)


def test_without_a_given_utilisation_the_step_model_gives_one(spec: dict[str, Any]) -> None:
    layout = {"tp": 2, "zero": 1}
    del spec["mfu"]
    found = estimate(spec, layout=layout)
    result = found.to_dict()
    assert result["breakdown_seconds"]["products"] > 0
    assert found.model is not None
    assert found.model.step is not None
    step = found.model.step
    assert result["step_seconds"]["p50"] == pytest.approx(step.seconds, rel=0.02)
    assert result["step_seconds"]["p95"] == pytest.approx(step.seconds * step.high, rel=0.1)
    assert 0.3 < result["mfu"]["p50"] < 0.6
    source = next(each for each in found.assumptions if "MFU" in each.name).source
    assert source.startswith(f"step model, fitted on {read_profile().rows:,} measured steps")
    given = estimate(spec, layout=layout, mfu=0.2).to_dict()
    assert given["mfu"]["p50"] == 0.2


def test_a_scaled_format_has_the_peak_of_its_bits(spec: dict[str, Any]) -> None:
    del spec["mfu"]
    spec["accelerator"] = "b200"
    plain, scaled, four = (
        estimate(spec, layout={"tp": 2}, precision=name).to_dict()
        for name in ("fp8", "mxfp8", "nvfp4")
    )
    assert scaled["step_seconds"]["p50"] == pytest.approx(plain["step_seconds"]["p50"], rel=0.1)
    assert four["step_seconds"]["p50"] < plain["step_seconds"]["p50"]
    assert four["mfu"]["p50"] < plain["mfu"]["p50"]


def test_failures_take_their_share_of_the_time(spec: dict[str, Any]) -> None:
    layout = {"tp": 2, "zero": 1}
    given = estimate(spec, layout=layout).to_dict()
    assert given["goodput"]["p50"] == 1  # a utilisation that was given holds failures already
    asked = estimate(spec, layout=layout, failures_per_gpu_day=1e-2).to_dict()
    assert 0.3 < asked["goodput"]["p50"] < 0.9
    assert asked["days"]["mean"] > given["days"]["mean"] / 0.9
    assert asked["step_seconds"]["p50"] == pytest.approx(given["step_seconds"]["p50"])
    del spec["mfu"]
    usual = estimate(spec, layout=layout).to_dict()
    assert 0.95 < usual["goodput"]["p50"] < 1
    more = estimate(spec, layout=layout, restart_seconds=7200).to_dict()
    assert more["goodput"]["p50"] < usual["goodput"]["p50"]


def test_the_same_step_is_used_worse_by_more_accelerators(spec: dict[str, Any]) -> None:
    del spec["mfu"]
    found = estimate(spec, layout={"tp": 2, "pp": 2})
    assert found.model is not None
    assert found.model.step is not None
    counts, seconds = zip(*scaling(found.model.step), strict=True)
    assert list(counts) == sorted(counts)
    assert min(counts) < 1024 < max(counts)
    assert list(seconds) == sorted(seconds, reverse=True)
    work = [count * each for count, each in zip(counts, seconds, strict=True)]
    assert work[-1] > work[0]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"params": 8e9}, "give model, or params, or flop, not two of them"),
        ({"tokens": None, "flop": 1e24}, "give model, or params, or flop"),
        ({"model": None, "params": 8e9, "layout": {"tp": 2}}, "layout (tp): needs model"),
        ({"model": None, "params": 8e9, "convention": "palm"}, "convention: got 'palm'"),
        ({"convention": "8nd"}, "convention: got '8nd'"),
        ({"layout": {"tp": 3}}, "count: got 1024; allowed: a multiple of tp x pp x cp, 3"),
        ({"layout": {"tp": 64}}, "tp: got 64; allowed: a divisor of 32 heads"),
        ({"layout": {"dp": 3}}, "count: got 1024; allowed: tp x pp x cp x dp, 3"),
        ({"layout": {"tp": 2, "micro_batch": 3}}, "global_batch: got 2048; allowed: a multiple"),
        ({"layout": {"tp": "two"}}, "layout.tp: got 'two'"),
        ({"layout": {"tp": 2}, "software": "old"}, "software: got 'old'; allowed: early"),
        ({"layout": {"tp": 2}, "efficiency": "/none.toml"}, "/none.toml: cannot be read"),
        ({"layout": {"ttp": 2}}, "layout.ttp is not a known key"),
        ({"layout": {"tp": 2}, "count": {"low": 1, "high": 9}}, "allowed with a layout: one"),
        ({"model": "/nowhere/config.json"}, "/nowhere/config.json: cannot be read"),
        ({"tokens": None}, "give params (or params_active, or model) and tokens, or flop"),
    ],
)
def test_requests_that_cannot_be_met(
    spec: dict[str, Any], changes: dict[str, Any], problem: str
) -> None:
    given = {key: value for key, value in {**spec, **changes}.items() if value is not None}
    with pytest.raises(cb.RequestError) as caught:
        cb.estimate_run(given, samples=8)
    assert problem in str(caught.value)


def test_a_file_s_model_is_looked_for_beside_it(tmp_path: Path, spec: dict[str, Any]) -> None:
    file = tmp_path / "run.toml"
    file.write_text(
        'model = "config.json"\ntokens = 15e12\naccelerator = "h100-sxm"\ncount = 64\n'
        "[layout]\ntp = 8\n"
    )
    read = run_spec(file, {"count": "128"}, {"pp": "2"})
    assert read.model == spec["model"]
    assert read.layout is not None
    assert (read.layout.tp, read.layout.pp) == (8, 2)
    found = cb.estimate_run(read, samples=8).to_dict()
    assert found["layout"]["dp"] == 8
    assert run_spec(file, {"params": "8B"}).model is None


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"count": 4 * 10**6, "global_batch": None},
            "layout: dp: got 2000000; allowed: up to 1e+06",
        ),
        (
            {"count": 2, "global_batch": 2e6, "sequence_length": 256},
            "layout: micro_batches: got 2000000; allowed: up to 1e+06",
        ),
    ],
)
def test_a_layout_that_is_worked_out_keeps_the_bounds_of_a_given_one(
    spec: dict[str, Any], changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(cb.RequestError) as caught:
        estimate(spec, layout={"tp": 2}, **changes)
    assert str(caught.value) == problem


def test_a_model_s_name_that_no_file_can_have_is_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(cb.RequestError, match="cannot be read"):
        estimate(spec, model="a" * 5000)


def test_scaling_of_a_step_of_a_million_million_micro_batches(spec: dict[str, Any]) -> None:
    layout = {"dp": 10**6, "micro_batches": 10**6}
    found = estimate(spec, layout=layout, count=10**6, global_batch=None).to_dict()
    divisors = {2**a * 5**b for a in range(13) for b in range(13)}
    near = sorted(n for n in divisors if 10**6 / 64 <= n <= 64 * 10**6)
    assert [each["gpus"] for each in found["scaling"]] == near


@pytest.mark.parametrize("batch", [{"global_batch": 64}, {"global_batch_tokens": 64 * 8192}])
def test_micro_batches_and_a_batch_that_contradict_are_refused(
    spec: dict[str, Any], batch: dict[str, Any]
) -> None:
    given = {"global_batch": None, **batch, "count": 8}
    layout = {"tp": 2, "micro_batch": 2, "micro_batches": 4}
    with pytest.raises(cb.RequestError) as caught:
        estimate(spec, layout=layout, **given)
    (field,) = batch
    assert str(caught.value) == (
        f"{field}: got 64 sequences and micro_batches 4; allowed: "
        "micro-batch x micro-batches x dp, 32, or no micro_batches"
    )
    agreed = estimate(spec, layout=layout | {"micro_batches": 8}, **given).to_dict()
    worked_out = estimate(spec, layout={"tp": 2, "micro_batch": 2}, **given).to_dict()
    assert agreed["step_seconds"]["p50"] == worked_out["step_seconds"]["p50"]
