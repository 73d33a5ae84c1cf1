from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from measured_table import Write

import computebill as cb
from computebill.accuracy.calibration import (
    fit,
    layouts_apart,
    leave_sources_out,
    measurements,
    residual_intervals,
)
from computebill.accuracy.measured import read_measured
from computebill.accuracy.validation import (
    Validation,
    _median_of_others,
    calibrate,
    validate,
)
from computebill.training.cases import step_times
from computebill.training.efficiency import INDEX, bounded, priors, read_profile


@pytest.mark.parametrize("read", [validate, lambda path: calibrate(path)[1]])
def test_a_part_without_the_format_costs_its_row_and_not_the_table(
    write: Write, read: Callable[[Path], Any]
) -> None:
    lacking = {"gpu": "A100-SXM-80GB", "precision": "fp8"}
    found = read(write({}, lacking, {"iter_seconds": 3.1})).to_dict()
    assert found["rows"] == 2
    (skipped,) = found["skipped"]
    assert skipped["row"] == 3
    assert "has no 'fp8' peak; it has: " in skipped["reason"]


def synthetic(write: Write, scale: dict[str, float]) -> Any:
    """Rows of four sources, whose seconds are those of known efficiencies."""
    changes = [
        {
            "source_id": f"s{n % 4}",
            "tp": tp,
            "dp": 8 // tp,
            "micro_batch": micro,
            "seq_len": sequence,
            "zero_stage": zero,
            "hidden": hidden,
            "ffn_hidden": 3 * hidden,
        }
        for n, (tp, micro, sequence, zero, hidden) in enumerate(
            (tp, micro, sequence, zero, hidden)
            for tp in (1, 2, 8)
            for micro in (1, 4)
            for sequence in (2048, 16384)
            for zero in (1, 3)
            for hidden in (4096, 8192)
        )
    ]
    rows, skipped = read_measured(write(*changes))
    assert not skipped
    true = priors()
    for name, value in scale.items():
        true[INDEX[name]] += value
    measured = measurements(rows)
    seconds = step_times(measured.cases, bounded(true)).total.log()
    return type(measured)(measured.rows, measured.cases, seconds, measured.weights), true


def test_fitting_finds_what_made_the_measurements(write: Write) -> None:
    moved = {"products.hopper.16": -0.5, "attention.hopper.modern": -0.6, "inside": -0.6}
    measured, true = synthetic(write, moved)
    before = step_times(measured.cases, bounded(priors())).total.log() - measured.log_seconds
    free = fit(measured)
    after = step_times(measured.cases, bounded(free)).total.log() - measured.log_seconds
    assert float(after.abs().mean()) < 0.1 * float(before.abs().mean())
    for name in ("products.hopper.16", "attention.hopper.modern"):
        found, wanted = (bounded(each)[INDEX[name]] for each in (free, true))
        assert float(found) == pytest.approx(float(wanted), rel=0.05)


def test_sources_that_agree_predict_each_other(write: Write) -> None:
    measured, _ = synthetic(write, {"products.hopper.16": -0.4})
    left_out = leave_sources_out(measured)
    assert float(left_out.abs().max()) < 0.05


def test_without_the_only_source_nothing_is_known_but_the_priors(write: Write) -> None:
    table = write({}, {"micro_batch": 2}, {"n_gpus": 16, "dp": 16})
    measured = measurements(read_measured(table)[0])
    unfitted = step_times(measured.cases, bounded(priors())).total.log() - measured.log_seconds
    assert leave_sources_out(measured).tolist() == pytest.approx(unfitted.tolist())
    fitted, found = calibrate(table)
    assert all(0 < low <= high < 10 for low, high in fitted.intervals.values())
    # No other source says how wide an interval is.
    assert found.metrics(left_out=True).coverage_90 is None
    assert validate(table, leave_out=True).metrics().coverage_90 is None


def test_an_interval_holds_nine_rows_of_ten(write: Write) -> None:
    measured, _ = synthetic(write, {})
    generator = torch.Generator().manual_seed(1)
    errors = 0.2 * torch.randn(len(measured.rows), generator=generator, dtype=torch.float64)
    low, high = residual_intervals(measured, errors)["dense"]
    inside = ((-errors).exp() >= low) & ((-errors).exp() <= high)
    assert 0.85 <= float(inside.double().mean()) <= 0.97
    assert math.log(high) == pytest.approx(0.33, abs=0.12)


def test_metrics_are_those_of_the_rows(write: Write) -> None:
    found = validate(write({}, {"iter_seconds": 1.0, "source_id": "other", "mem_gb": 40}))
    frame = found.to_frame()
    errors = frame["predicted_seconds"] / frame["measured_seconds"] - 1
    assert errors.tolist() == pytest.approx(frame["error"].tolist())
    result = found.to_dict()
    assert result["rows"] == 2
    assert result["mape"] == pytest.approx(errors.abs().mean())
    assert set(result["by_source"]) == {"s", "other"}
    assert result["memory"]["rows"] == 1
    assert result["left_out"] is None
    assert {"median_ape", "p90_ape", "bias", "coverage_90", "skipped"} <= set(result)


def test_tables_that_cannot_be_used(write: Write, tmp_path: Path) -> None:
    with pytest.raises(cb.RequestError, match="has no row that can be predicted; the first: not"):
        validate(write({"tp": "", "pp": ""}))
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(cb.RequestError, match="has no column gpu, n_gpus"):
        validate(path)
    with pytest.raises(cb.RequestError, match="cannot be read"):
        validate(tmp_path / "none.csv")
    with pytest.raises(cb.RequestError, match="is not a CSV table: field larger than"):
        validate(write({"model": "m" * 140_000}))


def of_the_fit(found: Validation) -> torch.Tensor:
    """Rows of the sources that the shipped efficiencies were fitted to."""
    known = set(read_profile().sources)
    return torch.tensor([row.source in known for row in found.measured.rows])


# Bars are what was measured on 30 November 2026 on the shipped table, and little more.
def test_rows_of_the_fit_s_own_sources(shipped_validation: Validation) -> None:
    found = shipped_validation.metrics(of_the_fit(shipped_validation))
    assert found.rows >= 1283
    assert found.median_ape <= 0.051
    assert found.mape <= 0.085
    # A model that does not clearly beat one line is not worth its complexity.
    assert found.median_ape < found.baseline_median_ape / 2


def test_rows_of_sources_that_no_fit_saw(shipped_validation: Validation) -> None:
    found = shipped_validation.metrics(~of_the_fit(shipped_validation))
    assert found.rows >= 500
    assert found.median_ape <= 0.149
    assert found.mape <= 0.235


@pytest.mark.slow
@pytest.mark.skipif(
    "COMPUTEBILL_SLOW" not in os.environ, reason="35 fits take minutes: COMPUTEBILL_SLOW=1 runs it"
)
def test_rows_of_the_fit_s_own_sources_with_their_source_left_out(
    shipped_cells: list[dict[str, str]], tmp_path: Path
) -> None:
    known = read_profile().sources
    rows = [row for row in shipped_cells if row["source_id"] in known]
    path = tmp_path / "rows.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    _, found = calibrate(path)
    left_out = found.metrics(left_out=True)
    assert left_out.median_ape <= 0.075
    assert left_out.mape <= 0.119
    assert left_out.coverage_90 is not None
    assert 0.85 <= left_out.coverage_90 <= 0.95


def test_parts_with_one_16_bit_format_are_told_with_its_peak(write: Write) -> None:
    """Ascend 910B has an fp16 peak alone, at which it computes bf16, too."""
    found = validate(write({"gpu": "Ascend 910B"})).to_dict()
    assert "peak, dense fp16" in {each["name"] for each in found["assumptions"]}


def test_layouts_of_one_model_tell_how_far_errors_are_apart(write: Write) -> None:
    rows, _ = read_measured(
        write(
            {"tp": 1, "dp": 8},
            {"tp": 2, "dp": 4},
            {"tp": 4, "dp": 2},
            {"tp": 4, "dp": 2, "model": "other"},
        )
    )
    measured = measurements(rows)
    errors = torch.tensor([0.0, 0.1, 0.4, 5.0], dtype=torch.float64)
    # Pairs of the first three are 0.1, 0.3 and 0.4 apart; the fourth is of another model.
    assert layouts_apart(measured, errors) == pytest.approx(0.3)
    assert layouts_apart(measurements(rows[2:]), errors[2:]) is None


@pytest.mark.parametrize("count", [2, 3, 4, 7, 50])
def test_the_one_line_formula_does_not_know_the_row_itself(count: int) -> None:
    values = torch.randn(count, generator=torch.Generator().manual_seed(count)).round(decimals=1)
    brute = [torch.cat([values[:i], values[i + 1 :]]).median() for i in range(count)]
    assert torch.equal(_median_of_others(values), torch.stack(brute))
    assert _median_of_others(values[:1]).isnan().all()


def test_an_accelerator_s_only_row_has_no_one_line_formula(write: Write) -> None:
    found = validate(write({}))
    assert found.metrics().baseline_median_ape is None
    assert found.to_dict()["baseline_mape"] is None


def test_a_step_that_nothing_fits_is_named(write: Write) -> None:
    pipeline = {"pp": 2, "dp": 4, "micro_batch": "", "framework": "torchtitan"}
    other = {"source_id": "b", "gpu": "A100-80GB", "iter_seconds": 7.5}
    alike = {"n_kv_heads": 32}
    path = write({**pipeline, **alike, "iter_seconds": 1e12}, {**other, **alike})
    with pytest.raises(cb.RequestError, match=r"row 2: measured is .* times what is predicted"):
        calibrate(path)
