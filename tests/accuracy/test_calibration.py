"""Efficiencies fitted to steps whose own are known."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from computebill.accuracy.calibration import (
    fit,
    layouts_apart,
    leave_sources_out,
    measurements,
    residual_intervals,
)
from computebill.accuracy.measured import read_measured
from computebill.training.cases import step_times
from computebill.training.efficiency import INDEX, bounded, priors

Write = Callable[..., Path]


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


def test_an_interval_holds_nine_rows_of_ten(write: Write) -> None:
    measured, _ = synthetic(write, {})
    generator = torch.Generator().manual_seed(1)
    errors = 0.2 * torch.randn(len(measured.rows), generator=generator, dtype=torch.float64)
    low, high = residual_intervals(measured, errors)["dense"]
    inside = ((-errors).exp() >= low) & ((-errors).exp() <= high)
    assert 0.85 <= float(inside.double().mean()) <= 0.97
    assert math.log(high) == pytest.approx(0.33, abs=0.12)


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
