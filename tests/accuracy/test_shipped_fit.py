"""The shipped efficiencies on the shipped table, and that they are what it gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from minutes import takes_minutes

from computebill.accuracy.validation import Validation, calibrate
from computebill.hardware.fitted import Fitted
from computebill.training.efficiency import SHIPPED, read_profile, write_profile

ROOT = Path(__file__).parents[2]
EFFICIENCIES = ROOT / "estimator" / "training" / SHIPPED

slow = takes_minutes("35 fits")


# Bars are what was measured on 30 November 2026 on the shipped table, and little more.
def test_rows_that_the_shipped_efficiencies_were_fitted_to(shipped_validation: Validation) -> None:
    found = shipped_validation.metrics()
    assert found.rows >= 1778
    assert found.median_ape <= 0.095
    assert found.mape <= 0.13
    # A model that does not clearly beat one line is not worth its complexity.
    assert found.baseline_median_ape is not None
    assert found.median_ape < found.baseline_median_ape / 2


def test_the_shipped_table_is_what_was_fitted(shipped_validation: Validation) -> None:
    shipped = read_profile()
    rows = shipped_validation.measured.rows
    assert shipped.rows == len(rows)
    assert set(shipped.sources) == {row.source for row in rows}
    assert "see docs/measured-steps.md" in shipped.note


@pytest.fixture(scope="module")
def fitted_again() -> tuple[Fitted, Validation]:
    return calibrate(note=read_profile().note)


@pytest.mark.slow
@slow
def test_rows_whose_lab_was_left_out(fitted_again: tuple[Fitted, Validation]) -> None:
    found: dict[str, Any] = fitted_again[1].to_dict()
    left_out = found["left_out"]
    assert left_out["rows"] == found["rows"]
    assert left_out["mape"] <= 0.16
    assert left_out["median_of_labs"] <= 0.135
    assert 0.85 <= left_out["coverage_90"] <= 0.97
    assert 0.85 <= left_out["coverage_by_others"] <= 0.97
    assert left_out["median_ape"] < left_out["baseline_median_ape"] / 2
    # One row of one's own is worth more than none.
    assert found["few"]["1"]["mape"] < found["few"]["0"]["mape"]
    for each in found["few"].values():
        assert 0.85 <= each["coverage_90"] <= 0.97


@pytest.mark.slow
@slow
def test_the_table_gives_the_shipped_efficiencies(
    fitted_again: tuple[Fitted, Validation], tmp_path: Path
) -> None:
    write_profile(fitted_again[0], tmp_path / SHIPPED)

    def undated(path: Path) -> list[str]:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [line for line in lines if not line.startswith("fitted = ")]

    assert undated(tmp_path / SHIPPED) == undated(EFFICIENCIES)


@pytest.mark.slow
@slow
def test_the_page_s_figures_are_those_of_the_fit(
    fitted_again: tuple[Fitted, Validation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import judged

    told = json.loads(json.dumps(judged.kept(fitted_again[1].to_dict())))
    assert told == json.loads(judged.FILE.read_text())
