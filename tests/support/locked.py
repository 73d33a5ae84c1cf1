"""Whether what is installed is what ``constraints.txt`` locks.

``python tests/support/locked.py`` looks at the lock itself, with ``--installed`` also at the
environment that runs it. Exit status 1 and one line for each fault.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from importlib.metadata import distributions
from pathlib import Path

LOCK = Path(__file__).parents[2] / "constraints.txt"
OURS = "computebill"
PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9.!]+)")
# Libraries that only a CUDA build of torch brings; nvidia-ml-py is a few Python files.
CUDA = re.compile(r"(nvidia|cuda)-(?!ml-py$)|triton$")


def normal(name: str) -> str:
    """Return a distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_lock(text: str) -> tuple[dict[str, str], list[str]]:
    """Return the version of each distribution in a lock, and what is wrong with the lock.

    Options, addresses, paths and local versions (``2.13.0+cpu``) hold on one machine only.
    """
    lock: dict[str, str] = {}
    faults = []
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            faults += [f"a path or an address: {line}"] * bool(re.search(r"\s/|://", line))
            continue
        found = PIN.fullmatch(line.strip())
        if found is None:
            faults.append(f"not of the form name==version: {line}")
            continue
        name = normal(found[1])
        if name in lock:
            faults.append(f"locked twice: {name}")
        if CUDA.match(name):
            faults.append(f"{name}: torch was no CPU build when the lock was made")
        lock[name] = found[2]
    return lock, faults


def strays(installed: Iterable[tuple[str, str]], lock: dict[str, str]) -> list[str]:
    """Return a line for each distribution that is not in the lock or has another version.

    Args:
        installed: names and versions.
        lock: versions by normal name.
    """
    faults = []
    for name, version in sorted({(normal(name), version) for name, version in installed}):
        if name == OURS:
            continue
        if name not in lock:
            faults.append(f"{name} {version} is installed and not in constraints.txt")
        elif version.partition("+")[0] != lock[name]:
            faults.append(f"{name} {version} is installed, constraints.txt has {lock[name]}")
    return faults


def main(arguments: list[str]) -> int:
    """Print what is wrong, and return the exit status."""
    lock, faults = read_lock(LOCK.read_text("utf-8"))
    if "--installed" in arguments:
        faults += strays(((each.name, each.version) for each in distributions()), lock)
    for fault in faults:
        print(fault, file=sys.stderr)  # noqa: T201
    if faults:
        print("Run `make lock` where pyproject.toml has changed.", file=sys.stderr)  # noqa: T201
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
