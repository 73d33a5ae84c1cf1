"""Help in groups: every flag once, in the group that it has in every command."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from computebill.cli import COMMANDS, main
from computebill.cli.grouped import (
    FOLDS,
    LAYOUT,
    OWN,
    SECTIONS,
    UNITS,
    Grouped,
    section_of,
    spellings,
)

WITH_FLAGS = [name for name in COMMANDS if name != "hardware"]


def command(name: str) -> click.Command:
    found = main.get_command(click.Context(main), name)
    assert found is not None
    return found


def help_of(*words: str) -> str:
    result = CliRunner().invoke(main, [*words], terminal_width=300, max_content_width=300)
    assert result.exit_code == 0
    return result.stdout


@pytest.mark.parametrize("name", WITH_FLAGS)
def test_help_shows_every_flag_once(name: str) -> None:
    assert isinstance(command(name), Grouped)
    told = help_of(name, "--help")
    hidden = [fold.flag for fold in FOLDS.values()]
    asking = [fold.flag for fold in FOLDS.values() if f"  {fold.flag} " in told]
    both = ["--help-layout", "--help-stage"]
    assert asking == {"run": both, "plan": both, "model": both[:1]}.get(name, [])
    for each in asking:
        folded = [line for line in told.splitlines() if each not in line]
        told = "\n".join([*folded, help_of(name, each)])
    for flag in command(name).params:
        if isinstance(flag, click.Option) and flag.opts[0] not in hidden:
            lines = [line for line in told.splitlines() if line.startswith(f"  {flag.opts[0]}")]
            begun = [line for line in lines if line.split()[0].rstrip(",") == flag.opts[0]]
            assert len(begun) == 1, flag.opts


def test_a_flag_is_in_one_group() -> None:
    flags = [flag for names in SECTIONS.values() for flag in names.split()]
    assert len(flags) == len(set(flags))
    assert list(SECTIONS)[:2] == ["What is trained", "On what"]
    known = {
        each.lstrip("-")
        for name in WITH_FLAGS
        for flag in command(name).params
        for each in flag.opts
    }
    assert set(UNITS) <= known


def test_what_everybody_needs_comes_first_and_the_layout_is_folded() -> None:
    told = help_of("run", "--help")
    places = [told.index(f"  {flag} ") for flag in ("--model", "--tokens", "--accelerator")]
    assert places == sorted(places)
    assert told.index("What is trained:") < told.index("On what:") < told.index("Price:")
    assert "  --vpp" not in told
    assert "  --vpp" in help_of("run", "--help-layout")
    assert "Price:" not in help_of("run", "--help-layout")
    assert "  --samples-per-prompt" in help_of("run", "--help-stage")


def test_units_stand_for_values() -> None:
    told = help_of("run", "--help")
    for flag in (
        "--tokens TOKENS",
        "--price USD",
        "--global-batch SEQUENCES",
        "--power-limit WATTS",
    ):
        assert flag in told


def test_gpus_is_the_count_where_no_flag_has_that_name() -> None:
    assert spellings("count", ("count", "params")) == ["--count", "--gpus"]
    assert spellings("count", ("count", "gpus")) == ["--count"]
    run = ["run", "--params", "8B", "--tokens", "1T", "--accelerator", "h100", "--samples", "64"]
    told = [CliRunner().invoke(main, [*run, flag, "64", "--csv"]) for flag in ("--gpus", "--count")]
    assert told[0].stdout == told[1].stdout
    assert told[0].exit_code == 0


def test_a_flag_of_no_group_is_the_command_s_own() -> None:
    assert section_of(click.Option(["--nosuch"])) == OWN


def test_every_flag_of_a_layout_is_in_its_group() -> None:
    from computebill.cli.layouts import FIELDS

    assert [name for name, _ in FIELDS if name not in SECTIONS[LAYOUT].split()] == []
