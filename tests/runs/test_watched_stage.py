"""A stage of a run beside its log: hours, what is left, an alarm."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from computebill.base.errors import RequestError
from computebill.logs import Log, LogReader
from computebill.runs.staged import StagedEstimate, estimate_stages
from computebill.runs.watched_stage import watch_stage

sys.path.insert(0, str(Path(__file__).parents[1] / "logs"))

from written import megatron_lines

STAGES = {
    "accelerator": "h100", "count": 64, "params": "8B", "price": 2.0,
    "stage": [
        {"kind": "pretrain", "tokens": 25000 * 512 * 8192, "sequence_length": 8192,
         "global_batch": 512, "mfu": 0.4},
        {"kind": "rl", "steps": 200, "prompts": 64, "samples_per_prompt": 16,
         "prompt_length": 400, "answer_length": 1000},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def estimate() -> StagedEstimate:
    return estimate_stages(STAGES, samples=1024)


def log_of(lines: list[str]) -> Log:
    reader = LogReader("train.log")
    reader.feed(("\n".join(lines) + "\n").encode())
    return reader.log()


def test_a_stage_goes_on_at_the_pace_seen(estimate: StagedEstimate) -> None:
    found = watch_stage(estimate, log_of(megatron_lines(range(1, 1001), seconds=9.0)), "pretrain")
    told = found.to_dict()["watched"]
    assert told["stage"] == "pretrain"
    assert told["so_far"]["share"] == pytest.approx(1000 / 25000)
    assert told["so_far"]["hours"] == pytest.approx(1000 * 9 / 3600)
    assert told["so_far"]["cost_ways_usd"]["cloud"] == pytest.approx(2.5 * 64 * 2.0, rel=1e-3)
    assert told["rest"]["days"]["p50"] == pytest.approx(24000 * 9 / 86400, rel=0.01)
    days = 25000 * 9 / 86400
    assert told["whole"]["days"]["p50"] == pytest.approx(days, rel=0.01)
    predicted = found.predicted
    assert told["time_over_predicted"] == pytest.approx(days / predicted.p50, rel=0.01)
    assert told["measured"]["tokens_per_second_per_gpu"] == pytest.approx(512 * 8192 / 9 / 64)
    assert told["within_interval"] is bool(predicted.p5 <= days <= predicted.p95)


def test_a_stage_that_leaves_its_interval_raises_an_alarm(estimate: StagedEstimate) -> None:
    slow = watch_stage(estimate, log_of(megatron_lines(range(1, 101), seconds=90.0)), "pretrain")
    assert slow.alarm.startswith("slower than its interval: 26")
    fast = watch_stage(estimate, log_of(megatron_lines(range(1, 101), seconds=0.9)), "pretrain")
    assert fast.alarm.startswith("faster than its interval: 0.26")
    few = watch_stage(estimate, log_of(megatron_lines(range(1, 4), seconds=90.0)), "pretrain")
    assert few.alarm == ""


def test_a_log_of_reinforcement_learning_counts_the_stages_own_steps(
    estimate: StagedEstimate,
) -> None:
    line = "step:{n} - actor/pg_loss:-0.018 - timing_s/gen:48.9 - timing_s/step:{seconds}"
    found = watch_stage(
        estimate, log_of([line.format(n=n, seconds=60.0) for n in range(1, 51)]), "rl"
    )
    told = found.to_dict()["watched"]
    assert told["so_far"]["share"] == pytest.approx(50 / 200)
    assert told["rest"]["days"]["p50"] == pytest.approx(150 * 60 / 86400)
    assert told["measured"]["tokens_per_second_per_gpu"] is None  # answers are of any length
    assert "hours so far are those of the steps alone" in told["notes"]


def test_which_stage_a_log_is_of_is_asked_for(estimate: StagedEstimate) -> None:
    log = log_of(megatron_lines(range(1, 11)))
    with pytest.raises(RequestError, match="--log-stage: is missing; allowed: pretrain, rl"):
        watch_stage(estimate, log)
    with pytest.raises(RequestError, match=r"--log-stage: got 'sft'; allowed: pretrain, rl"):
        watch_stage(estimate, log, "sft")
