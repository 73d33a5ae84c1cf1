"""Records accounted for: jobs a second beside pandas, memory of a year's jobs and of its bill."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import made_records as made
import pandas as pd
import plain_ledger as plain
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pytest
from timing import best_seconds

from computebill.ledger import Ledger, read_ledger

FEW, ROWS, MANY = 100_000, 1_000_000, 10_000_000
CHARGES, YEAR = (1_000_000, 5_000_000), 50_000_000
MOST_SECONDS, MOST_BYTES = 60.0, 2 * 2**30
LEAST_RATIO = 6.0
MOST_GROWTH = 1.25
"""Peak memory of five times the charges, over that of the fewer."""
BIN = 10**0.005
"""Longest wait of a bin over its shortest: quantiles are told as a bin's longest."""

SCRIPT = """
import json, pathlib, sys, time
from computebill.ledger import read_ledger
rounds = []
for _ in range(int(sys.argv[1])):
    start, begun = time.perf_counter(), time.process_time()
    found = read_ledger([sys.argv[2]], *sys.argv[3:])
    rounds.append((time.perf_counter() - start, time.process_time() - begun))
status = pathlib.Path("/proc/self/status").read_text().splitlines()
peak = next(int(line.split()[1]) * 1024 for line in status if "VmHWM" in line)
print(json.dumps([found.rows_used, *map(min, zip(*rounds)), peak]))
"""


def account(*arguments: str, rounds: int = 1) -> tuple[int, float, float, int]:
    """Return rows, seconds, the processor's seconds and peak memory [bytes] of a process."""
    command = [sys.executable, "-c", SCRIPT, str(rounds), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows, seconds, busy, peak = json.loads(done.stdout)
    return rows, seconds, busy, peak


def told(rows: int, what: str, seconds: float, busy: float, peak: int) -> str:
    """Return a line of figures."""
    memory = f"peak memory {peak / 2**30:.2f} GiB"
    return f"read_ledger of {rows:,} {what}: {seconds:.3g} s, {busy:.3g} CPU-s, {memory}"


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rules") / "rules.toml"
    path.write_text(made.RULES)
    return path


def parts(found: Ledger, name: str) -> dict[str, tuple[float, float]]:
    """Return the jobs and hours of a ledger by what they are of."""
    return {each: (amount.jobs, amount.gpu_hours) for each, amount in found.parts[name].items()}


def known(sums: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Return the same of the plain way."""
    return {str(name): (row["jobs"], row["hours"]) for name, row in sums.iterrows()}


SIZES = {
    "(0.0, 1.0]": "1",
    "(1.0, 8.0]": "2–8",
    "(8.0, 64.0]": "9–64",
    "(64.0, 512.0]": "65–512",
}


def test_the_plain_way_has_the_same_answers(tmp_path: Path, rules: Path) -> None:
    path = tmp_path / "sacct.txt"
    made.write_jobs(path, FEW)
    found, answers = read_ledger([path], rules), plain.account(path)
    names = {"kind": "kind", "state": "state", "project": "Account", "user": "User"}
    for ours, theirs in {**names, "month": "month"}.items():
        assert parts(found, ours) == {
            name: pytest.approx(amounts, rel=1e-9)
            for name, amounts in known(answers[theirs]).items()
        }
    sizes = {SIZES[name]: amounts for name, amounts in known(answers["size"]).items()}
    assert parts(found, "size") == {
        name: pytest.approx(amounts, rel=1e-9) for name, amounts in sizes.items()
    }
    assert len(found.cells) == len(answers["cube"])
    runs = answers["runs"]
    assert found.restarts["runs"] == len(runs)
    assert found.restarts["chains"] == (runs["jobs"] > 1).sum()
    assert found.restarts["pause_hours"] == pytest.approx(runs["pause"].sum(), rel=1e-9)
    largest = runs["hours"].head(20).tolist()
    assert found.runs["gpu_hours"].head(20).tolist() == pytest.approx(largest, rel=1e-9)
    waits = answers["queue"].unstack() / 3600
    for size, row in waits.iterrows():
        queue = found.queue.loc[SIZES[str(size)], ["p50_h", "p90_h", "p99_h"]].to_numpy()
        assert queue.tolist() == pytest.approx(row.tolist(), rel=2 * (BIN - 1))


def csv_seconds(path: Path) -> float:
    """Return the processor's seconds of reading a file's cells by Arrow alone, as texts."""
    names = path.open().readline().strip().split("|")
    taking: dict[str, Any] = {"column_types": dict.fromkeys(names, pa.string())}

    def read() -> None:
        with arrow_csv.open_csv(
            path,
            arrow_csv.ReadOptions(use_threads=False, block_size=8 << 20),
            arrow_csv.ParseOptions(delimiter="|", quote_char=False),
            arrow_csv.ConvertOptions(**taking, strings_can_be_null=False),
        ) as reader:
            for _ in reader:
                pass

    return best_seconds(read, 3, time.process_time)


def test_jobs_a_second_beside_pandas(
    tmp_path: Path, rules: Path, note: Callable[[str], None]
) -> None:
    path = tmp_path / "sacct.txt"
    made.write_jobs(path, ROWS)
    rows, seconds, busy, peak = account(str(path), str(rules), rounds=3)
    begun = time.process_time()
    by_pandas = best_seconds(lambda: plain.account(path), 1)
    busy_pandas = time.process_time() - begun
    note(told(rows, "jobs", seconds, busy, peak))
    note(f"Arrow's reading of their cells alone: {csv_seconds(path):.3g} CPU-s")
    note(
        f"pandas {by_pandas:.3g} s, {busy_pandas:.3g} CPU-s: {by_pandas / seconds:.1f} times as "
        f"long, {busy_pandas / busy:.1f} times the processor's time"
    )
    assert busy_pandas / busy > LEAST_RATIO


@pytest.mark.slow
def test_ten_million_jobs(tmp_path: Path, rules: Path, note: Callable[[str], None]) -> None:
    path = tmp_path / "sacct.txt"
    made.write_jobs(path, MANY)
    rows, seconds, busy, peak = account(str(path), str(rules))
    note(told(rows, "jobs", seconds, busy, peak))
    assert seconds < MOST_SECONDS
    assert peak < MOST_BYTES


def test_a_bill_of_any_length_in_the_same_memory(
    tmp_path: Path, note: Callable[[str], None]
) -> None:
    peaks = []
    for charges in CHARGES:
        path = tmp_path / f"{charges}.parquet"
        made.write_bill(path, charges)
        rows, seconds, busy, peak = account(str(path))
        assert rows == charges
        peaks.append(peak)
        note(told(rows, "charges", seconds, busy, peak))
    assert peaks[1] < MOST_GROWTH * peaks[0]


@pytest.mark.slow
def test_a_year_of_charges(tmp_path: Path, note: Callable[[str], None]) -> None:
    path = tmp_path / "year.parquet"
    made.write_bill(path, YEAR)
    rows, seconds, busy, peak = account(str(path))
    note(told(rows, "charges", seconds, busy, peak))
    assert rows == YEAR
    assert peak < MOST_BYTES
