from __future__ import annotations

from pathlib import Path

import pytest
import torch

from computebill.kernels.measure import devices
from computebill.kernels.measure.devices import Conditions, conditions, describe, find, remarks
from computebill.kernels.measure.outcome import Skip

CPU = torch.device("cpu")
QUIET = Conditions(None, None, None, 0.01, 0.9)


def test_the_cpu_is_described() -> None:
    found = describe(CPU)
    assert found.kind == "cpu"
    assert found.name
    assert found.cache_bytes >= 2**18
    assert found.multiprocessors is not None
    assert found.multiprocessors >= 1
    assert found.torch == torch.__version__
    if found.memory_bytes and found.memory_free_bytes:
        assert 0 < found.memory_free_bytes <= found.memory_bytes


def test_what_no_driver_tells_of_a_cpu_is_none() -> None:
    found = conditions(CPU)
    assert (found.clock_mhz, found.power_w, found.temperature_c) == (None, None, None)


@pytest.mark.parametrize("name", ["cuda:64", "meta", "abacus", "xpu:7"])
def test_a_device_that_is_not_there_is_a_skip(name: str) -> None:
    found = find(name)
    assert isinstance(found, Skip)
    assert found.what == name
    assert found.why


def test_auto_finds_a_device_to_compute_on() -> None:
    found = find("auto")
    assert isinstance(found, torch.device)
    assert float(torch.ones(2, device=found).sum()) == 2.0
    assert find("cpu") == CPU


def test_a_quiet_device_has_no_remarks() -> None:
    assert remarks(QUIET) == ()
    assert remarks(Conditions(None, None, None, None, None)) == ()


def test_a_busy_or_full_device_has_them() -> None:
    busy, full = remarks(Conditions(None, None, None, 0.97, 0.03))
    assert "97%" in busy
    assert "3%" in full


def test_a_missing_library_tells_nothing() -> None:
    def ask() -> float:
        raise ModuleNotFoundError("nvidia-ml-py does not seem to be installed")

    assert devices._told(ask) is None
    assert devices._told(lambda: 3) == 3.0


def write_cache(folder: Path, level: int, size: str, shared: str) -> None:
    folder.mkdir()
    for name, text in (("level", level), ("size", size), ("shared_cpu_list", shared)):
        (folder / name).write_text(f"{text}\n", encoding="utf-8")


def test_the_last_level_counts_on_all_its_instances(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 48)
    write_cache(tmp_path / "index0", 1, "48K", "0,24")
    write_cache(tmp_path / "index2", 2, "1024K", "0,24")
    write_cache(tmp_path / "index3", 3, "32M", "0-5,24-29")
    assert devices._cpu_cache(tmp_path) == 4 * 32 * 2**20
    assert devices._cpu_cache(tmp_path / "none") is None


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_is_described() -> None:
    device = torch.device("cuda", 0)
    found = describe(device)
    assert found.kind in ("cuda", "rocm")
    assert found.cache_bytes > 2**20
    assert found.memory_bytes is not None
    assert found.memory_bytes > 2**30
    assert found.multiprocessors is not None
    now = conditions(device)
    assert now.power_w is None or 1 < now.power_w < 3000
    assert now.clock_mhz is None or 50 < now.clock_mhz < 5000
