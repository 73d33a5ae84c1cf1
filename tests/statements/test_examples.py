"""The eight worked examples of the guidelines' annex, by file and in Python."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from click.testing import CliRunner

import computebill as cb
from computebill.cli import main

EXAMPLES = tomllib.loads(
    (Path(__file__).parents[1] / "data" / "worked_examples.toml").read_text(encoding="utf-8")
)


def statement(name: str) -> dict[str, Any]:
    return {"model": {"name": name}, "stage": [EXAMPLES[name]["stage"]]}


@pytest.mark.parametrize("name", EXAMPLES)
def test_totals_are_those_of_the_annex(name: str, tmp_path: Path) -> None:
    expected = EXAMPLES[name]["recomputed"]
    found = cb.state(statement(name), rules=["eu-updates"]).total("eu-updates").total
    assert found.flop.p50 == pytest.approx(expected, rel=0.01)
    path = tmp_path / "statement.toml"
    path.write_text(tomli_w.dumps(statement(name)), encoding="utf-8")
    asked = ["statement", str(path), "--rules", "eu-updates", "--json"]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)["totals"]["eu-updates"]
    assert told["flop"]["p50"] == pytest.approx(expected, rel=0.01)
    assert told["thresholds"][0]["odds"] == float(expected > 1e23)


def test_the_hardware_examples_by_both_methods() -> None:
    # Example H, were it the openly documented model of 1.23e9 parameters and 9e12 tokens: 6PD is a
    # tenth of the hardware's figure, and the warning has both.
    data = statement("H")
    data["stage"][0] = {**data["stage"][0], "params": 1.23e9, "tokens": 9e12}
    found = cb.state(data, rules=["eu-updates"])
    (told,) = found.warnings
    assert found.methods[0].architecture.p50 == pytest.approx(6.642e22, rel=1e-6)
    assert found.methods[0].hardware.p50 == pytest.approx(6.58674e23, rel=1e-6)
    for each in ("+892%", "margin of 30%", "6.64e+22", "6.59e+23", "5.0%", "50.0%"):
        assert each in told
