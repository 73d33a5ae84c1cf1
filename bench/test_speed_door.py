"""Cold commands over ``python -c "import torch"``, interleaved; and which of them load torch."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
CONFIG = "examples/llama-3.1-405b/config.json"
ROUNDS = 5

COMMAND = "from computebill.cli import main; main(prog_name='computebill')"
LOADED = """
import sys
from computebill.cli import main
try:
    main(sys.argv[1:], prog_name="computebill")
except SystemExit as stop:
    print("torch" if "torch" in sys.modules else "none", file=sys.stderr)
    sys.exit(stop.code)
"""


class Door(NamedTuple):
    """A command as a newcomer types it.

    Attributes:
        name: of the line in the table.
        arguments: of the command.
        most: times that it may take what importing torch takes.
        loads_torch: whether it has a use for it.
        status: it ends with.
    """

    name: str
    arguments: tuple[str, ...]
    most: float
    loads_torch: bool = True
    status: int = 0


DOORS = (
    Door("model", ("model", CONFIG), 2),
    Door("mfu", ("mfu", "--model", CONFIG, "--accelerator", "h100-sxm",
                 "--tokens-per-second-per-gpu", "400"), 2),
    Door("run", ("run", "examples/run.toml"), 2),
    Door("run, nine stages", ("run", "examples/stages.toml"), 2),
    Door("plan", ("plan", "examples/plan.toml"), 2),
    Door("statement, ten stages", ("statement", "examples/statement.toml"), 1.5),
    Door("sweep", ("sweep", "examples/sweep.toml"), 2),
    Door("sweep step-law", ("sweep", "step-law"), 2),
    Door("spend, three programmes", ("spend", "openai-2024", "minimax-2025", "zai-2025"), 2),
    Door("spend, all programmes", ("spend", "--grade", "C"), 4),
    Door("hardware", ("hardware",), 0.5, loads_torch=False),
    Door("refused: spend", ("spend", "nosuch"), 0.5, loads_torch=False, status=2),
    Door("refused: sweep", ("sweep", "nosuch"), 0.5, loads_torch=False, status=2),
    Door("refused: run", ("run", "--params", "7B", "--tokens", "1T", "--accelerator", "nosuch",
                          "--count", "5"), 0.5, loads_torch=False, status=2),
    Door("refused: run, a stage", ("run", "--kind", "rl", "--params", "8B", "--steps", "5"),
         0.5, loads_torch=False, status=2),
)  # fmt: skip


def environment() -> dict[str, str]:
    """Return this process's own, modules kept compiled as an installation has them."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def python(*arguments: str) -> tuple[float, subprocess.CompletedProcess[str]]:
    """Run Python and return the seconds that it took."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        check=False,
        text=True,
    )
    return time.perf_counter() - start, done


@pytest.fixture(scope="module")
def seconds() -> dict[str, float]:
    """Return the best of several rounds of each, by name; ``torch`` is its import."""
    best: dict[str, float] = {}
    for number in range(1 + ROUNDS):
        for name, line in (("torch", ("-c", "import torch")), *_lines()):
            took, done = python(*line)
            if number:  # the first round compiles modules and fills the disk's cache
                best[name] = min(best.get(name, took), took)
            assert "Traceback" not in done.stderr, done.stderr
    return best


def _lines() -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((door.name, ("-c", COMMAND, *door.arguments)) for door in DOORS)


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_a_cold_command_takes_little_more_than_importing_torch(
    door: Door, seconds: dict[str, float], note: Callable[[str], None]
) -> None:
    ratio = seconds[door.name] / seconds["torch"]
    _, done = python("-c", LOADED, *door.arguments)
    loads = done.stderr.splitlines()[-1] == "torch"
    note(
        f"{door.name:15} {seconds[door.name]:6.2f} s, import torch {seconds['torch']:.2f} s, "
        f"{ratio:5.2f} times (goal {door.most:g}), torch {'loaded' if loads else 'not loaded'}"
    )
    assert done.returncode == door.status
    assert ratio <= door.most
    assert loads == door.loads_torch
