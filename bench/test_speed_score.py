"""Catalogues scored: rows a second beside pandas, the share of reading and writing, memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import plain_catalogue as plain
import pyarrow.parquet as pq
import pytest
import torch
from timing import best_seconds

import computebill as cb
from computebill.batches.pieces import find_pieces
from computebill.batches.reading import read_batches

EXAMPLE = Path(__file__).parents[1] / "examples/models.csv"
FIELDS = {
    "Model": "model",
    "Organization": "organization",
    "Publication date": "date",
    "Domain": "domain",
    "Parameters": "params",
    "Active parameters": "params_active",
    "Training dataset size (total)": "tokens",
    "Epochs": "epochs",
    "Training compute (FLOP)": "flop",
    "Confidence": "confidence",
    "Training hardware": "hardware",
    "Hardware quantity": "quantity",
    "Training time (hours)": "hours",
    "Training chip-hours": "chip_hours",
    "Hardware utilization (MFU)": "mfu",
    "Numerical format": "format",
}
MAPPING = {name: name for name in FIELDS.values()}
TEXTS = ("model", "organization", "domain", "confidence", "hardware", "format")
ROWS = 1_000_000
FEW = 2000
MOST_BYTES = 2 * 2**30
LEAST_RATIO = 20

SCRIPT = """
import json, pathlib, sys, time
import computebill as cb
start = time.perf_counter()
source, out, mapping = sys.argv[1:]
found = cb.score_files([source], pathlib.Path(out), mapping=json.loads(mapping))
seconds = time.perf_counter() - start
status = pathlib.Path("/proc/self/status").read_text().splitlines()
peak = next(int(line.split()[1]) * 1024 for line in status if "VmHWM" in line)
print(json.dumps([found.rows_in, seconds, peak]))
"""

DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=[pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]
    ),
]


def catalogue(rows: int) -> pd.DataFrame:
    """The example's rows again and again, their numbers changed at random; cells are clean."""
    rng = np.random.default_rng(0)
    known = pd.read_csv(EXAMPLE)[list(FIELDS)].rename(columns=FIELDS)
    frame = known.iloc[rng.integers(len(known), size=rows)].reset_index(drop=True)
    for name in frame.select_dtypes(float).columns:
        if name != "mfu":
            frame[name] *= rng.lognormal(0.0, 0.3, rows)
    frame["model"] = frame["model"] + " " + pd.Series(np.arange(rows)).astype(str)
    days = pd.to_timedelta(rng.integers(365, size=rows), unit="D")
    frame["date"] = pd.to_datetime(frame["date"], format="mixed") - days
    for name in TEXTS:
        frame[name] = frame[name].fillna("")
    return frame


def scored(frame: pd.DataFrame, device: str = "cpu") -> cb.Score:
    return cb.score_catalogue(frame, mapping=MAPPING, device=device)


def test_same_figures() -> None:
    """The plain ways and ours: every median and percentile."""
    frame = catalogue(FEW)
    ours = scored(frame)
    assert ours.scored is not None
    found = ours.scored
    for plainly in (plain.by_rows(frame), plain.by_columns(frame)):
        plainly = plainly[plainly["flop_p50"].notna() | plainly["gpu_hours_p50"].notna()]
        assert len(plainly) == len(ours.scored)
        for name in plain.FIGURES:
            for key in ("p5", "p50", "p95"):
                own, theirs = found[f"{name}_{key}"], plainly[f"{name}_{key}"]
                np.testing.assert_allclose(own.to_numpy(), theirs.to_numpy(), rtol=1e-9)


@pytest.mark.parametrize("device", DEVICES)
def test_rows_a_second(device: str, note: Callable[[str], None]) -> None:
    """A frame in, a frame out."""
    frame = catalogue(ROWS)
    scored(frame.head(FEW), device)
    own = best_seconds(lambda: scored(frame, device), 3)
    columns = best_seconds(lambda: plain.by_columns(frame), 2)
    few = frame.head(20_000)
    rows = best_seconds(lambda: plain.by_rows(few), 1) / len(few)
    note(
        f"{ROWS:,} rows on {device}: {ROWS / own:,.0f} a second; pandas column by column "
        f"{ROWS / columns:,.0f} ({columns / own:.1f} times as long), a row at a time "
        f"{1 / rows:,.0f} ({rows * ROWS / own:,.0f} times)"
    )
    assert rows * ROWS / own > LEAST_RATIO


def test_from_file_to_file(tmp_path: Path, note: Callable[[str], None]) -> None:
    """Parquet in, parts out; and how much of that is reading and writing."""
    source = tmp_path / "in.parquet"
    frame = catalogue(ROWS)
    frame.to_parquet(source, row_group_size=200_000)
    counter = iter(range(100))
    own = best_seconds(
        lambda: cb.score_files([source], tmp_path / f"out{next(counter)}", mapping=MAPPING), 3
    )

    def plainly() -> None:
        plain.by_columns(pd.read_parquet(source)).to_parquet(tmp_path / "plain.parquet")

    columns = best_seconds(plainly, 2)
    reading = best_seconds(lambda: [list(read_batches(piece)) for piece in find_pieces(source)], 3)
    part = pq.read_table(sorted((tmp_path / "out0").glob("*.parquet"))[0])
    texts = [field.name for field in part.schema if "string" in str(field.type)]
    target = tmp_path / "again.parquet"
    each = best_seconds(lambda: pq.write_table(part, target, use_dictionary=texts), 3)
    scoring = best_seconds(lambda: scored(frame), 3)
    note(
        f"{ROWS:,} rows from Parquet to parts: {ROWS / own:,.0f} a second, pandas column by column "
        f"{columns / own:.1f} times as long; alone, reading takes {reading:.2f} s, scoring on all "
        f"cores {scoring:.2f} s, writing on one {each * ROWS / len(part):.2f} s, together {own:.2f}"
    )


def test_memory(tmp_path: Path, note: Callable[[str], None]) -> None:
    """Ten million rows of a folder; the peak is that of a process of its own."""
    frame = catalogue(ROWS)
    first = tmp_path / "in" / "00.parquet"
    first.parent.mkdir()
    frame.to_parquet(first, row_group_size=200_000)
    for place in range(1, 10):
        (first.parent / f"{place:02d}.parquet").hardlink_to(first)
    flags = [str(first.parent), str(tmp_path / "out"), json.dumps(MAPPING)]
    command = [sys.executable, "-c", SCRIPT, *flags]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    rows, seconds, peak = json.loads(done.stdout)
    assert rows == 10 * ROWS
    note(
        f"{rows:,} rows of 10 files to parts: {rows / seconds:,.0f} a second, peak memory "
        f"{peak / 2**30:.2f} GiB"
    )
    assert peak < MOST_BYTES
