from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from computebill.cli import main
from computebill.cli.layouts import FIELDS
from computebill.training.layout import Layout

CONFIG: dict[str, Any] = {
    "model_type": "qwen3_moe",
    "hidden_size": 2048,
    "num_hidden_layers": 48,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "moe_intermediate_size": 768,
    "intermediate_size": 6144,
    "num_experts": 128,
    "num_experts_per_tok": 8,
    "vocab_size": 151936,
}


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(CONFIG))
    return str(path)


def invoke(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(main, arguments, input=text)


def answer(*arguments: str, text: str | None = None) -> Any:
    result = invoke(*arguments, "--json", text=text)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refusal(*arguments: str) -> str:
    result = invoke(*arguments)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return result.stderr


def test_every_field_of_a_layout_has_a_flag_and_every_flag_a_field() -> None:
    switches = {"qlora", "lora"}
    assert {name.replace("-", "_") for name, _ in FIELDS} | switches == set(Layout.model_fields)
    assert {f"--{name}" for name in switches} <= set(
        re.findall(r"--\w+", invoke("model", "--help-layout").stdout)
    )


def test_the_card_says_what_matters(config: str) -> None:
    output = invoke("model", config).stdout
    for part in ("30,532,122,624", "3,353,032,704", "router", "experts", "palm", "up to"):
        assert part in output


def test_standard_input_and_a_directory(config: str) -> None:
    named, piped = answer("model", config), answer("model", "-", text=json.dumps(CONFIG))
    held = answer("model", str(Path(config).parent))
    commands = [each.pop("about")["command"] for each in (named, piped, held)]
    assert piped == named == held
    assert commands[1] == "computebill model - --json"


def test_a_layout_s_flags(config: str) -> None:
    card = answer("model", config, "--tp", "2", "--pp", "4", "--dp", "8", "--ep", "16")
    assert len(card["memory_gb"]) == 4
    assert card["memory_gb"][0]["layout"]["ep"] == 16
    lora = answer("model", config, "--lora-rank", "8", "--lora-targets", "attention")
    assert lora["params_adapters"] > 0
    common = answer("model", config, "--recompute", "full")
    assert len(common["memory_gb"]) > 1


def test_files_and_pictures(config: str, tmp_path: Path) -> None:
    table, picture = tmp_path / "out.csv", tmp_path / "out.svg"
    result = invoke("model", config, "-o", str(table), "--plot", str(picture))
    assert result.exit_code == 0, result.output
    assert table.read_text().startswith("name,accelerators,tp,pp")
    assert "<svg" in picture.read_text()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--tp", "3"], "tp: got 3; allowed: a divisor of 32 heads"),
        (["--tp", "zero"], "--tp: got 'zero'"),
        (["--zero", "4"], "--zero: got '4'"),
        (["--recompute", "some"], "--recompute: got 'some'"),
        (["--ep", "3", "--dp", "3"], "ep: got 3; allowed: a divisor of 128 experts"),
        (["--sequence-length", "1.5"], "--sequence-length: got '1.5'; allowed: a whole number"),
        (["--sequence-length", "-1"], "sequence_length: got -1"),
        (["--accelerator", "h1000"], "h1000"),
        (["--lora-rank", "8", "--lora-targets", "norms"], "--lora-targets"),
        (["-o", "out.docx"], "-o: got 'out.docx'"),
    ],
)
def test_bad_requests(config: str, arguments: list[str], problem: str) -> None:
    assert problem in refusal("model", config, *arguments)


def test_bad_files(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"model_type": "lama"')
    assert f"Error: {path}: is not valid JSON" in refusal("model", str(path))
    path.write_text('{"model_type": "lama"}')
    assert "'lama', which is not known" in refusal("model", str(path))
    assert "cannot be read" in refusal("model", str(tmp_path / "none"))


def test_mfu(config: str) -> None:
    given = ["--model", config, "--accelerator", "h100"]
    found = answer("mfu", *given, "--tokens-per-second", "10k")
    assert set(found["mfu"]) == {"6nd", "palm", "megatron", "causal"}
    assert found["hfu"] == pytest.approx(found["mfu"]["causal"])
    output = invoke("mfu", *given, "--tokens-per-second", "10k").stdout
    assert "10.0 k tokens per second and GPU" in output
    totals = invoke("mfu", "--params", "8B", "--accelerator", "h100", "--tokens-per-second", "9k")
    assert "needs a config.json" in totals.stdout


def test_mfu_draws(config: str, tmp_path: Path) -> None:
    picture = tmp_path / "mfu.svg"
    given = ["--model", config, "--accelerator", "h100", "--tokens-per-second", "10k"]
    assert invoke("mfu", *given, "--plot", str(picture)).exit_code == 0
    assert "<svg" in picture.read_text()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "Missing option '--accelerator'"),
        (["--accelerator", "h100"], "model: is missing; allowed: a config.json, or params"),
        (["--accelerator", "h100", "--params", "8B"], "speed: give one of"),
        (["--accelerator", "h100", "--params", "x"], "--params: got 'x'"),
        (
            ["--accelerator", "h100", "--params", "8B", "--mfu", "0.4", "--convention", "palm"],
            "convention: palm needs a config.json",
        ),
    ],
)
def test_mfu_bad_requests(arguments: list[str], problem: str) -> None:
    assert problem in refusal("mfu", *arguments)


def test_run_takes_a_model_and_a_layout(config: str) -> None:
    given = ["--model", config, "--tokens", "1T", "--accelerator", "h100", "--count", "64"]
    found = answer("run", *given, "--tp", "2", "--ep", "8", "--samples", "64")
    assert found["memory_gb"]["total"] > 0
    assert found["layout"]["dp"] == 32
    output = invoke("run", *given, "--tp", "2", "--samples", "64").stdout
    assert "Fullest GPU (stage 1 of 1), GB: " in output
    assert "--tp: got 'x'" in refusal("run", *given, "--tp", "x")
    assert "layout (tp): needs model" in refusal(
        "run", "--params", "8B", "--tokens", "1T", "--accelerator", "h100", "--tp", "2"
    )
