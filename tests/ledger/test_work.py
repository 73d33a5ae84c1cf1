"""The ledger on a real cluster of Ray: the same parts and sums as one machine's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from minutes import takes_minutes

from computebill.ledger import read_ledger
from computebill.ledger.account import Options, Running

ray = pytest.importorskip("ray", reason="needs computebill[ray]")

HEAD = "JobID|JobName|User|State|Start|End|Elapsed|AllocTRES"


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(num_cpus=2, object_store_memory=100_000_000, log_to_driver=False)
    yield ray
    ray.shutdown()


@takes_minutes("a cluster of its own, as tests of catalogues have one")
def test_a_cluster_gives_what_one_machine_gives(tmp_path: Path, cluster: Any) -> None:
    for file in range(4):
        rows = [
            f"{file}{number:04d}|run{number % 5}|ann|COMPLETED|2024-01-01T00:00:00|"
            f"2024-01-01T02:00:00|02:00:00|gres/gpu=8"
            for number in range(500)
        ]
        (tmp_path / f"{file}.txt").write_text("\n".join([HEAD, *rows]) + "\n")
    records = [str(tmp_path / "*.txt")]
    local, spread = (
        read_ledger(records, None, Options(running=each))
        for each in (
            Running(keep=tmp_path / "local", rows=200),
            Running(keep=tmp_path / "ray", engine="ray", rows=200),
        )
    )
    told, other = (
        {key: value for key, value in found.to_dict().items() if key not in ("seconds", "files")}
        for found in (local, spread)
    )
    assert told == other
    names = {path.name for path in (tmp_path / "local").glob("part-*")}
    assert names == {path.name for path in (tmp_path / "ray").glob("part-*")}
    assert spread.total.gpu_hours == 4 * 500 * 16.0
