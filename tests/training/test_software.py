from __future__ import annotations

import datetime as dt
import tomllib
from typing import Any

import pytest

import computebill as cb
from computebill.training.software import (
    FRAMEWORKS_FILE,
    SOFTWARE,
    choose_software,
    running,
    year_of,
)


@pytest.mark.parametrize(
    ("framework", "year", "software"),
    [
        ("transformers-deepspeed", 2023, "scripts"),
        ("transformers-fsdp", 2024, "eager"),
        ("megatron", 2021, "megatron"),
        ("megatron-core", 2024, "fused"),
        ("nemo", 2025, "modern"),
        ("composer-fsdp", 2024, "eager"),
        ("maxtext", 2024, "compiled"),
        ("levanter", 2023, "compiled"),
        ("megatron-bridge", 2026 + 5 / 12, "graphed"),
        ("megatron-bridge", 2026, "modern"),
        # Before a framework's first date, what it was first; without a date, what it is today.
        ("nemo", 2010, "megatron"),
        ("nemo", None, "graphed"),
        # Nobody's name is plain PyTorch, whatever the year.
        ("", 2020, "eager"),
        ("", None, "eager"),
        ("something", 2026, "eager"),
    ],
)
def test_generations_of_software(framework: str, year: float | None, software: str) -> None:
    assert running(framework, year).software == software


@pytest.mark.parametrize(
    ("framework", "year", "recipe"),
    [
        ("megatron-deepspeed", 2022, "deepspeed"),
        ("megatron-deepspeed", 2022.5, "deepspeed-bf16"),
        ("transformers-deepspeed", 2023, "deepspeed"),
        ("nanotron", 2025, "deepspeed-bf16"),
        ("megatron", 2025, None),
    ],
)
def test_what_a_framework_holds(framework: str, year: float, recipe: str | None) -> None:
    found = running(framework, year)
    assert found.recipe == recipe
    assert found.settings.get("recipe") == recipe


@pytest.mark.parametrize(
    "name", ["deepspeed", "megatron-deepspeed", "transformers-deepspeed", "our-deepspeed-fork"]
)
def test_deepspeed_is_not_of_2021_whatever_the_year(name: str) -> None:
    found = running(name, 2025)
    assert found.software != "early"
    assert found.attention != "unfused"


def test_deepspeed_s_pipelines_were_early() -> None:
    assert running("Megatron-DeepSpeed", 2022).software == "early"
    assert running("Megatron-DeepSpeed", 2022).attention == "unfused"


@pytest.mark.parametrize(
    ("spelled", "name"),
    [
        ("Megatron-LM", "megatron-lm"),
        ("megatron_core", "megatron-core"),
        ("NeMo 2.0", "nemo"),
        ("nemo-automodel", "nemo-automodel"),
        ("LLaMA-Factory 0.9", "llama-factory"),
        ("Hugging Face", "transformers"),
        ("llm.c", "llm-c"),
        ("accelerate+deepspeed", "accelerate"),
        ("torchtitan", "torchtitan"),
        ("MindSpeed-LLM", "mindspeed"),
        ("neuronx-distributed", "neuronx"),
    ],
)
def test_names_as_people_write_them(spelled: str, name: str) -> None:
    found = running(spelled, None)
    assert (found.framework, found.is_known) == (name, True)


def test_a_name_that_is_not_known_is_told_to_be_plain_pytorch() -> None:
    found = running("my own trainer", 2025)
    assert not found.is_known
    assert found.software == "eager"
    assert "framework my own trainer: not known, so plain PyTorch" in found.told(
        "my own trainer", dt.date(2025, 3, 1)
    )


def test_attention_kernels_came_when_they_came_out() -> None:
    """FlashAttention is of May 2022, its second version of July 2023."""
    kernels = [running("fsdp", year).attention for year in (2022, 2023, 2024)]
    assert kernels == ["unfused", "flash1", "flash2"]
    assert running("megatron", 2021).settings["attention"] == "unfused"
    assert running("megatron", 2024).settings["attention"] == "flash"
    assert running("megatron", 2024).settings["attention_kernel"] == "fused"
    assert "attention_kernel" not in running("megatron", 2021).settings
    # transformers' own kernels: PyTorch's by itself since December 2023.
    assert [running("hf", year).attention for year in (2023.5, 2024)] == ["unfused", "sdpa"]
    assert running("olmo-core", 2025).kernels == "fused"
    assert running("torchtitan", 2025).kernels == "eager"


def test_what_a_framework_does_with_experts_and_gradients_is_part_of_its_settings() -> None:
    """transformers looped over experts until its version 5; DeepSpeed reduces in 16 bits."""
    experts = [running("trl", year).settings["experts"] for year in (2024, 2026)]
    assert experts == ["looped", "grouped"]
    assert running("megatron", 2024).settings["experts"] == "grouped"
    assert running("deepspeed", 2024).settings["reduce_bits"] == "16"
    assert "reduce_bits" not in running("torchtitan", 2025).settings
    # Non-reentrant checkpoints stop early since PyTorch 2.1; Megatron's own compute all.
    stops = [running("fsdp", year).settings["early_stop"] for year in (2023.5, 2024)]
    assert stops == ["false", "true"]
    assert "early_stop" not in running("megatron", 2025).settings


def test_the_table_of_frameworks_is_whole() -> None:
    data = tomllib.loads(FRAMEWORKS_FILE.read_text(encoding="utf-8"))
    spelled = [name for key, each in data["frameworks"].items() for name in (key, *each["names"])]
    assert len(spelled) == len(set(spelled))
    for name in data["frameworks"]:
        for year in (2018.0, 2021.5, 2023.5, 2026.9, None):
            found = running(name, year)
            assert found.is_known
            assert found.software in SOFTWARE
            assert found.attention in {"unfused", "flash1", "flash2", "flash3", "sdpa", "fused"}
            assert found.experts in {"grouped", "looped"}
            assert found.reduces in {None, "16", "32"}
            assert found.checkpoints in {None, "whole", "needed"}
    for history in data["histories"].values():
        for months in history.values():
            assert list(months) == sorted(months)


def test_a_day_is_a_year_to_the_month() -> None:
    assert year_of(None) is None
    assert year_of(dt.date(2026, 6, 30)) == pytest.approx(2026 + 5 / 12)


def test_a_generation_that_there_is_not_is_refused() -> None:
    with pytest.raises(cb.RequestError, match="software: got 'old'; allowed: early, megatron"):
        choose_software("old", None, None, is_given=True)


def test_what_was_chosen_tells_why() -> None:
    day = dt.date(2024, 5, 1)
    assert choose_software("modern", None, day, is_given=True).source == "given"
    assert choose_software("modern", None, day, is_given=False).source.startswith("assumed")
    choice = choose_software("modern", "nemo", day, is_given=False)
    assert choice.software == "fused"
    assert choice.source == "NVIDIA NeMo in May 2024 (training/frameworks.toml)"


@pytest.fixture
def llama(llama_config: str) -> dict[str, Any]:
    return {
        "model": llama_config,
        "tokens": 1e12,
        "accelerator": "a100-sxm-80gb",
        "count": 64,
        "price": 2,
        "layout": {"tp": 2, "pp": 2},
    }


def told(found: cb.RunEstimate) -> dict[str, tuple[str, str]]:
    return {each.name: (each.value, each.source) for each in found.assumptions}


def hours(found: cb.RunEstimate) -> float:
    return float(found.to_dict()["gpu_hours"]["p50"])


def test_a_run_s_framework_is_among_its_assumptions(llama: dict[str, Any]) -> None:
    dated = {"framework": "megatron-lm", "date": "2021-06-01"}
    old = cb.estimate_run({**llama, **dated}, samples=64)
    new = cb.estimate_run({**llama, "framework": "megatron-lm"}, samples=64)
    source = "NVIDIA Megatron-LM in June 2021 (training/frameworks.toml)"
    assert told(old)["software generation"] == ("megatron", source)
    assert told(old)["attention"] == ("unfused", source)
    assert told(new)["software generation"][0] == "graphed"
    assert hours(old) > 1.2 * hours(new)
    # What the layout says goes before what the framework does.
    layout = {**llama["layout"], "attention": "flash"}
    kept = cb.estimate_run({**llama, **dated, "layout": layout}, samples=64)
    assert "attention" not in told(kept)


def test_a_framework_gives_what_its_generation_gives(llama: dict[str, Any]) -> None:
    named = cb.estimate_run({**llama, "framework": "maxtext"}, samples=64)
    generation = cb.estimate_run({**llama, "software": "compiled"}, samples=64)
    assert hours(named) == pytest.approx(hours(generation))


@pytest.mark.parametrize("read", [cb.estimate_run, cb.plan])
def test_a_framework_and_a_generation_are_not_given_together(
    llama: dict[str, Any], read: Any
) -> None:
    both = {**llama, "framework": "nemo", "software": "modern"}
    with pytest.raises(cb.RequestError, match="give software or framework, not both"):
        read({key: value for key, value in both.items() if key != "layout"} | {"global_batch": 64})


def test_a_plan_searches_what_the_framework_has(llama: dict[str, Any]) -> None:
    asked = {key: value for key, value in llama.items() if key != "layout"}
    asked |= {"global_batch": 128, "framework": "megatron-deepspeed", "date": "2022-01-01"}
    found = cb.plan(asked)
    # Its pipelines do not interleave, and attention is not fused.
    assert found.best.layout.vpp == 1
    assert found.best.layout.attention == "unfused"
    generation = {each.name: each for each in found.estimate.assumptions}["software generation"]
    assert (generation.value, "Megatron-DeepSpeed in January 2022" in generation.source) == (
        "early",
        True,
    )
