"""Measured memory of training runs, each row as an architecture and a layout."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from computebill.architectures import Architecture, read_architecture
from computebill.training.layout import Layout
from computebill.training.memory import stage_bytes

DATA = Path(__file__).parents[1] / "data" / "measured_memory.csv"
GIB = 2.0**30
THOUSAND_MIB = 1000 * 2.0**20


@dataclass(frozen=True)
class Source:
    """What a source's figure is, and what its software holds.

    Attributes:
        unit: bytes of the printed GB.
        first_stage: whether it is of the first pipeline stage; else of the fullest.
        settings: fields of the layout that its software decides.
    """

    unit: float
    first_stage: bool
    settings: dict[str, Any]


MEGATRON_DEEPSPEED = {"attention": "unfused", "recipe": "deepspeed", "sequence_parallel": False}

SOURCES = {
    # nvidia-smi on the first node. "80GB" is more than the card's 79.3 GiB: thousands of MiB.
    "bloom_prequel": Source(
        THOUSAND_MIB,
        True,
        {"attention": "unfused", "recipe": "deepspeed", "sequence_parallel": False},
    ),
    # nvidia-smi, used of total, rounded up.
    "flagperf_megatron": Source(GIB, False, {"recipe": "megatron", "sequence_parallel": False}),
    # Printed by nanotron: 32-bit accumulators beside 16-bit gradients, eager norms.
    "nanotron_best": Source(
        GIB, False, {"recipe": "deepspeed-bf16", "kernels": "eager", "overhead_gb": 0.0}
    ),
    # Peak reserved memory in GiB. Its selective recomputation is by operator.
    "torchtitan_h100": Source(GIB, False, {"recipe": "fsdp", "overhead_gb": 0.0}),
    # Fine-tuning scripts of Qwen: DeepSpeed where all weights are trained, plain otherwise.
    "qwen_ft": Source(GIB, False, {"recipe": "deepspeed", "kernels": "eager"}),
    "bloom_gpt2": Source(
        THOUSAND_MIB,
        True,
        {"attention": "unfused", "recipe": "deepspeed", "sequence_parallel": False},
    ),
    "tr8_104b": Source(
        THOUSAND_MIB,
        True,
        {"attention": "unfused", "recipe": "deepspeed", "sequence_parallel": False},
    ),
}


@dataclass(frozen=True)
class Row:
    """One measured run."""

    source: str
    model: str
    architecture: Architecture
    sequence: int
    layout: Layout
    first_stage: bool
    measured_bytes: float


def rows() -> Iterator[Row]:
    """Return every row that says enough."""
    with DATA.open(encoding="utf-8", newline="") as file:
        for cells in csv.DictReader(line for line in file if not line.startswith("#")):
            yield _row(cells)


def _row(cells: dict[str, str]) -> Row:
    source = SOURCES[cells["source"]]
    given = {key: int(value) for key, value in cells.items() if key in LAYOUT and value}
    settings = {**source.settings, **given, "recompute": cells["recompute"] or "none"}
    for key in ("recipe", "lora_rank", "optimizer"):
        if cells[key]:
            settings[key] = cells[key]
    if cells["task"] == "lora":
        settings["lora_targets"] = ("attention", "mlp")
    if cells["sequence_parallel"]:
        settings["sequence_parallel"] = cells["sequence_parallel"] == "1"
    return Row(
        cells["source"],
        cells["model"],
        read_architecture(_config(cells)),
        int(cells["seq_len"]),
        Layout(**settings),
        source.first_stage,
        float(cells["mem_gb"]) * source.unit,
    )


LAYOUT = ("tp", "pp", "dp", "cp", "ep", "vpp", "micro_batch", "micro_batches", "zero")


def _config(cells: dict[str, str]) -> dict[str, Any]:
    """The nearest type: gated or not, dense or not, whatever its makers call it."""
    config: dict[str, Any] = {
        "model_type": "llama" if cells["gated_mlp"] == "1" else "nemotron",
        "num_hidden_layers": int(cells["n_layers"]),
        "hidden_size": int(cells["hidden"]),
        "num_attention_heads": int(cells["n_heads"]),
        "num_key_value_heads": int(cells["n_kv_heads"]),
        "head_dim": int(cells["hidden"]) // int(cells["n_heads"]),
        "intermediate_size": int(cells["ffn_hidden"]),
        "vocab_size": int(cells["vocab"]),
        "tie_word_embeddings": cells["tied"] == "1",
    }
    if cells["n_experts"]:
        config |= {
            "model_type": "mixtral",
            "num_local_experts": int(cells["n_experts"]),
            "num_experts_per_tok": int(cells["experts_per_token"]),
        }
    return config


def predicted_bytes(row: Row) -> float:
    """Of the first stage or of the fullest, as the source measured."""
    stages = stage_bytes(row.architecture, [row.layout], float(row.sequence))[:, 0]
    return float(stages[0] if row.first_stage else stages.nan_to_num(0.0).amax())
