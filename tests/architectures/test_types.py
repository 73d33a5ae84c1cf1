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
        assert types.type_fields(alias.language_model) is not None


def test_a_class_belongs_to_a_type() -> None:
    found = {
        "LlamaForCausalLM": "llama",
        "Qwen3MoeForCausalLM": "qwen3_moe",
        "BertForMaskedLM": "bert",
        "XLMRobertaModel": "xlm-roberta",
        "NobodysForCausalLM": None,
    }
    assert {name: types.type_of_class(name) for name in found} == found


def test_an_inner_configuration_takes_what_its_type_declares() -> None:
    # Vicuna 7B, of which LLaVA 1.5's file says no more.
    found = cb.read_architecture({"model_type": "reader", "text_config": {"model_type": "llama"}})
    assert plain_parameters(found).total == 6_738_415_616
    assert "hidden_size 4096" in found.notes[-1]
    with pytest.raises(cb.RequestError, match="is missing"):
        cb.read_architecture({"model_type": "llama"})


def test_the_data_is_small() -> None:
    assert Path(written.FILE).stat().st_size < 300_000
