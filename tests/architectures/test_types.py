"""Types' own defaults are those of transformers, and every alias counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import transformers
import type_fields as written

import computebill as cb
from computebill.architectures import types
from computebill.architectures.families import FAMILIES
from computebill.architectures.families_makers import MAKERS
from computebill.architectures.plain import plain_parameters

FILE = json.loads(written.FILE.read_text("utf-8"))


def test_the_file_is_what_its_release_declares() -> None:
    release = FILE["read_from"].split()[1].rstrip(",")
    if transformers.__version__ != release:
        pytest.skip(f"written from {release}, and {transformers.__version__} is installed")
    assert json.loads(written.written()) == FILE


@pytest.mark.parametrize("name", types.aliases())
def test_an_alias_is_of_an_entry_and_says_how_it_was_checked(name: str) -> None:
    alias = types.aliases()[name]
    assert alias.family in FAMILIES
    assert name not in FAMILIES
    assert len(alias.checked) > 20
    if alias.language_model is not None:
        declared = types.type_fields(alias.language_model) is not None
        assert declared or alias.language_model in MAKERS


def test_a_class_belongs_to_a_type() -> None:
    found = {
        "LlamaForCausalLM": "llama",
        "Qwen3MoeForCausalLM": "qwen3_moe",
        "BertForMaskedLM": "bert",
        "XLMRobertaModel": "xlm-roberta",
        "NobodysForCausalLM": None,
    }
    assert {name: types.type_of_class(name) for name in found} == found


def test_a_class_of_another_type_is_told() -> None:
    qwen = ["Qwen2ForCausalLM"]
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    sizes |= {"num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": 60}
    found = cb.read_architecture({"model_type": "llama", **sizes, "architectures": qwen})
    told = "architectures: Qwen2ForCausalLM is a class of qwen2; counted as llama, its model_type."
    assert found.notes == (told,)
    own = cb.read_architecture({"model_type": "qwen2", **sizes, "architectures": qwen})
    assert not any("is a class of" in note for note in own.notes)


@pytest.mark.parametrize("count", [1, 3])
def test_layer_types_of_other_layers_are_refused(count: int) -> None:
    config = {"model_type": "llama", "hidden_size": 32, "intermediate_size": 48, "vocab_size": 60}
    config |= {"num_hidden_layers": 2, "num_attention_heads": 4}
    alike = ["full_attention"] * 2
    found = cb.read_architecture({**config, "layer_types": alike})
    assert found == cb.read_architecture(config)
    with pytest.raises(cb.RequestError, match=f"layer_types: got {count}; allowed: a list of 2"):
        cb.read_architecture({**config, "layer_types": ["full_attention"] * count})


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "flux"},
        {"model_type": "qwen-image"},
        {"model_type": "ltx-video"},
    ],
)
def test_a_model_of_diffusers_is_told_to_be_one(config: dict[str, str]) -> None:
    with pytest.raises(cb.RequestError, match="which has a _class_name; or give totals"):
        cb.read_architecture(config)


def test_the_extra_is_named_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(cb.RequestError) as caught:
        cb.read_architecture({"model_type": "nobodys"})
    assert "extra `models`" not in str(caught.value)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(cb.RequestError, match="with the extra `models` installed"):
        cb.read_architecture({"model_type": "nobodys"})


def test_an_inner_configuration_takes_what_its_type_declares() -> None:
    # Vicuna 7B, of which LLaVA 1.5's file says no more.
    found = cb.read_architecture({"model_type": "reader", "text_config": {"model_type": "llama"}})
    assert plain_parameters(found).total == 6_738_415_616
    assert "hidden_size 4096" in found.notes[-1]
    with pytest.raises(cb.RequestError, match="is missing"):
        cb.read_architecture({"model_type": "llama"})


def test_the_data_is_small() -> None:
    assert Path(written.FILE).stat().st_size < 300_000
