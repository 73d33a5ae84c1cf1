"""The command that fits efficiencies to measured steps."""

from __future__ import annotations

import json
from pathlib import Path

from measured_runs import HEADER, ROWS, invoke


def test_calibrate_writes_what_validate_and_run_take(measured: str, tmp_path: Path) -> None:
    fitted = tmp_path / "mine.toml"
    result = invoke("calibrate", measured, "-o", str(fitted), "--note", 'own "cluster"')
    assert result.exit_code == 0, result.output
    assert "[values]" in fitted.read_text()
    before = json.loads(invoke("validate", measured, "--leave-out", "none", "--json").stdout)
    after = json.loads(invoke("validate", measured, "--efficiency", str(fitted), "--json").stdout)
    assert after["mape"] < before["mape"]


def test_calibrate_takes_one_source(tmp_path: Path) -> None:
    path, fitted = tmp_path / "own.csv", tmp_path / "own.toml"
    path.write_text("\n".join((HEADER, ROWS[0])) + "\n")
    result = invoke("calibrate", str(path), "-o", str(fitted))
    assert result.exit_code == 0, result.output
    assert invoke("validate", str(path), "--leave-out", "row").exit_code == 0
    after = json.loads(invoke("validate", str(path), "--efficiency", str(fitted), "--json").stdout)
    assert after["mape"] < 0.05


def test_calibrate_afresh_leaves_labs_out(measured: str, tmp_path: Path) -> None:
    mine, anew = tmp_path / "mine.toml", tmp_path / "anew.toml"
    update = json.loads(invoke("calibrate", measured, "-o", str(mine), "--json").stdout)
    afresh = json.loads(invoke("calibrate", measured, "--afresh", "-o", str(anew), "--json").stdout)
    assert update["left_out"] is None
    assert afresh["left_out"]["unit"] == "lab"
    assert mine.read_text() != anew.read_text()
