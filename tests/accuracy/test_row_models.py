"""Architectures of rows, against the models' published configurations."""

from __future__ import annotations

import json
from typing import Any

import pytest
from known import PUBLISHED
from measured_table import ROW, Write

from computebill.accuracy.measured import MeasuredRow, read_measured
from computebill.accuracy.row_models import row_architecture
from computebill.architectures import Architecture, read_architecture
from computebill.architectures.columns import columns
from computebill.architectures.counting import count_flop, count_parameters


def published(name: str) -> Architecture:
    for each in json.loads(PUBLISHED.read_text(encoding="utf-8")):
        if each["name"].removesuffix(" (text_config)") == name:
            return read_architecture(each["config"])
    raise KeyError(name)


def params(architecture: Architecture) -> tuple[float, float]:
    counted = count_parameters(columns(architecture))
    return float(counted.total), float(counted.active)


def flop(architecture: Architecture, sequence: float) -> float:
    return float(count_flop(columns(architecture), sequence).conventions["causal"])


@pytest.mark.parametrize(
    ("source", "model", "name"),
    [
        ("mbridge", "DeepSeek-V3", "deepseek-ai/DeepSeek-V3"),
        ("primus_moe", "DeepSeek-V2", "deepseek-ai/DeepSeek-V2"),
        ("primus_moe", "DeepSeek-V2-Lite", "deepseek-ai/DeepSeek-V2-Lite"),
        ("mbridge", "Kimi K2", "moonshotai/Kimi-K2-Instruct"),
        ("mbridge", "GPT-OSS 120B", "openai/gpt-oss-120b"),
        ("mbridge", "Qwen3 235B-A22B", "Qwen/Qwen3-235B-A22B"),
        ("mbridge", "Qwen3 30B-A3B", "Qwen/Qwen3-30B-A3B"),
        ("nemo_2507", "LLAMA4-Scout-LLM", "meta-llama/Llama-4-Scout-17B-16E-Instruct"),
        ("tpu_recipes", "Mixtral-8x7B", "mistralai/Mixtral-8x7B-v0.1"),
        ("tpu_recipes", "Gemma3-12B 32K", "google/gemma-3-12b-it"),
        ("mindspeed_llm", "Gemma-2B", "google/gemma-2b"),
        ("mbridge", "Llama3 70B", "meta-llama/Llama-3.1-70B"),
    ],
)
def test_a_row_s_model_is_the_published_one(
    shipped_rows: list[MeasuredRow], source: str, model: str, name: str
) -> None:
    row = next(each for each in shipped_rows if (each.source, each.model) == (source, model))
    found, wanted = row.case.architecture, published(name)
    if "Gemma3" not in model:  # 262,144 entries, 64 fewer than published
        assert params(found) == params(wanted)
    # At long sequences a window that is not seen would show.
    assert flop(found, 32768.0) == pytest.approx(flop(wanted, 32768.0), rel=1e-4)


def test_cut_down_models_keep_what_was_measured(shipped_rows: list[MeasuredRow]) -> None:
    """SimuMax's runs have one leading dense layer, whatever the whole model has."""
    for model, width in (("DeepSeek-V3", 18432), ("DeepSeek-V2", 12288)):
        row = next(each for each in shipped_rows if each.model == f"{model} cut to 4 layers")
        architecture = row.case.architecture
        dense = [
            kind
            for kind in architecture.kinds
            if not any(operator.expert for operator in kind.operators)
        ]
        assert architecture.layer_count == 4
        assert sum(len(kind.layers.indices()) for kind in dense) == 1
        assert width in {operator.d_out for operator in dense[0].operators}


def cells(change: dict[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in {**ROW, **change}.items()}


MIXTURE = {"n_experts": 8, "experts_per_token": 2, "ffn_hidden": 1024}


def test_a_shared_expert_is_one_more_that_every_token_meets() -> None:
    plain, shared = (
        params(row_architecture(cells({**MIXTURE, "shared_experts": count, **more})))
        for count, more in ((0, {}), (1, {"shared_ffn_hidden": 2048}))
    )
    # Three matrices of 4096 x 2048 in each of 32 layers, and a gate of 4096.
    grown = 32 * (3 * 4096 * 2048 + 4096)
    assert shared[0] - plain[0] == grown
    assert shared[1] - plain[1] == grown


def test_leading_dense_layers_have_their_own_width() -> None:
    dense = {"dense_layers": 2, "dense_ffn_hidden": 14336}
    plain, leading = (params(row_architecture(cells({**MIXTURE, **more}))) for more in ({}, dense))
    experts, router = 8 * 3 * 4096 * 1024, 8 * 4096
    assert leading[0] - plain[0] == 2 * (3 * 4096 * 14336 - experts - router)


def test_tied_embeddings_are_held_once() -> None:
    plain, tied = (params(row_architecture(cells({"tied": tied}))) for tied in (0, 1))
    assert plain[0] - tied[0] == 128256 * 4096


def test_a_dense_model_s_window_is_seen() -> None:
    whole, third, every = (
        flop(row_architecture(cells(change)), 32768.0)
        for change in ({}, {"window": 1024, "full_every": 4}, {"window": 1024})
    )
    # Scores of a layer, both passes: 12 x heads x width x mean keys; 1024 - 1024 x 1023 / 2s in it.
    saved = 12 * 4096 * ((32768 + 1) / 2 - (1024 - 1024 * 1023 / 65536))
    assert whole - every == pytest.approx(32 * saved, rel=1e-6)
    assert whole - third == pytest.approx(24 * saved, rel=1e-6)


def test_the_model_s_own_family_is_used_where_it_is_told() -> None:
    assert row_architecture(cells({"model_type": "qwen3"})).model_type == "qwen3"
    assert row_architecture(cells({})).model_type == "llama"
    assert row_architecture(cells({"gated_mlp": 0})).model_type == "nemotron"


def test_a_family_that_is_not_known_costs_its_row(write: Write) -> None:
    rows, skipped = read_measured(write({"model_type": "abacus"}))
    assert not rows
    assert "model_type: got 'abacus', which is not known" in skipped[0].reason


def test_a_window_and_tables_of_before_these_columns(write: Write) -> None:
    """``attention`` alone, without sizes, is DeepSeek's and gpt-oss's."""
    latent = {**MIXTURE, "attention": "latent", "n_kv_heads": ""}
    for change, family in (
        (latent, "deepseek_v3"),
        ({**MIXTURE, "attention": "alternating window"}, "gpt_oss"),
        (MIXTURE, "mixtral"),
    ):
        (row,), _ = read_measured(write(change))
        assert row.case.architecture.model_type == family


def test_shared_experts_of_latent_models_are_whole_multiples(write: Write) -> None:
    change = {**MIXTURE, "attention": "latent", "kv_lora_rank": 512, "shared_experts": 1}
    _, skipped = read_measured(write({**change, "shared_ffn_hidden": 1500}))
    assert "shared_ffn_hidden: got 1500; allowed with latent attention: a multiple of 1024" in (
        skipped[0].reason
    )
