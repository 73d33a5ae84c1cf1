"""``trainer_state.json`` is read as a log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from computebill.base.errors import RequestError
from computebill.logs import Timeline, Work, read_log

STATE = {
    "best_metric": None,
    "epoch": 0.32,
    "global_step": 20,
    "log_history": [
        {"epoch": 0.1, "grad_norm": 1.0, "learning_rate": 1e-5, "loss": 1.5, "step": 10},
        {"epoch": 0.2, "eval_loss": 1.4, "step": 10},
        {"epoch": 0.3, "learning_rate": 1e-5, "loss": 1.25, "step": 20,
         "num_input_tokens_seen": 4096},
        {"epoch": 0.32, "step": 20, "total_flos": 1e15, "train_loss": 1.3, "train_runtime": 80.0,
         "train_samples_per_second": 2.0, "train_steps_per_second": 0.25},
    ],
    "max_steps": 200,
}  # fmt: skip


def test_entries_of_steps_are_rows_and_the_end_tells_the_speed(tmp_path: Path) -> None:
    file = tmp_path / "trainer_state.json"
    file.write_text(json.dumps(STATE, indent=2))
    log = read_log(file)
    assert log.columns["step"].tolist() == [10, 20]
    assert log.columns["loss"].tolist() == [1.5, 1.25]
    assert log.last("tokens") == 4096
    course = Timeline.of(log, Work(sequence=1024, sequences=8, count=2))
    assert course.seconds.tolist() == [4.0, 4.0]  # a quarter of a step a second
    assert course.speed.tolist() == [1024.0, 1024.0]  # 8 x 1,024 tokens in 4 s on two
    assert course.spent is None
    assert "no line tells a time: goodput and stalls are not known" in course.notes()


def test_a_value_that_is_no_number_is_named(tmp_path: Path) -> None:
    file = tmp_path / "trainer_state.json"
    file.write_text(json.dumps({"epoch": 1, "log_history": [{"loss": "much", "step": 1}]}))
    with pytest.raises(RequestError, match="log_history: loss: got 'much'; allowed: a number"):
        read_log(file)
