"""Faults put into a copy of the kernels of a step, and which of them the kernels' tests find.

Run on demand: ``python tests/mutants_of_steps.py [words of a mutant ...]``. A mutant that survives
is a formula that no test holds. Nothing of the tree is changed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import copytree
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
TESTS = (
    "kernels/test_layer_time.py",
    "kernels/test_communication.py",
    "kernels/test_collectives.py",
    "kernels/test_optimizers.py",
    "kernels/test_roofline.py",
    "kernels/test_pipeline.py",
    "kernels/test_step.py",
    "kernels/test_memory.py",
    "training/test_agreement.py",
)


class Mutant(NamedTuple):
    """A fault: what is replaced, once, in which kernel."""

    what: str
    module: str
    right: str
    wrong: str


def mutants() -> tuple[Mutant, ...]:
    """All of ``tests/data/mutants_of_steps.toml``."""
    text = (ROOT / "tests" / "data" / "mutants_of_steps.toml").read_text(encoding="utf-8")
    return tuple(Mutant(**each) for each in tomllib.loads(text)["mutants"])


def package(folder: Path) -> None:
    """Make ``computebill`` in a folder: a copy of the kernels, and links to all else."""
    top = folder / "computebill"
    top.mkdir()
    for part in (ROOT / "estimator").iterdir():
        if part.name != "__pycache__":
            (top / part.name).symlink_to(part)
    (top / "hardware_profiles").symlink_to(ROOT / "hardware_profiles")
    copytree(ROOT / "kernels", top / "kernels")


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run Python where ``computebill`` is the one of a folder."""
    environment = os.environ | {
        "PYTHONPATH": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis"),
    }
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True
    )


def verdict(mutant: Mutant | None) -> str:
    """The test that kills a mutant, or none of them; without one, whether the tests pass.

    Raises:
        SystemExit: what is to be replaced is not there once, or another package was tested.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        package(folder)
        if mutant:
            file = folder / "computebill" / "kernels" / f"{mutant.module}.py"
            text = file.read_text(encoding="utf-8")
            if text.count(mutant.right) != 1:
                sys.exit(f"{mutant.what}: {text.count(mutant.right)} times in {mutant.module}")
            file.write_text(text.replace(mutant.right, mutant.wrong), encoding="utf-8")
        asked = run(folder, "-c", "import computebill.kernels as k; print(k.__file__)")
        if not asked.stdout.startswith(name):
            sys.exit(f"computebill is {asked.stdout}, not the copy in {name}{asked.stderr}")
        tests = [str(file) for each in TESTS if (file := ROOT / "tests" / each).exists()]
        settings = ("-x", "-q", "-n", "0", "-m", "not slow", "--hypothesis-seed=0", "--tb=no")
        found = run(folder, "-m", "pytest", *settings, *tests)
    if found.returncode == 0:
        return "survived"
    failed = [line for line in found.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    if found.returncode != 1 or not failed:
        sys.exit(f"{mutant and mutant.what}: pytest ended with {found.returncode}\n{found.stdout}")
    return f"killed by {failed[0].split('::')[-1].split(' - ')[0]}"


def verdicts(asked: tuple[Mutant, ...]) -> Iterator[tuple[Mutant, str]]:
    """Yield mutants and what became of each, in their order."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from zip(asked, pool.map(verdict, asked), strict=True)


def main(words: list[str]) -> int:
    """Print what became of each mutant; the number that survived."""
    asked = tuple(
        one for one in mutants() if all(word in f"{one.module} {one.what}" for word in words)
    )
    if (plain := verdict(None)) != "survived":
        sys.exit(f"the tests fail without any mutant: {plain}")
    survivors = 0
    for mutant, found in verdicts(asked):
        survivors += found == "survived"
        print(f"{mutant.module:<14} {mutant.what:<58} {found}", flush=True)
    print(f"{len(asked) - survivors} of {len(asked)} killed")
    return min(survivors, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
