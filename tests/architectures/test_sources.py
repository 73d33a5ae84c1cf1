"""Where a configuration is found, and what is said where it is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import computebill as cb
from computebill.models.count import count_model

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
    assert found == (16, ("q_proj", "v_proj"), "acme/llama")
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
        ("use_dora", True),
        ("modules_to_save", ["lm_head"]),
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
    nothing = {"rank_pattern": {}, "use_dora": False, "modules_to_save": None, "bias": "none"}
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


def test_counts_alone_say_that_the_adapter_is_left_out(tmp_path: Path, cache: Path) -> None:
    kept(cache, "acme/llama", LLAMA)
    path = tmp_path / "adapter_config.json"
    path.write_text(json.dumps(ADAPTER))
    notes = count_model(path).to_dict()["notes"]
    assert notes[-1].startswith("Its adapter (LoRA, rank 16) is not counted")
    assert count_model(LLAMA).to_dict()["notes"] == []


def test_an_adapter_of_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "adapter_config.json"
    path.write_text(json.dumps(ADAPTER | {"base_model_name_or_path": "../" + tmp_path.name}))
    assert "adapter" in refusal(path)


def test_weights_that_are_stored_in_a_way_unknown_are_told() -> None:
    found = cb.read_architecture({**LLAMA, "quantization_config": {"quant_method": "odd"}})
    assert "not understood" in found.notes[-1]
    known = {"quant_method": "fp8", "fmt": "e4m3"}
    assert cb.read_architecture({**LLAMA, "quantization_config": known}).notes == ()
