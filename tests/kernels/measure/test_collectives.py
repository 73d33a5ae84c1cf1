from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import torch

from computebill.kernels.measure import collectives, ranks
from computebill.kernels.measure.clock import Timing
from computebill.kernels.measure.collectives import Collective, bus_factor, measure_collectives
from computebill.kernels.measure.outcome import Skip

CPU = torch.device("cpu")

# nccl-tests, doc/PERFORMANCE.md.
DOCUMENTED: dict[str, Callable[[int], float]] = {
    "all-reduce": lambda n: 2 * (n - 1) / n,
    "all-gather": lambda n: (n - 1) / n,
    "reduce-scatter": lambda n: (n - 1) / n,
    "all-to-all": lambda n: (n - 1) / n,
    "send-receive": lambda n: 1,
}


@pytest.mark.parametrize("operation", DOCUMENTED)
@pytest.mark.parametrize("group", [2, 3, 8, 72])
def test_bus_bandwidth_is_that_of_nccl_tests(operation: str, group: int) -> None:
    found = Collective(operation, "nccl", group, 1000, Timing(0.5, 0.5, 0.5, 9))
    assert found.algorithm_bytes_per_s == 2000
    assert found.bus_bytes_per_s == pytest.approx(2000 * DOCUMENTED[operation](group))


def test_every_operation_has_a_factor() -> None:
    assert ranks.OPERATIONS.keys() == DOCUMENTED.keys()
    with pytest.raises(KeyError):
        bus_factor("broadcast", 2)


def test_two_processes_on_the_cpu() -> None:
    start = time.perf_counter()
    found = measure_collectives(CPU, sizes=[1024, 2**18], seconds=1.0)
    assert time.perf_counter() - start < 60
    seen: dict[str, list[int]] = {}
    for each in found:
        if isinstance(each, Collective):
            assert (each.backend, each.ranks) == ("gloo", 2)
            assert 0 < each.timing.seconds < 1
            seen.setdefault(each.operation, []).append(each.size_bytes)
        else:
            assert each.why
    assert seen["all-reduce"] == [1024, 2**18]
    assert {*seen, *(each.what for each in found if isinstance(each, Skip))} == set(DOCUMENTED)


def test_a_group_that_never_gets_together_is_ended() -> None:
    start = time.perf_counter()
    found = measure_collectives(
        CPU, sizes=[1024], operations=["all-reduce"], seconds=0.01, start_seconds=0.2
    )
    assert time.perf_counter() - start < 20
    (only,) = found
    assert isinstance(only, Skip)
    assert only.what == "all-reduce"
    assert only.why


def test_nccl_without_a_gpu_for_each_rank_is_a_skip() -> None:
    (found,) = measure_collectives(torch.device("cuda"), ranks=1000)
    assert isinstance(found, Skip)
    assert found.why


def test_one_rank_is_no_group() -> None:
    assert measure_collectives(CPU, ranks=1) == (
        Skip("collectives", "a group needs two ranks or more"),
    )


def test_an_operation_nobody_knows_is_skipped_by_name() -> None:
    found = measure_collectives(CPU, ranks=1, operations=["barrier"])
    assert found[0] == Skip("barrier", "no such collective")


def test_sizes_that_memory_does_not_hold_start_no_process() -> None:
    (found,) = measure_collectives(CPU, sizes=[2**50])
    assert isinstance(found, Skip)
    assert "GiB" in found.why


def test_a_back_end_without_an_operation_skips_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(length: int, device: torch.device) -> None:
        raise RuntimeError("ProcessGroupGloo does not support reduce_scatter")

    monkeypatch.setitem(ranks.OPERATIONS, "reduce-scatter", lacking)
    monkeypatch.setattr(ranks, "_slowest", lambda laps, device: laps)
    job = ranks.Job("gloo", 2, ("reduce-scatter",), (8, 16), 1.0, 1.0)
    rows = ranks._sizes("reduce-scatter", job, CPU, time.perf_counter() + 1)
    assert rows == [{"why": "ProcessGroupGloo does not support reduce_scatter"}]


def test_a_budget_that_is_used_up_says_which_sizes_are_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ranks, "_slowest", lambda laps, device: laps)
    job = ranks.Job("gloo", 2, ("all-reduce",), (8, 16), 1.0, 1.0)
    rows = ranks._sizes("all-reduce", job, CPU, time.perf_counter() - 1)
    assert rows == [{"why": "no time left for 8 bytes and more"}]


@pytest.mark.cuda
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="no two CUDA devices")
def test_all_gpus() -> None:
    found = measure_collectives(torch.device("cuda"), sizes=[2**20, 2**24], seconds=4.0)
    assert all(isinstance(each, Collective) for each in found)
    assert collectives.SIZES[-1] == 2**28
