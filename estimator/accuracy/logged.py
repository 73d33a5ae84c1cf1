"""Rows of measured steps from a log and the launch files of its run, in the table's own columns."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from computebill.architectures import Architecture, read_architecture
from computebill.architectures.columns import columns
from computebill.architectures.counting import count_flop, count_parameters
from computebill.architectures.sources import find_source
from computebill.base.errors import RequestError
from computebill.base.writing import replacing
from computebill.hardware.accelerators import find_accelerator
from computebill.logs import Log, Timeline, Work
from computebill.training.launched import Launched

from .measured import read_measured
from .row_models import row_architecture

CONFIG = {
    "n_layers": ("num_hidden_layers", "n_layer", "num_layers"),
    "hidden": ("hidden_size", "n_embd"),
    "n_heads": ("num_attention_heads", "n_head"),
    "n_kv_heads": ("num_key_value_heads",),
    "head_dim": ("head_dim",),
    "ffn_hidden": ("intermediate_size", "n_inner"),
    "vocab": ("vocab_size",),
    "n_experts": ("num_local_experts", "num_experts", "n_routed_experts"),
    "experts_per_token": ("num_experts_per_tok", "num_experts_per_token"),
    "shared_experts": ("n_shared_experts",),
    "dense_layers": ("first_k_dense_replace",),
    "kv_lora_rank": ("kv_lora_rank",),
    "q_lora_rank": ("q_lora_rank",),
    "qk_nope_head_dim": ("qk_nope_head_dim",),
    "qk_rope_head_dim": ("qk_rope_head_dim",),
    "v_head_dim": ("v_head_dim",),
    "mtp_layers": ("num_nextn_predict_layers",),
}
"""Columns of a model, and the fields of ``config.json`` that tell each, the first that does."""

LAYOUT = {
    "tp": "tp", "pp": "pp", "cp": "cp", "dp": "dp", "ep": "ep", "etp": "etp", "vpp": "vp",
    "micro_batch": "micro_batch", "zero": "zero_stage", "shards": "shards",
    "sequence_parallel": "seq_parallel", "tp_overlap": "tp_overlap", "ep_overlap": "ep_overlap",
    "attention_kernel": "attention_kernel", "dispatcher": "dispatcher", "optimizer": "optimizer",
    "cp_exchange": "cp_exchange", "reduce_bits": "reduce_bits",
}  # fmt: skip
"""Fields of a layout, and the column of each."""

RECOMPUTE = {"operators": "selective:moe"}
"""Modes that the table calls otherwise."""

COMPILED = {"fused": "yes", "eager": "no"}
ALIKE = 0.01
"""Relative difference of a model's parameters and FLOP and those of its columns, at most."""

EARLIEST = 2015
"""Year before which the date of a line is none."""

NEEDED = ("model", "accelerator", "count", "sequence_length")

Row = dict[str, Any]


@dataclass(frozen=True)
class LoggedRows:
    """Rows that a log comes to.

    Attributes:
        course: of the log.
        rows: by column, those that are known.
        notes: what a reader must know.
    """

    course: Timeline
    rows: list[Row]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; its keys are a contract."""
        return {
            "measured_rows": self.rows,
            "log": self.course.to_dict(),
            "notes": list(self.notes),
        }

    def write(self, target: Path) -> None:
        """Write the rows, once they are read back as ``calibrate`` reads them.

        Raises:
            RequestError: naming the reason for which a row would be left out.
        """
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        with replacing(target) as temporary:
            with temporary.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, names, restval="")
                writer.writeheader()
                writer.writerows(self.rows)
            _, skipped = read_measured(temporary)
            if skipped:
                raise RequestError(
                    self.course.log.file, f"makes no row that can be used: {skipped[0].reason}"
                )


def logged_rows(log: Log, launch: Launched, lab: str = "") -> LoggedRows:
    """Return a row for each batch size of a log: the mean step of those that count.

    Args:
        log: as read.
        launch: what its run was started with.
        lab: who measured it.

    Raises:
        RequestError: naming what nobody tells, or what the table has no columns for.
    """
    launch.need(NEEDED, {})
    said = launch.fields
    architecture = read_architecture(said["model"])
    if said.get("packing") == "within" or architecture.sample_tokens:
        raise RequestError(log.file, "is of packed documents, images or video: no row tells those")
    batch, count = said.get("global_batch"), said["count"]
    work = Work(float(said["sequence_length"]), batch and float(batch), float(count))
    course = Timeline.of(log, work)
    fixed = {**_model(said["model"], architecture, log.file), **_run(launch, course, lab)}
    rows = [{**fixed, **each} for each in _measured(course)]
    if not rows:
        raise RequestError(
            log.file, "tells no step's seconds together with its sequences; --global-batch may"
        )
    return LoggedRows(course, rows, tuple(course.notes()))


def _measured(course: Timeline) -> Iterator[Row]:
    """Yield what was measured under each batch size, of steps that count."""
    sequence = course.work.sequence or math.nan
    batches = np.round(course.tokens / sequence)
    used = course.is_steady & np.isfinite(course.seconds) & np.isfinite(batches)
    memory = course.column("memory")
    for batch in np.unique(batches[used]):
        rows = np.flatnonzero(used & (batches == batch))
        seconds = course.mean_seconds(rows)
        row: Row = {"global_batch_seqs": int(batch), "iter_seconds": f"{seconds:.6g}"}
        if np.isfinite(memory).any() and course.log.memory:
            row |= {
                "mem_gb": f"{float(np.nanmax(memory)) / 2**30:.6g}",
                "mem_of": course.log.memory,
                "mem_unit": "GiB",
            }
        yield row


def _run(launch: Launched, course: Timeline, lab: str) -> Row:
    """Return where a row is from, and on what it ran."""
    said, layout = launch.fields, launch.layout
    name = Path(course.log.file).stem
    row: Row = {
        "source_id": name,
        "lab": lab or name,
        "gpu": find_accelerator(said["accelerator"]).name,
        "n_gpus": int(said["count"]),
        "seq_len": int(said["sequence_length"]),
        "framework": launch.launch.framework,
        **{column: _cell(layout[key]) for key, column in LAYOUT.items() if key in layout},
    }
    precision = str(said.get("precision", "bf16"))
    row["precision"] = precision.removesuffix("-rowwise")
    if precision.endswith("-rowwise"):
        row["scaling"] = "rowwise"
    recompute = str(layout.get("recompute", "none"))
    row["recompute"] = RECOMPUTE.get(recompute, recompute)
    if layout.get("kernels") in COMPILED:
        row["compiled"] = COMPILED[layout["kernels"]]
    if layout.get("recipe") == "bf16-foreach":
        row["state_precision"] = "bf16"
    if layout.get("lora_rank"):
        targets = layout.get("lora_targets") or ()
        row |= {"task": "lora", "lora_rank": layout["lora_rank"], "lora_targets": "+".join(targets)}
    at = course.log.last("at")
    if at is not None and (year := datetime.fromtimestamp(at, UTC).year) >= EARLIEST:
        row["year"] = year
    return row


def _cell(value: Any) -> Any:
    """Return a setting as a cell has it."""
    return ("yes" if value else "no") if isinstance(value, bool) else value


def _model(model: str | Mapping[str, Any], architecture: Architecture, file: str) -> Row:
    """Return the columns of a model.

    Raises:
        RequestError: where they come to another model.
    """
    source = find_source(model) if isinstance(model, str) else None
    config: Mapping[str, Any] = model if source is None else source.fields  # type: ignore[assignment]
    row: Row = {"model": source.name if source else "sizes as given"}
    row["model_type"] = config.get("model_type", "")
    for column, keys in CONFIG.items():
        found = next((config[key] for key in keys if config.get(key) is not None), None)
        if found is not None and not isinstance(found, bool | list):
            row[column] = found
    if "n_experts" in row:
        if "dense_layers" in row:
            row["dense_ffn_hidden"] = row["ffn_hidden"]
        row["ffn_hidden"] = config.get("moe_intermediate_size") or row["ffn_hidden"]
    elif "hidden" in row:
        row.setdefault("ffn_hidden", 4 * row["hidden"])
    row["tied"] = _cell(bool(config.get("tie_word_embeddings", False)))
    if config.get("sliding_window") and config.get("use_sliding_window", True):
        row["window"] = config["sliding_window"]
    _check_same(row, architecture, file)
    return row


def _check_same(row: Row, architecture: Architecture, file: str) -> None:
    cells = {name: str(value) for name, value in row.items() if value != ""}
    cells["seq_len"] = str(architecture.sequence_length or 4096)
    try:
        told = row_architecture(cells)
    except Exception as error:  # a model without one of the needed columns
        raise RequestError(
            file, f"the table's columns do not tell the model {row['model']}: {error}"
        ) from None
    pairs = [
        (float(count_parameters(each).total), float(count_flop(each, 2048).conventions["megatron"]))
        for each in (columns(told), columns(architecture))
    ]
    off = max(abs(a / b - 1) for a, b in zip(*pairs, strict=True))
    if off > ALIKE:
        raise RequestError(
            file,
            f"the table's columns do not tell the model {row['model']}: {off:.0%} of its size or "
            "work is in what they leave out",
        )
