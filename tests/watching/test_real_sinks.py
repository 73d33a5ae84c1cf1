"""The tools people watch, themselves: what a watch sends is read back from where they keep it.

``make sinks`` installs them; elsewhere each test is skipped with what is not there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import computebill as cb
from computebill.watching.run_watch import PREFIX, RunWatch

from .conftest import CONFIG

UPDATES, EVERY, TOKENS = 40, 10, 8192


def watched(fields: dict[str, Any], to: Any) -> RunWatch:
    """A watch that was fed and reported four times, at steps 10 to 40."""
    watch = RunWatch(fields, to=to, every=EVERY)
    for step in range(1, UPDATES + 1):
        watch.step(TOKENS, 0.5, step=step)
    return watch


def check(found: dict[str, list[tuple[int, float]]], watch: RunWatch) -> None:
    """Check what a tool kept: every metric, at its steps, as finite numbers."""
    steps = [*range(EVERY, UPDATES + 1, EVERY)]
    assert {*watch.metrics()} <= found.keys()
    assert [step for step, _ in found[f"{PREFIX}tokens"]] == steps
    assert [value for _, value in found[f"{PREFIX}tokens"]] == [TOKENS * step for step in steps]
    assert found[f"{PREFIX}usd_so_far"][-1][1] == pytest.approx(2.0 * 8 * 20 / 3600, rel=1e-6)
    for name, points in found.items():
        if name.startswith(PREFIX):
            assert all(math.isfinite(value) for _, value in points), name


def test_tensorboard_keeps_what_it_is_sent(fields: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path)) as writer:
        watch = watched(fields, writer)
    check(scalars(tmp_path), watch)


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Steps and values by name, of TensorBoard's files in a folder."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder)).Reload()
    return {
        name: [(each.step, each.value) for each in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }


def test_mlflow_keeps_what_it_is_sent(fields: dict[str, Any], tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'runs.db'}")
    with mlflow.start_run() as run:
        watch = watched(fields, mlflow)
    client = mlflow.MlflowClient()
    names = client.get_run(run.info.run_id).data.metrics
    check(
        {
            name: [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, name)]
            for name in names
        },
        watch,
    )


def test_weights_and_biases_keeps_what_it_is_sent(
    fields: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    run = wandb.init(mode="offline", dir=tmp_path, project="watched")
    watch = watched(fields, run)
    run.finish()
    wandb.teardown()  # its own process writes the file to its end
    check(history(next(tmp_path.rglob("*.wandb"))), watch)


def history(file: Path) -> dict[str, list[tuple[int, float]]]:
    """Steps and values by name, of a run that Weights & Biases kept to be sent later."""
    from wandb.proto import wandb_internal_pb2

    found: dict[str, list[tuple[int, float]]] = {}
    for data in records(file.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        row = {
            each.key or "/".join(each.nested_key): json.loads(each.value_json)
            for each in record.history.item
        }
        for name, value in row.items():
            found.setdefault(name, []).append((row["_step"], value))
    return found


def records(data: bytes) -> Iterator[bytes]:
    """Records of a file in LevelDB's log format, after a header of 7 bytes of its own."""
    block, at, whole = 2**15, 7, b""
    while at + 7 <= len(data):
        if block - at % block < 7:  # no room for a record's head: the block ends
            at += block - at % block
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last of several pieces
            yield whole
            whole = b""


@pytest.fixture
def trained(tmp_path: Path) -> Callable[..., Any]:
    """Trains a tiny model with the library's own Trainer, on a CPU."""
    pytest.importorskip("accelerate")
    from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

    torch.manual_seed(0)
    sizes = {**CONFIG, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    model = LlamaForCausalLM(LlamaConfig(**{k: v for k, v in sizes.items() if k != "model_type"}))
    row = {"input_ids": list(range(64)), "labels": list(range(64))}

    def train(callback: Any, **given: Any) -> Any:
        arguments = TrainingArguments(
            output_dir=str(tmp_path / "out"), max_steps=30, per_device_train_batch_size=2,
            logging_steps=10, save_steps=30, use_cpu=True, disable_tqdm=True, **given,
        )  # fmt: skip
        trainer = Trainer(
            model=model, args=arguments, train_dataset=[row] * 64, callbacks=[callback]
        )
        callback.attach(trainer)
        trainer.train()
        return trainer

    return train


@pytest.mark.parametrize("counts", [True, False])
def test_a_trainers_own_logs_and_files_hold_the_metrics(
    trained: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counts: bool
) -> None:
    pytest.importorskip("tensorboard")
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "board"))
    callback = cb.WatchCallback(
        accelerator="h100", sequence_length=64, price=2.0, passport=True, count=1
    )
    trainer = trained(callback, include_num_input_tokens_seen=counts, report_to=["tensorboard"])
    logged = [each for each in trainer.state.log_history if "loss" in each]
    assert [each["step"] for each in logged] == [10, 20, 30]
    assert [each[f"{PREFIX}tokens"] for each in logged] == [10 * 128, 20 * 128, 30 * 128]
    state = json.loads((tmp_path / "out" / "checkpoint-30" / "trainer_state.json").read_text())
    kept = [each for each in state["log_history"] if f"{PREFIX}tokens" in each]
    assert [each[f"{PREFIX}mfu_6nd"] for each in kept] == [
        each[f"{PREFIX}mfu_6nd"] for each in logged
    ]
    board = {}
    for file in (tmp_path / "board").rglob("events.*"):
        board.update(scalars(file.parent))
    sent = next(points for name, points in board.items() if name.endswith(f"{PREFIX}tokens"))
    assert sent == [(10, 1280.0), (20, 2560.0), (30, 3840.0)]
    told = json.loads((tmp_path / "out" / "passport.json").read_text())["figures"]
    assert told["updates"]["value"] == 30
    assert told["tokens"]["value"] == 30 * 128
    assert told["tokens"]["basis"] == ("measured" if counts else "declared")
    assert "| Tokens trained on | 3840 |" in (tmp_path / "out" / "passport.md").read_text()
