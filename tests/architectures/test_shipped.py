"""Models by name: what ships, what is near, and what goes before it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import computebill as cb
from computebill.architectures.plain import plain_parameters
from computebill.architectures.shipped import nearest, shipped, shipped_models
from computebill.architectures.sources import beside
from computebill.cli import main


@pytest.mark.parametrize(
    ("name", "params"),
    [  # as the makers' cards print them
        ("llama-3.1-8b", 8_030_261_248),
        ("meta-llama/Llama-3.1-8B", 8_030_261_248),
        ("Qwen3-30B-A3B", 30_532_122_624),
        ("qwen/qwen3-30b-a3b", 30_532_122_624),
        ("deepseek-v3", 671_026_404_352),
    ],
)
def test_a_name_is_counted(name: str, params: int) -> None:
    found = cb.read_architecture(name)
    assert plain_parameters(found).total == params
    assert "is the one that ships" in found.notes[0]


def test_names_are_unique_and_each_has_a_source() -> None:
    names = [each.short for each in shipped_models()]
    assert len(names) == len(set(names))
    assert all(each.source for each in shipped_models())
    unsure = next(each for each in shipped_models() if not each.is_checked)
    assert "from memory" in unsure.told


def test_a_folder_of_that_name_goes_before_what_ships(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = {**shipped_models()[0].fields, "num_hidden_layers": 3}
    (tmp_path / "llama-3.1-8b").mkdir()
    (tmp_path / "llama-3.1-8b" / "config.json").write_text(json.dumps(config))
    assert cb.read_architecture("llama-3.1-8b").layer_count == 3
    assert beside(tmp_path, "llama-3.1-8b") == str(tmp_path / "llama-3.1-8b")
    assert beside(tmp_path / "other", "llama-3.1-8b") == "llama-3.1-8b"
    assert beside(tmp_path, "config.json") == str(tmp_path / "config.json")


def test_a_name_that_does_not_ship_is_answered_with_those_near() -> None:
    with pytest.raises(cb.RequestError, match=r"cannot be read: .*llama-3\.1-8b.* are near"):
        cb.read_architecture("llama-3.1-9b")
    assert nearest("qwen3")[0].startswith("qwen3")


@given(st.text(max_size=30))
def test_any_name_ships_or_does_not(name: str) -> None:
    assert shipped(name) is None or name.strip()
    assert len(nearest(name)) <= 4


def test_a_run_a_plan_and_a_file_take_names(tmp_path: Path) -> None:
    run = {"model": "llama-3.1-8b", "tokens": "1T", "accelerator": "h100", "count": 8}
    told = cb.estimate_run(run, samples=64).to_dict()
    assert told["model"]["params"]["p50"] == 8_030_261_248
    spec = tmp_path / "run.toml"
    spec.write_text('model = "qwen3-8b"\ntokens = "1T"\naccelerator = "h100"\ncount = 8\n')
    assert cb.estimate_run(spec, samples=64).to_dict()["model"]["params"]["p50"] == 8_190_735_360


def test_without_a_name_the_models_are_listed() -> None:
    listed = CliRunner().invoke(main, ["model", "--json"])
    models = json.loads(listed.stdout)["models"]
    assert len(models) == len(shipped_models())
    by_name = {each["name"]: each for each in models}
    assert by_name["qwen3-30b-a3b"]["params_active"] < by_name["qwen3-30b-a3b"]["params"] / 5
    table = CliRunner().invoke(main, ["model"])
    assert "meta-llama/Llama-3.1-8B" in table.stdout
