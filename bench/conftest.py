from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for the modules that the benches share

from timing import Compare, best_seconds

LINES = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--full-baseline",
        action="store_true",
        help="time scipy.stats.linregress on all resamples, not on a part of them scaled up",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LINES] = []


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if config.stash[LINES]:
        terminalreporter.section("against the plain way, in this run")
        for line in config.stash[LINES]:
            terminalreporter.write_line(line)


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Print a line at the end of the run."""
    return request.config.stash[LINES].append


@pytest.fixture
def compare(benchmark: Any, note: Callable[[str], None]) -> Compare:
    """Time ours with pytest-benchmark and the plain way beside it; return the ratio."""

    def run(
        what: str,
        plain: Callable[[], object],
        ours: Callable[[], object],
        *,
        scale: float = 1.0,
        plus_seconds: float = 0.0,
        plain_rounds: int = 1,
        rounds: int = 10,
    ) -> float:
        plain_seconds = plus_seconds + scale * best_seconds(plain, plain_rounds)
        benchmark.pedantic(ours, rounds=rounds, warmup_rounds=1)
        if benchmark.stats is None:  # --benchmark-disable
            return float("nan")
        seconds = benchmark.stats.stats.min
        ratio = plain_seconds / seconds
        benchmark.extra_info.update(plain_seconds=plain_seconds, ratio=ratio)
        note(f"{what}: plain {plain_seconds:.4g} s, ours {seconds:.4g} s, {ratio:.4g} times faster")
        return ratio

    return run
