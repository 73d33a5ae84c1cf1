"""A few mutants of every kind of input; ``make fuzz`` tries many."""

from __future__ import annotations

import importlib.util
import math
import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fuzzing import KINDS, Failure, Maker, Mutant, attempt, watched

from computebill.base.errors import RequestError
from computebill.training.layout import Layout

COUNTS = {
    "measured": 12,
    "calibration": 3,
    "run": 300,
    "stages": 20,
    "statement": 20,
    "rule set": 30,
    "run file": 150,
    "run flags": 150,
    "plan": 12,
    "plan file": 12,
    "sweep": 30,
    "programme": 40,
    "config": 300,
    "profile": 300,
    "efficiency": 35,
    "catalogue": 50,
    "report": 12,
}
"""Mutants of each kind: as many as its share of 25 s of the processor lets."""


@pytest.mark.parametrize("kind", KINDS)
def test_no_mutant_breaks_more_than_is_documented(kind: str, tmp_path: Path) -> None:
    maker = Maker(tmp_path, seed=17)
    tried = [attempt(maker.make(kind, number)) for number in range(COUNTS[kind])]
    failures = [each for each in tried if isinstance(each, Failure)]
    told = [f"{each.mutant.text[:3000]}\n{each.detail[-2000:]}" for each in failures[:3]]
    assert not failures, "\n\n".join(told)
    # Mutants that are all refused at the door would say nothing of what lies behind it.
    assert any(tried)


def test_a_mutant_is_the_same_wherever_it_is_made(tmp_path: Path) -> None:
    maker, other = Maker(tmp_path, seed=1), Maker(tmp_path, seed=1)
    texts = [maker.make("config", number).text for number in range(20)]
    assert [other.make("config", number).text for number in reversed(range(20))] == texts[::-1]
    assert len(set(texts)) > 15
    assert [Maker(tmp_path, seed=2).make("config", n).text for n in range(20)] != texts


def _stuck() -> None:
    while True:
        pass


@pytest.fixture
def briefly(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("fuzzing.watched", lambda: watched(0.2))
    return None


@pytest.mark.usefixtures("briefly")
@pytest.mark.parametrize(
    ("use", "exception"),
    [
        (_stuck, "HangError"),
        (lambda: Layout(dp=10**9), "ValidationError"),
        (lambda: 1 / 0, "ZeroDivisionError"),
        (lambda: {"mape": math.nan}, "ValueError"),
        (lambda: {"runs": [{"days": math.inf}]}, "ValueError"),
        (lambda: {"cost_usd": {"p5": -1.0}}, "BrokenError"),
    ],
)
def test_what_is_not_documented_is_a_failure(use: Callable[[], Any], exception: str) -> None:
    failure = attempt(Mutant("any", "", use))
    assert isinstance(failure, Failure)
    assert failure.exception == exception


def test_results_and_refusals_are_none() -> None:
    def refused() -> None:
        raise RequestError("field", "got 1; allowed: 2")

    assert attempt(Mutant("any", "", lambda: {"cost_usd": 1.0, "gap": -2.0})) is True
    assert attempt(Mutant("any", "", refused)) is False


def test_the_large_run_tells_of_each_kind_and_keeps_what_broke(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = importlib.util.spec_from_file_location("large", Path(__file__).with_name("large.py"))
    assert given is not None
    assert given.loader is not None
    large = importlib.util.module_from_spec(given)
    given.loader.exec_module(large)
    out = tmp_path / "out"
    monkeypatch.setattr(
        sys, "argv", ["large.py", "--count", "2", "--kind", "run", "--out", str(out)]
    )
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)  # of the whole process of tests
    monkeypatch.setitem(KINDS, "run", lambda maker, random: ("an input", lambda: 1 / 0))
    assert large.main() == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("run: 2 tried, 0 gave results, 2 broke")
    assert second.split()[:3] == ["2", "run", "ZeroDivisionError"]
    (kept,) = out.iterdir()
    assert kept.read_text().startswith("an input\n\nTraceback")
    monkeypatch.setitem(KINDS, "run", lambda maker, random: ("an input", lambda: {"days": 1.0}))
    assert large.main() == 0
