"""Memory against figures that others published, each with its source."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from known import LLAMA_8B, PUBLISHED

import computebill as cb

DATA = Path(__file__).parents[1] / "data"

LLAMA_3B = LLAMA_8B | {
    "hidden_size": 3072,
    "intermediate_size": 8192,
    "num_hidden_layers": 28,
    "num_attention_heads": 24,
    "tie_word_embeddings": True,
}
T5_3B = {
    "model_type": "t5",
    "d_model": 1024,
    "d_kv": 128,
    "d_ff": 16384,
    "num_layers": 24,
    "num_heads": 32,
    "vocab_size": 32128,
}
SMOLLM2 = LLAMA_8B | {
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 24,
    "num_key_value_heads": 32,
    "vocab_size": 49152,
    "tie_word_embeddings": True,
}
BERT_LARGE = {
    "model_type": "bert",
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "max_position_embeddings": 512,
    "vocab_size": 28996,
}
OWN: dict[str, dict[str, Any]] = {
    "Llama-3.2-3B": LLAMA_3B,
    "T5-3B": T5_3B,
    "SmolLM2-1.7B": SMOLLM2,
    "BERT-large": BERT_LARGE,
}


def figures() -> list[dict[str, str]]:
    with (DATA / "memory_figures.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def config(name: str) -> dict[str, Any]:
    if name in OWN:
        return OWN[name]
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    return next(each["config"] for each in published if each["name"] == name)


def use(row: dict[str, str]) -> Any:
    """The fullest stage of a figure's layout."""
    layout = dict(part.split("=") for part in row["layout"].split(";"))
    card = cb.describe_model(
        config(row["model"]), sequence_length=int(row["sequence"]), layout=layout
    )
    return max(card.memory, key=lambda each: each.total)


FIGURES = figures()


@pytest.mark.parametrize(
    "row", FIGURES, ids=[f"{row['model'].split('/')[-1]} {row['layout']}" for row in FIGURES]
)
def test_memory_is_what_was_published(row: dict[str, str]) -> None:
    found = use(row)
    published, within = float(row["gb"]), float(row["within"])
    if row["what"] == "over":
        assert found.total > published
        return
    sizes = {
        "tensors": found.tensors,
        "process": found.total,
        "states": found.weights + found.gradients + found.optimizer,
        "host": found.host,
    }
    assert sizes[row["what"]] == pytest.approx(published, rel=within)
