from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sweeping import experiments

from computebill.base.errors import RequestError
from computebill.hardware import accelerators
from computebill.sweep.expand import Cell, cells
from computebill.sweep.spec import Group
from computebill.sweep.workshop import MOST, make_workshop


def cell(**fields: Any) -> Cell:
    (found,) = cells(Group.model_validate({"name": "g", "params": 1e9, "tokens": 1e9, **fields}))
    return found


def test_a_part_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    known = accelerators.find_accelerator

    def find(name: str, profiles: tuple[Path, ...]) -> accelerators.Accelerator:
        asked.append(name)
        return known(name, profiles)

    monkeypatch.setattr("computebill.sweep.workshop.find_accelerator", find)
    workshop = make_workshop("modern", None, (), None)
    first = workshop.accelerator(cell(accelerator="h100"))
    assert workshop.accelerator(cell(accelerator="h100", tokens=2e9)) is first
    assert workshop.accelerator(cell(accelerator="b200")).name == "b200"
    assert asked == ["h100", "b200"]


def test_the_precision_is_the_parts_own_unless_given() -> None:
    workshop = make_workshop("modern", None, (), None)
    assert workshop.precision(cell(accelerator="h100")) == "bf16"
    assert workshop.precision(cell(accelerator="h100", precision="fp8")) == "fp8"
    with pytest.raises(RequestError, match="precision: a100-sxm-80gb has no 'fp8' peak"):
        workshop.precision(cell(accelerator="a100-80gb", precision="fp8"))
    with pytest.raises(RequestError, match="accelerator: is missing"):
        workshop.precision(cell())


def test_experiments_that_train_alike_share_a_utilisation() -> None:
    workshop = make_workshop("modern", None, (), None)

    def trains(**fields: Any) -> object:
        one = cell(accelerator="h100", **fields)
        return workshop.utilisation(workshop.experiments(one, next(one.chunks())))

    assert trains() is trains(params=7e9)
    assert trains() is trains(sequence_length=4096)
    assert trains() is not trains(sequence_length=8192)
    assert trains() is not trains(precision="fp8")


def test_a_sequence_that_a_model_cannot_take_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    config = {"model_type": "gpt2", "n_layer": 2, "n_embd": 64, "n_head": 2, "n_positions": 128}
    path.write_text(json.dumps(config | {"vocab_size": 256}))
    of, workshop = experiments(model=str(path), tokens=1e9, sequence_length=256)
    with pytest.raises(RequestError, match="sequence_length: got 256"):
        workshop.utilisation(of)


def test_a_configuration_is_counted(llama_config: str) -> None:
    of, _ = experiments(model=llama_config, tokens=1e9)
    assert of.model is not None
    assert of.params.item() == of.model.params
    # Meta's model card: 8.03 B; keys and values of 8 heads of 128 in 32 layers.
    assert of.params.item() == pytest.approx(8.03e9, rel=1e-3)
    assert of.model.cache == 2 * 32 * 8 * 128


def test_what_is_made_knows_its_limits(tmp_path: Path) -> None:
    assert make_workshop("modern", None, (), None).most == MOST
    assert make_workshop("modern", None, (), 64).most == 64
    with pytest.raises(RequestError, match="software: got 'old'"):
        make_workshop("old", None, (), None)
    with pytest.raises(RequestError, match="cannot be read"):
        make_workshop("modern", tmp_path / "none.toml", (), None)
