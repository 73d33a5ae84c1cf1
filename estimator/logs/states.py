"""``trainer_state.json``, which Hugging Face's trainer writes beside a checkpoint."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from computebill.base.errors import RequestError, shown

from .files import blocks
from .formats import COLUMNS
from .record import Log

LARGEST = 256 * 2**20
"""Bytes of a state that is read."""

KEYS = {
    "step": "step",
    "loss": "loss",
    "epoch": "epoch",
    "num_input_tokens_seen": "tokens",
    "num_tokens": "tokens",
    "tokens_per_second_per_gpu": "tokens_per_s_gpu",
    "tokens/train_per_sec_per_gpu": "tokens_per_s_gpu",
    "train_runtime": "run_seconds",
    "train_steps_per_second": "steps_per_s",
    "train_samples_per_second": "samples_per_s",
}
"""Names of an entry's values, and the column that each is."""

HEAD = re.compile(
    rb'\s{0,64}\{\s{0,64}"(?:best_global_step|best_metric|epoch|log_history|eval_steps)"'
)


def is_state(head: bytes) -> bool:
    """Whether a file begins as such a state."""
    return HEAD.match(head[:4096]) is not None


def read_state(file: Path) -> Log:
    """Read a state: a row an entry of its history.

    Raises:
        RequestError: naming the file, and what is wrong there.
    """
    text = bytearray()
    for block in blocks(file, lambda note: None):
        text += block
        if len(text) > LARGEST:
            raise RequestError(str(file), f"is larger than {LARGEST / 2**20:.0f} MiB")
    try:
        state = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise RequestError(str(file), f"is no JSON: {error}") from None
    history = state.get("log_history") if isinstance(state, dict) else None
    if not isinstance(history, list):
        raise RequestError(str(file), "log_history: is missing; allowed: a list of entries")
    entries = [each for each in history if isinstance(each, dict)]
    used = [each for each in entries if "loss" in each or "train_runtime" in each]
    rows = [_row(file.name, each) for each in used]
    if not rows:
        raise RequestError(str(file), "log_history: has no entry of a training step")
    total = state.get("max_steps")
    columns = {name: np.array([row.get(name, np.nan) for row in rows]) for name in COLUMNS}
    if isinstance(total, int):
        columns["steps"][:] = total
    # What is told at the end is of the whole run, and of no step.
    is_step = np.isfinite(columns["loss"])
    for name in ("run_seconds", "steps_per_s", "samples_per_s"):
        told = columns[name][np.isfinite(columns[name])]
        columns[name][:] = np.nan
        if len(told):
            columns[name][np.flatnonzero(is_step)[-1:] if is_step.any() else -1] = told[-1]
    kept = is_step if is_step.any() else np.ones(len(rows), dtype=bool)
    return Log(
        file=file.name,
        format="trainer-state",
        title="Hugging Face's trainer_state.json",
        memory="",
        lines=len(entries),
        at_line=np.arange(1, len(rows) + 1)[kept],
        columns={name: column[kept] for name, column in columns.items()},
    )


def _row(name: str, entry: Mapping[str, Any]) -> dict[str, float]:
    row = {}
    for key, column in KEYS.items():
        value = entry.get(key)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise RequestError(name, f"log_history: {key}: got {shown(value)}; allowed: a number")
        row[column] = float(value)
    return row
