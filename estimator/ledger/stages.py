"""Final runs and what was trained on them, as the stages of a run's file."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from .result import Ledger
from .schema import FINAL, UNKNOWN
from .telling import clean, needs_final_runs, table_text

HEAD = """\
# Final runs of a lab's records, and the post-training and generated data beside them, as stages:
# computebill run {file}, computebill statement {file}. Keep those of one model, say with `from`
# what each began from, and give params and tokens where no tracker told the FLOP.
"""
STAGED = (FINAL, "post-training", "data generation")
MOST = 60

SAYS = (
    ("midtrain", r"anneal|mid-?train|cooldown|decay"),
    ("context", r"long-?context|context-?ext|ctx|[0-9]{2,}k$"),
    ("preference", r"dpo|kto|ipo|preference"),
    ("reward", r"reward|\brm\b"),
    ("rl", r"grpo|ppo|rlhf|rlvr|\brl\b|[-_]rl"),
    ("lora", r"lora"),
    ("distill", r"distil"),
)
"""Kinds of stages that a name says, the first that fits."""
ELSE = {FINAL: "pretrain", "post-training": "sft", "data generation": "generate"}
OF_FINAL = ("midtrain", "context")
"""What a final run may be; it is no fine-tuning."""


def stages_text(found: Ledger, name: str, file: str) -> str:
    """Return a run's file of stages.

    Args:
        found: what records tell.
        name: of the run.
        file: name of the file, for the comment at its head.

    Raises:
        RequestError: where no job is of a final run.
    """
    needs_final_runs(found, "--run-to")
    runs = found.runs
    runs = runs[runs["kind"].isin(STAGED) & (runs["gpu_hours"] > 0)].head(MOST)
    runs = runs.sort_values("start", kind="stable")
    text = f"{HEAD.format(file=file)}\n{table_text({'name': clean(name)})}"
    taken: dict[str, int] = {}
    for row in runs.to_dict("records"):
        text += f"\n{table_text({'stage': [_stage(row, taken)]})}"
    return text


def _stage(row: Mapping[Hashable, Any], taken: dict[str, int]) -> dict[str, Any]:
    own = next((row[key] for key in ("name", "job") if isinstance(row[key], str)), row["kind"])
    name = clean(str(own))
    number = taken[name] = taken.get(name, 0) + 1
    kind = stage_kind(str(own), row["kind"])
    stage: dict[str, Any] = {
        "name": name if number == 1 else f"{name} ({number})",
        "kind": kind,
        "gpu_hours": float(row["gpu_hours"]),
        "source": "records",
    }
    if isinstance(row["accelerator"], str) and row["accelerator"] != UNKNOWN:
        stage["accelerator"] = row["accelerator"]
    if row["cost_usd"] > 0:
        stage["price"] = float(row["cost_usd"] / row["gpu_hours"])
    if row["accelerators"] > 0:
        stage["count"] = float(row["accelerators"])
    if kind != "generate" and not pd.isna(row["flop"]) and row["flop"] > 0:
        stage["flop"] = float(row["flop"])
    return stage


def stage_kind(name: str, kind: str) -> str:
    """Return the kind of stage that a run's name says, among those that its kind may be."""
    if kind == "data generation":
        return ELSE[kind]
    for stage, words in SAYS:
        if (stage in OF_FINAL) == (kind == FINAL) and re.search(words, name.lower()):
            return stage
    return ELSE[kind]
