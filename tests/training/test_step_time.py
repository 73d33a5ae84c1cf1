from __future__ import annotations

import math
import statistics
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from known import LLAMA_8B

import computebill as cb
from computebill.hardware.accelerators import peak_flop_per_s
from computebill.hardware.fitted import Fitted
from computebill.hardware.generations import BEST_PRODUCT, hardware_generation, reach
from computebill.training.cases import Case, case_columns, case_setting, step_times
from computebill.training.efficiency import read_profile, write_profile
from computebill.training.parameters import INDEX, NAMES, bounded, priors
from computebill.training.step_time import estimate_step

MIXTRAL = LLAMA_8B | {"model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": 2}


def case(config: dict[str, Any] = LLAMA_8B, **changes: Any) -> Case:
    part = cb.find_accelerator(changes.pop("accelerator", "h100-sxm"))
    given = {
        "architecture": cb.read_architecture(config),
        "accelerator": part,
        "precision": "bf16",
        "sequence": 4096,
        "software": "modern",
        "layout": cb.Layout(**{"micro_batches": 8, **changes.pop("layout", {})}),
        **changes,
    }
    return Case(**given)


def times(*cases: Case, values: torch.Tensor | None = None) -> Any:
    return step_times(case_columns(cases), bounded(priors()) if values is None else values)


def total(one: Case) -> float:
    return float(times(one).total)


def test_a_step_takes_about_what_its_flop_take() -> None:
    one = case(layout={"dp": 8, "zero": 3})
    flop = 6 * 8.03e9 * 4096 * 8
    # Published runs of this size are at 0.4 to 0.55.
    assert 0.35 < flop / (estimate_step(one).seconds * 989e12) < 0.6


@settings(max_examples=20)
@given(st.data())
def test_a_batch_of_cases_is_each_of_them(data: st.DataObject) -> None:
    configs = st.sampled_from([LLAMA_8B, MIXTRAL, LLAMA_8B | {"model_type": "gemma2"}])
    cases = [
        case(
            data.draw(configs),
            layout={
                "tp": data.draw(st.sampled_from([1, 2, 4])),
                "pp": data.draw(st.sampled_from([1, 2])),
                "dp": data.draw(st.sampled_from([1, 8])),
                "zero": data.draw(st.sampled_from([1, 3])),
                "recompute": data.draw(st.sampled_from(["none", "operators", "full"])),
            },
            accelerator=data.draw(st.sampled_from(["h100-sxm", "a100-sxm-80gb", "b200"])),
            software=data.draw(st.sampled_from(["modern", "eager", "early", "scripts"])),
        )
        for _ in range(3)
    ]
    together = times(*cases)
    for index, one in enumerate(cases):
        alone = times(one)
        for name in together._fields:
            torch.testing.assert_close(
                getattr(together, name)[index : index + 1],
                getattr(alone, name),
                rtol=1e-10,
                atol=1e-15,
            )


@pytest.mark.parametrize(
    "layout", [{"dp": 8, "zero": 3}, {"tp": 4, "pp": 2, "dp": 4}, {"cp": 2, "tp": 2, "dp": 2}]
)
def test_more_micro_batches_take_longer_and_use_the_pipeline_better(layout: Any) -> None:
    few, many = (total(case(layout={**layout, "micro_batches": n})) for n in (4, 16))
    assert few < many < 4 * few * 1.001


def test_parts_add_up_and_none_is_negative() -> None:
    for config in (LLAMA_8B, MIXTRAL):
        found = times(case(config, layout={"tp": 2, "pp": 2, "dp": 4}))
        assert float(sum(found)) == pytest.approx(float(found.total))
        assert all(float(part) >= 0 for part in found)


def test_what_costs_time_does() -> None:
    plain = case(layout={"tp": 2, "pp": 4, "dp": 2})
    full = replace(plain, layout=plain.layout.model_copy(update={"recompute": "full"}))
    assert total(full) > 1.2 * total(plain)
    slow = replace(plain, power=0.5)
    assert total(slow) > total(plain)
    alone = replace(plain, domain=1)
    assert float(times(alone).tensor) > 3 * float(times(plain).tensor)
    low = replace(plain, precision="fp8")
    assert total(low) < total(plain)


def test_interleaving_shrinks_the_bubble() -> None:
    layout = {"pp": 4, "micro_batches": 8}
    plain, interleaved = (times(case(layout={**layout, "vpp": n})) for n in (1, 4))
    assert float(interleaved.bubble) < 0.5 * float(plain.bubble)


def test_other_schedules_shrink_it_too() -> None:
    layout = {"pp": 4, "micro_batches": 8}
    plain, zero, dual = (
        times(case(layout={**layout, "schedule": name}))
        for name in ("1f1b", "zero-bubble", "dualpipe")
    )
    assert float(zero.bubble) < 0.6 * float(plain.bubble)
    assert float(dual.bubble) < float(plain.bubble)
    # Ranks of DualPipe hold two stages, and pass every second micro-batch through each.
    assert float(dual.products) <= float(plain.products)


def test_the_exchange_of_tokens_hides_behind_another_micro_batch() -> None:
    layout = {"dp": 8, "ep": 8}
    seen, hidden = (
        times(case(MIXTRAL, layout={**layout, "ep_overlap": each})) for each in (False, True)
    )
    assert float(hidden.expert) < 0.2 * float(seen.expert)
    assert float(hidden.products) == float(seen.products)


def test_tensor_parallel_sums_hide_where_they_are_told_to() -> None:
    layout = {"tp": 8}
    told = [times(case(layout={**layout, "tp_overlap": each})).tensor for each in (False, True)]
    assert float(told[1]) < 0.8 * float(told[0])


def test_heads_are_exchanged_in_place_of_a_ring() -> None:
    # Attention of short sequences hides no ring; of long ones it hides nearly all.
    def context(sequence: int, exchange: str) -> float:
        layout = {"cp": 8, "cp_exchange": exchange}
        return float(times(case(layout=layout, sequence=sequence, domain=1)).context)

    assert context(8192, "all-to-all") < context(8192, "ring")
    assert context(2**20, "ring") < 0.01 * context(2**20, "all-to-all")


def test_ranks_that_divide_experts_gather_their_tokens() -> None:
    whole, divided = (
        times(case(MIXTRAL, layout={"tp": 2, "dp": 4, "ep": 4, "etp": n})) for n in (1, 2)
    )
    assert float(divided.expert) > 1.5 * float(whole.expert)


def test_sharding_in_groups_keeps_gathering_inside_them() -> None:
    layout = {"dp": 64, "zero": 3, "micro_batches": 16}
    few = {"sequence": 512, "accelerator": "a100-sxm-80gb"}
    everywhere = times(case(layout=layout, **few))
    groups = times(case(layout={**layout, "shards": 8}, **few))
    assert float(groups.data) < float(everywhere.data)


def test_each_doubling_of_accelerators_waits_for_more_of_them() -> None:
    few, many = (times(case(layout={"dp": n})) for n in (8, 64))
    share = float(few.stragglers) / (float(few.total) - float(few.stragglers)) / 3
    assert float(many.stragglers) == pytest.approx(
        6 * share * (float(many.total) - float(many.stragglers))
    )


def test_heads_of_a_crooked_width_slow_unfused_attention() -> None:
    crooked = LLAMA_8B | {"head_dim": 108}

    def attention(config: dict[str, Any], kernel: str) -> float:
        return float(times(case(config, layout={"attention": kernel})).attention)

    assert attention(crooked, "unfused") > 1.5 * attention(LLAMA_8B, "unfused")
    assert attention(crooked, "flash") < attention(LLAMA_8B, "flash")


def test_parts_reach_their_best_measured_product() -> None:
    # 51 and 62 % of their peaks, by its source.
    mi300x, mi355x = (cb.find_accelerator(name) for name in ("mi300x", "mi355x"))
    assert reach(mi355x) / reach(mi300x) == pytest.approx(0.6219 / 0.5112, rel=1e-3)
    assert reach(cb.find_accelerator("v100-sxm-32gb")) == 1.0


def test_best_products_are_the_median_of_a_generation() -> None:
    # A product that several parts have counts once. Tables: by the method of Machine Learning
    # Engineering.
    tables: dict[str, dict[float, float]] = {}
    others: dict[str, dict[float, float]] = {}
    for part in cb.list_accelerators():
        for bits, dtype in (("16", "bf16"), ("8", "fp8")):
            best = part.measured_flop_per_s(dtype)
            if best is not None:
                rows = (row for row in part.measured.matmul if row.dtype == dtype)
                found = tables if any(row.source == "mamf" for row in rows) else others
                share = best / part.peak_flop_per_s(dtype)
                found.setdefault(f"{hardware_generation(part)}.{bits}", {})[best] = share
    for kind, share in BEST_PRODUCT.items():
        found = tables.get(kind) or others[kind]
        assert share == pytest.approx(statistics.median(found.values()), abs=6e-4), kind


def test_experts_cost_an_exchange() -> None:
    inside = times(case(MIXTRAL, layout={"dp": 8, "ep": 8}))
    assert float(inside.expert) > 0
    across = times(case(MIXTRAL, layout={"dp": 8, "ep": 8}, domain=2))
    assert float(across.expert) > 2 * float(inside.expert)
    assert float(times(case(layout={"dp": 8})).expert) == 0


def test_every_efficiency_has_a_gradient_somewhere() -> None:
    cases = [
        case(config, layout=layout, accelerator=accelerator, software=software, precision=precision)
        for config in (LLAMA_8B, MIXTRAL)
        for layout in ({"tp": 2, "pp": 2, "dp": 8, "ep": 4}, {"dp": 64, "zero": 3})
        for accelerator, software, precision in (
            ("h100-sxm", "modern", "fp8"),
            ("h100-sxm", "fused", "bf16"),
            ("h100-sxm", "eager", "bf16"),
            ("gb300-nvl72", "modern", "mxfp8"),
            ("gb200-nvl72", "graphed", "fp8-blockwise"),
            ("b200", "compiled", "nvfp4"),
            ("v100-sxm-32gb", "early", "fp16"),
            ("a100-sxm-80gb", "scripts", "bf16"),
            ("a100-sxm-80gb", "megatron", "bf16"),
        )
        for layout in ([layout | {"ep": 1}] if config is LLAMA_8B else [layout])
    ]
    cases.append(case(MIXTRAL, layout={"dp": 8, "ep": 8}, domain=2))
    looped = {"dp": 8, "experts": "looped", "attention_kernel": "flash1"}
    cases.append(case(MIXTRAL, layout=looped, software="eager"))
    small = MIXTRAL | {"intermediate_size": 512}
    cases.append(case(small, layout={"dp": 8, "ep": 8, "ep_overlap": True}, domain=1))
    crooked = LLAMA_8B | {"head_dim": 108}
    cases.append(case(crooked, layout={"attention": "unfused"}, software="early"))
    free = priors().requires_grad_(True)
    times(*cases, values=bounded(free)).total.log().sum().backward()
    assert free.grad is not None
    assert bool(free.grad.isfinite().all())
    unused = {name for name in NAMES if float(free.grad[INDEX[name]]) == 0}
    others = ("ada", "cdna", "tpu", "other", "blackwell.16", "blackwell.fp8", "hopper.early")
    assert all(any(part in name for part in others) or "passes" in name for name in unused)


def test_a_profile_is_read_as_it_was_written(tmp_path: Any) -> None:
    shipped = read_profile()
    path = tmp_path / "efficiency.toml"
    write_profile(shipped, path)
    again = read_profile(path)
    assert again.values == pytest.approx(shipped.values, rel=1e-5)
    assert again.sources == shipped.sources
    assert again.spread is not None
    assert shipped.spread is not None
    assert again.spread.tails == shipped.spread.tails
    assert again.spread.unseen == shipped.spread.unseen
    for row, same in zip(shipped.spread.covariance, again.spread.covariance, strict=True):
        assert same == pytest.approx(row, rel=1e-3)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ('"products.hopper.16" = 1.2', "values.products.hopper.16: got 1.2; allowed: above 0 and"),
        ('"step_floor" = -1', "values.step_floor: got -1; allowed: above 0"),
        ('"speed" = 1', "values.speed is not a known efficiency"),
        ('"step_floor" = 1e60', "values.step_floor: got 1e+60; allowed: above 0, 1e-12 to 1e+06"),
        ('"memory" = 1e-300', "values.memory: got 1e-300; allowed: above 0 and below 1, 1e-06 to"),
        ('[intervals]\n"dense" = [1e-9, 2]', "intervals.dense[0]: got 1e-09; allowed: 0.001 to"),
        ('[intervals]\n"dense" = [2, 1]', "intervals.dense: 2 is above 1"),
    ],
)
def test_profiles_that_cannot_be(tmp_path: Any, values: str, problem: str) -> None:
    path = tmp_path / "efficiency.toml"
    path.write_text(f'fitted = 2026-01-01\nrows = 1\nsources = ["a"]\n[values]\n{values}\n')
    with pytest.raises(cb.RequestError) as caught:
        read_profile(path)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("name", "generation"),
    [
        ("v100-sxm-32gb", "volta"),
        ("a100-pcie-40gb", "ampere"),
        ("l4", "ada"),
        ("l40s", "ada"),
        ("h100-nvl", "hopper"),
        ("h20", "hopper"),
        ("gh200", "hopper"),
        ("b200", "blackwell"),
        ("gb300-nvl72", "blackwell"),
        ("rtx-4090", "ada"),
        ("rtx-5090", "blackwell"),
        ("mi355x", "cdna"),
        ("tpu-v5e", "tpu"),
        ("gaudi3", "other"),
        ("trainium2", "other"),
    ],
)
def test_generations_of_hardware(name: str, generation: str) -> None:
    assert hardware_generation(cb.find_accelerator(name)) == generation


def test_every_accelerator_can_be_timed() -> None:
    for accelerator in cb.list_accelerators():
        if {"bf16", "fp16"} & set(accelerator.precisions):
            found = estimate_step(case(accelerator=accelerator.name, layout={"dp": 8}))
            assert 0 < found.seconds < 1e4, accelerator.name
            assert found.low < 1 < found.high


def test_scaled_formats_have_the_peak_of_their_bits() -> None:
    b200, v100 = cb.find_accelerator("b200"), cb.find_accelerator("v100-sxm-32gb")
    assert peak_flop_per_s(b200, "mxfp8") == peak_flop_per_s(b200, "fp8") == 4.5e15
    assert peak_flop_per_s(b200, "nvfp4") == 9e15
    assert peak_flop_per_s(v100, "bf16") == 125e12
    with pytest.raises(cb.RequestError, match="precision"):
        peak_flop_per_s(v100, "fp8")


def test_what_was_never_measured_has_a_wider_interval() -> None:
    seen = estimate_step(case())
    unseen = estimate_step(case(accelerator="gaudi3", precision="fp8"))
    assert seen.is_seen
    assert not unseen.is_seen
    assert unseen.high / unseen.low > seen.high / seen.low
    assert "never measured" in unseen.source
    assert "never measured" not in seen.source


def test_a_model_counted_from_modules_has_a_wider_interval() -> None:
    entry = case()
    told = replace(entry, architecture=replace(entry.architecture, counted_by="modules"))
    narrow, wide = estimate_step(entry), estimate_step(told)
    seen = estimate_step(replace(told, architecture=replace(told.architecture, images=1.0)))
    assert wide.seconds == seen.seconds == narrow.seconds
    width, of_images = (
        math.log(each.high / each.low) / math.log(narrow.high / narrow.low) for each in (wide, seen)
    )
    # As measured (bench/modules_apart.py), and with what no row speaks of.
    assert 1.0 < width < 1.1 < of_images
    assert "from a library's modules" in wide.source


def test_a_fitted_profile_takes_the_shipped_one_s_place(tmp_path: Any) -> None:
    shipped = read_profile()
    values = {**shipped.values, "products.hopper.16": 0.3}
    path = tmp_path / "slow.toml"
    write_profile(Fitted(**{**shipped.model_dump(), "values": values}), path)
    one = case(layout={"dp": 8})
    assert estimate_step(one, path).seconds > 1.5 * estimate_step(one).seconds


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_times_the_same() -> None:
    from computebill.kernels.step import step_seconds

    columns = case_columns([case(layout={"tp": 2, "dp": 4}), case(MIXTRAL, layout={"dp": 8})])
    values = bounded(priors())
    arguments = (columns.batch.model, case_setting(columns, values))

    def moved(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return value.to("cuda")
        return type(value)(*(moved(part) for part in value))

    here = step_seconds(*arguments)
    there = step_seconds(*(moved(each) for each in arguments))
    for one, other in zip(here, there, strict=True):
        torch.testing.assert_close(one, other.cpu(), rtol=1e-9, atol=1e-15)
