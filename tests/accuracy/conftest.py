from __future__ import annotations

import csv
from pathlib import Path

import pytest
from measured_table import Write, writer_in

from computebill.accuracy.measured import SHIPPED, MeasuredRow, read_measured
from computebill.accuracy.validation import Validation, validate


@pytest.fixture
def write(tmp_path: Path) -> Write:
    return writer_in(tmp_path)


@pytest.fixture(scope="session")
def shipped_cells() -> list[dict[str, str]]:
    """The shipped table as it stands; row 2 is the first."""
    with SHIPPED.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


@pytest.fixture(scope="session")
def shipped_rows() -> list[MeasuredRow]:
    return read_measured()[0]


@pytest.fixture(scope="session")
def shipped_validation() -> Validation:
    return validate(leave_out=None)
