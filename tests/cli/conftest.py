from __future__ import annotations

from pathlib import Path

import pytest
from measured_runs import HEADER, ROWS


@pytest.fixture
def measured(tmp_path: Path) -> str:
    path = tmp_path / "runs.csv"
    path.write_text("\n".join((HEADER, *ROWS)) + "\n")
    return str(path)
