from __future__ import annotations

import ast
import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import computebill as cb

WALK = """
import importlib, pkgutil, types, computebill as cb
def walk():
    import computebill.hardware_profiles, computebill.kernels
    for package in (cb, computebill.kernels):
        for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)
"""
HOLD = """
for name in cb.__all__:
    value = getattr(cb, name)
    assert not isinstance(value, types.ModuleType), name
    assert value is getattr(importlib.import_module(value.__module__), name), name
    assert callable(value), name
"""
NAMES_FIRST = "before = {name: getattr(cb, name) for name in cb.__all__}\nwalk()\n"
STILL = "assert all(getattr(cb, name) is value for name, value in before.items())\n"


def python(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
    return subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        check=False,
        text=True,
        env={**kept, **environment},
    )


def test_no_module_bears_a_public_name() -> None:
    # An import binds a module's own name in its package, and no other: without a clash here no
    # order of imports can shadow a public name.
    modules = {found.name for found in pkgutil.iter_modules(cb.__path__)}
    modules |= {"hardware_profiles", "kernels"}
    assert not modules & set(cb.__all__)


@pytest.mark.parametrize("script", [f"walk()\n{HOLD}", f"{NAMES_FIRST}{HOLD}{STILL}"])
def test_public_names_hold_whatever_is_imported(script: str) -> None:
    done = python(WALK + script)
    assert done.returncode == 0, done.stderr


def test_public_names_are_listed_for_readers_as_for_the_program() -> None:
    tree = ast.parse(Path(cb.__file__).read_text(encoding="utf-8"))
    checked = next(each for each in tree.body if isinstance(each, ast.If))
    told = {
        alias.asname: each.module
        for each in checked.body
        if isinstance(each, ast.ImportFrom)
        for alias in each.names
    }
    assert set(told) == set(cb.__all__)
    for name, module in told.items():
        home = importlib.import_module(f"computebill.{module}")
        assert getattr(home, name) is getattr(cb, name)


SHOW = "import computebill, torch; torch.ones(2)"


@pytest.mark.skipif(sys.platform != "linux", reason="torch's OpenMP here tells its settings")
@pytest.mark.parametrize(
    ("given", "kept"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")]
)
def test_waiting_threads_leave_the_cores_unless_told_otherwise(
    given: dict[str, str], kept: str
) -> None:
    done = python(SHOW, OMP_DISPLAY_ENV="true", **given)
    assert done.returncode == 0, done.stderr
    line = next(each for each in done.stderr.splitlines() if "OMP_WAIT_POLICY" in each)
    assert f"'{kept}'" in line
