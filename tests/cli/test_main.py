from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version

import pytest
from click.testing import CliRunner

from computebill.cli import COMMANDS, main

HEAVY = ("torch", "pandas", "pydantic", "numpy", "altair", "pyarrow", "rich")

SCRIPT = f"""
import sys
from computebill.cli import main
try:
    main(sys.argv[1:], prog_name="computebill")
except SystemExit as stop:
    loaded = [name for name in {HEAVY!r} if name in sys.modules]
    sys.exit(f"loaded: {{loaded}}" if loaded else stop.code)
"""


def python(*arguments: str, encoding: str = "utf-8") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        check=False,
        encoding=None if encoding == "ascii" else encoding,
        text=True,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["-h"], ["--version"], ["run", "--help"], ["spend", "-h"], ["hardware", "--help"]],
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    result = python("-c", SCRIPT, *arguments)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""


def test_help_lists_every_command() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    for name in COMMANDS:
        assert f"\n  {name} " in result.stdout


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_explains_itself(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0
    assert f"Usage: main {name}" in result.stdout


def test_the_version_is_the_packages() -> None:
    result = CliRunner().invoke(main, ["--version"])
    assert version("computebill") in result.stdout


@pytest.mark.parametrize("name", ["trane", "", "Run", "[bold]", "--nothing"])
def test_unknown_commands_end_with_status_2(name: str) -> None:
    result = CliRunner().invoke(main, [name])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "No such" in result.stderr


def test_the_package_is_a_program_too() -> None:
    result = python("-m", "computebill.cli", "--help")
    assert result.returncode == 0
    assert result.stdout.startswith("Usage: computebill ")


def test_importing_the_package_loads_nothing_heavy() -> None:
    result = python("-c", f"import sys, computebill; print({set(HEAVY)!r} & set(sys.modules))")
    assert result.stdout.strip() == "set()"


def test_a_bad_request_is_one_line_and_no_traceback() -> None:
    whole = ("run", "--params", "7B", "--tokens", "1T", "--accelerator", "h100")
    result = python("-m", "computebill.cli", *whole, "--mfu", "2")
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.splitlines()[0].startswith("Error: --mfu: got 2")
    assert len(result.stderr.splitlines()) == 1


NAME = "Größe – 大きさ"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_json_survives_any_encoding_of_the_terminal(encoding: str) -> None:
    command = ["-m", "computebill.cli", "run", "--params", "1B", "--tokens", "1B", "--json"]
    command += ["--accelerator", "h100", "--samples", "64", "--name", NAME]
    result = python(*command, encoding=encoding)
    assert result.returncode == 0
    assert json.loads(result.stdout)["name"] == NAME


def test_tables_survive_any_encoding_of_the_terminal() -> None:
    command = ["-m", "computebill.cli", "spend", "openai-2024", "--samples", "64"]
    result = python(*command, encoding="latin-1")
    assert result.returncode == 0
    assert "OpenAI, 2024" in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize("name", ["run", "spend", "hardware"])
def test_examples_in_the_help_stand_on_lines_of_their_own(name: str) -> None:
    text = CliRunner().invoke(main, [name, "--help"]).output
    assert "\\b" not in text
    if name != "hardware":
        assert f"\n  computebill {name}" in text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["rnu"], "Did you mean run?"),
        (["compare"], "Did you mean spend?"),
        (["Hardwares"], "Did you mean hardware?"),
    ],
)
def test_a_mistyped_command_is_answered_with_one_that_is(words: list[str], told: str) -> None:
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert told in result.stderr


def test_help_and_version_are_answered_as_commands_too() -> None:
    told = [
        CliRunner().invoke(main, words, prog_name="computebill").stdout
        for words in (["help", "run"], ["run", "--help"], ["version"], ["-V"], ["help"], ["--help"])
    ]
    assert told[0] == told[1]
    assert told[2] == told[3]
    assert told[4] == told[5]
    assert CliRunner().invoke(main, ["help", "nosuch"]).exit_code == 2


def test_an_accelerator_s_name_shows_it() -> None:
    short, long = (
        CliRunner().invoke(main, ["hardware", *words, "--json"])
        for words in (["h100"], ["show", "h100"])
    )
    assert short.exit_code == 0
    assert json.loads(short.stdout)["title"] == json.loads(long.stdout)["title"]
    assert CliRunner().invoke(main, ["hardware", "nosuch"]).exit_code == 2
