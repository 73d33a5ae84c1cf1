"""Records accounted for: jobs a second beside pandas, memory of a year's jobs and of its bill."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import made_records as made
import plain_ledger as plain
import pytest
from timing import best_seconds

ROWS, MANY = 1_000_000, 10_000_000
CHARGES = (1_000_000, 5_000_000)
MOST_SECONDS, MOST_BYTES = 60.0, 2 * 2**30
LEAST_RATIO = 2.0
MOST_GROWTH = 1.25
"""Peak memory of five times the charges, over that of the fewer."""

SCRIPT = """
import json, pathlib, sys, time
from computebill.ledger import read_ledger
start = time.perf_counter()
found = read_ledger([sys.argv[1]], *sys.argv[2:])
seconds = time.perf_counter() - start
status = pathlib.Path("/proc/self/status").read_text().splitlines()
peak = next(int(line.split()[1]) * 1024 for line in status if "VmHWM" in line)
kinds = {name: each.gpu_hours for name, each in found.parts["kind"].items()}
print(json.dumps([found.rows_used, seconds, peak, kinds]))
"""


def account(*arguments: str) -> tuple[int, float, int, dict[str, float]]:
    """Return rows, seconds and peak memory [bytes] in a process of its own, and hours by kind."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, check=True
    )
    rows, seconds, peak, kinds = json.loads(done.stdout)
    return rows, seconds, peak, kinds


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rules") / "rules.toml"
    path.write_text(made.RULES)
    return path


def test_jobs_a_second_beside_pandas(
    tmp_path: Path, rules: Path, note: Callable[[str], None]
) -> None:
    path = tmp_path / "sacct.txt"
    made.write_jobs(path, ROWS)
    rows, seconds, peak, kinds = account(str(path), str(rules))
    known = plain.account(path)["kind"]["sum"].to_dict()
    assert kinds == pytest.approx(known, rel=1e-9)
    by_pandas = best_seconds(lambda: plain.account(path), 1)
    ratio = by_pandas / seconds
    note(
        f"read_ledger of {rows:,} jobs: {seconds:.3g} s, peak memory {peak / 2**30:.2f} GiB; "
        f"pandas {by_pandas:.3g} s, {ratio:.1f} times as long"
    )
    assert ratio > LEAST_RATIO


@pytest.mark.slow
def test_ten_million_jobs(tmp_path: Path, rules: Path, note: Callable[[str], None]) -> None:
    path = tmp_path / "sacct.txt"
    made.write_jobs(path, MANY)
    rows, seconds, peak, _ = account(str(path), str(rules))
    note(f"read_ledger of {rows:,} jobs: {seconds:.3g} s, peak memory {peak / 2**30:.2f} GiB")
    assert seconds < MOST_SECONDS
    assert peak < MOST_BYTES


def test_a_bill_of_any_length_in_the_same_memory(
    tmp_path: Path, note: Callable[[str], None]
) -> None:
    peaks = []
    for charges in CHARGES:
        path = tmp_path / f"{charges}.parquet"
        made.write_bill(path, charges)
        rows, seconds, peak, _ = account(str(path))
        assert rows == charges
        peaks.append(peak)
        note(
            f"read_ledger of {rows:,} charges: {seconds:.3g} s, peak memory {peak / 2**30:.2f} GiB"
        )
    assert peaks[1] < MOST_GROWTH * peaks[0]
