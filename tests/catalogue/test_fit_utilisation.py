"""The fit of what tells of a run's utilisation: what made-up organisations were made with."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

FILE = Path(__file__).parents[2] / "bench/fit_utilisation.py"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fit_utilisation", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_coefficients_and_widths_that_rows_were_drawn_with_are_found(bench: ModuleType) -> None:
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(120), 6)
    columns = np.stack([np.ones(720), rng.integers(0, 2, 720), rng.normal(size=720)], 1)
    true = np.array([-1.2, -0.4, 0.1])
    logs = columns @ true + rng.normal(0, 0.25, 120)[groups] + rng.normal(0, 0.3, 720)
    found = bench.fit(columns, logs, [str(each) for each in groups])
    sure = np.sqrt(found.covariance.diagonal())
    assert (np.abs(found.coefficients - true) < 3 * sure).all()
    assert sure.max() < 0.1
    # Rows of an organisation count as fewer than they are; what both widths come to is right.
    assert np.hypot(found.organisation, found.row) == pytest.approx(np.hypot(0.25, 0.3), rel=0.15)


def test_an_organisation_has_no_part_in_what_judges_it(bench: ModuleType) -> None:
    rows = bench.observations()
    whole = rows[rows["run"] == 1.0].reset_index(drop=True)
    here = bench.left_out(whole, (), 1.0)
    moved = whole.assign(
        reached=[
            each * (10.0 if "Amazon" in owner else 1.0)
            for each, owner in zip(whole["reached"], whole["owners"], strict=True)
        ]
    )
    there = bench.left_out(moved, (), 1.0)
    of = here["owner"] == "Amazon"
    assert (there["off"] - here["off"])[of].tolist() == pytest.approx([np.log(10.0)])
    assert there["width"][of].tolist() == pytest.approx(here["width"][of].tolist())
