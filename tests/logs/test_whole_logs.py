"""Whole public logs are read as a count by a regular expression a file counts them.

The counts are facts in ``tests/data/public_logs.csv``; the logs are read where ``COMPUTEBILL_LOGS``
names a folder of them, ``owner/repository/path`` each.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from computebill.logs import Log, Timeline, read_log

DATA = Path(__file__).parents[1] / "data" / "public_logs.csv"
FOLDER = os.environ.get("COMPUTEBILL_LOGS")

with DATA.open(encoding="utf-8") as _file:
    ROWS = list(csv.DictReader(line for line in _file if not line.startswith("#")))

NEAR = 0.05
"""Seconds that the lines of a step are apart, the first and the last of which tells its time."""


def test_whole_logs_of_many_frameworks_were_counted() -> None:
    assert len({(row["repository"], row["path"]) for row in ROWS}) == len(ROWS) >= 15
    assert len({row["framework"] for row in ROWS}) >= 8
    assert all(len(row["commit"]) == 40 and int(row["rows"]) > 0 for row in ROWS)


@pytest.mark.skipif(FOLDER is None, reason="COMPUTEBILL_LOGS names no folder of the logs")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['repository']}:{row['path'][-40:]}")
def test_a_whole_log_is_read_as_counted(row: dict[str, str]) -> None:
    log = read_log(Path(FOLDER or "") / row["repository"] / row["path"])
    course = Timeline.of(log)
    assert (log.format, log.unread.count, len(log)) == (row["format"], 0, int(row["rows"]))
    assert (course.run[-1] + 1, len(course.restarts)) == (int(row["runs"]), int(row["restarts"]))
    for name, found in told(log).items():
        if row[name]:
            tolerance = NEAR if name == "wall_seconds" else 1e-5
            assert found == pytest.approx(float(row[name]), rel=1e-9, abs=tolerance), name


def told(log: Log) -> dict[str, float]:
    """What a log says, by the columns of the table."""

    def known(name: str) -> np.ndarray:
        column = log.columns[name]
        return column[np.isfinite(column)]

    speed = known("tokens_per_s_gpu" if log.has("tokens_per_s_gpu") else "tokens_per_s")
    at, step = known("at"), known("step")
    return {
        "lines": log.lines,
        "first_step": float(step.min()),
        "last_step": float(step[-1]),
        "steps_of_run": float(known("steps")[0]) if log.has("steps") else np.nan,
        "step_sum": float(step.sum()),
        "loss_sum": float(known("loss").sum()),
        "seconds_sum": float(known("seconds").sum()),
        "wall_seconds": float(at[-1] - at[0]) if len(at) else np.nan,
        "last_elapsed": log.last("elapsed") or np.nan,
        "last_tokens": log.last("tokens") or np.nan,
        "speed_sum": float(speed.sum()),
    }
