"""Public launch files, read field by field.

``tests/data/launch_files.csv`` has what each says, held against its own line; the files stay with
their authors. COMPUTEBILL_LAUNCH_FILES names a folder of them, by repository and path.
"""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from pathlib import Path

import pytest

from computebill.launch import read_launch
from computebill.launch.maps import frameworks
from computebill.launch.record import fact_kinds

TABLE = Path(__file__).parents[1] / "data" / "launch_files.csv"
FOLDER = Path(os.environ.get("COMPUTEBILL_LAUNCH_FILES", ""))
WITH_FILES = pytest.mark.skipif(
    "COMPUTEBILL_LAUNCH_FILES" not in os.environ,
    reason="the files are their authors': COMPUTEBILL_LAUNCH_FILES names a folder of them",
)


def rows() -> list[dict[str, str]]:
    """The table's rows."""
    lines = [line for line in TABLE.read_text("utf-8").splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


def test_the_table_has_sixty_files_of_twelve_frameworks() -> None:
    assert len({(row["repository"], row["path"]) for row in rows()}) >= 60
    named = {row["framework"] for row in rows()}
    assert len(named) >= 12
    assert named <= {each.framework for each in frameworks()}
    facts = {row["fact"] for row in rows() if not row["fact"].startswith("config.")}
    assert facts <= set(fact_kinds())


@WITH_FILES
def test_public_files_are_read_right_field_by_field() -> None:
    files: dict[Path, dict[str, str]] = defaultdict(dict)
    framework: dict[Path, str] = {}
    for row in rows():
        path = FOLDER / row["repository"] / row["path"]
        files[path][row["fact"]] = row["value"]
        framework[path] = row["framework"]
    wrong = []
    for path, facts in files.items():
        launch = read_launch(path)
        found = {name: launch.get(name) for name in facts}
        told = {
            name: ",".join(value) if isinstance(value, tuple) else str(value)
            for name, value in found.items()
        }
        if told != facts or launch.framework != framework[path]:
            wrong.append((path, {name: told[name] for name in facts if told[name] != facts[name]}))
    assert wrong == []
