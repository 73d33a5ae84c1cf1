"""A callback for the Trainer of Hugging Face ``transformers``, which is imported here alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from computebill.base.amounts import FEWEST
from computebill.base.errors import RequestError

from .passport import Passport
from .run_watch import RunWatch
from .sinks import kept_from_stopping

try:
    from transformers import TrainerCallback
except ImportError:
    raise RequestError("transformers", "is not installed; allowed: computebill[models]") from None


class WatchCallback(TrainerCallback):
    """A watch on a Trainer's run: its metrics stand in the Trainer's own logs.

    ``Trainer(..., callbacks=[WatchCallback(accelerator="h100", sequence_length=4096, price=2.1)])``
    puts them into ``log_history`` and ``trainer_state.json``; ``attach`` puts the callback before
    those that report to Weights & Biases, MLflow and TensorBoard, so that they send them on.

    Model, number of processes and tokens are the Trainer's own unless given: the configuration of
    its model, its world size, and its batch of ``sequence_length`` tokens a sequence for each of
    its steps. Where the Trainer counts tokens itself (``include_num_input_tokens_seen``), its count
    is taken.

    Args:
        watch: one made beforehand, in place of the fields.
        passport: a folder for ``passport.json`` and ``passport.md`` at the end; the Trainer's
            output folder for True.
        clock: seconds.
        given: as ``RunWatch`` takes them.
    """

    def __init__(
        self,
        watch: RunWatch | None = None,
        *,
        passport: str | Path | bool = False,
        clock: Callable[[], float] = time.perf_counter,
        **given: Any,
    ) -> None:
        if watch is not None and given:
            raise RequestError("watch", f"got {', '.join(sorted(given))} as well; allowed: one")
        self.watch = watch
        self._passport, self._clock, self._given = passport, clock, given
        self._mark = self._other = 0.0
        self._seen = 0
        self._reported = 0

    def attach(self, trainer: Any) -> WatchCallback:
        """Put the callback before a Trainer's others, which then report its metrics too."""
        callbacks = trainer.callback_handler.callbacks
        if self in callbacks:
            callbacks.remove(self)
        callbacks.insert(0, self)
        return self

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the watch, on the process that reports."""
        if not state.is_world_process_zero:
            return
        if self.watch is None:
            self.watch = RunWatch(**self._fields(args, state, kwargs.get("model")))
        self._seen = state.num_input_tokens_seen
        self._mark = self._clock()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Add an update."""
        if self.watch is None or not state.is_world_process_zero:
            return
        tokens = state.num_input_tokens_seen - self._seen
        self._seen = state.num_input_tokens_seen
        if tokens <= 0:
            tokens = _sequences(args) * self._length()
            self.watch.tokens_are = "declared"
        now = self._clock()
        seconds, self._mark = now - self._mark, now
        self.watch.step(tokens, seconds, step=state.global_step, other_seconds=self._other)
        self._other = 0.0

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Take an evaluation's time from the update that follows."""
        self._add_other()

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Take a checkpoint's time from the update that follows."""
        self._add_other()

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Put the metrics into what the Trainer logs, once after each update."""
        if self.watch is None or logs is None or self.watch.updates == self._reported:
            return
        self._reported = self.watch.updates
        metrics = self.watch.metrics()
        logs.update(metrics)
        if state.log_history and state.log_history[-1].get("step") == state.global_step:
            state.log_history[-1].update(metrics)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write the passport, where one is asked for."""
        if self.watch is None or not state.is_world_process_zero or not self._passport:
            return
        folder = Path(args.output_dir if self._passport is True else self._passport)
        told = self.watch.passport()
        kept_from_stopping(lambda *_: _save(told, folder), "no passport was written")({}, 0)

    def _add_other(self) -> None:
        now = self._clock()
        self._other += now - self._mark
        self._mark = now

    def _length(self) -> float:
        length = self.watch.subject.unit.sequence if self.watch is not None else None
        if length is None:
            raise RequestError(
                "sequence_length",
                "is needed, or include_num_input_tokens_seen of the Trainer, which counts tokens",
            )
        return float(length)

    def _fields(self, args: Any, state: Any, model: Any) -> dict[str, Any]:
        """Return what the watch is made from: as given, else as the Trainer has it."""
        given = dict(self._given)
        known = {"model", "params", "params_active"} & given.keys()
        if not known and model is not None:
            given["model"] = model.config.to_dict()
        given.setdefault("count", args.world_size)
        if "accelerator" not in given:
            given["accelerator"] = _device_name()
        if "tokens" not in given:
            length = given.get("sequence_length")
            if length is None:
                raise RequestError("sequence_length", "is needed, or tokens: of the whole run")
            # A trial of a few steps is a run, too: fewer tokens are refused as a slip of a hand.
            given["tokens"] = max(FEWEST, state.max_steps * _sequences(args) * length)
        return given


def _save(passport: Passport, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("passport.json", "passport.md"):
        passport.save(folder / name)


def _sequences(args: Any) -> int:
    """Return the sequences of an update, of all processes."""
    return int(args.train_batch_size * args.gradient_accumulation_steps * args.world_size)


def _device_name() -> str:
    """Return the accelerator that the driver names."""
    import torch

    if not torch.cuda.is_available():
        raise RequestError("accelerator", "is needed: this machine has none that tells its name")
    return torch.cuda.get_device_name(0)
