from __future__ import annotations

import pytest
import torch

from computebill.kernels.measure import copies
from computebill.kernels.measure.buffers import random
from computebill.kernels.measure.clock import Timing
from computebill.kernels.measure.copies import Traffic, fastest, measure_bandwidth, measure_traffic
from computebill.kernels.measure.outcome import Skip

CPU = torch.device("cpu")
MIB = 2**20


@pytest.mark.parametrize(("kind", "streams"), [("copy", 2), ("triad", 3), ("read", 1)])
def test_bytes_are_those_read_and_written(kind: str, streams: int) -> None:
    found = measure_traffic(kind, 4 * MIB, CPU, seconds=0.1)
    assert isinstance(found, Traffic)
    assert found.array_bytes == 4 * MIB
    assert found.bytes_moved == streams * 4 * MIB
    assert 1e8 < found.bytes_per_s < 1e13


def test_what_is_timed_is_the_triad() -> None:
    found = copies._pass("triad", 1000, CPU)(0)
    b, c = (random(1, (1000,), torch.float32, CPU, seed=seed)[0] for seed in (1, 2))
    assert isinstance(found, torch.Tensor)
    torch.testing.assert_close(found, b + 3.0 * c)


def test_every_kind_at_every_size() -> None:
    found = measure_bandwidth(CPU, sizes=[MIB, 2 * MIB], seconds=0.3)
    assert [(each.kind, each.array_bytes) for each in found if isinstance(each, Traffic)] == [
        (kind, size) for kind in ("copy", "triad", "read") for size in (MIB, 2 * MIB)
    ]
    best = fastest((*found, Skip("copy", "no")))
    assert best.keys() == {"copy", "triad", "read"}
    assert best["copy"].bytes_per_s == max(
        each.bytes_per_s for each in found if isinstance(each, Traffic) and each.kind == "copy"
    )


def test_the_fastest_goes_by_bandwidth_and_not_by_time() -> None:
    slow, fast = (
        Traffic("copy", size, Timing(seconds, seconds, seconds, 5))
        for size, seconds in ((MIB, 1.0), (8 * MIB, 2.0))
    )
    assert fastest([slow, fast]) == {"copy": fast}


def test_an_unknown_kind_is_a_skip() -> None:
    found = measure_traffic("scale", MIB, CPU)
    assert isinstance(found, Skip)
    assert "triad" in found.why


def test_arrays_larger_than_the_memory_shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("computebill.kernels.measure.buffers.memory_free_bytes", lambda _: 8 * MIB)
    found = measure_traffic("copy", 64 * MIB, CPU, seconds=0.02)
    assert isinstance(found, Traffic)
    assert found.bytes_moved <= 0.6 * 8 * MIB


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpus_memory_is_measured_beyond_its_cache() -> None:
    best = fastest(measure_bandwidth(torch.device("cuda", 0), seconds=2.0))
    assert all(5e10 < each.bytes_per_s < 2e13 for each in best.values())
    assert best.keys() == {"copy", "triad", "read"}
