from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from computebill.cli import main

GIVEN = ["--params", "8B", "--accelerator", "h100"]


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["mfu", *GIVEN, *arguments])


def sixth(*arguments: str) -> float:
    done = invoke(*arguments, "--json")
    assert done.exit_code == 0, done.stderr
    return float(json.loads(done.stdout)["mfu"]["6nd"])


def test_a_speed_with_a_count_is_of_all_together() -> None:
    # 6 x 8e9 x 9,800 / 989.4e12
    assert sixth("--tokens-per-second", "9800") == pytest.approx(0.47544, rel=1e-3)
    assert sixth("--tokens-per-second", "78400", "--count", "8") == pytest.approx(0.47544, rel=1e-3)
    each = sixth("--tokens-per-second-per-gpu", "9800", "--count", "8")
    assert each == pytest.approx(0.47544, rel=1e-3)


def test_the_text_says_whose_speed_it_was() -> None:
    together = invoke("--tokens-per-second", "19600", "--count", "2").stdout
    assert "Speed read as that of all 2 accelerators together." in together
    assert "Speed read as that of one accelerator." in invoke("--tokens-per-second", "9800").stdout
    assert "Speed read" not in invoke("--mfu", "0.4", "--convention", "6nd").stdout


def test_two_speeds_are_refused() -> None:
    done = invoke("--tokens-per-second", "9800", "--tokens-per-second-per-gpu", "9800")
    assert done.exit_code == 2
    assert "Error: " in done.stderr
    assert "Traceback" not in done.stderr


def test_parameters_without_their_unit_are_refused() -> None:
    done = CliRunner().invoke(
        main, ["mfu", "--params", "8", "--accelerator", "h100", "--tokens-per-second", "9800"]
    )
    assert done.exit_code == 2
    assert "did you mean 8B" in done.stderr
