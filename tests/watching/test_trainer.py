"""The callback, driven by the library's own handler, state and control.

``TrainingArguments`` cannot be made without ``accelerate``; what the callback reads of them stands
in its place.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, TrainerControl, TrainerState
from transformers.trainer_callback import CallbackHandler, DefaultFlowCallback, TrainerCallback

from computebill.base.errors import RequestError
from computebill.watching.trainer import WatchCallback

from .conftest import CONFIG

STEPS, LENGTH = 40, 1024


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Reporter(TrainerCallback):  # type: ignore[misc]
    """A tool's own callback, which sends on what the Trainer logs."""

    def __init__(self) -> None:
        self.sent: list[dict[str, float]] = []

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        self.sent.append(dict(logs))


def arguments(folder: Path) -> Any:
    return SimpleNamespace(
        output_dir=str(folder),
        train_batch_size=2,
        gradient_accumulation_steps=4,
        world_size=8,
        logging_first_step=False,
        logging_strategy="steps",
        eval_delay=0,
        eval_strategy="no",
        save_strategy="no",
    )


def trained(
    callback: WatchCallback, folder: Path, *, counts: bool = False, first: bool = False
) -> tuple[TrainerState, Reporter]:
    """Drive a Trainer's events: half a second an update, an evaluation of ten in the middle."""
    args, reporter, clock = arguments(folder), Reporter(), callback._clock
    assert isinstance(clock, Clock)
    model = SimpleNamespace(config=LlamaConfig(**CONFIG))
    handler = CallbackHandler([DefaultFlowCallback(), reporter], model, None, None, None)
    if first:
        callback.attach(SimpleNamespace(callback_handler=handler))
    else:
        handler.add_callback(callback)
    state, control = TrainerState(max_steps=STEPS), TrainerControl()
    state.logging_steps = 10
    handler.on_train_begin(args, state, control)
    for step in range(1, STEPS + 1):
        handler.on_step_begin(args, state, control)
        clock.now += 0.5
        state.global_step = step
        state.num_input_tokens_seen += 50_000 * counts
        handler.on_step_end(args, state, control)
        if step % 10 == 0:
            logs = {"loss": 2.0}
            state.log_history.append({**logs, "step": step})
            handler.on_log(args, state, control, logs)
        if step == 20:
            clock.now += 10.0
            handler.on_evaluate(args, state, control, metrics={})
    handler.on_train_end(args, state, control)
    return state, reporter


def watched(**given: Any) -> WatchCallback:
    fields = {"accelerator": "h100", "sequence_length": LENGTH, "price": 2.0}
    return WatchCallback(clock=Clock(), **{**fields, **given})


def test_its_metrics_stand_in_the_trainers_log(tmp_path: Path) -> None:
    callback = watched()
    state, reporter = trained(callback, tmp_path)
    last = state.log_history[-1]
    assert last["loss"] == 2.0
    hours = (STEPS * 0.5 + 10) * 8 / 3600
    assert last["computebill/gpu_hours"] == pytest.approx(hours)
    assert last["computebill/usd_so_far"] == pytest.approx(2 * hours)
    assert last["computebill/tokens"] == STEPS * 64 * LENGTH
    assert last["computebill/tokens_per_second_per_gpu"] == pytest.approx(64 * LENGTH / 0.5 / 8)
    assert last["computebill/days_left"] == 0
    assert last["computebill/goodput"] == pytest.approx(20 / 30)
    assert json.loads(json.dumps(state.log_history)) == state.log_history
    assert not any(name.startswith("computebill") for sent in reporter.sent for name in sent)


def test_attached_before_the_reporters_it_is_in_what_they_send(tmp_path: Path) -> None:
    _, reporter = trained(watched(), tmp_path, first=True)
    assert len(reporter.sent) == 4
    assert all("computebill/mfu_causal" in sent for sent in reporter.sent)


def test_the_trainers_own_count_of_tokens_goes_first(tmp_path: Path) -> None:
    callback = watched()
    state, _ = trained(callback, tmp_path, counts=True)
    assert state.log_history[-1]["computebill/tokens"] == STEPS * 50_000
    assert callback.watch is not None
    assert callback.watch.passport()["tokens"].basis == "measured"


def test_the_model_is_the_trainers_and_a_passport_stands_beside_it(tmp_path: Path) -> None:
    callback = watched(passport=True)
    trained(callback, tmp_path)
    told = json.loads((tmp_path / "passport.json").read_text())
    assert told["model"] == "llama"
    assert told["figures"]["tokens"]["basis"] == "declared"
    assert told["figures"]["updates"]["value"] == STEPS
    assert (tmp_path / "passport.md").read_text().startswith("## Training compute")


def test_a_passport_that_cannot_be_written_does_not_end_the_training(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    callback = watched(passport=tmp_path / "taken")
    with pytest.warns(RuntimeWarning, match="no passport was written: "):
        trained(callback, tmp_path)


def test_only_the_process_that_reports_watches(tmp_path: Path) -> None:
    callback, state = watched(passport=True), TrainerState(is_world_process_zero=False)
    for event in (callback.on_train_begin, callback.on_step_end, callback.on_train_end):
        event(arguments(tmp_path), state, TrainerControl())
    assert callback.watch is None
    assert list(tmp_path.iterdir()) == []


def test_what_neither_it_nor_the_trainer_knows_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RequestError, match="sequence_length: is needed, or tokens"):
        trained(WatchCallback(clock=Clock(), accelerator="h100"), tmp_path)
    with pytest.raises(RequestError, match="accelerator: is needed"):
        trained(WatchCallback(clock=Clock(), sequence_length=LENGTH), tmp_path)
    with pytest.raises(RequestError, match="watch: got price as well"):
        WatchCallback(object(), price=2)  # type: ignore[arg-type]


def test_a_trial_of_few_steps_is_watched(tmp_path: Path) -> None:
    callback = WatchCallback(accelerator="h100", sequence_length=8, model=CONFIG)
    state = TrainerState(max_steps=3, is_world_process_zero=True)
    callback.on_train_begin(arguments(tmp_path), state, TrainerControl())
    assert callback.watch is not None
    assert callback.watch.subject.tokens == 1e4  # fewer are refused as a slip of a hand elsewhere
