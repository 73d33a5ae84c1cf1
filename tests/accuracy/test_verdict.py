"""Whether efficiencies are worth using, on rows whose truth is known."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from measured_runs import HEADER, ROWS

from computebill.accuracy.calibration import fit_own, own_profile
from computebill.accuracy.measured import MeasuredRow
from computebill.accuracy.measurements import Measurements, log_errors, measurements
from computebill.accuracy.validation import calibrate, validate
from computebill.accuracy.verdict import Verdict, judge, own_rows_left_out
from computebill.hardware.fitted import Fitted
from computebill.training.efficiency import read_profile
from computebill.training.parameters import unbounded

SLOWER = 1.15


@pytest.fixture(scope="module")
def known() -> Fitted:
    return read_profile()


@pytest.fixture(scope="module")
def slow(shipped_rows: list[MeasuredRow], known: Fitted) -> Measurements:
    """Steps that take more time than the shipped efficiencies say, all alike to a percent."""
    read = measurements(shipped_rows[:12])
    predicted = read.log_seconds + log_errors(read, unbounded(known.values))
    noise = torch.tensor([0.01, -0.01] * 6, dtype=torch.float64)
    return replace(read, log_seconds=predicted + math.log(SLOWER) + noise)


def test_what_all_rows_have_in_common_is_worth_a_fit(slow: Measurements, known: Fitted) -> None:
    fitted = own_profile(slow, fit_own(slow, known), known)
    without = own_rows_left_out(slow, known)
    assert without is not None
    found = judge(slow, fitted, ("row", without), 0.2, is_of_these=True)
    assert found.is_of_use is True
    assert found.shipped == pytest.approx(1 - 1 / SLOWER, abs=0.01)
    assert found.fitted < 0.03
    assert without < 0.06
    assert found.why == "use it: rows left out are predicted better than by what ships"
    sizes = [abs(each.fitted / each.shipped - 1) for each in found.changes]
    assert sizes
    assert all(fitted.values[each.name] == each.fitted for each in found.changes)
    assert all(known.values[each.name] == each.shipped for each in found.changes)


def test_a_fit_to_other_rows_is_not(slow: Measurements, known: Fitted) -> None:
    chance = replace(slow, log_seconds=slow.log_seconds - math.log(SLOWER))
    fitted = own_profile(slow, fit_own(slow, known), known)  # of slower rows
    found = judge(chance, fitted, (None, None), 0.2, is_of_these=False)
    assert found.is_of_use is False
    told = "do not use it: these rows, which it may have been fitted to, are predicted no better"
    assert found.why == f"{told} than by what ships"
    assert found.fitted > 0.1


def test_a_single_row_decides_nothing(slow: Measurements, known: Fitted) -> None:
    one = slow.some([0])
    assert own_rows_left_out(one, known) is None
    fitted = own_profile(one, fit_own(one, known), known)
    found = judge(one, fitted, (None, None), None, is_of_these=True)
    assert found.is_of_use is None
    assert found.why == "undecided: no row was left out that could tell"


def test_what_ships_is_set_beside_one_line(slow: Measurements, known: Fitted) -> None:
    found = judge(slow, known, ("lab", 0.12), 0.2, is_of_these=False)
    assert (found.shipped, found.changes) == (None, ())
    assert found.why == "use it: rows of a lab left out are predicted better than by one line"
    worse = judge(slow, known, ("lab", 0.3), 0.2, is_of_these=False)
    assert worse.is_of_use is False
    assert judge(slow, known, ("lab", 0.3), None, is_of_these=False).is_of_use is None


def test_both_commands_have_a_verdict(write_measured: Path) -> None:
    _, found = calibrate(write_measured)
    assert isinstance(found.verdict, Verdict)
    assert found.verdict.unit == "row"
    told = found.to_dict()["verdict"]
    assert told["shipped_median_ape"] == pytest.approx(validate(write_measured).verdict.fitted)
    assert set(told) >= {"use", "why", "left_out_median_ape", "baseline_median_ape", "changes"}


@pytest.fixture
def write_measured(tmp_path: Path) -> Path:
    path = tmp_path / "m.csv"
    path.write_text("\n".join((HEADER, *ROWS)) + "\n")
    return path
