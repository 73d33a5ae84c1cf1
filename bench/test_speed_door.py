"""Cold commands over ``python -c "import torch"``, interleaved; and which of them load torch.

In seconds of CPU, which other work on the machine stretches less than those of the clock.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
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
    Door("model, no memory", ("model", CONFIG, "--no-memory"), 0.5, loads_torch=False),
    Door("mfu", ("mfu", "--model", CONFIG, "--accelerator", "h100-sxm",
                 "--tokens-per-second-per-gpu", "400"), 2),
    Door("run", ("run", "examples/run.toml"), 2),
    Door("run, nine stages", ("run", "examples/stages.toml"), 2),
    Door("plan", ("plan", "examples/plan.toml"), 2),
    Door("statement, ten stages", ("statement", "examples/statement.toml"), 1.5),
    Door("statement, as JSON", ("statement", "examples/statement.toml", "--json"), 1.5),
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
    Door("refused: run, a launch", ("run", "--launch", "nosuch.sh"), 0.5, loads_torch=False,
         status=2),
    Door("refused: statement", ("statement", "nosuch.toml"), 0.5, loads_torch=False, status=2),
)  # fmt: skip


def environment() -> dict[str, str]:
    """Return this process's own, modules kept compiled as an installation has them."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def python(*arguments: str) -> tuple[float, subprocess.CompletedProcess[str]]:
    """Run Python and return the seconds of CPU that it took."""
    before = _of_children()
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        check=False,
        text=True,
    )
    return _of_children() - before, done


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.fixture(scope="module")
def seconds() -> dict[str, list[float]]:
    """Return the seconds of several rounds of each, by name; ``torch`` is its import."""
    found: dict[str, list[float]] = {}
    for number in range(1 + ROUNDS):
        for name, line in (("torch", ("-c", "import torch")), *_lines()):
            took, done = python(*line)
            if number:  # the first round compiles modules and fills the disk's cache
                found.setdefault(name, []).append(took)
            assert "Traceback" not in done.stderr, done.stderr
    return found


def _lines() -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((door.name, ("-c", COMMAND, *door.arguments)) for door in DOORS)


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_a_cold_command_takes_little_more_than_importing_torch(
    door: Door, seconds: dict[str, list[float]], note: Callable[[str], None]
) -> None:
    own, torch = seconds[door.name], seconds["torch"]
    ratio = statistics.median(mine / its for mine, its in zip(own, torch, strict=True))
    _, done = python("-c", LOADED, *door.arguments)
    loads = done.stderr.splitlines()[-1] == "torch"
    note(
        f"{door.name:22} {statistics.median(own):5.2f} s of CPU, import torch "
        f"{statistics.median(torch):.2f} s, {ratio:5.2f} times (goal {door.most:g}), "
        f"torch {'loaded' if loads else 'not loaded'}"
    )
    assert done.returncode == door.status
    assert ratio <= door.most
    assert loads == door.loads_torch
