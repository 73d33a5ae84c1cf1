"""A log of a million lines: read, beside a search a value as a script has it; in CPU seconds.

What is read has more than the script's: lines that are cut, ranks, restarts, what other lines tell.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from timing import best_seconds

from computebill.logs import Log, LogReader, Timeline, read_log

LINES = 1_000_000
FEW = 20_000
MOST_SECONDS = 5.0
MOST_RATIO = 1.0

STEP = (
    " [2026-03-{day:02d} {hour:02d}:{minute:02d}:{second:02d}] iteration {n:8d}/  500000 | "
    "consumed samples: {samples:12d} | elapsed time per iteration (ms): {ms:.1f} | throughput per "
    "GPU (TFLOP/s/GPU): 412.3 | learning rate: 3.000000E-04 | global batch size:   512 | lm loss: "
    "{loss:.6E} | loss scale: 1.0 | grad norm: 0.123 | number of skipped iterations:   0 | number "
    "of nan iterations:   0 |\n"
)
BESIDE = "    forward-backward ...............................: (6120.41, 6121.90)\n"
PLAIN = {
    "step": r"iteration\s+(\d+)/",
    "samples": r"consumed samples:\s+(\d+)",
    "seconds": r"elapsed time per iteration \(ms\): ([\d.]+)",
    "tflops": r"TFLOP/s/GPU\): ([\d.]+)",
    "batch": r"global batch size:\s+(\d+)",
    "loss": r"lm loss: (\S+)",
    "skipped": r"number of skipped iterations:\s+(\d+)",
}


def write(file: Path, lines: int) -> None:
    with file.open("w") as out:
        for n in range(1, lines // 2 + 1):
            hours, second = divmod(n, 3600)
            day, hour = divmod(hours, 24)
            step = STEP.format(
                day=day + 1, hour=hour, minute=second // 60, second=second % 60, n=n,
                samples=512 * n, ms=7100 + n % 97, loss=2 + 1 / n,
            )  # fmt: skip
            out.write(step + BESIDE)


def plain(file: Path) -> dict[str, list[float]]:
    """A loop over lines, a search a value."""
    found: dict[str, list[float]] = {name: [] for name in ("at", *PLAIN)}
    patterns = {name: re.compile(pattern) for name, pattern in PLAIN.items()}
    with file.open() as lines:
        for line in lines:
            if "elapsed time per iteration" not in line:
                continue
            at = datetime.strptime(line[2:21], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
            found["at"].append(at.timestamp())
            for name, pattern in patterns.items():
                match = pattern.search(line)
                found[name].append(float(match[1]) if match else float("nan"))
    return found


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("logs") / "train.log"
    write(file, LINES)
    return file


def test_a_million_lines_are_read_in_seconds(log: Path, note: Callable[[str], None]) -> None:
    seconds = best_seconds(lambda: read_log(log), 2, time.process_time)
    baseline = best_seconds(lambda: plain(log), 1, time.process_time)
    found, wanted = read_log(log), plain(log)
    for name, values in wanted.items():
        scale = 1e-3 if name == "seconds" else 1.0
        np.testing.assert_allclose(found.columns[name], np.array(values) * scale, rtol=1e-12)
    ratio = seconds / baseline
    note(
        f"a log of {LINES:,} lines: {seconds:.2f} s (goal {MOST_SECONDS:g}), a search a value "
        f"{baseline:.2f} s, {ratio:.2f} times (goal {MOST_RATIO:g})"
    )
    assert ratio <= MOST_RATIO
    assert seconds <= MOST_SECONDS


def test_a_course_takes_little_beside(log: Path, note: Callable[[str], None]) -> None:
    found = read_log(log)
    reading = best_seconds(lambda: read_log(log), 1)
    course = best_seconds(lambda: Timeline.of(found).to_dict(), 2)
    note(f"its course, restarts and stalls: {course:.2f} s, {course / reading:.2f} of reading it")
    assert course <= 0.5 * reading


def test_a_log_that_is_followed_costs_what_comes(log: Path, tmp_path: Path) -> None:
    few = tmp_path / "few.log"
    write(few, FEW)
    data = few.read_bytes()

    def followed() -> Log:
        reader = LogReader(few.name)
        for start in range(0, len(data), 2**16):
            reader.feed(data[start : start + 2**16])
        return reader.log()

    assert best_seconds(followed, 3) <= 3 * best_seconds(lambda: read_log(few), 3)
