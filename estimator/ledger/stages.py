"""Final runs and what was trained on them, as the stages of a run's file."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd

from .result import Ledger
from .schema import FINAL, UNKNOWN
from .telling import clean, needs_final_runs, price_told, table_text

HEAD = """\
# Final runs of a lab's records, and the post-training and generated data beside them, as stages:
# computebill {command} {file}. Keep those of one model, say with `from` what each began from, and
# give params and tokens where no tracker told the FLOP.
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
    head = HEAD.format(command="run", file=file)
    return _text(head, {"name": clean(name)}, [_stage(found, *each) for each in _named(found)])


def statement_text(found: Ledger, name: str, file: str) -> str:
    """Return a statement's file: the largest final run as the model, and stages with their days.

    Args:
        found: what records tell.
        name: of the statement.
        file: name of the file, for the comment at its head.

    Raises:
        RequestError: where no job is of a final run.
    """
    needs_final_runs(found, "--statement-to")
    rows = _named(found)
    final = [(row["gpu_hours"], own) for row, own in rows if row["kind"] == FINAL]
    model = max(final)[1] if final else clean(name)
    head = HEAD.format(command="statement", file=file)
    stages = [{**_stage(found, row, own), **_days(row)} for row, own in rows]
    return _text(head, {"name": clean(name), "model": {"name": model}}, stages)


def _text(head: str, whole: dict[str, Any], stages: Sequence[dict[str, Any]]) -> str:
    tables = [whole, *({"stage": [stage]} for stage in stages)]
    return head + "".join(f"\n{table_text(each)}" for each in tables)


def _named(found: Ledger) -> list[tuple[Mapping[Hashable, Any], str]]:
    """Return the largest runs that are stages in the order of their starts, each with its name."""
    runs = found.runs
    runs = runs[runs["kind"].isin(STAGED) & (runs["gpu_hours"] > 0)].head(MOST)
    taken: dict[str, int] = {}
    named: list[tuple[Mapping[Hashable, Any], str]] = []
    for row in runs.sort_values("start", kind="stable").to_dict("records"):
        own = next((row[key] for key in ("name", "job") if isinstance(row[key], str)), row["kind"])
        name = clean(str(own))
        number = taken[name] = taken.get(name, 0) + 1
        named.append((row, name if number == 1 else f"{name} ({number})"))
    return named


def _days(row: Mapping[Hashable, Any]) -> dict[str, Any]:
    """Return a run's first and last day, where its records tell both."""
    if pd.isna(row["start"]) or pd.isna(row["end"]):
        return {}
    return {"start": row["start"].date(), "end": row["end"].date()}


def _stage(found: Ledger, row: Mapping[Hashable, Any], name: str) -> dict[str, Any]:
    kind = stage_kind(str(row["name"]), row["kind"])
    stage: dict[str, Any] = {
        "name": name,
        "kind": kind,
        "gpu_hours": float(row["gpu_hours"]),
        "source": "records",
    }
    if isinstance(row["accelerator"], str) and row["accelerator"] != UNKNOWN:
        stage["accelerator"] = row["accelerator"]
    if row["cost_usd"] > 0:
        price = float(row["cost_usd"] / row["gpu_hours"])
        is_billed = not pd.isna(row["usd"])
        stage["price"] = price if is_billed else price_told(found, str(row["accelerator"]), price)
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
