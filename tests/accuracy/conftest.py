"""A way to write a table of measured steps."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROW = {
    "source_id": "s", "model": "Llama 8B", "gpu": "H100-SXM-80GB", "n_gpus": 8, "n_layers": 32,
    "hidden": 4096, "n_heads": 32, "n_kv_heads": 8, "ffn_hidden": 14336, "gated_mlp": 1,
    "vocab": 128256, "seq_len": 4096, "tp": 1, "pp": 1, "dp": 8, "micro_batch": 1,
    "global_batch_seqs": 64, "precision": "bf16", "framework": "nemo", "year": 2025,
    "iter_seconds": 3.0,
}  # fmt: skip
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write rows, each the usual one with changes."""

    def table(*changes: dict[str, Any]) -> Path:
        path = tmp_path / "measured.csv"
        rows = [{**ROW, **change} for change in changes]
        names = list(dict.fromkeys(name for row in rows for name in row))
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(rows)
        return path

    return table
