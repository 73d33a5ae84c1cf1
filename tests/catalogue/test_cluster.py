"""The scorer on a real cluster of Ray: two workers on this machine, one of them killed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

import computebill as cb
from computebill.cli import main

ray = pytest.importorskip("ray", reason="needs computebill[ray]")

FILES, ROWS = 8, 600


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    memory = {"object_store_memory": 100_000_000}
    # A worker that is gone is missed soon.
    soon = {"health_check_period_ms": 300, "health_check_failure_threshold": 3}
    head = {"num_cpus": 0, "_system_config": soon, **memory}
    found = Cluster(initialize_head=True, head_node_args=head)
    found.workers = [found.add_node(num_cpus=1, **memory) for _ in range(2)]
    ray.init(address=found.address, log_to_driver=False)
    yield found
    ray.shutdown()
    found.shutdown()


def catalogues(folder: Path) -> Path:
    folder.mkdir()
    for place in range(FILES):
        frame = pd.DataFrame(
            {
                "Model": [f"{place}-{row}" for row in range(ROWS)],
                "Training compute (FLOP)": [row * 1e22 + place * 1e20 for row in range(ROWS)],
                "Training hardware": ["NVIDIA A100", "Google TPU v4"] * (ROWS // 2),
                "Publication date": "2023-05-01",
            }
        )
        frame.to_parquet(folder / f"{place:02d}.parquet", row_group_size=200)
    return folder


def parts(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("part-*"))}


def test_a_cluster_gives_what_one_machine_gives_though_a_worker_dies(
    tmp_path: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source, out = catalogues(Path("in")), tmp_path / "ray"
    killed = threading.Event()

    def kill() -> None:
        while len(list(out.glob("part-*.parquet"))) < 4:
            time.sleep(0.005)
        cluster.remove_node(cluster.workers[0], allow_graceful=False)
        killed.set()

    threading.Thread(target=kill, daemon=True).start()
    found = cb.score_files([source], out, rows=50, engine="ray")
    assert killed.wait(60)
    here = cb.score_files([source], tmp_path / "local", rows=50)
    assert found.to_dict() | {"seconds": 0, "rejects_file": ""} == here.to_dict() | {
        "seconds": 0,
        "rejects_file": "",
    }
    assert parts(out) == parts(tmp_path / "local")
    assert found.rows_in == FILES * ROWS
    pd.testing.assert_frame_equal(found.summary.by_year, here.summary.by_year)


def test_ray_writes_parts_only(tmp_path: Path) -> None:
    source = catalogues(tmp_path / "in")
    flags = ["score", str(source), "--engine", "ray", "-o"]
    done = CliRunner().invoke(main, [*flags, str(tmp_path / "out.parquet")])
    assert done.exit_code == 2
    assert "got ray, which writes parts; give -o a folder" in done.stderr
    address = "127.0.0.1:1"
    done = CliRunner().invoke(main, [*flags, str(tmp_path / "out"), "--address", address])
    assert done.exit_code == 2
    assert address in done.stderr
