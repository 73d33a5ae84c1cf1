"""Where a configuration is found, and what is said where it is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import computebill as cb
from computebill.cli import main
from computebill.models.count import count_model
from computebill.models.mfu import Speed

LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 256,
}
ADAPTER: dict[str, Any] = {
    "base_model_name_or_path": "acme/llama",
    "peft_type": "LORA",
    "r": 16,
    "target_modules": ["q_proj", "v_proj"],
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("HF_HUB_CACHE", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def kept(cache: Path, name: str, fields: dict[str, Any]) -> None:
    folder = cache / f"models--{name.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc")
    (folder / "snapshots" / "abc").mkdir(parents=True)
    (folder / "snapshots" / "abc" / "config.json").write_text(json.dumps(fields))


def refusal(source: Any) -> str:
    with pytest.raises(cb.RequestError) as caught:
        cb.read_architecture(source)
    return str(caught.value)


def test_a_repositorys_name_is_looked_for_in_the_local_cache(cache: Path) -> None:
    message = refusal("acme/llama")
    assert message.startswith("acme/llama: is no file")
    assert "`hf download acme/llama config.json`" in message
    kept(cache, "acme/llama", LLAMA)
    assert cb.read_architecture("acme/llama").layer_count == 2


def test_a_folder_of_that_name_goes_first(tmp_path: Path, cache: Path) -> None:
    kept(cache, "acme/llama", LLAMA)
    (tmp_path / "acme" / "llama").mkdir(parents=True)
    here = tmp_path / "acme" / "llama" / "config.json"
    here.write_text(json.dumps({**LLAMA, "num_hidden_layers": 5}))
    assert cb.read_architecture("acme/llama").layer_count == 5


def test_an_adapter_is_put_beside_its_base(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "adapter_config.json"
    path.write_text(json.dumps(ADAPTER))
    message = refusal(tmp_path)
    assert "is an adapter (LoRA, rank 16) of acme/llama" in message
    assert "--lora-rank 16" in message
    kept(cache, "acme/llama", LLAMA)
    found = cb.read_architecture(tmp_path).adapter
    assert found is not None
    assert found[:3] == (16, ("q_proj", "v_proj"), "acme/llama")
    # As in peft: rank x (inputs + outputs) of queries and of values.
    card = cb.describe_model(tmp_path).to_dict()
    assert card["params_adapters"] == 2 * 16 * 2 * (64 + 64)
    own = cb.describe_model(tmp_path, layout={"lora_rank": 0}).to_dict()
    assert own["params_adapters"] == 0


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"peft_type": "PROMPT_TUNING"}, "peft_type: got 'PROMPT_TUNING'; allowed: LORA"),
        ({"r": -1}, "r: got -1; allowed: a whole number from 1"),
        ({"base_model_name_or_path": None}, "base_model_name_or_path: got None"),
        ({"use_dora": "yes"}, "use_dora: got 'yes'; allowed: true or false"),
        ({"target_modules": 7}, "target_modules: got 7; allowed: a list of names"),
        ({"modules_to_save": [7]}, "modules_to_save: got [7]; allowed: a list of names"),
    ],
)
def test_adapters_that_cannot_be(tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    path = tmp_path / "adapter_config.json"
    path.write_text(json.dumps(ADAPTER | change))
    assert problem in refusal(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rank_pattern", {"q_proj": 8}),
        ("layers_to_transform", 0),
        ("layers_to_transform", [1]),
        ("bias", "all"),
    ],
)
def test_what_changes_an_adapters_count_is_refused(
    tmp_path: Path, cache: Path, field: str, value: Any
) -> None:
    kept(cache, "acme/llama", LLAMA)
    path = tmp_path / "adapter_config.json"
    path.write_text(json.dumps(ADAPTER | {field: value}))
    assert f"{field}: got {value!r}; allowed: none" in refusal(path)
    nothing = {"rank_pattern": {}, "layers_to_transform": None, "bias": "none"}
    path.write_text(json.dumps(ADAPTER | nothing))
    assert cb.read_architecture(path).adapter is not None


@pytest.mark.parametrize(
    ("targets", "told"),
    [
        (["nonsense"], "got 'nonsense'; allowed: "),
        (".*q_proj", "got '.*q_proj'; allowed: "),
        (r".*\.q_proj", "allowed: "),
        (r"model\.layers\.\d+\.self_attn.q_proj", "allowed: "),
        (["q_proj", "nonsense"], "got 'nonsense'; allowed: "),
        (["model.layers.0.self_attn.q_proj"], "allowed: "),
        (None, "is missing; allowed: names"),
    ],
)
def test_targets_that_are_not_known_are_refused(
    tmp_path: Path, cache: Path, targets: Any, told: str
) -> None:
    kept(cache, "acme/llama", LLAMA)
    path = tmp_path / "adapter_config.json"
    path.write_text(json.dumps(ADAPTER | {"target_modules": targets}))
    with pytest.raises(cb.RequestError, match=r"^target_modules: ") as caught:
        cb.describe_model(path)
    assert told in str(caught.value)
    said = cb.describe_model(path, layout={"lora_targets": ["q_proj", "v_proj"]}).to_dict()
    assert said["params_adapters"] == 2 * 16 * 2 * (64 + 64)


QKV, HEAD = 2 * 16 * 3 * (64 + 64), 64 * 256
"""Of rank 16 beside three square products of two layers; of Llama's head, and of its table."""


@pytest.mark.parametrize(
    ("change", "count"),
    [
        ({}, 2 * 16 * 2 * (64 + 64)),
        ({"target_modules": ["q_proj", "k_proj", "v_proj"]}, QKV),
        ({"target_modules": r".*\.(q_proj|k_proj|v_proj)$"}, QKV),
        # One matrix of three outputs has one adapter, with one set of inputs.
        ({"target_modules": ["qkv_proj"]}, 2 * 16 * (64 + 3 * 64)),
        ({"target_modules": ["gate_up_proj"]}, 2 * 16 * (64 + 2 * 128)),
        # DoRA: a magnitude for every output.
        ({"use_dora": True}, 2 * (16 * 2 * (64 + 64) + 2 * 64)),
        ({"use_rslora": True, "lora_alpha": 8}, 2 * 16 * 2 * (64 + 64)),
        ({"modules_to_save": ["lm_head"]}, 2 * 16 * 2 * (64 + 64) + HEAD),
        ({"modules_to_save": ["embed_tokens", "lm_head"]}, 2 * 16 * 2 * (64 + 64) + 2 * HEAD),
        # A classifier of two labels, as peft makes of a base that was pre-trained.
        (
            {"task_type": "SEQ_CLS", "modules_to_save": ["classifier", "score"]},
            2 * 16 * 2 * (64 + 64) + 2 * 64,
        ),
    ],
)
def test_what_is_trained_is_counted_with_memory_and_without(
    tmp_path: Path, cache: Path, change: dict[str, Any], count: int
) -> None:
    kept(cache, "acme/llama", {**LLAMA, "architectures": ["LlamaForCausalLM"]})
    path = tmp_path / "adapter_config.json"
    path.write_text(json.dumps(ADAPTER | change))
    alone, card = count_model(path).to_dict(), cb.describe_model(path).to_dict()
    assert alone["params_adapters"] == card["params_adapters"] == count
    assert alone["params"] == card["params"]
    found, kernel = alone["flop_per_token"], card["flop_per_token"]
    for name in ("forward", "backward"):
        assert found[name] == pytest.approx(kernel[name], rel=1e-12)
    assert found["conventions"] == pytest.approx(kernel["conventions"], rel=1e-12)
    told = {each["name"]: each["source"] for each in alone["assumptions"]}
    assert told["rank of adapters"] == "adapter_config.json of an adapter of acme/llama"
    assert told.items() <= {each["name"]: each["source"] for each in card["assumptions"]}.items()


def test_a_head_that_is_trained_whole_takes_its_gradient(tmp_path: Path, cache: Path) -> None:
    kept(cache, "acme/llama", {**LLAMA, "tie_word_embeddings": True})
    path = tmp_path / "adapter_config.json"
    path.write_text(json.dumps(ADAPTER))
    frozen = count_model(path).to_dict()
    path.write_text(json.dumps(ADAPTER | {"modules_to_save": ["lm_head"]}))
    trained = count_model(path).to_dict()
    passes = [each["flop_per_token"]["by_operator"]["logits"] for each in (frozen, trained)]
    assert [each["backward"] / each["forward"] for each in passes] == [1, 2]
    # Tied as it is, its copy is a matrix of its own.
    assert trained["params_adapters"] - frozen["params_adapters"] == HEAD


def test_a_run_a_plan_and_a_speed_train_the_adapter(tmp_path: Path, cache: Path) -> None:
    kept(cache, "acme/llama", LLAMA)
    path = tmp_path / "adapter_config.json"
    path.write_text(json.dumps(ADAPTER))
    own = {"lora_rank": 16, "lora_targets": ["q_proj", "v_proj"]}
    base = cb.read_architecture("acme/llama")
    flop = cb.describe_model(base, layout=own).to_dict()["flop_per_token"]["conventions"]
    shape = {"tokens": "1B", "accelerator": "h100", "global_batch": 8}

    speed = Speed(tokens_per_second_per_gpu=1e6)
    told = cb.utilisation(path, speed=speed, accelerator="h100")
    assert told.flop_per_token == pytest.approx(flop)
    assert cb.utilisation(path, speed=speed, accelerator="h100", lora_rank=0).hfu > told.hfu

    command = ["mfu", "--model", str(path), "--tokens-per-second", "3k", "--accelerator", "h100"]
    read = json.loads(CliRunner().invoke(main, [*command, "--json"]).output)
    assert read["flop_per_token"] == pytest.approx(flop)

    planned = cb.plan({**shape, "model": str(path), "count": 8}).estimate
    for layout in ({"dp": 8}, None):
        run = {**shape, "model": str(path), "count": 8}
        run = run if layout is None else {**run, "layout": layout}
        estimate = cb.estimate_run(run, samples=64)
        total = estimate.to_dict()["flop"]["model"]["p50"]
        assert total == pytest.approx(1e9 * flop["6nd"])
        sources = {each.name: each.source for each in estimate.assumptions}
        assert sources["rank of adapters"].startswith("adapter_config.json of an adapter")
    assert planned.to_dict()["layout"]["lora_rank"] == 16
    assert "adapters beside" in {each.name for each in planned.assumptions}
    # What flags say goes first, field by field.
    flagged = cb.describe_model(path, layout={"lora_rank": 8}).to_dict()
    assert flagged["params_adapters"] == 2 * 8 * 2 * (64 + 64)


def test_modules_that_are_saved_and_not_known_are_refused(tmp_path: Path, cache: Path) -> None:
    kept(cache, "acme/llama", LLAMA)
    path = tmp_path / "adapter_config.json"
    path.write_text(json.dumps(ADAPTER | {"modules_to_save": ["norm"]}))
    with pytest.raises(cb.RequestError, match=r"^modules_to_save: got 'norm'; allowed: classifier"):
        count_model(path)
    with pytest.raises(cb.RequestError, match=r"^modules_to_save: needs lora_rank"):
        cb.describe_model(LLAMA, layout={"modules_to_save": ["lm_head"]})


def test_an_adapter_of_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "adapter_config.json"
    path.write_text(json.dumps(ADAPTER | {"base_model_name_or_path": "../" + tmp_path.name}))
    assert "adapter" in refusal(path)


def test_weights_that_are_stored_in_a_way_unknown_are_told() -> None:
    found = cb.read_architecture({**LLAMA, "quantization_config": {"quant_method": "odd"}})
    assert "not understood" in found.notes[-1]
    known = {"quant_method": "fp8", "fmt": "e4m3"}
    assert cb.read_architecture({**LLAMA, "quantization_config": known}).notes == ()
