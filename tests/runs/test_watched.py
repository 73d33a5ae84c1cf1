"""A run beside its log: what is left, by hand."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from computebill.logs import LogReader
from computebill.runs.estimate import RunEstimate, estimate_run
from computebill.runs.watched import Watched, watch_run

sys.path.insert(0, str(Path(__file__).parents[1] / "logs"))

from written import megatron_line, megatron_lines


@pytest.fixture(scope="module")
def estimate() -> RunEstimate:
    return estimate_run(
        params="8B", tokens=25000 * 512 * 8192, accelerator="h100", count=64, mfu="0.38..0.42",
        price=2.0, global_batch=512, sequence_length=8192, samples=1024,
    )  # fmt: skip


def watched(estimate: RunEstimate, lines: list[str]) -> Watched:
    reader = LogReader("train.log")
    reader.feed(("\n".join(lines) + "\n").encode())
    return watch_run(estimate, reader.log())


def test_the_rest_goes_on_at_the_pace_seen(estimate: RunEstimate) -> None:
    found = watched(estimate, megatron_lines(range(1, 1001), seconds=9.0))
    told = found.to_dict()["watched"]
    assert told["so_far"]["hours"] == pytest.approx(1000 * 9 / 3600)
    assert told["so_far"]["cost_ways_usd"]["cloud"] == pytest.approx(2.5 * 64 * 2.0, rel=1e-6)
    assert told["so_far"]["share"] == pytest.approx(1000 / 25000)
    days = told["rest"]["days"]
    assert days["p50"] == pytest.approx(
        24000 * 9 / 86400, rel=0.01
    )  # nearly all of the time trains
    assert days["p5"] < days["p50"] < days["p95"]
    assert told["whole"]["days"]["p50"] == pytest.approx(days["p50"] + 2.5 / 24)
    assert told["blame"] == []  # a utilisation was given: no step was predicted


def test_an_alarm_is_of_the_whole_or_of_what_came_last(estimate: RunEstimate) -> None:
    usual = 512 * 8192 * 6 * 8e9 / (64 * 989.4e12 * 0.4)  # seconds of a step at the given MFU
    assert watched(estimate, megatron_lines(range(1, 101), seconds=usual)).alarm == ""
    slow = watched(estimate, megatron_lines(range(1, 101), seconds=2 * usual))
    assert slow.alarm.startswith("slower than its interval: ")
    fast = watched(estimate, megatron_lines(range(1, 101), seconds=usual / 2))
    assert fast.alarm.startswith("faster than its interval: ")
    late = megatron_lines(range(1, 1001), seconds=usual)
    late += [megatron_line(n, n * usual * 1.3, 1.3 * usual) for n in range(1001, 1121)]
    alarm = watched(estimate, late).alarm
    assert alarm.startswith("slower than its interval since step 1,0")
    few = watched(estimate, megatron_lines(range(1, 4), seconds=2 * usual))
    assert few.alarm == ""
    assert any("of fewer than 5, no alarm" in note for note in few.notes())
