"""The lock is whole, of this tree, and bound to no machine."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import locked
import pytest
from packaging.requirements import Requirement

TREE = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((TREE / "pyproject.toml").read_text("utf-8"))
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
ASKED = [
    *PROJECT["build-system"]["requires"],
    *PROJECT["project"]["dependencies"],
    *(each for extra in EXTRAS.values() for each in extra),
]
FINE = {"rich": "15.0.0", "torch": "2.13.0"}


def test_the_lock_holds_on_every_machine() -> None:
    lock, faults = locked.read_lock(locked.LOCK.read_text("utf-8"))
    assert faults == []
    # What a virtual environment starts with counts too.
    assert {"pip", "setuptools", "pip-tools", "uv"} <= lock.keys()


@pytest.mark.parametrize("line", sorted(set(ASKED)))
def test_what_is_asked_for_is_locked_at_a_version_that_fits(line: str) -> None:
    lock, _ = locked.read_lock(locked.LOCK.read_text("utf-8"))
    asked = Requirement(line)
    assert lock[locked.normal(asked.name)] in asked.specifier


@pytest.mark.parametrize("line", sorted(set(ASKED)))
def test_every_requirement_has_a_lower_bound(line: str) -> None:
    # Without one `make test-oldest` takes the first release there ever was.
    assert [each.operator for each in Requirement(line).specifier] == [">="]


def test_constraints_in_holds_for_the_lock() -> None:
    lock, _ = locked.read_lock(locked.LOCK.read_text("utf-8"))
    lines = (TREE / "constraints.in").read_text("utf-8").splitlines()
    for held in [Requirement(line) for line in lines if line and not line.startswith("#")]:
        assert lock[locked.normal(held.name)] in held.specifier


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("torch==2.13.0+cpu", "not of the form"),
        ("rich>=13", "not of the form"),
        ("rich", "not of the form"),
        ("rich[jupyter]==15.0.0", "not of the form"),
        ("-e .", "not of the form"),
        ("--find-links /srv/wheels", "not of the form"),
        ("rich @ https://files.example/rich.whl", "not of the form"),
        ("    #   -c /tmp/cap.txt", "a path or an address"),
        ("# --index-url https://index.example", "a path or an address"),
        ("nvidia-cudnn-cu13==9.24.0.43", "no CPU build"),
        ("cuda-toolkit==13.0", "no CPU build"),
        ("triton==3.2.0", "no CPU build"),
        ("Tomli_W==1.2.0\ntomli-w==1.1.0", "locked twice: tomli-w"),
    ],
)
def test_a_lock_of_one_machine_is_refused(line: str, fault: str) -> None:
    _, faults = locked.read_lock(f"rich==15.0.0\n{line}\n")
    assert len(faults) == 1
    assert fault in faults[0]


def test_a_lock_as_it_is_written_is_read() -> None:
    text = "#\n#    make lock\n#\nRich==15.0.0\n    # via -r x.toml\n\nnvidia-ml-py==13.6\n"
    assert locked.read_lock(text) == ({"rich": "15.0.0", "nvidia-ml-py": "13.6"}, [])


@pytest.mark.parametrize(
    ("installed", "faults"),
    [
        ([("Rich", "15.0.0"), ("torch", "2.13.0+cpu"), ("computebill", "0.1.0")], []),
        ([("rich", "14.0.0")], ["rich 14.0.0 is installed, constraints.txt has 15.0.0"]),
        ([("Left_Pad", "1.0")], ["left-pad 1.0 is installed and not in constraints.txt"]),
        ([("torch", "2.13.0.1")], ["torch 2.13.0.1 is installed, constraints.txt has 2.13.0"]),
    ],
)
def test_what_is_installed_is_compared(installed: list[tuple[str, str]], faults: list[str]) -> None:
    assert locked.strays(installed, FINE) == faults


def test_the_exit_status_says_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(locked, "LOCK", tmp_path / "constraints.txt")
    locked.LOCK.write_text("pytest==0.0.1\n", "utf-8")
    assert locked.main([]) == 0
    assert locked.main(["--installed"]) == 1
    told = capsys.readouterr().err
    assert f"pytest {pytest.__version__} is installed, constraints.txt has 0.0.1" in told
    assert "make lock" in told
