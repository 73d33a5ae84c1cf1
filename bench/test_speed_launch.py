"""A launch file is read in a small part of what a command takes to start."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from pathlib import Path

from timing import best_seconds

from computebill.launch import read_launch

EXAMPLE = Path(__file__).parents[1] / "examples" / "train.sh"
ROUNDS = 20


def plain() -> list[str]:
    """Words of a script as a shell splits them, none of them expanded or understood."""
    return shlex.split(EXAMPLE.read_text(encoding="utf-8"), comments=True)


def test_reading_adds_less_than_a_tenth_of_a_second(note: Callable[[str], None]) -> None:
    seconds = best_seconds(lambda: read_launch(EXAMPLE), ROUNDS, time.process_time)
    baseline = best_seconds(plain, ROUNDS, time.process_time)
    note(
        f"{EXAMPLE.name} read in {1e3 * seconds:.2f} ms of CPU, split by shlex alone in "
        f"{1e3 * baseline:.2f} ms: {seconds / baseline:.1f} times"
    )
    assert seconds < 0.1
    assert seconds < 20 * baseline
