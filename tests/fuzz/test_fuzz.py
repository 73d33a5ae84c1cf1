"""Mutated inputs in small; ``make fuzz`` tries many more."""

from __future__ import annotations

from pathlib import Path

import pytest
from kinds import KINDS, faults

COUNTS = {**dict.fromkeys(KINDS, 20), "sweep": 6}
"""Mutants of each kind: what takes some seconds."""


@pytest.mark.parametrize("name", KINDS)
def test_seeds_are_valid(name: str, tmp_path: Path) -> None:
    kind = KINDS[name]
    for seed in kind.seeds()[:3]:
        text = "\n".join(",".join(row) for row in seed) + "\n" if isinstance(seed, list) else seed
        kind.call(text, tmp_path)


@pytest.mark.parametrize("name", KINDS)
def test_mutants_break_nothing(name: str) -> None:
    assert faults(name, COUNTS[name], seed=1) == []
