"""Pictures of a report's charts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from computebill.base.errors import RequestError
from computebill.views.report import pictures, reports_of

Results = dict[str, dict[str, Any]]


def test_pictures_of_every_chart(results: Results, tmp_path: Path) -> None:
    reports = reports_of([("a", results["run"])])
    files = pictures.save_pictures(reports, tmp_path / "new" / "folder")
    assert len(files) == 3 * len(reports[0].charts())
    starts = {".png": b"\x89PNG", ".svg": b"<svg", ".pdf": b"%PDF"}
    for file in files:
        assert file.read_bytes().startswith(starts[file.suffix]), file
        assert file.stat().st_size > 2000
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError, match="cannot be made"):
        pictures.save_pictures(reports, tmp_path / "file")
